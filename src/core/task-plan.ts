import { Err, type Result } from 'neverthrow';
import type { PolicyTask, TaskPolicy } from '../policies/policy.ts';
import type { Payload } from './payload.ts';

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
        if (verdict !== 'park' && !(verdict instanceof Err)) continue;
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
    const by = this.#policies.find((policy) => policy.after?.(task, result) === 'park');
    if (by === undefined) return 'settle';
    this.parkedBy = by;
    return 'park';
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

  #tell(task: PolicyTask, report: Report, hook: (policy: TaskPolicy) => void): void {
    for (const policy of this.#policies) {
      try {
        hook(policy);
      } catch (error) {
        report(task, error);
      }
    }
  }
}
