import { Alarm } from '../schedule/alarm.ts';
import type { Timers } from '../schedule/timers.ts';
import type { Task } from './task.ts';

/** The alarm of a task: while it is parked, it brings it back; while it runs, it ends its attempt. */
export class TaskAlarm extends Alarm {
  readonly #task: Task;
  /** Makes the error of an attempt that is to be given up; undefined if the task is to be resumed. */
  readonly #error: (() => unknown) | undefined;

  constructor(task: Task, error: (() => unknown) | undefined) {
    super();
    this.#task = task;
    this.#error = error;
  }

  ring(): void {
    this.#task.needExtras().alarm = undefined;
    if (this.#error === undefined) this.#task.resume();
    else this.#task.giveUp(this.#error());
  }
}

/** A task has one alarm: this one, or none, instead of the one before. */
export function setAlarm(timers: Timers, task: Task, alarm: TaskAlarm | undefined, due: number): void {
  const extras = task.needExtras();
  if (extras.alarm !== undefined) timers.cancel(extras.alarm);
  extras.alarm = alarm;
  if (alarm !== undefined) timers.set(alarm, due);
}
