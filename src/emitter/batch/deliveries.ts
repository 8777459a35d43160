import { err, ok, type Result } from 'neverthrow';
import type { EventId, StoredEvent } from '../../store/index.ts';

/** Of outcomes that nobody waits for yet, the latest: who stores an event will wait for it soon. */
const MOST_EARLY = 10_000;

/** Those who wait for the outcome of an event of theirs. */
export class Deliveries<R> {
  readonly #waiting: Map<EventId, (outcome: Result<R, Error>) => void> = new Map();
  /** Events that are being stored: what becomes of them may be known before their ids are. */
  #storing = 0;
  readonly #early: Map<EventId, Result<R, Error>> = new Map();
  #end: Error | undefined = undefined;

  /** Resolves to the outcome of the event that this stores. */
  async of(storing: Promise<Result<EventId, Error>>): Promise<Result<R, Error>> {
    this.#storing++;
    const stored = await storing;
    const outcome = stored.isOk() ? this.#outcomeOf(stored.value) : err(stored.error);
    if (--this.#storing === 0) this.#early.clear();
    return outcome;
  }

  succeeded(events: readonly StoredEvent[], receipt: R): void {
    this.#settle(events, ok(receipt));
  }

  failed(events: readonly StoredEvent[], error: Error): void {
    this.#settle(events, err(error));
  }

  /** Nobody will be told anything else any more. */
  failAll(error: Error): void {
    this.#end = error;
    for (const settle of this.#waiting.values()) settle(err(error));
    this.#waiting.clear();
  }

  #outcomeOf(id: EventId): Result<R, Error> | Promise<Result<R, Error>> {
    const early = this.#early.get(id);
    if (early !== undefined) return early;
    if (this.#end !== undefined) return err(this.#end);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
    });
  }

  #settle(events: readonly StoredEvent[], outcome: Result<R, Error>): void {
    if (this.#waiting.size === 0 && this.#storing === 0) return;
    for (const { id } of events) {
      const settle = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (settle !== undefined) settle(outcome);
      else if (this.#storing > 0) this.#keep(id, outcome);
    }
  }

  #keep(id: EventId, outcome: Result<R, Error>): void {
    this.#early.set(id, outcome);
    if (this.#early.size <= MOST_EARLY) return;
    const [oldest] = this.#early.keys();
    this.#early.delete(oldest as EventId);
  }
}
