import type { Clock, Timer } from '../schedule/clock.ts';

interface PendingTimer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A clock that moves only when told to, and a scheduler for what asks for a turn of the event loop. Nothing fires by
 * itself; a test decides when, and sees every step. Pass it as the `clock` of a queue.
 *
 * ```ts
 * const clock = new ManualClock();
 * const queue = new CollectorQueue([slow], { clock });
 * …
 * await clock.advance(1_000); // fires what is due within the next second, in order, and lets promises settle between
 * ```
 */
export class ManualClock implements Clock {
  readonly #timers: Set<PendingTimer> = new Set();
  #turns: (() => void)[] = [];
  #now: number;
  #epoch: number;
  #order = 0;

  /**
   * @param now - where the clock starts, in milliseconds
   * @param epoch - what {@link ManualClock.wall} says at 0
   */
  constructor(now = 0, epoch = 0) {
    this.#now = now;
    this.#epoch = epoch;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#epoch + this.#now;
  }

  /** Lets the time of day jump, as an administrator might; durations do not notice. */
  setWall(wall: number): void {
    this.#epoch = wall - this.#now;
  }

  /** Timers that have neither fired nor been cancelled. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Callbacks that wait for a turn of the event loop. */
  get pendingTurns(): number {
    return this.#turns.length;
  }

  setTimer(callback: () => void, delay: number): Timer {
    const timer: PendingTimer = { at: this.#now + Math.max(0, delay), order: this.#order++, callback };
    if (delay !== Number.POSITIVE_INFINITY) this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  yieldTurn(callback: () => void): void {
    this.#turns.push(callback);
  }

  /** Lets time pass without anything firing: as synchronous code does that takes long. */
  consume(duration: number): void {
    this.#now += duration;
  }

  /** Runs what waits for a turn of the event loop, and what that asks for in turn; promises settle between. */
  async turn(): Promise<void> {
    await settlePromises();
    while (this.#turns.length > 0) {
      for (const callback of this.#turns.splice(0)) callback();
      await settlePromises();
    }
  }

  /** Moves the clock, timer by timer in order of time, with a {@link ManualClock.turn} before and after each. */
  async advance(duration: number): Promise<void> {
    const end = this.#now + duration;
    await this.turn();
    for (let timer = this.#nextUntil(end); timer !== undefined; timer = this.#nextUntil(end)) {
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.at);
      timer.callback();
      await this.turn();
    }
    this.#now = Math.max(this.#now, end);
    await this.turn();
  }

  #nextUntil(end: number): PendingTimer | undefined {
    let first: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}

/** Resolves once every promise that can settle by itself has: a macrotask comes after all microtasks. */
export function settlePromises(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
