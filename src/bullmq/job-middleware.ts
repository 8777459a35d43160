import type { CollectorQueue } from '../core/queue.ts';
import type { TaskPolicy } from '../policies/policy.ts';
import { policyOfJobs } from './assignment.ts';

/** What users wrap the attempts of a process in. It outlasts the runs of its queue, of which each has a queue within. */
export class JobMiddleware {
  readonly #policies: TaskPolicy[] = [];
  #within: CollectorQueue | undefined = undefined;

  use(policy: TaskPolicy): void {
    const ofJobs = policyOfJobs(policy);
    this.#policies.push(ofJobs);
    this.#within?.use(ofJobs);
  }

  /** From now on this is the queue within. */
  attach(within: CollectorQueue): void {
    for (const policy of this.#policies) within.use(policy);
    this.#within = within;
  }
}
