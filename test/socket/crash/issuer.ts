/** Of the rate: what may be handed out at once after a pause. Milliseconds. */
const BURST = 100;

/** Hands out ids, each once, at a rate: else all would be sent before anybody is killed. */
export class Issuer {
  readonly #rate: () => number;
  #next = 0;
  #room = 0;
  #lastTaken = performance.now();

  /** @param rate - ids a millisecond, as it is now */
  constructor(rate: () => number) {
    this.#rate = rate;
  }

  /** Perhaps none at all. */
  take(most: number): number[] {
    const now = performance.now();
    const rate = this.#rate();
    this.#room = Math.min(rate * BURST, this.#room + rate * (now - this.#lastTaken));
    this.#lastTaken = now;
    const count = Math.min(most, Math.floor(this.#room));
    this.#room -= count;
    return Array.from({ length: count }, () => this.#next++);
  }
}
