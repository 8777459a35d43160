import { Err, type Result } from 'neverthrow';
import type { PolicyTask, TaskPolicy } from '../policies/policy.ts';
import { describe } from './errors.ts';
import type { Payload } from './payload.ts';
import { hush } from './promise-of.ts';

/** Told what a policy throws where it has no say. */
type Report = (task: PolicyTask, error: unknown) => void;

/** What is minded of a task beside calling the processor: its policies, asked in their order. */
export class TaskPlan {
  /** Attempts in all. */
  readonly attempts: number;
  /** The policy that parked a task last; to be read at once. */
  parkedBy: TaskPolicy | undefined = undefined;
  readonly #policies: readonly TaskPolicy[];

  constructor(policies: readonly TaskPolicy[], attempts: number) {
    this.#policies = policies;
    this.attempts = attempts;
  }

  /** The first objection to an attempt. Throws what a policy throws. */
  before(task: PolicyTask, report: Report): 'run' | 'park' | Err<unknown, unknown> {
    let asked: TaskPolicy | undefined;
    try {
      for (asked of this.#policies) {
        const verdict = asked.before?.(task);
        if (verdict === 'run' || verdict === undefined) continue;
        if (verdict !== 'park' && !(verdict instanceof Err))
          throw noVerdict('before', "'run', 'park' or an Err", verdict);
        this.#notStarted(task, asked, report);
        this.parkedBy = asked;
        return verdict;
      }
      return 'run';
    } catch (thrown) {
      this.#notStarted(task, asked as TaskPolicy, report);
      throw thrown;
    }
  }

  /** Whether somebody wants another attempt. Throws what a policy throws. */
  after(task: PolicyTask, result: Result<unknown, unknown>): 'settle' | 'park' {
    for (const policy of this.#policies) {
      const verdict = policy.after?.(task, result);
      if (verdict === 'settle' || verdict === undefined) continue;
      if (verdict !== 'park') throw noVerdict('after', "'settle' or 'park'", verdict);
      this.parkedBy = policy;
      return verdict;
    }
    return 'settle';
  }

  workEnded(task: PolicyTask, report: Report): void {
    this.#tell(task, report, (policy) => policy.workEnded?.(task));
  }

  settled(task: PolicyTask, result: Result<unknown, unknown>, payload: Payload, report: Report): void {
    this.#tell(task, report, (policy) => policy.settled?.(task, result, payload));
  }

  forget(task: PolicyTask, report: Report): void {
    this.#tell(task, report, (policy) => policy.forget?.(task));
  }

  #notStarted(task: PolicyTask, by: TaskPolicy, report: Report): void {
    this.#tell(task, report, (policy) => policy.notStarted?.(task, by));
  }

  #tell(task: PolicyTask, report: Report, hook: (policy: TaskPolicy) => unknown): void {
    for (const policy of this.#policies) {
      try {
        const told = hook(policy);
        if (told instanceof Promise) told.catch((error) => report(task, error));
      } catch (error) {
        report(task, error);
      }
    }
  }
}

/** What is no answer must not count as a yes: it may be the promise of a no. */
function noVerdict(method: string, expected: string, verdict: unknown): TypeError {
  hush(verdict);
  return new TypeError(`${method} of a policy must return ${expected} at once, but it returned ${describe(verdict)}`);
}
