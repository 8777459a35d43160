import type { Task } from './task.ts';

/** A task that waits for its policy. */
export interface ParkedTask {
  readonly task: Task;
  /** It was attempted already: what comes back is the next attempt. */
  readonly attempted: boolean;
}

/** The tasks of one event that are parked, and those that were resumed and wait for a consumer. */
export class Parking {
  readonly #parked: ParkedTask[] = [];
  #resumed: Task[] = [];

  get isEmpty(): boolean {
    return this.#parked.length === 0 && this.#resumed.length === 0;
  }

  park(task: Task, attempted: boolean): void {
    this.#parked.push({ task, attempted });
  }

  /** Takes a task out; returns the task to run, or undefined if it is not parked. */
  unpark(task: Task): Task | undefined {
    const at = this.#parked.findIndex((one) => one.task === task);
    const [parked] = at === -1 ? [] : this.#parked.splice(at, 1);
    if (parked === undefined) return undefined;
    return parked.attempted ? task.successor() : task;
  }

  /** Keeps a task that was taken out until a consumer is found. True if it is the first. */
  await(task: Task): boolean {
    return this.#resumed.push(task) === 1;
  }

  takeResumed(): Task[] {
    const resumed = this.#resumed;
    this.#resumed = [];
    return resumed;
  }

  takeParked(): Task[] {
    return this.#parked.splice(0).map(({ task }) => task);
  }
}
