import type { Clock } from './clock.ts';

/** The upper bound of the first delay. Milliseconds. */
const BASE = 1_000;

/** Beyond this a power of 2 is Infinity. */
const MOST_DOUBLINGS = 1_000;

/**
 * When a server that fails is tried again: one decision for all attempts of an emitter. Exponential with full jitter, any
 * time between 0 and `min(cap, 1 s × 2^(failures − 1))`, so that clients which failed together do not come back together
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/); the formula of Snowplow's trackers,
 * `min(delay × 2 + random, cap)`, lets all of them strike at once as soon as they have reached the cap.
 *
 * Requests that were under way together count as one failure, and a success among them says nothing of the time after it.
 */
export class Backoff {
  readonly #cap: number;
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;
  #until = Number.NEGATIVE_INFINITY;
  #round = 0;

  constructor(cap: number, clock: Clock, random: () => number = Math.random) {
    this.#cap = cap;
    this.#clock = clock;
    this.#random = random;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Requests begin in a round, which the first failure ends. */
  get round(): number {
    return this.#round;
  }

  /** Milliseconds until the next attempt may begin; 0 if it may begin now. */
  get remaining(): number {
    return Math.max(0, this.#until - this.#clock.now());
  }

  /** A request of this round failed; `least` is what the server asked for, in milliseconds. Returns the delay. */
  failed(round: number, least = 0): number {
    const now = this.#clock.now();
    if (round === this.#round) {
      this.#round++;
      this.#failures++;
      const bound = Math.min(this.#cap, BASE * 2 ** Math.min(this.#failures - 1, MOST_DOUBLINGS));
      this.#until = now + this.#random() * bound;
    }
    this.#until = Math.max(this.#until, now + least);
    return this.remaining;
  }

  /** A request of this round succeeded. */
  succeeded(round: number): void {
    if (round === this.#round) this.#failures = 0;
  }

  /** Lets the next attempt begin at once; that it follows failures is not forgotten. */
  waive(): void {
    this.#until = Number.NEGATIVE_INFINITY;
  }
}
