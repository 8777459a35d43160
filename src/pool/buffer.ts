/**
 * What waits in a buffer. The entry is its own list node, so that waiting allocates nothing: the links belong to
 * whatever list holds the entry, and to nobody while it waits nowhere.
 */
export interface BufferEntry<E> {
  next: E | undefined;
  previous: E | undefined;
}

/** What the priority buffer needs to know of an entry. */
export interface Ranked {
  /** Lowest first. */
  readonly priority: number;
  /** Where the entry stands in the buffer; set by it. */
  slot: number;
}

/**
 * The waiting order. An entry is in one buffer at most, once at most.
 *
 * - `push`, `take`, `takeVictim` cost O(1) in the lists, O(log n) in the heap;
 * - `remove` costs O(1) amortised, in the heap too;
 * - what has left a buffer is not reachable from it any more.
 */
export interface Buffer<E> {
  /** How many wait; removed ones do not count. */
  readonly size: number;
  push(entry: E): void;
  /** Takes the entry that is to be dispatched next. */
  take(): E | undefined;
  /** Takes the entry that an overflow should drop: the longest-waiting or, by priority, the least urgent. */
  takeVictim(): E | undefined;
  /** Takes this very entry out, which waits here or nowhere. False if it waits nowhere. */
  remove(entry: E): boolean;
}
