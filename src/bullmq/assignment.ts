import type { Result } from 'neverthrow';
import type { Attempt } from '../core/collector.ts';
import { Payload, type PayloadOptions } from '../core/payload.ts';
import type { PolicyTask, TaskPolicy } from '../policies/policy.ts';
import { release } from './held-control.ts';

/** What a job is, as far as its processor is told. */
export interface Assignment {
  readonly key: string;
  readonly eventId: string;
  /** The attempts before this one. */
  readonly before: number;
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** Called when the processor is. */
  readonly started: (attempt: number) => void;
}

let assignmentIn: (payload: JobPayload) => Assignment;

/** A payload that came as a job. */
export class JobPayload extends Payload<unknown, string, string> {
  readonly #assignment: Assignment;

  static {
    assignmentIn = (payload) => payload.#assignment;
  }

  constructor(value: unknown, options: PayloadOptions, assignment: Assignment) {
    super(value, options);
    this.#assignment = assignment;
  }
}

export function assignmentOf(payload: Payload): Assignment {
  return assignmentIn(payload as JobPayload);
}

/** An attempt as the processor sees it: what it counts goes on over all processes. */
export class JobAttempt implements Attempt {
  readonly #inner: Attempt;
  readonly #assignment: Assignment;

  constructor(inner: Attempt, assignment: Assignment) {
    this.#inner = inner;
    this.#assignment = assignment;
  }

  get number(): number {
    return this.#assignment.before + this.#inner.number;
  }

  get collectorKey(): string {
    return this.#assignment.key;
  }

  get eventId(): string {
    return this.#assignment.eventId;
  }

  get headers(): Readonly<Record<string, string>> | undefined {
    return this.#assignment.headers;
  }

  get signal(): AbortSignal {
    return this.#inner.signal;
  }
}

/** The same for a policy. */
class JobTask extends JobAttempt implements PolicyTask {
  readonly #task: PolicyTask;

  constructor(task: PolicyTask, assignment: Assignment) {
    super(task, assignment);
    this.#task = task;
  }

  get payload(): Payload | undefined {
    return this.#task.payload;
  }

  get chain(): object {
    return this.#task.chain;
  }

  get acceptedAt(): number {
    return this.#task.acceptedAt;
  }

  resume(): void {
    this.#task.resume();
  }

  resumeAt(due: number): void {
    this.#task.resumeAt(due);
  }

  giveUp(error: unknown): void {
    this.#task.giveUp(error);
  }

  complete(result: Result<unknown, unknown>): void {
    this.#task.complete(result);
  }

  giveUpAt(due: number, error: () => unknown): void {
    this.#task.giveUpAt(due, error);
  }
}

/** A collector's own policy, which sees the job in its task. One task is the same object at each call. */
export function policyOfJobs(policy: TaskPolicy): TaskPolicy {
  const seen: WeakMap<PolicyTask, PolicyTask> = new WeakMap();
  const seeing = (task: PolicyTask): PolicyTask => {
    const known = seen.get(task);
    if (known !== undefined) return known;
    const { payload } = task;
    // Without a payload the event has settled; then it is one of those that were seen, or nothing is to be told of it.
    const made = payload === undefined ? task : new JobTask(task, assignmentOf(payload));
    seen.set(task, made);
    return made;
  };
  const ofJobs: TaskPolicy = {
    before: (task) => policy.before?.(seeing(task)) ?? 'run',
    notStarted: (task, by) => policy.notStarted?.(seeing(task), by === ofJobs ? policy : by),
    after: (task, result) => policy.after?.(seeing(task), release(result)) ?? 'settle',
    workEnded: (task) => policy.workEnded?.(seeing(task)),
    settled: (task, result, payload) => policy.settled?.(seeing(task), release(result), payload),
    forget: (task) => policy.forget?.(seeing(task)),
  };
  return ofJobs;
}
