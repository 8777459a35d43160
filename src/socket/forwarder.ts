import { DroppedError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { HttpEmitter, passthrough } from '../http/index.ts';
import type { Clock } from '../schedule/clock.ts';
import type { LevelEventStore } from '../store/index.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { ForwardOptions } from './options.ts';

/** What a forwarder empties, and what it works with. */
export interface ForwarderParts {
  readonly events: LevelEventStore;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  readonly logger: Logger | undefined;
}

/** Where events are sent, and how. */
export interface Destination {
  readonly endpoint: string;
  readonly forward: ForwardOptions;
}

export interface ForwarderMetrics {
  readonly sent: number;
  readonly retried: number;
  readonly deadLettered: number;
  readonly retryDelay: number;
}

const SILENT: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Sends what the spool holds: one emitter at a time, with another one after each change of the destination. */
export class Forwarder {
  readonly #parts: ForwarderParts;
  #destination: Destination;
  #emitter: HttpEmitter | undefined = undefined;
  /** What emitters before the present one have done. */
  #earlier = { sent: 0, deadLettered: 0 };
  /** Requests of all of them whose events are tried again. */
  #retried = 0;
  /** Changes follow one another. */
  #changing: Promise<void> = Promise.resolve();

  /** @throws {@link InvalidArgumentError} for a destination that is wrong. */
  constructor(parts: ForwarderParts, destination: Destination) {
    this.#parts = parts;
    this.#destination = checkDestination(destination);
  }

  get metrics(): ForwarderMetrics {
    const { sent = 0, deadLettered = 0, retryDelay = 0 } = this.#emitter?.getMetrics() ?? {};
    return {
      sent: this.#earlier.sent + sent,
      retried: this.#retried,
      deadLettered: this.#earlier.deadLettered + deadLettered,
      retryDelay,
    };
  }

  /** Begins to send. The spool is open. */
  async open(): Promise<void> {
    this.#emitter = this.#makeEmitter();
    await this.#emitter.open();
  }

  /** Throws for a destination that is wrong; then all stays as it was. */
  async change(destination: Destination): Promise<void> {
    checkDestination(destination);
    this.#changing = this.#changing.then(async () => {
      await this.#end();
      this.#destination = destination;
      await this.open();
    });
    await this.#changing;
  }

  /** Tries everything that waits. */
  async flush(): Promise<void> {
    await this.#changing;
    await this.#emitter?.flush();
  }

  /** Ends requests that are under way: their events stay in the spool. */
  async close(): Promise<void> {
    await this.#changing;
    await this.#end();
  }

  async #end(): Promise<void> {
    await this.#emitter?.close({ timeout: 0 });
    const { sent, deadLettered } = this.metrics;
    this.#earlier = { sent, deadLettered };
    this.#emitter = undefined;
  }

  #makeEmitter(): HttpEmitter {
    const { events, deadLetters, clock, logger } = this.#parts;
    const { endpoint, forward } = this.#destination;
    return new HttpEmitter(endpoint, {
      ...forward,
      codec: passthrough(),
      eventStore: events,
      // What was thrown out for want of room is counted; kept there, it would take the room all the same.
      deadLetter: (letters, reason) => (reason instanceof DroppedError ? undefined : deadLetters.bury(letters, reason)),
      onFailure: (_sent, _events, { willRetry }) => {
        if (willRetry) this.#retried++;
      },
      clock,
      ...(logger === undefined ? {} : { logger }),
    });
  }
}

/** An emitter without a spool says what is wrong, and begins nothing. */
function checkDestination(destination: Destination): Destination {
  new HttpEmitter(destination.endpoint, { ...destination.forward, codec: passthrough(), logger: SILENT });
  return destination;
}
