import type { Alarm } from './alarm.ts';
import { AlarmLists } from './alarm-lists.ts';

/** Slots of a level. */
const SLOTS = 64;

/** Enough for 2^54 milliseconds: everything that is due before {@link END} has a slot. */
const LEVELS = 9;

/** From this time on is never: beyond, 285,000 years off, a number tells milliseconds apart no more. */
export const END: number = Number.MAX_SAFE_INTEGER;

/** Two lists behind those of the wheel: what was found due and is not taken yet, and what is never due. */
const DUE = LEVELS * SLOTS;
const NEVER = DUE + 1;

/** How many alarms of one millisecond are compared in order to be more exact than that. */
const MOST_COMPARED = 128;

/**
 * Alarms by the time at which they are due: O(1) to add and to remove, however many there are and however far off.
 * Varghese, G. and Lauck, A. (1987), "Hashed and hierarchical timing wheels".
 *
 * Time is counted in ticks of 1 ms. An alarm waits on the level of the highest digit, to base 64, in which its tick
 * differs from the present one, the position:
 *
 *     level 2   · · █ · · ·      a slot is 4,096 ms; when the position gets there, its alarms move to levels 1 and 0
 *     level 1   · · · · █ █      a slot is 64 ms
 *     level 0   · █ · · █ ·      a slot is 1 ms: its alarms are due
 *
 * So all of a level comes before all of the next, each from left to right, and the lowest list that is not empty comes
 * first. The alarms of one tick are all in one slot at any time, first in first out. What is overdue when it is added
 * goes to the slot of the position.
 */
export class TimingWheel {
  /** How many alarms are never due. */
  endless = 0;
  readonly #lists: AlarmLists = new AlarmLists(NEVER + 1);
  /** The time of tick 0; a whole number, so that a tick is a millisecond of the clock. */
  readonly #origin: number;
  /** By level: the present tick, divided by 64 to the power of the level. Beyond the last level always 0. */
  readonly #positions: Float64Array = new Float64Array(LEVELS + 1);
  /** The slot, of level 1 or higher, that is being emptied; 0 if none. The position rests at its start meanwhile. */
  #cascading = 0;

  constructor(now: number) {
    this.#origin = Math.floor(now);
  }

  get size(): number {
    return this.#lists.size;
  }

  /** Adds an alarm, which is nowhere yet, by its due time. */
  add(alarm: Alarm): void {
    if (alarm.due < END) {
      const slot = this.#slotFor(alarm.due);
      // While a slot is being emptied, what belongs to its time queues up behind what it still holds.
      this.#lists.append(alarm, slot < (this.#cascading & -SLOTS) ? this.#cascading : slot);
    } else {
      this.#lists.append(alarm, NEVER);
      this.endless++;
    }
  }

  /** False if it is not here. */
  remove(alarm: Alarm): boolean {
    if (alarm.slot === NEVER) this.endless--;
    return this.#lists.remove(alarm);
  }

