import type { PolicyTask } from './policy.ts';

/** Where a task stands in a line. */
export interface LinePlace {
  readonly task: PolicyTask;
  /** When it expires, on the queue's clock. */
  expires: number;
  previous: LinePlace | undefined;
  next: LinePlace | undefined;
}

/**
 * Parked tasks that wait for their turn, in the order in which they came; any of them may leave at any time, which
 * costs the same however many wait. One that expires comes back at that time, to be refused.
 */
export class WaitingLine {
  /** Made when somebody waits: most lines stay empty. */
  #places: Map<PolicyTask, LinePlace> | undefined = undefined;
  #first: LinePlace | undefined = undefined;
  #last: LinePlace | undefined = undefined;

  get first(): LinePlace | undefined {
    return this.#first;
  }

  /** Takes the last place, unless the task has one already. It must be about to be parked: its alarm is set. */
  add(task: PolicyTask, expires: number): void {
    const known = this.#places?.get(task);
    if (known === undefined) this.#append(task, expires);
    else known.expires = expires;
    if (expires !== Number.POSITIVE_INFINITY) task.resumeAt(expires);
  }

  /** False if it did not wait here. */
  delete(task: PolicyTask): boolean {
    const place = this.#places?.get(task);
    if (place === undefined) return false;
    this.#places?.delete(task);
    const { previous, next } = place;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    return true;
  }

  /** Takes the first out. */
  shift(): PolicyTask | undefined {
    const task = this.#first?.task;
    if (task !== undefined) this.delete(task);
    return task;
  }

  #append(task: PolicyTask, expires: number): void {
    const place: LinePlace = { task, expires, previous: this.#last, next: undefined };
    if (this.#last === undefined) this.#first = place;
    else this.#last.next = place;
    this.#last = place;
    this.#places ??= new Map();
    this.#places.set(task, place);
  }
}
