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
let taskIn: (payload: JobPayload, task: PolicyTask) => JobTask;

/** A payload that came as a job. */
export class JobPayload extends Payload<unknown, string, string> {
  readonly #assignment: Assignment;
  /** The attempt that was seen last. */
  #seen: JobTask | undefined = undefined;

  static {
    assignmentIn = (payload) => payload.#assignment;
    taskIn = (payload, task) => {
      if (payload.#seen?.within !== task) payload.#seen = new JobTask(task, payload.#assignment);
      return payload.#seen;
    };
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
  /** The task of the queue within. */
  readonly within: PolicyTask;
  readonly #assignment: Assignment;
  #begun = false;

  constructor(task: PolicyTask, assignment: Assignment) {
    this.within = task;
    this.#assignment = assignment;
  }

  /** The first of what runs for this attempt is called: a middleware, or the processor. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#assignment.started(this.number);
  }

  get number(): number {
    return this.#assignment.before + this.within.number;
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
    return this.within.signal;
  }

  get payload(): Payload | undefined {
    return this.within.payload;
  }

  get chain(): object {
    return this.within.chain;
  }

  get acceptedAt(): number {
    return this.within.acceptedAt;
  }

  resume(): void {
    this.within.resume();
  }

  resumeAt(due: number): void {
    this.within.resumeAt(due);
  }

  giveUp(error: unknown): void {
    this.within.giveUp(error);
  }

  complete(result: Result<unknown, unknown>, startedAt: number): void {
    this.within.complete(result, startedAt);
  }

  giveUpAt(due: number, error: () => unknown): void {
    this.within.giveUpAt(due, error);
  }
}

/** The attempt at a job which a task of the queue within is: the same object for all who see it. */
export function jobTaskOf(task: PolicyTask, payload: Payload): JobTask {
  return taskIn(payload as JobPayload, task);
}

/** What policies have seen: a task whose event has settled has no payload any more. Nothing is kept here for others. */
const seen: WeakMap<PolicyTask, JobTask> = new WeakMap();

/** Nothing is to be told of a task that has no payload and was not seen. */
function seeing(task: PolicyTask): PolicyTask {
  const known = seen.get(task);
  if (known !== undefined || task.payload === undefined) return known ?? task;
  const made = jobTaskOf(task, task.payload);
  seen.set(task, made);
  return made;
}

/** A policy of users, which sees the job in its task. */
export function policyOfJobs(policy: TaskPolicy): TaskPolicy {
  const ofJobs: TaskPolicy = {
    before: (task) => {
      const job = seeing(task);
      return policy.before?.(job) ?? 'run';
    },
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
