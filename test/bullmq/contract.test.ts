import { BullMQCollectorQueue, type BullMQQueueOptions } from 'collector-queue/bullmq';
import { afterAll, beforeAll } from 'vitest';
import { describeCollectorQueue } from '../contracts/collector-queue.ts';
import { type RedisServer, startRedis } from '../redis-server.ts';

let redis: RedisServer;
let made = 0;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

/** Each queue has keys of its own. */
function own<T extends object>(options: T): T & Pick<BullMQQueueOptions, 'connection' | 'prefix'> {
  made++;
  return { connection: redis.url, prefix: `contract-${made}`, ...options };
}

describeCollectorQueue('bullmq', {
  name: 'BullMQCollectorQueue',
  make: (collectors, options) => new BullMQCollectorQueue(collectors, own(options)),
  construct: (collectors, options) => new BullMQCollectorQueue(collectors as [], own(options)),
  badOptions: [
    [{ concurrency: 0 }, 'concurrency'],
    [{ concurrency: { min: 3, max: 2 } }, 'concurrency.min'],
    [{ queueType: 'stack' }, 'queueType'],
    [{ defaultPriority: 0.5 }, 'defaultPriority'],
    [{ onUnrouted: 'ignore' }, 'onUnrouted'],
    [{ router: class {} }, 'router'],
    [{ logger: {} }, 'logger'],
    [{ connection: 'http://localhost' }, 'connection'],
    [{ connection: undefined }, 'connection'],
    [{ prefix: '' }, 'prefix'],
    [{ role: 'worke' }, 'role'],
    [{ secret: 'too short' }, 'secret'],
    [{ waitTimeout: Number.POSITIVE_INFINITY }, 'waitTimeout'],
    [{ concurency: 5 }, "did you mean 'concurrency'"],
  ],
  quiet: 120,
  numRuns: Math.ceil(Number(process.env.FC_RUNS) / 10),
});
