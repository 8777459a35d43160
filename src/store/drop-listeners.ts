import { reportError } from '../core/log.ts';
import type { DropListener, StoredEvent } from './event-store.ts';

/** Those who want to be told of events that are thrown out, and how many that were. */
export class DropListeners {
  readonly #listeners: Set<DropListener> = new Set();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(listener: DropListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A listener that throws harms nobody. */
  tell(dropped: StoredEvent): void {
    this.#count++;
    for (const listener of this.#listeners) {
      try {
        listener(dropped);
      } catch (error) {
        reportError(undefined, 'a listener to dropped events', error);
      }
    }
  }
}
