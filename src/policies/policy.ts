import type { Err, Result } from 'neverthrow';
import type { Attempt } from '../core/collector.ts';
import type { Payload } from '../core/payload.ts';

/** A task as a policy sees it. */
export interface PolicyTask extends Attempt {
  /** Undefined once the event has settled. */
  readonly payload: Payload | undefined;
  /** The same for every attempt of one task; tasks of other collectors may share it. */
  readonly chain: object;
  /** When its event was accepted, on the queue's clock; if that was not to be known then, when it was first asked for. */
  readonly acceptedAt: number;
  /**
   * Brings a parked task back: it gets a consumer before all that waits, and every policy is asked again. Does nothing
   * for a task that is not parked (any more).
   */
  resume(): void;
  /** Calls {@link PolicyTask.resume} at this time on the queue's clock. A task has one alarm: a new one replaces it. */
  resumeAt(due: number): void;
  /**
   * Ends the attempt with this error: its signal fires, the policies are asked what follows, and what its work brings
   * later is ignored. A parked task settles with the error. Does nothing for a task that has ended.
   */
  giveUp(error: unknown): void;
  /**
   * Brings a parked task the result of an attempt that was made for it elsewhere, since `startedAt` on the queue's clock; the
   * policies are asked what follows. Does nothing for a task that is not parked (any more).
   */
  complete(result: Result<unknown, unknown>, startedAt: number): void;
  /** Calls {@link PolicyTask.giveUp} at this time on the queue's clock, unless the attempt has ended by then. */
  giveUpAt(due: number, error: () => unknown): void;
}

/**
 * Goes on to what is inside of a middleware, the processor in the end, and gives its outcome: it neither throws nor
 * rejects. To be called once, before the middleware ends.
 *
 * @throws {@link InvalidArgumentError} if it is called again, or too late
 */
export type Next = () => Result<unknown, unknown> | Promise<Result<unknown, unknown>>;

/**
 * Wraps an attempt at a task: what it does before and after `next()` happens around the processor, and what it returns is
 * the result, most often what `next()` gave. If it does not call `next`, the processor is not called. A throw or a
 * rejection counts as `Err(ProcessorError)`, and so does what is no `Result`.
 */
export type Middleware = (task: PolicyTask, next: Next) => Result<any, any> | PromiseLike<Result<any, any>>;

/**
 * Decides about the tasks of a collector. To park a task means: it frees its consumer, is counted, and comes back when
 * the policy that parked it calls `task.resume()`. At most `maxParked` are parked at a time; a task that would be one
 * too many settles as `Err(ParkedFullError)`.
 *
 * The methods but `around` must be quick and synchronous. What `before` and `after` throw settles the task as
 * `Err(ProcessorError)`, and so does an answer that is none, such as a promise; what the others throw is told as
 * `error-internal`.
 *
 * @experimental The shape may still change in a minor release.
 */
export interface TaskPolicy {
  /** Asked before each attempt. An `Err` settles the task with it; the processor is not called. */
  before?(task: PolicyTask): 'run' | 'park' | Err<unknown, unknown>;
  /**
   * The attempt that was asked about does not begin: this policy, perhaps the one that is told, has parked or refused the
   * task, or has thrown. Told to all policies, also to those that were not asked. So each attempt that a policy lets
   * through is followed by this or by {@link TaskPolicy.workEnded}, and what is held for an attempt can be let go of.
   */
  notStarted?(task: PolicyTask, by: TaskPolicy): void;
  /** Is called instead of the processor, which `next` calls; see {@link Middleware}. */
  around?(task: PolicyTask, next: Next): ReturnType<Middleware>;
  /** Asked after each attempt; `'park'` means that the task is attempted again once it was resumed. */
  after?(task: PolicyTask, result: Result<unknown, unknown>): 'settle' | 'park';
  /** The work of an attempt that {@link TaskPolicy.before} let through has ended, perhaps long after it was given up. */
  workEnded?(task: PolicyTask): void;
  /** The task has settled with this result; its event was not given up before. */
  settled?(task: PolicyTask, result: Result<unknown, unknown>, payload: Payload): void;
  /**
   * A task that was parked is wanted no more: its event was cancelled, or the queue shut down. Also told of work that a
   * shutdown leaves behind.
   */
  forget?(task: PolicyTask): void;
}
