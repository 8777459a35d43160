/** The upper bound of the first delay. Milliseconds. */
const BASE = 100;

/** Beyond this a power of 2 is Infinity. */
const MOST_DOUBLINGS = 1_000;

/**
 * How long to wait after failures in a row: any time between 0 and `min(cap, 100 ms × 2^(failures − 1))`, so that the
 * processes of a machine do not all come back to a daemon at once that was started anew.
 */
export class RetryDelay {
  readonly #cap: number;
  readonly #random: () => number;
  #failures = 0;

  constructor(cap: number, random: () => number = Math.random) {
    this.#cap = cap;
    this.#random = random;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure, and returns the delay after it. */
  failed(): number {
    this.#failures++;
    return this.#random() * Math.min(this.#cap, BASE * 2 ** Math.min(this.#failures - 1, MOST_DOUBLINGS));
  }

  succeeded(): void {
    this.#failures = 0;
  }
}
