import { AsyncResource } from 'node:async_hooks';
import type { Alarm } from './alarm.ts';
import type { Clock, Timer } from './clock.ts';
import { END, TimingWheel } from './timing-wheel.ts';

/** How many alarms a firing rings, or moves about within the wheel, before others have their turn. */
const MOST_AT_ONCE = 10_000;

/**
 * All delays of a queue, on one timer of its clock.
 *
 * - An alarm rings once, at the first firing of the clock at or after its due time: never early, never inside `set`.
 *   The clock is armed for exactly that time, unless more than 128 alarms share a millisecond: these may have to wait
 *   for its end.
 * - Alarms that ring in one firing ring in order of their due times; equal ones in the order in which they were set.
 * - One firing rings 10,000 at most. If more are due, the clock fires again after 0 ms for the next: in order of their
 *   milliseconds, except that an alarm that was overdue when it was set may come later, as if due at that moment.
 * - An alarm that rings may set and cancel any alarm, itself too. What is cancelled or moved meanwhile does not ring in
 *   this firing; what is set meanwhile rings in a later one, even if it is due at once.
 * - `set` and `cancel` cost O(1). A clock that jumps ahead costs only what it rings.
 * - As long as an alarm is set that will ring, the timer of the clock keeps the process alive.
 * - Alarms ring in the async context in which the timers were made, not in that of whoever armed the clock.
 */
export class Timers {
  readonly #clock: Clock;
  readonly #wheel: TimingWheel;
  #state: 'waiting' | 'firing' | 'stopped' = 'waiting';
  #timer: Timer | undefined = undefined;
  /** When the clock fires next: {@link END} if never, `-Infinity` once it is overdue. */
  #wake: number = END;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wheel = new TimingWheel(clock.now());
  }

  /** How many are set, with those that are due at `Infinity`. */
  get size(): number {
    return this.#wheel.size;
  }

  /**
   * Rings the alarm once, at `due` on the scale of `clock.now()`; an alarm that is set already moves. A time in the past
   * means the next firing of the clock, `Infinity` never. Ignored once the timers are stopped.
   */
  set(alarm: Alarm, due: number): void {
    if (this.#state === 'stopped') return;
    this.#wheel.remove(alarm);
    alarm.due = due;
    if (due < this.#wake) {
      this.#hasten(alarm);
    } else {
      this.#wheel.add(alarm);
      this.#disarmIfIdle();
    }
  }

  /** True if it was set. It does not ring, and nothing here refers to it any more. */
  cancel(alarm: Alarm): boolean {
    const wasSet = this.#wheel.remove(alarm);
    this.#disarmIfIdle();
    return wasSet;
  }

  /** Lets go of all alarms, for good: none of them rings, and `set` does nothing from now on. Costs O(n). */
  stop(): void {
    this.#state = 'stopped';
    this.#wheel.clear();
    this.#disarmIfIdle();
  }

  readonly #fire: () => void = AsyncResource.bind(() => {
    const now = this.#clock.now();
    this.#timer = undefined;
    this.#state = 'firing';
    const isAll = this.#wheel.collect(now, MOST_AT_ONCE);
    this.#wake = isAll ? this.#wheel.nextTime(now) : Number.NEGATIVE_INFINITY;
    try {
      for (let alarm = this.#wheel.takeDue(); alarm !== undefined; alarm = this.#wheel.takeDue()) alarm.ring();
    } catch (error) {
      // Against its contract; the others ring all the same.
      this.#wake = Number.NEGATIVE_INFINITY;
      throw error;
    } finally {
      this.#rest();
    }
  });

  /** Ends a firing. */
  #rest(): void {
    if (this.#state === 'stopped') return;
    this.#state = 'waiting';
    if (this.#willRing()) this.#arm(this.#wake, this.#clock.now());
    else this.#wake = END;
  }

  /** Sets an alarm that is due before the clock would fire. */
  #hasten(alarm: Alarm): void {
    const now = this.#clock.now();
    this.#wheel.catchUp(now);
    this.#wheel.add(alarm);
    const time = this.#wheel.timeFor(alarm);
    if (this.#state === 'firing') this.#wake = time;
    else this.#arm(time, now);
  }

  #arm(time: number, now: number): void {
    this.#timer?.cancel();
    // Nothing is earlier than overdue: alarms that keep coming must not put the firing off each time.
    this.#wake = time > now ? time : Number.NEGATIVE_INFINITY;
    this.#timer = this.#clock.setTimer(this.#fire, Math.max(0, time - now));
  }

  #disarmIfIdle(): void {
    if (this.#timer === undefined || this.#willRing()) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.#wake = END;
  }

  #willRing(): boolean {
    return this.#wheel.size > this.#wheel.endless;
  }
}
