import type { Alarm } from './alarm.ts';

/** Where an alarm is that is in no list. */
const NOWHERE = -1;

/**
 * Lists of alarms by number, first in first out, whose nodes are the alarms themselves; a bitmap tells which are not
 * empty. An alarm is in one list at most, and knows which by its `slot`.
 *
 * A link of an alarm that left is cleared at once: an old node that still pointed at young ones would keep them alive
 * through minor collections.
 */
export class AlarmLists {
  /** How many alarms there are in all lists. */
  size = 0;
  readonly #heads: (Alarm | undefined)[];
  readonly #tails: (Alarm | undefined)[];
  readonly #occupied: Int32Array;

  constructor(lists: number) {
    this.#heads = new Array(lists).fill(undefined);
    this.#tails = new Array(lists).fill(undefined);
    this.#occupied = new Int32Array(Math.ceil(lists / 32));
  }

  first(list: number): Alarm | undefined {
    return this.#heads[list];
  }

  /** The lowest number of a list that is not empty; -1 if all are. */
  lowest(): number {
    const occupied = this.#occupied;
    for (let word = 0; word < occupied.length; word++) {
      const bits = occupied[word] as number;
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits & -bits);
    }
    return NOWHERE;
  }

  /** Adds an alarm that is in no list. */
  append(alarm: Alarm, list: number): void {
    const last = this.#tails[list];
    if (last === undefined) {
      this.#heads[list] = alarm;
      this.#occupied[list >>> 5] = (this.#occupied[list >>> 5] as number) | (1 << (list & 31));
    } else {
      last.next = alarm;
      alarm.previous = last;
    }
    this.#tails[list] = alarm;
    alarm.slot = list;
    this.size++;
  }

  /** Takes the alarm out of its list; false if it is in none. */
  remove(alarm: Alarm): boolean {
    const { next, previous, slot } = alarm;
    if (slot === NOWHERE) return false;
    if (previous === undefined) this.#heads[slot] = next;
    else previous.next = next;
    if (next === undefined) this.#tails[slot] = previous;
    else next.previous = previous;
    if (this.#heads[slot] === undefined) {
      this.#occupied[slot >>> 5] = (this.#occupied[slot >>> 5] as number) & ~(1 << (slot & 31));
    }
    alarm.next = undefined;
    alarm.previous = undefined;
    alarm.slot = NOWHERE;
    this.size--;
    return true;
  }

  /** Takes out the oldest of a list. */
  take(list: number): Alarm | undefined {
    const alarm = this.#heads[list];
    if (alarm !== undefined) this.remove(alarm);
    return alarm;
  }
}
