import type { PolicyTask } from './policy.ts';

/**
 * Resumes parked tasks a microtask later, one for a burst: a resumed task may begin at once, and must not while another
 * one is being ended, cancelled or asked about.
 */
export class WakeUps {
  readonly #due: Set<PolicyTask> = new Set();

  add(task: PolicyTask): void {
    this.#due.add(task);
    if (this.#due.size === 1) queueMicrotask(this.#resumeAll);
  }

  /** It came back by itself, or is not wanted any more. Parked again, for another reason, it must not be woken. */
  delete(task: PolicyTask): void {
    this.#due.delete(task);
  }

  readonly #resumeAll = (): void => {
    for (const task of this.#due) {
      this.#due.delete(task);
      task.resume();
    }
  };
}
