import { CollectorQueue, type QueueOptions } from 'collector-queue';
import { describeCollectorQueue } from '../contracts/collector-queue.ts';

describeCollectorQueue('inProcess', {
  name: 'CollectorQueue',
  make: (collectors, { concurrency, waitTimeout, ...options }) =>
    new CollectorQueue(collectors, { maxConsumers: concurrency, ...options }),
  construct: (collectors, options) => new CollectorQueue(collectors as [], options as QueueOptions),
  badOptions: [
    [{ maxConsumers: 0 }, 'maxConsumers'],
    [{ maxConsumers: '5' }, 'maxConsumers'],
    [{ minConsumers: 3, maxConsumers: 2 }, 'minConsumers'],
    [{ queueType: 'stack' }, 'queueType'],
    [{ defaultPriority: Number.NaN }, 'defaultPriority'],
    [{ onUnrouted: 'ignore' }, 'onUnrouted'],
    [{ router: class {} }, 'router'],
    [{ logger: {} }, 'logger'],
    [{ maxConsumer: 5 }, "did you mean 'maxConsumers'"],
  ],
  quiet: 15,
  numRuns: Math.ceil(Number(process.env.FC_RUNS) / 4),
});
