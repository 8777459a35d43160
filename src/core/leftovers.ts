import { QueueEventName } from '../queue-events/names.ts';
import type { QueuedEvent } from './event.ts';
import { mostAbandoned } from './options.ts';
import type { Task } from './task.ts';
import type { TaskRunnerParts } from './task-runner-parts.ts';

/**
 * The work that was given up while its event was at one consumer, and goes on. The consumer stays with it: when the other
 * work of the event has ended, it is kept until the last of these ends too. The event may be at another one by then.
 */
export interface Leftovers {
  works: number;
  /** The consumer has nothing else to do. */
  kept: boolean;
}

const leftoversOf: WeakMap<Task, Leftovers> = new WeakMap();

/** The attempt was given up, its work goes on. */
export function leaveBehind(task: Task): void {
  const extras = task.event.needExtras();
  extras.leftovers ??= { works: 0, kept: false };
  extras.leftovers.works++;
  leftoversOf.set(task, extras.leftovers);
}

/** Nothing else of the event goes on at its consumer. True if that is to be kept for what was left behind. */
export function keepConsumer({ extras }: QueuedEvent): boolean {
  const leftovers = extras?.leftovers;
  if (extras === undefined || leftovers === undefined) return false;
  extras.leftovers = undefined;
  leftovers.kept = leftovers.works > 0;
  return leftovers.kept;
}

/** Work that was left behind has ended. True if a consumer is free now. */
export function leftoverEnded(task: Task): boolean {
  const leftovers = leftoversOf.get(task);
  if (leftovers === undefined) return false;
  leftovers.works--;
  return leftovers.works === 0 && leftovers.kept;
}

/** How many consumers are with work that nobody waits for any more, and with nothing else. */
export function consumersKept(tasks: Iterable<Task>): number {
  const keepers = new Set<object>();
  for (const task of tasks) {
    const leftovers = leftoversOf.get(task);
    if (task.phase !== 'abandoned') {
      if (task.event.status === 'settled') keepers.add(task.event);
    } else if (leftovers?.kept === true) keepers.add(leftovers);
  }
  return keepers.size;
}

/** How many consumers are with work whose event was settled before it ended; not counted is what was left behind before that. */
export function consumersOfCancelled(tasks: Iterable<Task>): number {
  const events = new Set<object>();
  for (const { event, phase } of tasks) if (event.status === 'settled' && phase !== 'abandoned') events.add(event);
  return events.size;
}

/** More work was left behind than the queue takes for normal, since just now. */
export function tellIfSaturated({ ledger, settings, events }: TaskRunnerParts): void {
  const { abandoned } = ledger;
  if (abandoned !== mostAbandoned(settings) + 1) return;
  if (events.observed(QueueEventName.SATURATED)) events.emit(QueueEventName.SATURATED, { abandoned });
}
