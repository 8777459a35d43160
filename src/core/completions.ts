import type { Result } from 'neverthrow';
import { failureOf, toResult } from './results.ts';
import type { Task } from './task.ts';

const nativeThen = Promise.prototype.then;

/** Told the outcome of a task that went on. */
type OnEnd = (task: Task, result: Result<unknown, unknown>) => void;

/** Work that goes on. */
export interface Running {
  readonly task: Task;
  /** When it began, by the clock of the pool, which is read now and then: a little early, never late. */
  readonly since: number;
}

/**
 * Brings the outcomes of promises back to their tasks. The handlers of a promise are a pair that is used again and
 * again: a closure for each task would cost more than the rest of its way.
 */
export class Completions {
  /** Every one that was made; those in use know what is under way. */
  readonly #made: Completion[] = [];
  readonly #free: Completion[] = [];
  readonly #onEnd: OnEnd;

  constructor(onEnd: OnEnd) {
    this.#onEnd = onEnd;
  }

  /** Calls back when the promise settles; the work began at `since`. Throws nothing but what a promise that pretends to be one throws. */
  follow(promise: Promise<unknown>, task: Task, since: number): void {
    const completion = this.#free.pop() ?? this.#make();
    nativeThen.call(promise, completion.onOk, completion.onErr);
    completion.task = task;
    completion.since = since;
  }

  /** The tasks that go on. */
  underWay(): Task[] {
    return this.#made.flatMap(({ task }) => task ?? []);
  }

  /** The same, with their beginnings; to be read at once: the entries are used again. */
  running(): Running[] {
    return this.#made.filter((completion): completion is Completion & Running => completion.task !== undefined);
  }

  #make(): Completion {
    const completion = new Completion(this.#free, this.#onEnd);
    this.#made.push(completion);
    return completion;
  }
}

/** The handlers of one promise at a time. */
class Completion {
  task: Task | undefined = undefined;
  // No whole number, so that V8 has it as a double from the start, and writes in place.
  since = Number.NaN;
  readonly onOk: (value: unknown) => void;
  readonly onErr: (reason: unknown) => void;

  constructor(free: Completion[], onEnd: OnEnd) {
    const take = (): Task => {
      const task = this.task as Task;
      this.task = undefined;
      free.push(this);
      return task;
    };
    this.onOk = (value) => {
      const task = take();
      onEnd(task, toResult(value, task.registration.key));
    };
    this.onErr = (reason) => {
      const task = take();
      onEnd(task, failureOf(task.registration.key, reason));
    };
  }
}
