import { type DeadLetterSink, handOver } from '../../emitter/index.ts';
import type { HeldEvent } from './held-event.ts';
import type { Counters } from './metrics.ts';
import type { Reporter } from './reporter.ts';

/** Hands over what nobody will send any more. */
export class DeadLetters {
  readonly #sink: DeadLetterSink | undefined;
  readonly #counters: Counters;
  readonly #reporter: Reporter;
  readonly #underWay: Set<Promise<unknown>> = new Set();

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
    else if (this.#counters.dropped === 1) this.#reporter.error('keeping events, of which some are lost,', reason);
  }

  /** Resolves once nothing is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #handOver(events: readonly HeldEvent[], reason: Error): Promise<void> {
    const what = events.length === 1 ? 'an event' : `${events.length} events`;
    if (this.#sink === undefined) {
      this.#reporter.error(`handing over ${what}, lost for want of a deadLetter,`, reason);
      return;
    }
    const sink = this.#sink;
    const values = events.map((event) => event.value());
    const handed = (async () => handOver(sink, values, reason))().catch((error: unknown) => {
      this.#reporter.error(`the dead letter of ${what}, which are lost,`, error);
    });
    this.#underWay.add(handed);
    await handed;
    this.#underWay.delete(handed);
  }
}
