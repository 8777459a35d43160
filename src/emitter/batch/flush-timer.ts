import type { Clock, Timer } from '../../schedule/clock.ts';

/** Sees to it that no event waits longer than an interval for its batch to fill. */
export class FlushTimer {
  readonly #clock: Clock;
  readonly #flush: () => void;
  #interval: number | false;
  #timer: Timer | undefined = undefined;
  #isBackground = false;

  constructor(interval: number | false, clock: Clock, flush: () => void) {
    this.#interval = interval;
    this.#clock = clock;
    this.#flush = flush;
  }

  /**
   * Flushes after the interval, unless it runs already. One in the background does not keep the process alive, and gives
   * way to one that does.
   */
  start(background = false): void {
    if (this.#interval === false) return;
    if (this.#timer !== undefined && (background || !this.#isBackground)) return;
    this.stop();
    this.#isBackground = background;
    this.#timer = this.#clock.setTimer(() => this.#fire(), this.#interval, background);
  }

  /** If it runs, it begins again. */
  set(interval: number | false): void {
    const runs = this.#timer !== undefined;
    this.stop();
    this.#interval = interval;
    if (runs) this.start(this.#isBackground);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #fire(): void {
    this.#timer = undefined;
    this.#flush();
  }
}