  clear(): void {
    for (let list = this.#lists.lowest(); list !== -1; list = this.#lists.lowest()) this.#lists.take(list);
    this.endless = 0;
  }

  /**
   * Finds what is due, in order of time, for {@link TimingWheel.takeDue}. No more than `most` alarms are touched; true
   * if these were enough.
   */
  collect(now: number, most: number): boolean {
    const due: Alarm[] = [];
    let room = most;
    let slot = this.#firstSlot();
    while (room > 0 && slot < DUE && this.#startOf(slot) <= this.#tickOf(now)) {
      this.#moveTo(this.#startOf(slot));
      room -= slot < SLOTS ? this.#pick(slot, now, room, due) : this.#cascade(slot, room);
      const next = this.#firstSlot();
      // What is left of a millisecond is due later within it.
      if (next === slot) break;
      slot = next;
    }
    if (room > 0) this.#moveTo(this.#tickOf(now));
    // A millisecond holds its fractions in any order, and what was overdue when it was added.
    due.sort((a, b) => a.due - b.due);
    for (const alarm of due) this.#lists.append(alarm, DUE);
    return room > 0;
  }

  /** The next of those that were found due. */
  takeDue(): Alarm | undefined {
    return this.#lists.take(DUE);
  }

  /** When to collect next, if all was found that was due at `now`; {@link END} if nothing is left. */
  nextTime(now: number): number {
    const slot = this.#firstSlot();
    if (slot >= DUE) return END;
    const start = this.#origin + this.#startOf(slot);
    if (slot >= SLOTS) return start;
    let earliest = END;
    let compared = 0;
    for (let alarm = this.#lists.first(slot); alarm !== undefined; alarm = alarm.next) {
      if (++compared > MOST_COMPARED) return start > now ? start : start + 1;
      earliest = Math.min(earliest, alarm.due);
    }
    return earliest;
  }

  /** When to collect for the sake of this alarm: once it is due, or may move to a lower level. */
  timeFor(alarm: Alarm): number {
    return alarm.slot < SLOTS ? alarm.due : this.#origin + this.#startOf(alarm.slot);
  }

  /** Brings the position as near to the present as it gets without passing an alarm: what comes is placed finer. */
  catchUp(now: number): void {
    const slot = this.#firstSlot();
    const present = this.#tickOf(now);
    this.#moveTo(slot < DUE ? Math.min(present, this.#startOf(slot) - 1) : present);
  }

  /** Takes what is due out of a slot of level 0. */
  #pick(slot: number, now: number, room: number, due: Alarm[]): number {
    const before = due.length;
    let passed = 0;
    let next: Alarm | undefined;
    for (let alarm = this.#lists.first(slot); alarm !== undefined && due.length - before < room; alarm = next) {
      next = alarm.next;
      if (alarm.due <= now && this.#lists.remove(alarm)) due.push(alarm);
      else if (++passed > MOST_COMPARED) break;
    }
    return due.length - before;
  }

  /** Moves alarms from the slot at the position to lower levels, the first first. */
  #cascade(slot: number, room: number): number {
    this.#cascading = slot;
    for (let moved = 0; moved < room; moved++) {
      const alarm = this.#lists.take(slot);
      if (alarm === undefined) return moved;
      this.#lists.append(alarm, this.#slotFor(alarm.due));
    }
    return room;
  }

  #tickOf(time: number): number {
    return Math.floor(time - this.#origin);
  }

  /** Never goes back. An occupied slot may begin there, but not before. */
  #moveTo(tick: number): void {
    const positions = this.#positions;
    if (tick <= (positions[0] as number)) return;
    let position = tick;
    for (let level = 0; positions[level] !== position; level++) {
      positions[level] = position;
      position = Math.floor(position / SLOTS);
    }
  }

  #slotFor(due: number): number {
    const positions = this.#positions;
    let position = Math.max(this.#tickOf(due), positions[0] as number);
    let parent = Math.floor(position / SLOTS);
    let level = 0;
    while (parent !== positions[level + 1]) {
      position = parent;
      parent = Math.floor(position / SLOTS);
      level++;
    }
    return level * SLOTS + (position & (SLOTS - 1));
  }

  /** The slot that comes first: a half-emptied one, or else the lowest. {@link DUE} or more if the wheel is empty. */
  #firstSlot(): number {
    if (this.#cascading !== 0 && this.#lists.first(this.#cascading) !== undefined) return this.#cascading;
    this.#cascading = 0;
    const lowest = this.#lists.lowest();
    return lowest === -1 ? DUE : lowest;
  }

  /** The first tick of an occupied slot. */
  #startOf(slot: number): number {
    const level = Math.floor(slot / SLOTS);
    return ((this.#positions[level + 1] as number) * SLOTS + (slot % SLOTS)) * SLOTS ** level;
  }
}
