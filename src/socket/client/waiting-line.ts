import type { HeldEvent } from './held-event.ts';

/** Fewer that are gone than this are let be. */
const FEW = 1_024;

/** Events that have no number yet, oldest first. One that leaves out of turn is skipped when its turn comes. */
export class WaitingLine {
  /** From `#head` on. */
  #events: HeldEvent[] = [];
  #head = 0;
  /** How many of these have left. */
  #gone = 0;

  get size(): number {
    return this.#events.length - this.#head - this.#gone;
  }

  push(event: HeldEvent): void {
    event.place = 'waiting';
    this.#events.push(event);
  }

  peek(): HeldEvent | undefined {
    for (let event = this.#events[this.#head]; event !== undefined; event = this.#events[this.#head]) {
      if (event.place === 'waiting') return event;
      this.#gone--;
      this.#advance();
    }
    return undefined;
  }

  shift(): HeldEvent | undefined {
    const event = this.peek();
    if (event !== undefined) this.#advance();
    return event;
  }

  /** The oldest, at most so many, and of at most so many bytes with a comma each; but one, if there is any. */
  take(count: number, bytes: number): HeldEvent[] {
    const taken: HeldEvent[] = [];
    let room = bytes + 1;
    for (let next = this.peek(); next !== undefined && taken.length < count; next = this.peek()) {
      room -= next.bytes + 1;
      if (room < 0 && taken.length > 0) break;
      this.#advance();
      taken.push(next);
    }
    return taken;
  }

  /** Takes out one that waits, wherever it stands. */
  withdraw(event: HeldEvent): void {
    event.place = 'done';
    this.#gone++;
    if (this.#gone < FEW || this.#gone <= this.size) return;
    this.#events = this.#events.slice(this.#head).filter(({ place }) => place === 'waiting');
    this.#head = 0;
    this.#gone = 0;
  }

  #advance(): void {
    this.#events[this.#head++] = undefined as never;
    if (this.#head === this.#events.length) {
      this.#events = [];
      this.#head = 0;
    } else if (this.#head >= FEW && this.#head * 2 >= this.#events.length) {
      this.#events = this.#events.slice(this.#head);
      this.#head = 0;
    }
  }
}
