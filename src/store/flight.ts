import type { EmitterEvent } from '../emitter/index.ts';
import type { EventId, StoredEvent } from './event-store.ts';

/** An event under the number that makes it older or younger than others. */
export interface NumberedEvent extends StoredEvent {
  readonly id: number;
  readonly event: EmitterEvent;
  /** Its size as JSON, where that was measured. */
  readonly bytes: number;
}

/**
 * What was handed out by a store and is not done with: in flight, or given back, and so first in line again. Bounded by
 * what was in flight at once.
 */
export class Flight {
  readonly #away: Map<EventId, NumberedEvent> = new Map();
  /** Given back, oldest first. */
  #back: NumberedEvent[] = [];
  #bytes = 0;

  /** The bytes of them all. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#away.size + this.#back.length;
  }

  /** How many were given back and wait. */
  get waiting(): number {
    return this.#back.length;
  }

  /** The oldest that was given back. */
  get oldest(): NumberedEvent | undefined {
    return this.#back[0];
  }

  /** The lowest number of them all; undefined if there is none. */
  get lowest(): number | undefined {
    let lowest = this.oldest?.id;
    for (const { id } of this.#away.values()) if (lowest === undefined || id < lowest) lowest = id;
    return lowest;
  }

  /** Takes out the oldest that was given back. */
  shift(): NumberedEvent | undefined {
    const event = this.#back.shift();
    this.#bytes -= event?.bytes ?? 0;
    return event;
  }

  begin(event: NumberedEvent): void {
    this.#away.set(event.id, event);
    this.#bytes += event.bytes;
  }

  /** Lets events wait again. */
  release(ids: readonly EventId[]): void {
    for (const id of ids) {
      const event = this.#away.get(id);
      if (event === undefined) continue;
      this.#away.delete(id);
      this.#back.push(event);
    }
    this.#back.sort((a, b) => a.id - b.id);
  }

  /** Forgets events, and says which of them it knew. */
  end(ids: readonly EventId[]): NumberedEvent[] {
    const ended = ids.flatMap((id) => this.#endOne(id) ?? []);
    for (const { bytes } of ended) this.#bytes -= bytes;
    return ended;
  }

  #endOne(id: EventId): NumberedEvent | undefined {
    const event = this.#away.get(id);
    if (event !== undefined) {
      this.#away.delete(id);
      return event;
    }
    const at = this.#back.findIndex((one) => one.id === id);
    return at === -1 ? undefined : this.#back.splice(at, 1)[0];
  }
}
