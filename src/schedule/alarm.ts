/**
 * What rings once, at its time, unless it is cancelled: an entry of {@link Timers}. It is its own list node, so that a
 * million of them cost what their own fields cost. The fields belong to the timers that hold it.
 */
export abstract class Alarm {
  /** When it is due, on the clock that never goes back; milliseconds. Not a whole number at first, as few times are. */
  due: number = Number.NaN;
  next: Alarm | undefined = undefined;
  previous: Alarm | undefined = undefined;
  /** Where the timers keep it; -1 while it is not set. */
  slot = -1;

  /** Called when it is due, never before, outside of `set` and `cancel`. Must not throw. */
  abstract ring(): void;
}
