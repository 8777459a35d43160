import type { PolicyTask, TaskPolicy } from './policy.ts';
import type { PolicyServices } from './services.ts';

/** Gives an attempt up after a time. */
export class TimeoutPolicy implements TaskPolicy {
  readonly #timeout: number;
  readonly #services: PolicyServices;
  readonly #error: (timeout: number, task: PolicyTask) => unknown;

  constructor(timeout: number, services: PolicyServices, error: (timeout: number, task: PolicyTask) => unknown) {
    this.#timeout = timeout;
    this.#services = services;
    this.#error = error;
  }

  before(task: PolicyTask): 'run' {
    const { clock } = this.#services;
    task.giveUpAt(clock.now() + this.#timeout, () => {
      const error = this.#error(this.#timeout, task);
      this.#services.tell('timeout', task, { error });
      return error;
    });
    return 'run';
  }
}
