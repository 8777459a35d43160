import type { EmitterEvent } from 'collector-queue/emitter';
import {
  type EventId,
  type EventStore,
  MemoryEventStore,
  type StoredEvent,
  type TakeLimits,
} from 'collector-queue/store';

type Added = ReturnType<EventStore['add']>;

/** A store that takes its time: `around` decides when an event is added, and when that is said. */
export class SlowStore implements EventStore {
  readonly inner: MemoryEventStore = new MemoryEventStore();
  isOpen = false;
  isClosed = false;
  readonly #around: (add: () => Added, event: EmitterEvent) => Added;

  constructor(around: (add: () => Added, event: EmitterEvent) => Added = (add) => add()) {
    this.#around = around;
  }

  get size(): number {
    return this.inner.size;
  }

  async open(): Promise<void> {
    this.isOpen = true;
  }

  add(event: EmitterEvent): Added {
    return this.#around(() => this.inner.add(event), event);
  }

  take(limits: TakeLimits): Promise<StoredEvent[]> {
    return this.inner.take(limits);
  }

  ack(given: readonly EventId[]): Promise<void> {
    return this.inner.ack(given);
  }

  release(given: readonly EventId[]): Promise<void> {
    return this.inner.release(given);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.inner.close();
  }
}
