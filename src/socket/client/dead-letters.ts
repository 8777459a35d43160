import { describeThrown } from '../../core/errors.ts';
import type { DeadLetterSink } from '../../http/index.ts';
import type { HeldEvent } from './held-event.ts';
import type { Counters } from './metrics.ts';
import type { Reporter } from './reporter.ts';

/** Hands over what nobody will send any more. */
export class DeadLetters {
  readonly #sink: DeadLetterSink | undefined;
  readonly #counters: Counters;
  readonly #reporter: Reporter;
  readonly #underWay: Set<Promise<void>> = new Set();

  constructor(sink: DeadLetterSink | undefined, counters: Counters, reporter: Reporter) {
    this.#sink = sink;
    this.#counters = counters;
    this.#reporter = reporter;
  }

  /** Never rejects; resolves once the sink has them, or they are lost. */
  bury(events: readonly HeldEvent[], reason: Error): Promise<void> {
    if (events.length === 0) return Promise.resolve();
    this.#counters.deadLettered += events.length;
    return this.#handOver(events, reason);
  }

  /** The same with an event that was thrown out for a younger one. There may be many: their loss is told once. */
  dropped(event: HeldEvent, reason: Error): void {
    this.#counters.dropped++;
    if (this.#sink !== undefined) void this.#handOver([event], reason);
    else if (this.#counters.dropped === 1) this.#reporter.error('events are lost, the first of them', reason);
  }

  /** Resolves once nothing is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #handOver(events: readonly HeldEvent[], reason: Error): Promise<void> {
    if (this.#sink === undefined) {
      this.#reporter.error(`${events.length} events are lost, because there is no deadLetter`, reason);
      return;
    }
    const handed = handOver(this.#sink, events, reason).catch((error: unknown) => {
      this.#reporter.error(`${events.length} events are lost: the dead letter failed`, error);
    });
    this.#underWay.add(handed);
    await handed;
    this.#underWay.delete(handed);
  }
}

async function handOver(sink: DeadLetterSink, events: readonly HeldEvent[], reason: Error): Promise<void> {
  const values = events.map((event) => event.value());
  if (typeof sink === 'function') {
    await sink(values, reason);
    return;
  }
  for (const value of values) {
    const stored = await sink.store(value);
    if (stored.isOk()) continue;
    const message = `the dead letter emitter refused an event: ${describeThrown(stored.error)}`;
    throw new Error(message, { cause: stored.error });
  }
}
