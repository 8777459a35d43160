import FastPriorityQueue from 'fastpriorityqueue';
import type { Buffer, Ranked } from './buffer.ts';

/** The slot of an entry that waits in no priority buffer. */
const NOWHERE = -1;

/** Fewer slots than this are neither compacted nor let go of. */
const SMALL = 64;

/**
 * Lowest priority number first, ties in order of arrival.
 *
 *     entries     [ e0, e1,  –, e3 ]     a slot each, which the entry knows
 *     priorities  [  5,  1,  –,  9 ]     what is compared lies in flat arrays: a comparison that visits an
 *     arrivals    [ 17, 18,  –, 12 ]     object misses the cache once many wait
 *     heap        [ 1, 0, 3 ]            slots only, so that nothing in it keeps an entry alive
 *
 * A heap cannot take a slot out of its middle, so one whose entry was removed stays behind, empty, until it comes to
 * the top, or until the empty ones outnumber the others and everything is rebuilt: memory stays within about twice what
 * waits, and a removal costs O(1) amortised.
 *
 * A second heap in the opposite order finds the least urgent for an overflow. It is made only if `dropping` is set.
 */
export class PriorityBuffer<E extends Ranked> implements Buffer<E> {
  size = 0;
  readonly #heaps: readonly FastPriorityQueue<number>[];
  #entries: (E | undefined)[] = [];
  #priorities: Float64Array = new Float64Array(SMALL);
  #arrivals: Float64Array = new Float64Array(SMALL);
  /** How many heaps still hold the slot. */
  #holders: Uint8Array = new Uint8Array(SMALL);
  #free: number[] = [];
  #arrived = 0;

  constructor(dropping = false) {
    const urgent = new FastPriorityQueue<number>((a, b) => this.#precedes(a, b));
    const expendable = new FastPriorityQueue<number>((a, b) => this.#precedes(b, a));
    this.#heaps = dropping ? [urgent, expendable] : [urgent];
  }

  push(entry: E): void {
    const slot = this.#free.pop() ?? this.#newSlot();
    this.#entries[slot] = entry;
    this.#priorities[slot] = entry.priority;
    this.#arrivals[slot] = this.#arrived++;
    this.#holders[slot] = this.#heaps.length;
    entry.slot = slot;
    for (const heap of this.#heaps) heap.add(slot);
    this.size++;
  }

  take(): E | undefined {
    return this.#takeFrom(this.#heaps[0]);
  }

  takeVictim(): E | undefined {
    return this.#takeFrom(this.#heaps[1]);
  }

  remove(entry: E): boolean {
    if (this.#entries[entry.slot] !== entry) return false;
    this.#empty(entry);
    return true;
  }

  #takeFrom(heap: FastPriorityQueue<number> | undefined): E | undefined {
    if (heap === undefined || this.size === 0) return undefined;
    for (;;) {
      const slot = heap.poll() as number;
      const entry = this.#entries[slot];
      const holders = (this.#holders[slot] as number) - 1;
      this.#holders[slot] = holders;
      if (holders === 0) this.#free.push(slot);
      if (entry === undefined) continue;
      this.#empty(entry);
      return entry;
    }
  }

  /** The entry leaves; its slot stays with the heaps that hold it. */
  #empty(entry: E): void {
    this.#entries[entry.slot] = undefined;
    entry.slot = NOWHERE;
    this.size--;
    const empty = this.#entries.length - this.size;
    if (empty > SMALL && this.size === 0) this.#rebuild();
    else if (empty - this.#free.length > Math.max(SMALL, this.size)) this.#rebuild();
  }

  /** Moves what waits to the first slots, and lets go of the rest. */
  #rebuild(): void {
    const living = this.#entries.filter((entry) => entry !== undefined);
    const ranks = living.map(({ slot }) => [this.#priorities[slot], this.#arrivals[slot]] as const);
    this.#entries = [];
    this.#free = [];
    this.#resize(Math.max(SMALL, living.length));
    for (const [slot, entry] of living.entries()) {
      [this.#priorities[slot], this.#arrivals[slot]] = ranks[slot] as [number, number];
      this.#holders[slot] = this.#heaps.length;
      this.#entries.push(entry);
      entry.slot = slot;
    }
    for (const heap of this.#heaps) heap.heapify([...living.keys()]);
  }

  #newSlot(): number {
    const slot = this.#entries.length;
    if (slot === this.#priorities.length) this.#resize(slot * 2);
    this.#entries.push(undefined);
    return slot;
  }

  #resize(capacity: number): void {
    const kept = Math.min(capacity, this.#priorities.length);
    const resized = <A extends Float64Array | Uint8Array>(old: A, made: A): A => {
      made.set(old.subarray(0, kept));
      return made;
    };
    this.#priorities = resized(this.#priorities, new Float64Array(capacity));
    this.#arrivals = resized(this.#arrivals, new Float64Array(capacity));
    this.#holders = resized(this.#holders, new Uint8Array(capacity));
  }

  #precedes(a: number, b: number): boolean {
    const left = this.#priorities[a] as number;
    const right = this.#priorities[b] as number;
    return left < right || (left === right && (this.#arrivals[a] as number) < (this.#arrivals[b] as number));
  }
}
