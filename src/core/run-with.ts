import type { QueueEventSource } from '../queue-events/queue-events.ts';
import { checkFunction } from './checks.ts';
import { checkShutdown, type ShutdownOptions } from './shutdown-options.ts';

/** What is up only while something runs. */
interface Startable {
  initQueue(): Promise<void>;
  shutDownQueue(options: ShutdownOptions): Promise<void>;
}

/**
 * Initialises a queue, runs the body with its publisher, and shuts the queue down, whatever the body does. What the body
 * throws comes first; then a shutdown that fails is only told.
 */
export async function runWith<P, R>(
  queue: Startable,
  publisher: P,
  events: QueueEventSource,
  body: (publisher: P) => R | Promise<R>,
  shutdown: ShutdownOptions,
): Promise<R> {
  checkFunction('run: body', body);
  checkShutdown(shutdown);
  await queue.initQueue();
  let value: R;
  try {
    value = await body(publisher);
  } catch (thrown) {
    await queue.shutDownQueue(shutdown).catch((error) => events.reportInternal('shutdown after a failed run', error));
    throw thrown;
  }
  await queue.shutDownQueue(shutdown);
  return value;
}
