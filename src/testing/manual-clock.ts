import { checkDuration, checkFinite, checkTime } from '../core/checks.ts';
import type { Clock, Timer } from '../schedule/clock.ts';

/** As it was when the module was loaded: a test runner may put one of its own in its place, which stands still. */
const nextTurn = globalThis.setImmediate;

interface PendingTimer {
  readonly at: number;
  readonly order: number;
  readonly background: boolean;
  readonly callback: () => void;
}

/**
 * A clock that moves only when told to, and a scheduler for what asks for a turn of the event loop. Nothing fires by
 * itself; a test decides when, and sees every step. Pass it as the `clock` of a queue, or to {@link createTestKit}. All
 * durations are milliseconds.
 *
 * ```ts
 * const clock = new ManualClock();
 * const queue = new CollectorQueue([slow], { clock });
 * …
 * await clock.advance(1_000); // fires what is due within the next second, in order, and lets promises settle between
 * ```
 *
 * It is a clock of its own: what a test runner fakes (`vi.useFakeTimers`, `mock.timers`) has no part in it.
 */
export class ManualClock implements Clock {
  readonly #timers: Set<PendingTimer> = new Set();
  #turns: (() => void)[] = [];
  #now: number;
  #epoch: number;
  #order = 0;

  /**
   * @param now - where the clock starts; only differences of it mean anything
   * @param epoch - what {@link ManualClock.wall} says at 0: a Date, or milliseconds since the Unix epoch
   * @throws `InvalidArgumentError` for what is no finite number, or no valid date
   */
  constructor(now = 0, epoch: Date | number = 0) {
    this.#now = checkFinite('ManualClock: now', now);
    this.#epoch = checkTime('ManualClock: epoch', epoch);
  }

  /** Where the clock stands. It never goes back. */
  now(): number {
    return this.#now;
  }

  /** The time of day: milliseconds since the Unix epoch. */
  wall(): number {
    return this.#epoch + this.#now;
  }

  /**
   * Lets the time of day jump, as an administrator might; durations do not notice.
   *
   * @param wall - a Date, or milliseconds since the Unix epoch
   * @throws `InvalidArgumentError` for what is no valid date
   */
  setWall(wall: Date | number): void {
    this.#epoch = checkTime('setWall: wall', wall) - this.#now;
  }

  /** Timers that have neither fired nor been cancelled. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Callbacks that wait for a turn of the event loop. */
  get pendingTurns(): number {
    return this.#turns.length;
  }

  /**
   * When the next timer fires, on the scale of {@link ManualClock.now}; never in the past. Timers in the background, for
   * which a process would not stay alive, do not count. Undefined if there is none.
   */
  get nextDue(): number | undefined {
    let due = Number.POSITIVE_INFINITY;
    for (const { at, background } of this.#timers) if (!background) due = Math.min(due, at);
    return due === Number.POSITIVE_INFINITY ? undefined : Math.max(this.#now, due);
  }

  setTimer(callback: () => void, delay: number, background = false): Timer {
    const timer: PendingTimer = { at: this.#now + Math.max(0, delay), order: this.#order++, background, callback };
    if (delay !== Number.POSITIVE_INFINITY) this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  yieldTurn(callback: () => void): void {
    this.#turns.push(callback);
  }

  /**
   * Lets time pass without anything firing: as synchronous code does that takes long.
   * @throws `InvalidArgumentError` for a negative duration, or one that is not finite
   */
  consume(duration: number): void {
    this.#now += checkDuration('consume: duration', duration);
  }

  /** Runs what waits for a turn of the event loop, and what that asks for in turn; promises settle between. */
  async turn(): Promise<void> {
    await settlePromises();
    while (this.#turns.length > 0) {
      for (const callback of this.#turns.splice(0)) callback();
      await settlePromises();
    }
  }

  /**
   * Moves the clock, timer by timer in order of time, with a {@link ManualClock.turn} before and after each: so what a
   * timer sets off has come as far as it gets without the clock, and without input and output that takes longer, when
   * the next one fires. Timers that are set meanwhile fire too, if they are due by then.
   *
   * @throws `InvalidArgumentError` for a negative duration, or one that is not finite (as a rejection)
   */
  async advance(duration: number): Promise<void> {
    const end = this.#now + checkDuration('advance: duration', duration);
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
    nextTurn(resolve);
  });
}
