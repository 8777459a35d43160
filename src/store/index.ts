/**
 * Where emitters keep events that are not yet delivered: in memory, or on disk.
 *
 * ```ts
 * import { MemoryEventStore } from 'collector-queue/store';
 *
 * const store = new MemoryEventStore({ capacity: 1_000 });
 * await store.add({ e: 'pv', page: 'Home' });
 * const [first] = await store.take({ count: 10 });
 * console.log(first?.event.page, store.size); // Home 1
 * if (first !== undefined) await store.ack([first.id]);
 * console.log(store.size); // 0
 * ```
 *
 * @module
 */

export { InvalidArgumentError, MissingPackageError, UnusablePackageError } from '../core/errors.ts';
export {
  StoreClosedError,
  StoreDamagedError,
  StoreDiskError,
  StoreFullError,
  StoreLockedError,
  type StoreRefusal,
} from './errors.ts';
export {
  type DropListener,
  type EventId,
  type EventStore,
  type StoredEvent,
  StoreOverflow,
  type TakeLimits,
} from './event-store.ts';
export type { ListedEvent, ListOptions } from './level-listing.ts';
export { type LevelEventStoreOptions, StoreDurability } from './level-options.ts';
export type { StoreMarks, WrittenEvent } from './level-records.ts';
export { LevelEventStore } from './level-store.ts';
export { MemoryEventStore, type MemoryEventStoreOptions } from './memory-store.ts';
