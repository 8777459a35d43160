import { WaitingLine } from './waiting-line.ts';

/** What one key has used of its rate limit, and who waits for it. */
export class RateWindow {
  readonly line: WaitingLine = new WaitingLine();
  /** Starts that are kept for tasks that were let through and have not begun. */
  promised = 0;
  readonly #limit: number;
  readonly #interval: number;
  /** When the latest attempts began, in order; what stands before `#oldest` does not count any more. */
  readonly #starts: number[] = [];
  #oldest = 0;

  constructor(limit: number, interval: number) {
    this.#limit = limit;
    this.#interval = interval;
  }

  /** Whether another attempt may be let through at this time, which must not be before any that was told. */
  hasRoom(now: number): boolean {
    while (this.#next <= now) this.#oldest++;
    // What is moved is less than what is taken out, and at most twice the limit is kept.
    if (this.#oldest * 2 > this.#starts.length) {
      this.#starts.splice(0, this.#oldest);
      this.#oldest = 0;
    }
    return this.#count + this.promised < this.#limit;
  }

  /** When the oldest start leaves the window: then there is room, if there was none. `Infinity` if there is no start. */
  get roomAt(): number {
    return this.#next;
  }

  /** Nobody waits, and nothing counts any more at this time. */
  isIdle(now: number): boolean {
    const hasRoom = this.hasRoom(now);
    return hasRoom && this.#count === 0 && this.promised === 0 && this.line.first === undefined;
  }

  start(now: number): void {
    this.#starts.push(now);
  }

  /** An attempt that was to begin then did not. */
  undo(start: number): void {
    const at = this.#starts.lastIndexOf(start);
    if (at >= this.#oldest) this.#starts.splice(at, 1);
  }

  get #count(): number {
    return this.#starts.length - this.#oldest;
  }

  get #next(): number {
    const oldest = this.#starts[this.#oldest];
    return oldest === undefined ? Number.POSITIVE_INFINITY : oldest + this.#interval;
  }
}
