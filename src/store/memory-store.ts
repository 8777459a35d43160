import { err, ok, type Result } from 'neverthrow';
import { checkInteger, checkOneOf, checkOptions } from '../core/checks.ts';
import type { EmitterEvent } from '../emitter/index.ts';
import { DropListeners } from './drop-listeners.ts';
import { StoreClosedError, StoreFullError, type StoreRefusal } from './errors.ts';
import {
  type DropListener,
  type EventId,
  type EventStore,
  type StoredEvent,
  StoreOverflow,
  type TakeLimits,
} from './event-store.ts';
import { Flight, type NumberedEvent } from './flight.ts';
import { resolveTakeLimits } from './take-limits.ts';

/** Options of a {@link MemoryEventStore}. */
export interface MemoryEventStoreOptions {
  /**
   * The most events that it holds, those in flight too; a whole number of at least 1.
   * @default 10_000
   */
  readonly capacity?: number | undefined;
  /**
   * What becomes of an event for which there is no room.
   * @default 'dropNewest'
   */
  readonly overflow?: StoreOverflow | undefined;
}

const OWNER = 'MemoryEventStore';

/** Keeps events in memory: fast, bounded, and gone with the process. */
export class MemoryEventStore implements EventStore {
  readonly capacity: number;
  readonly overflow: StoreOverflow;
  readonly #flight = new Flight();
  readonly #drops = new DropListeners();
  /** From `#head` on, oldest first. */
  #waiting: NumberedEvent[] = [];
  #head = 0;
  #lastId = 0;
  #refused = 0;
  #closed = false;

  /** @throws {@link InvalidArgumentError} for an option that is wrong. */
  constructor(options: MemoryEventStoreOptions = {}) {
    checkOptions<MemoryEventStoreOptions>(OWNER, options, ['capacity', 'overflow']);
    const { capacity = 10_000, overflow = StoreOverflow.DROP_NEWEST } = options;
    this.capacity = checkInteger(`${OWNER}: capacity`, capacity, { min: 1 });
    this.overflow = checkOneOf(`${OWNER}: overflow`, overflow, Object.values(StoreOverflow));
  }

  get size(): number {
    return this.#waiting.length - this.#head + this.#flight.size;
  }

  /** How many events were lost because it was full: refused, or thrown out. */
  get dropped(): number {
    return this.#refused + this.#drops.count;
  }

  addNow(event: EmitterEvent): Result<EventId, StoreRefusal> {
    if (this.#closed) return err(new StoreClosedError('the event store is closed'));
    if (this.size >= this.capacity && !this.#makeRoom()) {
      this.#refused++;
      return err(new StoreFullError(`the event store holds ${this.size} events already (capacity)`));
    }
    const id = ++this.#lastId;
    this.#waiting.push({ id, event, bytes: 0 });
    return ok(id);
  }

  async add(event: EmitterEvent): Promise<Result<EventId, StoreRefusal>> {
    return this.addNow(event);
  }

  async take(limits: TakeLimits): Promise<StoredEvent[]> {
    const { count, bytes } = resolveTakeLimits(OWNER, limits);
    const taken: StoredEvent[] = [];
    let room = bytes;
    while (taken.length < count && !this.#closed) {
      const next = this.#flight.oldest ?? this.#waiting[this.#head];
      if (next === undefined) break;
      // Nobody pays for measuring who set no limit.
      if (bytes !== Number.POSITIVE_INFINITY) room -= Buffer.byteLength(JSON.stringify(next.event));
      if (room < 0 && taken.length > 0) break;
      this.#shift();
      this.#flight.begin(next);
      taken.push(next);
    }
    return taken;
  }

  async ack(ids: readonly EventId[]): Promise<void> {
    this.#flight.end(ids);
  }

  async release(ids: readonly EventId[]): Promise<void> {
    this.#flight.release(ids);
  }

  onDrop(listener: DropListener): () => void {
    return this.#drops.add(listener);
  }

  /** What it held is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting = [];
    this.#head = 0;
  }

  #makeRoom(): boolean {
    if (this.overflow === StoreOverflow.DROP_NEWEST) return false;
    const oldest = this.#shift();
    if (oldest === undefined) return false;
    this.#drops.tell(oldest);
    return true;
  }

  /** Takes out the oldest event that waits. */
  #shift(): NumberedEvent | undefined {
    if (this.#flight.waiting > 0) return this.#flight.shift();
    const event = this.#waiting[this.#head];
    if (event === undefined) return undefined;
    this.#waiting[this.#head++] = undefined as never;
    if (this.#head >= 1_024 && this.#head * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return event;
  }
}
