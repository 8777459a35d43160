/** Never look at the clock less often than at every 64th occasion. */
const LONGEST_STRIDE = 64;

/**
 * Decides at which occasions the clock is read. A reading is a large part of what a payload's whole way through the
 * queue costs, so the stride grows to 64 while occasions come fast, and shrinks to 1 when they come slowly:
 * then every occasion is measured, at no noticeable cost.
 */
export class Sampler {
  readonly #fast: number;
  readonly #slow: number;
  #stride = 1;
  #countdown = 1;
  #last = 0;

  /** Readings less than `fast` milliseconds apart double the stride, more than `slow` halve it. */
  constructor(fast: number, slow: number) {
    this.#fast = fast;
    this.#slow = slow;
  }

  /** True if the clock should be read at this occasion; then call {@link Sampler.read} with the reading. */
  due(): boolean {
    return --this.#countdown <= 0;
  }

  read(now: number): void {
    const elapsed = now - this.#last;
    this.#last = now;
    if (elapsed < this.#fast) this.#stride = Math.min(LONGEST_STRIDE, this.#stride * 2);
    else if (elapsed > this.#slow) this.#stride = Math.max(1, this.#stride >> 1);
    this.#countdown = this.#stride;
  }
}
