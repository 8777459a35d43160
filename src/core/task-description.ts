import type { TaskQueueEvent } from '../queue-events/names.ts';
import type { Task } from './task.ts';

/** What queue events say about a task. */
export function describeTask(task: Task): TaskDescription {
  const attempts = task.plan?.attempts ?? 1;
  return {
    id: task.eventId,
    task: task.collectorKey,
    attempt: task.number,
    retries: Math.max(0, attempts - task.number),
    retryDelay: undefined,
    executeTime: undefined,
  };
}

type TaskDescription = Omit<TaskQueueEvent<'started'>, 'status' | 'timestamp'>;
