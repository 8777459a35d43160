/**
 * Waits until the events that a `flush` found have been tried: those in flight, and as many of the waiting ones, which are
 * the oldest.
 */
export class FlushPass {
  readonly done: Promise<void>;
  readonly #batches: Set<object>;
  #waiting: number;
  #resolve: () => void = () => undefined;

  /**
   * @param waiting - how many events wait
   * @param batches - those in flight
   */
  constructor(waiting: number, batches: Iterable<object>) {
    this.#waiting = waiting;
    this.#batches = new Set(batches);
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#check();
  }

  /** A batch of this many events was taken. */
  begun(batch: object, size: number): void {
    if (this.#waiting <= 0) return;
    this.#waiting -= size;
    this.#batches.add(batch);
  }

  /** A batch was tried, but for so many of its events, which wait again. */
  ended(batch: object, untried: number): void {
    if (this.#batches.delete(batch)) this.#waiting += untried;
    this.#check();
  }

  /** Nothing more is taken for now: what waits has failed for now. */
  over(): void {
    this.#waiting = 0;
    this.#check();
  }

  #check(): void {
    if (this.#waiting <= 0 && this.#batches.size === 0) this.#resolve();
  }
}
