import { type Err, err } from 'neverthrow';
import type { PolicyTask, TaskPolicy } from './policy.ts';
import type { PolicyServices } from './services.ts';

/** When something is due: so many milliseconds after the payload was accepted, or at a time of day. */
export type Delay = { readonly delay: number } | { readonly at: number };

/** Parks a task until its time has come. Looked at before each attempt, so it needs no memory: later ones are due. */
export class DelayPolicy implements TaskPolicy {
  readonly #delay: Delay;
  readonly #services: PolicyServices;

  constructor(delay: Delay, services: PolicyServices) {
    this.#delay = delay;
    this.#services = services;
  }

  before(task: PolicyTask): 'run' | 'park' | Err<never, unknown> {
    const { clock, delays } = this.#services;
    const now = clock.now();
    const delay = 'delay' in this.#delay ? task.acceptedAt + this.#delay.delay - now : this.#delay.at - clock.wall();
    if (delay <= 0) {
      delays.delete(task);
      return 'run';
    }
    if (delays.refusal !== undefined) return err(delays.refusal);
    delays.add(task);
    task.resumeAt(now + delay);
    this.#services.tell('scheduled', task, { delay });
    return 'park';
  }

  settled(task: PolicyTask): void {
    this.#services.delays.delete(task);
  }

  forget(task: PolicyTask): void {
    this.#services.delays.delete(task);
  }
}
