import { Collector, InvalidArgumentError } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, rejectionOf } from '../core/scene.ts';
import { redisForTest } from '../redis-server.ts';
import { passed, queueFor, started, until } from './scene.ts';

const echo = (): Collector => new Collector('a', ({ value }) => value);

describe('the health of a queue on BullMQ', () => {
  test('is told before the start, while the queue is up, and after a shutdown', async () => {
    const redis = await redisForTest();
    const queue = queueFor([echo()], { connection: redis.url, concurrency: 3 });
    const down = {
      live: false,
      ready: false,
      saturated: false,
      paused: false,
      waiting: 0,
      busy: 0,
      consumers: 0,
      abandoned: 0,
      oldest: [],
      redis: { reachable: false, roundTrip: undefined },
    };
    expect(await queue.health()).toEqual({ ...down, state: 'new' });
    const starting = queue.initQueue();
    expect(await queue.health()).toMatchObject({ state: 'starting', live: false, ready: false });
    await starting;
    expect(await queue.health()).toEqual({
      ...down,
      state: 'running',
      live: true,
      ready: true,
      consumers: 3,
      redis: { reachable: true, roundTrip: expect.any(Number) },
    });
    await queue.shutDownQueue();
    expect(await queue.health()).toEqual({ ...down, state: 'closed' });
  });

  test('tells the oldest jobs that run here, under the id that their sender has, whichever attempt it is', async () => {
    const redis = await redisForTest();
    const end = gate();
    const process = (_: unknown, __: unknown, { number }: { number: number }): unknown => {
      if (number === 1) throw new Error('again');
      return end.promise;
    };
    const retry = { attempts: 2, base: 1 };
    const queue = await started([new Collector('a', process, { retry })], { connection: redis.url });
    const event = queue.getPublisher().publish(1);
    await until(async () => (await queue.health()).oldest[0]?.attempt === 2);
    const { oldest, busy } = await queue.health();
    expect(oldest).toEqual([
      { collectorKey: 'a', eventId: event.id, attempt: 2, age: expect.any(Number), abandoned: false },
    ]);
    expect(busy).toBe(1);
    expect((await queue.health({ oldest: 0 })).oldest).toEqual([]);
    end.open();
    await event.wait();
    expect((await queue.health()).oldest).toEqual([]);
  });

  test('marks work that exceeded its time limit', async () => {
    const redis = await redisForTest();
    const end = gate();
    const queue = await started([new Collector('a', () => end.promise, { timeout: 20 })], { connection: redis.url });
    await queue.getPublisher().publish(1).wait();
    expect(await queue.health()).toMatchObject({ abandoned: 1, live: true, oldest: [{ abandoned: true, attempt: 1 }] });
    end.open();
  });

  test.each(['both', 'publisher', 'worker'] as const)(
    'of a %s is not ready while Redis is silent, is told in time, and is ready again after',
    async (role) => {
      const redis = await redisForTest();
      const queue = await started([echo()], { connection: redis.url, role });
      redis.pause();
      const before = performance.now();
      const told = await Promise.all([queue.health({ timeout: 100 }), queue.health({ timeout: 150 })]);
      expect(performance.now() - before).toBeLessThan(1_000);
      for (const health of told) {
        expect(health).toMatchObject({ state: 'running', live: true, ready: false });
        expect(health.redis).toEqual({ reachable: false, roundTrip: undefined });
      }
      redis.resume();
      await until(async () => (await queue.health()).ready);
    },
  );

  test.each(['publisher', 'worker'] as const)('of a %s does not reject while Redis is gone', async (role) => {
    const redis = await redisForTest();
    const queue = await started([echo()], { connection: redis.url, role });
    await redis.kill();
    await until(async () => !(await queue.health({ timeout: 50 })).redis.reachable);
    expect(await queue.health({ timeout: 50 })).toMatchObject({ live: true, ready: false });
    await redis.restart();
    await until(async () => (await queue.health()).ready);
  });

  test('asks Redis once, however often it is asked itself meanwhile', async () => {
    const redis = await redisForTest();
    const queue = await started([echo()], { connection: redis.url, role: 'worker' });
    const asked = async (): Promise<number> => {
      const stats = String(await redis.command('INFO', 'commandstats'));
      return Number(/cmdstat_time:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    };
    const before = await asked();
    redis.pause();
    for (let probe = 0; probe < 20; probe++) await queue.health({ timeout: 5 });
    redis.resume();
    await until(async () => (await queue.health()).ready);
    expect((await asked()) - before).toBeLessThan(10);
  });

  test('refuses a wrong option', async () => {
    const queue = queueFor([echo()], { connection: 'redis://localhost:1' });
    for (const options of [{ oldest: -1 }, { timeout: 0 }, { timeout: 2 ** 31 }, { oldest: '1' }, { time: 1 }, null]) {
      expect(await rejectionOf(queue.health(options as never))).toBeInstanceOf(InvalidArgumentError);
    }
  });
});

describe('the latency figures of a queue on BullMQ', () => {
  test('are of the jobs that run here', async () => {
    const redis = await redisForTest();
    const options = { connection: redis.url, latency: { window: 60_000 } };
    const queue = await started([new Collector('a', ({ value }) => passed(value as number))], options);
    await Promise.all([10, 50].map((value) => queue.getPublisher().publish(value).wait()));
    const { latency } = queue.getMetrics();
    expect(latency).toMatchObject({ window: 60_000, wait: { count: 2 }, service: { count: 2 } });
    expect(latency?.service.max).toBeGreaterThanOrEqual(49);
    expect(latency?.collectors.a).toEqual(latency?.service);
    const plain = await started([echo()], { connection: redis.url });
    expect('latency' in plain.getMetrics()).toBe(false);
  });

  test('refuse a wrong option', () => {
    expect(() => queueFor([echo()], { connection: 'redis://localhost:1', latency: 5 as never })).toThrow(
      'BullMQCollectorQueue: latency must be a boolean, or an object with a window, but it is 5',
    );
  });
});
