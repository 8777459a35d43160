import { Collector, Payload } from 'collector-queue';
import { BullMQCollectorQueue } from 'collector-queue/bullmq';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Scalable, Scaler } from '../../src/bullmq/scaler.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { type RedisServer, startRedis } from '../redis-server.ts';
import { ownPrefix, passed, started, told, until } from './scene.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

describe('the scaler', () => {
  test('goes up at once while jobs wait and all are busy, and down after a quiet time, within its range', async () => {
    const clock = new ManualClock();
    const redisHas = { jobs: 100 };
    const worker: { -readonly [K in keyof Scalable]: Scalable[K] } = {
      busy: 0,
      concurrency: 2,
      waiting: async () => redisHas.jobs,
    };
    const moves: [number, number][] = [];
    const scaler = new Scaler(worker, { min: 2, max: 10 }, 1_000, clock, (...move) => moves.push(move));
    worker.busy = 1;
    scaler.jobBegan();
    await clock.advance(100);
    expect(moves).toEqual([]);
    worker.busy = 2;
    scaler.jobBegan();
    await clock.advance(100);
    expect(moves).toEqual([[2, 10]]);
    worker.busy = 10;
    scaler.jobBegan();
    redisHas.jobs = 0;
    await clock.advance(1_000);
    // It was needed within that time.
    expect(worker.concurrency).toBe(10);
    worker.busy = 3;
    await clock.advance(1_000);
    await clock.advance(1_000);
    expect(worker.concurrency).toBe(3);
    worker.busy = 0;
    await clock.advance(2_000);
    expect(worker.concurrency).toBe(2);
    scaler.stop();
  });
});

describe('the concurrency of a worker', () => {
  test('is not scaled adaptively: the option of the in-process queue is refused by name, with the reason', () => {
    for (const scaling of ['adaptive', 'littles-law', undefined]) {
      const options = { connection: redis.url, scaling };
      expect(() => new BullMQCollectorQueue([new Collector('a', () => 1)], options)).toThrow(
        /BullMQCollectorQueue: scaling must be left out: workers move within `concurrency`/,
      );
    }
  });

  test('follows the load while its jobs take long, and falls back', async () => {
    let running = 0;
    let most = 0;
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const collector = new Collector('a', async () => {
      most = Math.max(most, ++running);
      await gate;
      running--;
    });
    const queue = await started([collector], {
      connection: redis.url,
      prefix: ownPrefix(),
      concurrency: { min: 1, max: 6 },
      idleTimeout: 200,
    });
    const scaled = told(queue);
    expect(queue.consumerCount).toBe(1);
    const events = queue.getPublisher().sendMany(Array.from({ length: 20 }, (_, at) => new Payload(at)));
    const waiting = Promise.all(events.map((event) => event.wait()));
    // None of them has ended.
    await until(() => running === 6);
    await passed(50);
    expect(queue.consumerCount).toBe(6);
    open();
    await waiting;
    await until(() => queue.consumerCount === 1);
    expect(most).toBe(6);
    expect(scaled.filter(({ status }) => status === 'scaled')[0]).toMatchObject({ from: 1, to: 6 });
  });

  test('may be said of single collectors, and never exceeds its limit', async () => {
    const most: Record<string, number> = { a: 0, b: 0 };
    const collectors = ['a', 'b'].map((key) => {
      let running = 0;
      return new Collector(key, async () => {
        most[key] = Math.max(most[key] ?? 0, ++running);
        await passed(10);
        running--;
      });
    });
    const queue = await started(collectors, { connection: redis.url, concurrency: 3, concurrencyOf: { b: 1 } });
    const events = queue.getPublisher().sendMany(Array.from({ length: 12 }, (_, at) => new Payload(at)));
    await Promise.all(events.map((event) => event.wait()));
    expect(most).toEqual({ a: 3, b: 1 });
    expect(queue.consumerCount).toBe(4);
  });
});
