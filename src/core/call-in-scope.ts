import type { AsyncResource } from 'node:async_hooks';
import type { Payload } from './payload.ts';
import type { Task } from './task.ts';

/** Calls the processor of a task: in the async context of the sender, if the queue keeps that. */
export function callInScope(task: Task, scope: AsyncResource | undefined): unknown {
  const { processor, context } = task.registration;
  const payload = task.event.payload as Payload;
  if (scope === undefined) return processor(payload, context, task);
  return scope.runInAsyncScope(processor, undefined, payload, context, task);
}
