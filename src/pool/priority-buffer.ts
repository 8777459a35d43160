import FastPriorityQueue from 'fastpriorityqueue';
import type { Buffer, Ranked } from './buffer.ts';

/** The slot of an entry that waits in no priority buffer. */
const NOWHERE = -1;

/** Fewer slots than this are neither compacted nor let go of. */
const SMALL = 64;

/** What is compared, by slot. */
interface Ranks {
  priorities: Float64Array;
  arrivals: Float64Array;
}

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
  readonly #ranks: Ranks = { priorities: new Float64Array(SMALL), arrivals: new Float64Array(SMALL) };
  /** How many heaps still hold the slot. */
  #holders: Uint8Array = new Uint8Array(SMALL);
  #free: number[] = [];
  #arrived = 0;

  constructor(dropping = false) {
    const ranks = this.#ranks;
    const urgent = new FastPriorityQueue<number>((a, b) => precedes(ranks, a, b));
    const expendable = new FastPriorityQueue<number>((a, b) => precedes(ranks, b, a));
    this.#heaps = dropping ? [urgent, expendable] : [urgent];
  }

  push(entry: E): void {
    const slot = this.#free.pop() ?? this.#newSlot();
    this.#entries[slot] = entry;
    this.#ranks.priorities[slot] = entry.priority;
    this.#ranks.arrivals[slot] = this.#arrived++;
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
    const ranks = living.map(({ slot }) => [this.#ranks.priorities[slot], this.#ranks.arrivals[slot]] as const);
    this.#entries = [];
    this.#free = [];
    this.#resize(Math.max(SMALL, living.length));
    for (const [slot, entry] of living.entries()) {
      [this.#ranks.priorities[slot], this.#ranks.arrivals[slot]] = ranks[slot] as [number, number];
      this.#holders[slot] = this.#heaps.length;
      this.#entries.push(entry);
      entry.slot = slot;
    }
    for (const heap of this.#heaps) heap.heapify([...living.keys()]);
  }

  #newSlot(): number {
    const slot = this.#entries.length;
    if (slot === this.#ranks.priorities.length) this.#resize(slot * 2);
    this.#entries.push(undefined);
    return slot;
  }

  #resize(capacity: number): void {
    const kept = Math.min(capacity, this.#ranks.priorities.length);
    const resized = <A extends Float64Array | Uint8Array>(old: A, made: A): A => {
      made.set(old.subarray(0, kept));
      return made;
    };
    this.#ranks.priorities = resized(this.#ranks.priorities, new Float64Array(capacity));
    this.#ranks.arrivals = resized(this.#ranks.arrivals, new Float64Array(capacity));
    this.#holders = resized(this.#holders, new Uint8Array(capacity));
  }
}

function precedes(ranks: Ranks, a: number, b: number): boolean {
  const { priorities } = ranks;
  const left = priorities[a] as number;
  const right = priorities[b] as number;
  return left < right || (left === right && (ranks.arrivals[a] as number) < (ranks.arrivals[b] as number));
}
