import type { NumberedEvent } from './flight.ts';

/** Events that are in memory before they are asked for, oldest first. */
export class ReadAhead {
  #events: NumberedEvent[] = [];
  #head = 0;
  #bytes = 0;

  get size(): number {
    return this.#events.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get oldest(): NumberedEvent | undefined {
    return this.#events[this.#head];
  }

  push(event: NumberedEvent): void {
    this.#events.push(event);
    this.#bytes += event.bytes;
  }

  shift(): NumberedEvent | undefined {
    const event = this.#events[this.#head];
    if (event === undefined) return undefined;
    this.#events[this.#head++] = undefined as never;
    this.#bytes -= event.bytes;
    if (this.#head === this.#events.length || this.#head >= 1_024) {
      this.#events = this.#events.slice(this.#head);
      this.#head = 0;
    }
    return event;
  }
}
