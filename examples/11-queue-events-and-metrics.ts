/**
 * Watching a queue. Queue events tell what happens as it happens, metrics how the queue fares. Nothing is made for an
 * event that nobody listens to, and a listener that throws harms neither a payload nor the other listeners.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Collector, CollectorQueue, type Logger, Payload } from 'collector-queue';

interface Job {
  readonly name: string;
  readonly fails?: boolean;
}

const worker = new Collector(
  'worker',
  async ({ value }: Payload<Job>) => {
    await delay(10);
    if (value.fails) throw new Error(`${value.name} failed`);
    return value.name;
  },
  { topics: 'jobs' },
);

// Anything with the face of pino: with a `metricsInterval` it gets the metrics as a record; payloads are never logged.
const records = new Set<string>();
const logger: Logger = {
  info: (_metrics, message) => records.add(message),
  warn: console.warn,
  error: console.error,
};
const queue = new CollectorQueue([worker], { maxConsumers: 2, maxSize: 2, logger, metricsInterval: 5 });

const durations: number[] = [];
queue.events
  .on('started', ({ task, attempt }) => console.log(`started: ${task}, attempt ${attempt}`))
  .on('finished', ({ duration = 0 }) => durations.push(duration))
  .on('error-task', ({ error }) => console.log(`failed: ${(error as Error).message}`))
  .on('rejected', ({ error }) => console.log(`refused: ${(error as Error).message}`))
  .once('unrouted', () => console.log('unrouted: no collector for this topic'))
  .on('scaled', ({ from, to }) => console.log(`consumers: ${from} -> ${to}`))
  .on('drained', () => {
    throw new Error('a listener with a bug');
  })
  .on('error-internal', ({ source, error }) => console.log(`${source}: ${(error as Error).message}`))
  .on('shutdown', () => console.log('shut down'));

await queue.run(async (publisher) => {
  const jobs: Job[] = [{ name: 'a' }, { name: 'b', fails: true }, { name: 'c' }, { name: 'd' }, { name: 'e' }];
  publisher.sendMany(jobs.map((job) => new Payload(job, { topics: 'jobs' })));
  await queue.onIdle();
  await publisher.publish({ name: 'f' }, { topics: 'job' }).wait();
});

// Counts since `initQueue`, with accepted = qsize + inFlight + parked + settled; load, rates and times are in it too.
const { offered, accepted, rejected, settled, unrouted } = queue.getMetrics();
console.log({ offered, accepted, rejected, settled, unrouted });
console.log(`${durations.length} finished; logged: ${[...records]}`);

/* Output:
refused: the queue is full: 2 payloads wait, maxSize is 2
consumers: 1 -> 2
started: worker, attempt 1
started: worker, attempt 1
started: worker, attempt 1
failed: the processor of collector "worker" failed: Error: b failed
started: worker, attempt 1
unrouted: no collector for this topic
listener of "drained": a listener with a bug
shut down
{ offered: 6, accepted: 5, rejected: 1, settled: 5, unrouted: 1 }
3 finished; logged: collector queue metrics
*/
