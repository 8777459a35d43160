import type { PolicyTask, TaskPolicy } from './policy.ts';
import type { PolicyServices } from './services.ts';

/** Who holds which lock. Shared by all collectors of a queue, so a name means the same to each. */
export type Locks = Map<string, PolicyTask>;

/**
 * Lets one task at a time hold a named lock. Does not block: a task that finds the lock taken is parked and tries again
 * after the delay, which costs no attempt. The lock is held until the work ends, even if nobody waits for it any more; the next
 * run of the queue begins without locks.
 */
export class LockPolicy implements TaskPolicy {
  readonly #name: string;
  readonly #delay: number;
  readonly #locks: Locks;
  readonly #services: PolicyServices;

  constructor(name: string, delay: number, locks: Locks, services: PolicyServices) {
    this.#name = name;
    this.#delay = delay;
    this.#locks = locks;
    this.#services = services;
  }

  before(task: PolicyTask): 'run' | 'park' {
    if (!this.#locks.has(this.#name)) {
      this.#locks.set(this.#name, task);
      return 'run';
    }
    task.resumeAt(this.#services.clock.now() + this.#delay);
    this.#services.tell('locked', task, { delay: this.#delay, lock: this.#name });
    return 'park';
  }

  workEnded(task: PolicyTask): void {
    if (this.#locks.get(this.#name) === task) this.#locks.delete(this.#name);
  }
}
