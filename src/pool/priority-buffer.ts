import FastPriorityQueue from 'fastpriorityqueue';
import type { Buffer, BufferEntry } from './buffer.ts';

/** Below this many dead entries a heap is not rebuilt. */
const COMPACT_FROM = 64;

/**
 * Lowest priority number first, ties in order of arrival.
 *
 * A heap cannot take an entry out of its middle, so a removed one stays behind as a tombstone until it comes to the
 * top, or until tombstones outnumber the living and the heap is rebuilt: memory stays within twice what waits, and a
 * removal costs O(1) amortised. An entry that waits links to itself (`next`), a tombstone does not; its rank stays as
 * it was, so that the order of the heap holds. An entry that was removed must not be pushed again.
 *
 * A second heap in the opposite order finds the least urgent for an overflow. It is made only if `dropping` is set.
 */
export class PriorityBuffer<E extends BufferEntry<E>> implements Buffer<E> {
  size = 0;
  readonly #urgent = new Heap<E>((a, b) => precedes(a, b));
  readonly #expendable: Heap<E> | undefined;
  #arrivals = 0;

  constructor(dropping = false) {
    this.#expendable = dropping ? new Heap<E>((a, b) => precedes(b, a)) : undefined;
  }

  push(entry: E): void {
    entry.sequence = this.#arrivals++;
    entry.next = entry;
    this.#urgent.add(entry);
    this.#expendable?.add(entry);
    this.size++;
  }

  take(): E | undefined {
    return this.#takeFrom(this.#urgent, this.#expendable);
  }

  takeVictim(): E | undefined {
    return this.#expendable === undefined ? undefined : this.#takeFrom(this.#expendable, this.#urgent);
  }

  remove(entry: E): boolean {
    if (!isWaiting(entry)) return false;
    entry.next = undefined;
    this.size--;
    this.#urgent.bury(this.size);
    this.#expendable?.bury(this.size);
    return true;
  }

  #takeFrom(heap: Heap<E>, other: Heap<E> | undefined): E | undefined {
    const entry = heap.pollLiving();
    if (entry === undefined) return undefined;
    entry.next = undefined;
    this.size--;
    other?.bury(this.size);
    return entry;
  }
}

function precedes<E extends BufferEntry<E>>(a: E, b: E): boolean {
  return a.priority < b.priority || (a.priority === b.priority && a.sequence < b.sequence);
}

function isWaiting<E extends BufferEntry<E>>(entry: E): boolean {
  return entry.next === entry;
}

/** fastpriorityqueue keeps its elements in `array`, of which the first `size` are in use. */
interface HeapInternals<E> {
  array: (E | undefined)[];
}

/** fastpriorityqueue with tombstones, and without the stale references that its `poll` leaves behind. */
class Heap<E extends BufferEntry<E>> {
  readonly #heap: FastPriorityQueue<E>;

  constructor(before: (a: E, b: E) => boolean) {
    this.#heap = new FastPriorityQueue<E>(before);
  }

  add(entry: E): void {
    this.#heap.add(entry);
  }

  pollLiving(): E | undefined {
    const heap = this.#heap;
    for (;;) {
      const entry = heap.poll();
      if (entry === undefined) {
        heap.trim();
        return undefined;
      }
      (heap as unknown as HeapInternals<E>).array[heap.size] = undefined;
      if (isWaiting(entry)) return entry;
    }
  }

  /** Told that an entry died; rebuilds the heap once the dead outnumber the `living`. */
  bury(living: number): void {
    const heap = this.#heap;
    const dead = heap.size - living;
    if (dead === 0 || (living > 0 && (dead < COMPACT_FROM || dead <= living))) return;
    const used = (heap as unknown as HeapInternals<E>).array.slice(0, heap.size) as E[];
    heap.heapify(used.filter(isWaiting));
  }
}
