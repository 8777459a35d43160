import { Delays } from '../policies/delays.ts';
import type { PolicyTask } from '../policies/policy.ts';
import type { PolicyServices, TaskNews, TaskNewsName } from '../policies/services.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import type { Clock } from '../schedule/clock.ts';
import { ProcessorError } from './errors.ts';
import type { Task } from './task.ts';
import { describeTask } from './task-description.ts';

/** What the policies of one run work with. */
export function policyServices(events: QueueEventSource, clock: Clock): PolicyServices {
  const tell = (name: TaskNewsName, task: PolicyTask, news: TaskNews): void => {
    // Nothing follows the end of a payload: the time limit of work that was cancelled is no news.
    if ((task as Task).event.status === 'settled' || !events.observed(name)) return;
    events.emit(name, describe(name, task as Task, news, clock) as never);
  };
  return { clock, delays: new Delays(), tell, reasonOf };
}

function reasonOf(error: unknown): unknown {
  return error instanceof ProcessorError ? error.cause : error;
}

function describe(name: TaskNewsName, task: Task, { delay, ...news }: TaskNews, clock: Clock): object {
  const executeTime = delay === undefined ? undefined : clock.wall() + delay;
  if (name === 'scheduled') return { id: task.eventId, task: task.collectorKey, delay, executeTime };
  if (name === 'revoked') return { id: task.eventId, task: task.collectorKey, ...news };
  return { ...describeTask(task), retryDelay: delay, executeTime, ...news };
}
