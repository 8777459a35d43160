import { type Err, err } from 'neverthrow';
import { BatchPolicy } from './batch.ts';
import type { PolicyTask, TaskPolicy } from './policy.ts';
import type { PolicyServices } from './services.ts';

/** When a payload expires: so many milliseconds after it was accepted, or at a time of day. */
export type Expiry = { readonly ttl: number } | { readonly expiresAt: number };

/** When a task expires, on the queue's clock as the time of day is now; `Infinity` if it does not. */
export function expiryDue(expiry: Expiry | undefined, task: PolicyTask, clock: PolicyServices['clock']): number {
  if (expiry === undefined) return Number.POSITIVE_INFINITY;
  return 'ttl' in expiry ? task.acceptedAt + expiry.ttl : clock.now() + (expiry.expiresAt - clock.wall());
}

/** Refuses to attempt what has expired, at the first attempt and at later ones. */
export class ExpiryPolicy implements TaskPolicy {
  readonly #expiry: Expiry;
  readonly #services: PolicyServices;
  readonly #error: () => unknown;

  constructor(expiry: Expiry, services: PolicyServices, error: () => unknown) {
    this.#expiry = expiry;
    this.#services = services;
    this.#error = error;
  }

  before(task: PolicyTask): 'run' | Err<never, unknown> {
    const { clock } = this.#services;
    if (clock.now() < expiryDue(this.#expiry, task, clock)) return 'run';
    return err(this.#expired(task));
  }

  /** What waits for company leaves when its time has come; what waits for its turn comes back then by itself. */
  notStarted(task: PolicyTask, by: TaskPolicy): void {
    if (!(by instanceof BatchPolicy)) return;
    const due = expiryDue(this.#expiry, task, this.#services.clock);
    if (due === Number.POSITIVE_INFINITY) return;
    by.mayExpire(task);
    task.giveUpAt(due, () => this.#expired(task));
  }

  #expired(task: PolicyTask): unknown {
    const error = this.#error();
    this.#services.tell('expired', task, { error });
    return error;
  }
}
