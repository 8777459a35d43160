import type { Clock } from '../schedule/clock.ts';
import type { QueuedEvent } from './event.ts';
import type { ResultList } from './results.ts';

/** How long settled results can be asked for by id. */
export interface ResultsOptions {
  /** How many at most, the newest; a whole number of at least 1. */
  readonly keep: number;
  /**
   * For how many milliseconds.
   * @default Infinity
   */
  readonly ttl?: number | undefined;
}

interface Kept {
  readonly list: ResultList;
  readonly until: number;
}

/** The results of events that have settled, by id, oldest first. */
export class KeptResults {
  readonly #keep: number;
  readonly #ttl: number;
  readonly #clock: Clock;
  readonly #kept: Map<string, Kept> = new Map();

  constructor({ keep, ttl }: Required<ResultsOptions>, clock: Clock) {
    this.#keep = keep;
    this.#ttl = ttl ?? Number.POSITIVE_INFINITY;
    this.#clock = clock;
  }

  add(event: QueuedEvent): void {
    const now = this.#clock.now();
    this.#kept.set(event.id, { list: event.getResult() as ResultList, until: now + this.#ttl });
    for (const [id, { until }] of this.#kept) {
      if (this.#kept.size <= this.#keep && until > now) break;
      this.#kept.delete(id);
    }
  }

  get(id: string): ResultList | undefined {
    const kept = this.#kept.get(id);
    return kept !== undefined && kept.until > this.#clock.now() ? kept.list : undefined;
  }
}
