import type { HeldEvent } from './held-event.ts';

/** Waits until none of the events is left that a `flush` found: in memory, and in the spill. */
export class FlushPass {
  readonly done: Promise<void>;
  /** The youngest event that was accepted before. */
  readonly #last: number;
  #held: number;
  /** Undefined until it is known. */
  #spilled: number | undefined = undefined;
  #isDone = false;
  #resolve: () => void = () => undefined;

  /**
   * @param last - the number of the event that was accepted last
   * @param held - how many of these are in memory, those apart that were taken from the spill
   */
  constructor(last: number, held: number) {
    this.#last = last;
    this.#held = held;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** So many events are in the spill, those that were taken from it too. */
  expect(spilled: number): void {
    this.#spilled = spilled;
    this.#check();
  }

  /** An event has left for good. */
  ended(event: HeldEvent): void {
    if (event.spillId !== undefined) this.droppedFromSpill();
    else if (event.order <= this.#last) {
      this.#held--;
      this.#check();
    }
  }

  /** An event has gone to the spill, behind all that is there. */
  spilled(event: HeldEvent): void {
    if (event.order > this.#last) return;
    this.#held--;
    if (this.#spilled !== undefined) this.#spilled++;
    this.#check();
  }

  /** The oldest that was in the spill is gone. */
  droppedFromSpill(): void {
    if (this.#spilled === undefined) return;
    this.#spilled--;
    this.#check();
  }

  #check(): void {
    if (this.#held > 0 || this.#spilled === undefined || this.#spilled > 0) return;
    this.#isDone = true;
    this.#resolve();
  }
}
