import type { Result } from 'neverthrow';
import type { SendHeaders } from '../core/headers.ts';
import { Payload, type PayloadOptions } from '../core/payload.ts';
import { promiseOf } from '../core/promise-of.ts';
import type { CheckedPayload, CheckedTask } from '../core/value-check.ts';
import type { Middleware, Next, PolicyTask, TaskPolicy } from '../policies/policy.ts';
import { holdGiven, holdThrown, release } from './held-control.ts';

/** What a job is, as far as its processor is told. */
export interface Assignment {
  readonly key: string;
  readonly eventId: string;
  /** The attempts before this one. */
  readonly before: number;
  readonly headers: SendHeaders | undefined;
  /** Called when an attempt begins. */
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

/** A task as its processor and its policies see it: what it counts goes on over all processes. */
class JobTask implements CheckedTask {
  checked: CheckedPayload | undefined = undefined;
  checkedTopics: CheckedPayload | undefined = undefined;
  readonly #task: PolicyTask;
  readonly #assignment: Assignment;
  #begun = false;

  constructor(task: PolicyTask, assignment: Assignment) {
    this.#task = task;
    this.#assignment = assignment;
  }

  /** The first of what runs for this attempt is called: a middleware, or the processor. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#assignment.started(this.number);
  }

  get number(): number {
    return this.#assignment.before + this.#task.number;
  }

  get collectorKey(): string {
    return this.#assignment.key;
  }

  get eventId(): string {
    return this.#assignment.eventId;
  }

  get headers(): SendHeaders | undefined {
    return this.#assignment.headers;
  }

  get signal(): AbortSignal {
    return this.#task.signal;
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

  complete(result: Result<unknown, unknown>, startedAt: number): void {
    this.#task.complete(result, startedAt);
  }

  giveUpAt(due: number, error: () => unknown): void {
    this.#task.giveUpAt(due, error);
  }
}

/** One task is the same object for all who see it. */
const seen: WeakMap<PolicyTask, JobTask> = new WeakMap();

/** The attempt at a job which a task of the queue within is. */
export function jobTaskOf(task: PolicyTask, payload: Payload): JobTask {
  const known = seen.get(task);
  if (known !== undefined) return known;
  const made = new JobTask(task, assignmentOf(payload));
  seen.set(task, made);
  return made;
}

/** Without a payload the event has settled; then it is one of those that were seen, or nothing is to be told of it. */
function seeing(task: PolicyTask): PolicyTask {
  return seen.get(task) ?? (task.payload === undefined ? task : jobTaskOf(task, task.payload));
}

/** A policy of users, which sees the job in its task. */
export function policyOfJobs(policy: TaskPolicy): TaskPolicy {
  const ofJobs: TaskPolicy = {
    before: (task) => policy.before?.(seeing(task)) ?? 'run',
    notStarted: (task, by) => policy.notStarted?.(seeing(task), by === ofJobs ? policy : by),
    after: (task, result) => policy.after?.(seeing(task), release(result)) ?? 'settle',
    workEnded: (task) => policy.workEnded?.(seeing(task)),
    settled: (task, result, payload) => policy.settled?.(seeing(task), release(result), payload),
    forget: (task) => policy.forget?.(seeing(task)),
    ...(policy.around !== undefined && { around: (task, next) => aroundJob(policy, task, next) }),
  };
  return ofJobs;
}

/** What it throws or returns to control its task is for Redis; see held-control.ts. */
function aroundJob(policy: TaskPolicy, task: PolicyTask, next: Next): ReturnType<Middleware> {
  const job = seeing(task);
  if (job instanceof JobTask) job.begin();
  const onward: Next = () => {
    const outcome = next();
    return outcome instanceof Promise ? outcome.then(release) : release(outcome);
  };
  try {
    const returned: unknown = policy.around?.(job, onward);
    return (promiseOf(returned)?.then(holdGiven, holdThrown) ?? holdGiven(returned)) as ReturnType<Middleware>;
  } catch (thrown) {
    return holdThrown(thrown);
  }
}
