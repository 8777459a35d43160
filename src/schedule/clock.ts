/**
 * Time, as the queue sees it. Everything that waits goes through a clock, so that a test can move time by hand.
 * Microtasks are not part of it: they have no duration.
 */
export interface Clock {
  /** Milliseconds on a clock that never goes back. Only differences mean anything. */
  now(): number;
  /** Milliseconds since the Unix epoch, for people and logs. */
  wall(): number;
  /**
   * Calls back once, `delay` milliseconds from now, however long that is. A delay of `Infinity` never fires.
   * A background timer does not keep the process alive.
   */
  setTimer(callback: () => void, delay: number, background?: boolean): Timer;
  /** Calls back once timers and I/O have had their turn. */
  yieldTurn(callback: () => void): void;
}

/** A timer that can be stopped. Stopping it twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

/** The longest delay that `setTimeout` can hold; beyond it, Node fires after 1 ms. */
const LONGEST_DELAY = 2 ** 31 - 1;

/** The clock of the machine: `performance.now`, `setTimeout`, `setImmediate`. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimer: (callback, delay, background = false) => new SystemTimer(callback, delay, background),
  yieldTurn: (callback) => {
    setImmediate(callback);
  },
};

class SystemTimer implements Timer {
  readonly #callback: () => void;
  readonly #background: boolean;
  #remaining: number;
  #handle: NodeJS.Timeout | undefined;

  constructor(callback: () => void, delay: number, background: boolean) {
    this.#callback = callback;
    this.#background = background;
    this.#remaining = delay;
    if (delay !== Number.POSITIVE_INFINITY) this.#arm();
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  /** Long delays are walked in steps that `setTimeout` can hold. */
  #arm(): void {
    const step = Math.min(this.#remaining, LONGEST_DELAY);
    this.#remaining -= step;
    this.#handle = setTimeout(() => (this.#remaining > 0 ? this.#arm() : this.#callback()), step);
    if (this.#background) this.#handle.unref();
  }
}
