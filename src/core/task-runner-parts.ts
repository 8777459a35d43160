import type { Result } from 'neverthrow';
import type { ConsumerPool } from '../pool/consumer-pool.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import type { Clock } from '../schedule/clock.ts';
import type { Timers } from '../schedule/timers.ts';
import type { QueuedEvent } from './event.ts';
import type { Ledger } from './ledger.ts';
import type { QueueSettings } from './options.ts';
import type { Task } from './task.ts';
import type { TaskPlanner } from './task-planner.ts';

/** Told how tasks end. */
export interface TaskSink {
  /** A task is done for good. */
  taskDone(task: Task, result: Result<unknown, unknown>): void;
  /** The last work of an event that went on after `start` has ended, or was given up. */
  workEnded(event: QueuedEvent): void;
  /** The consumer that was kept for given-up work is free. */
  leftoversEnded(): void;
  /** Something has settled without a consumer. */
  checkIdle(): void;
}

/** What a runner works with. */
export interface TaskRunnerParts {
  readonly settings: QueueSettings;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ledger: Ledger;
  readonly events: QueueEventSource;
  readonly pool: ConsumerPool<QueuedEvent>;
  readonly planner: TaskPlanner;
  readonly sink: TaskSink;
}
