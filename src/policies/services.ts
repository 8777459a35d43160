import type { Clock } from '../schedule/clock.ts';
import type { Delays } from './delays.ts';
import type { PolicyTask } from './policy.ts';

/** The queue events that policies tell. */
export type TaskNewsName = 'scheduled' | 'retrying' | 'timeout' | 'expired' | 'locked' | 'revoked';

/** What a policy may tell of a task. */
export interface TaskNews {
  readonly error?: unknown;
  /** Milliseconds until the next attempt. */
  readonly delay?: number;
  readonly lock?: string;
}

/** What policies need from the queue run that they work in. */
export interface PolicyServices {
  readonly clock: Clock;
  readonly delays: Delays;
  /** What the user's code failed with: the cause of a ProcessorError, anything else itself. */
  reasonOf(error: unknown): unknown;
  /** Emits a queue event about a task, if anybody listens. */
  tell(name: TaskNewsName, task: PolicyTask, news: TaskNews): void;
}
