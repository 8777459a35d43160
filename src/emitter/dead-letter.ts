import { describeThrown } from '../core/errors.ts';
import { promiseOf } from '../core/promise-of.ts';
import type { Emitter } from './emitter.ts';
import type { EmitterEvent } from './event.ts';

/**
 * Takes events that will not be tried any more, with the reason: a function, which may return a promise, or an emitter,
 * whose `store` is called for each.
 */
export type DeadLetterSink = Emitter | ((events: readonly EmitterEvent[], reason: Error) => unknown);

/** A promise until the sink has the events, if that takes time. Throws, or rejects, if it did not take them all. */
export function handOver(
  sink: DeadLetterSink,
  events: readonly EmitterEvent[],
  reason: Error,
): Promise<unknown> | undefined {
  return typeof sink === 'function' ? promiseOf(sink(events, reason)) : storeAll(sink, events);
}

async function storeAll(sink: Emitter, events: readonly EmitterEvent[]): Promise<void> {
  for (const event of events) {
    const stored = await sink.store(event);
    if (stored.isOk()) continue;
    const message = `the dead letter emitter refused an event: ${describeThrown(stored.error)}`;
    throw new Error(message, { cause: stored.error });
  }
}
