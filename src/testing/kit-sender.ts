import type { CollectorEvent } from '../core/event.ts';
import type { Payload } from '../core/payload.ts';
import type { Sender } from '../core/publisher.ts';
import type { QueueRun } from '../core/run.ts';
import type { SendOptions } from '../core/task-options.ts';

/** What a sender of a kit asks and tells. */
export interface SenderParts {
  readonly run: QueueRun;
  readonly inline: boolean;
  /** Whether a processor is on the stack. */
  readonly inProcessor: () => boolean;
  readonly sent: (event: CollectorEvent) => void;
}

/**
 * Sends for the publishers of a kit; inline, it starts what was sent before it returns.
 *
 * What a processor sends starts when that has returned, or awaits for the first time: as in production, and without a
 * recursion that a circle of sends would never leave. So everything starts on the stack of the first send, one after
 * another, in the order in which consumers were found.
 */
export class KitSender implements Sender {
  readonly #parts: SenderParts;
  #flushing = false;

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  send(payload: Payload): CollectorEvent {
    return this.#start(this.#parts.run.intake.send(payload));
  }

  /** All are accepted before any of them starts. */
  readonly sendMany = (payloads: readonly Payload[]): CollectorEvent[] => {
    const { intake } = this.#parts.run;
    return this.#startAll(payloads.map((payload) => intake.send(payload)));
  };

  sendWith(payload: Payload, options: SendOptions): CollectorEvent {
    return this.#start(this.#parts.run.intake.sendWith(payload, options));
  }

  sendManyWith(payloads: readonly Payload[], options: SendOptions): CollectorEvent[] {
    return this.#startAll(this.#parts.run.intake.sendManyWith(payloads, options));
  }

  async sendWhenReady(payload: Payload, options: SendOptions): Promise<CollectorEvent> {
    return this.#start(await this.#parts.run.intake.sendWhenReady(payload, options));
  }

  ready(): Promise<void> {
    return this.#parts.run.intake.ready();
  }

  #start(event: CollectorEvent): CollectorEvent {
    this.#startAll([event]);
    return event;
  }

  #startAll(events: CollectorEvent[]): CollectorEvent[] {
    const { run, inline, inProcessor, sent } = this.#parts;
    for (const event of events) sent(event);
    if (!inline || this.#flushing || inProcessor()) return events;
    this.#flushing = true;
    try {
      run.pool.flush();
    } finally {
      this.#flushing = false;
    }
    return events;
  }
}
