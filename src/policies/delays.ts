import type { PolicyTask } from './policy.ts';

/** The tasks of one run that wait for the delay of their collector. */
export class Delays {
  readonly #waiting: Set<PolicyTask> = new Set();
  #refusal: Error | undefined = undefined;

  /** Why nothing may begin to wait any more; undefined as long as it may. */
  get refusal(): Error | undefined {
    return this.#refusal;
  }

  add(task: PolicyTask): void {
    this.#waiting.add(task);
  }

  delete(task: PolicyTask): void {
    this.#waiting.delete(task);
  }

  /** Settles those that wait with this error, and those that would begin to. */
  giveUpAll(error: Error): void {
    this.#refusal = error;
    for (const task of [...this.#waiting]) task.giveUp(error);
  }
}
