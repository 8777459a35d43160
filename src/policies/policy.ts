import type { Result } from 'neverthrow';
import type { Attempt } from '../core/collector.ts';
import type { Payload } from '../core/payload.ts';

/** A task as a policy sees it. */
export interface PolicyTask extends Attempt {
  /** Undefined once the event has settled. */
  readonly payload: Payload | undefined;
  /**
   * Brings a parked task back: it gets a consumer before all that waits, and every policy is asked again. Does nothing
   * for a task that is not parked (any more).
   */
  resume(): void;
}

/**
 * Decides about the tasks of a collector. To park a task means: it frees its consumer, is counted, and comes back when
 * the policy that parked it calls `task.resume()`. At most `maxParked` are parked at a time; a task that would be one
 * too many settles as `Err(ParkedFullError)`.
 *
 * The methods must be quick and synchronous; what they throw settles the task as `Err(ProcessorError)`.
 *
 * @experimental The shape may still change in a minor release.
 */
export interface TaskPolicy {
  /** Asked before each attempt. */
  before?(task: PolicyTask): 'run' | 'park';
  /** Asked after each attempt; `'park'` means that the task is attempted again once it was resumed. */
  after?(task: PolicyTask, result: Result<unknown, unknown>): 'settle' | 'park';
  /** A task that was parked is wanted no more: its event was cancelled, or the queue shut down. */
  forget?(task: PolicyTask): void;
}
