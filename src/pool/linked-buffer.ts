import type { Buffer, BufferEntry } from './buffer.ts';

/**
 * A doubly linked list whose nodes are the entries themselves.
 *
 *     oldest ⇄ … ⇄ … ⇄ newest          FIFO takes from the left, LIFO from the right;
 *       ↑ dropped by an overflow        a cancelled entry is unlinked wherever it stands.
 *
 * A link of an entry that left is cleared at once: an old node that still pointed at young ones would keep them
 * alive through minor collections.
 */
abstract class LinkedBuffer<E extends BufferEntry<E>> implements Buffer<E> {
  protected oldest: E | undefined = undefined;
  protected newest: E | undefined = undefined;
  size = 0;

  push(entry: E): void {
    const last = this.newest;
    if (last === undefined) {
      this.oldest = entry;
    } else {
      last.next = entry;
      entry.previous = last;
    }
    this.newest = entry;
    this.size++;
  }

  abstract take(): E | undefined;

  takeVictim(): E | undefined {
    return this.takeOldest();
  }

  remove(entry: E): boolean {
    if (entry.previous === undefined && this.oldest !== entry) return false;
    if (entry === this.oldest) this.takeOldest();
    else if (entry === this.newest) this.takeNewest();
    else this.#unlink(entry, entry.previous as E, entry.next as E);
    return true;
  }

  /** Oldest first. The list must not change meanwhile. */
  *[Symbol.iterator](): Generator<E, void, void> {
    for (let entry = this.oldest; entry !== undefined; entry = entry.next) yield entry;
  }

  protected takeOldest(): E | undefined {
    const entry = this.oldest;
    if (entry === undefined) return undefined;
    const next = entry.next;
    this.oldest = next;
    if (next === undefined) {
      this.newest = undefined;
    } else {
      next.previous = undefined;
      entry.next = undefined;
    }
    this.size--;
    return entry;
  }

  protected takeNewest(): E | undefined {
    const entry = this.newest;
    if (entry === undefined) return undefined;
    const previous = entry.previous;
    this.newest = previous;
    if (previous === undefined) {
      this.oldest = undefined;
    } else {
      previous.next = undefined;
      entry.previous = undefined;
    }
    this.size--;
    return entry;
  }

  #unlink(entry: E, previous: E, next: E): void {
    previous.next = next;
    next.previous = previous;
    entry.previous = undefined;
    entry.next = undefined;
    this.size--;
  }
}

/** First in, first out. */
export class FifoBuffer<E extends BufferEntry<E>> extends LinkedBuffer<E> {
  take(): E | undefined {
    return this.takeOldest();
  }
}

/** Last in, first out. An overflow drops the longest-waiting, as in the other buffers. */
export class LifoBuffer<E extends BufferEntry<E>> extends LinkedBuffer<E> {
  take(): E | undefined {
    return this.takeNewest();
  }
}
