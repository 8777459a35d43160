import { Collector, Payload } from 'collector-queue';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Permits } from '../../src/bullmq/permits.ts';
import { type RedisServer, startRedis } from '../redis-server.ts';
import { ownPrefix, started, until, WorkerChild } from './scene.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

describe('a job that ends its worker process', () => {
  test('is failed as poison in the end; those that ran beside it are not', { timeout: 60_000 }, async () => {
    const options = { connection: redis.url, prefix: ownPrefix(), concurrency: 10, poisonLimit: 1 };
    const queue = await started([new Collector('poison', () => 0), new Collector('slow', () => 0)], {
      ...options,
      role: 'publisher',
    });
    const publisher = queue.getPublisher();
    const payloads = ['kill', ...Array.from({ length: 12 }, (_, at) => at)].map((value) =>
      value === 'kill'
        ? new Payload<string | number, string>(value, { keys: 'poison' })
        : new Payload<string | number, string>(value, { keys: 'slow' }),
    );
    const waiting = Promise.all(publisher.sendMany(payloads).map((event) => event.wait({ timeout: 50_000 })));
    let settled = false;
    void waiting.then(() => {
      settled = true;
    });
    let workers = 0;
    const said: unknown[] = [];
    while (!settled) {
      const worker = await WorkerChild.start(options, ['poison', 'slow']);
      workers++;
      await Promise.race([waiting, worker.ended]);
      said.push(...worker.said);
    }
    const [poison, ...innocent] = await waiting;
    expect(poison?.errs()[0]).toMatchObject({ code: 'CQ_POISON' });
    expect(innocent.flatMap((list) => list.oks())).toEqual(Array.from({ length: 12 }, (_, at) => at));
    // Beside others, alone; then it was known.
    expect(said.filter((what) => String(what) === 'poison,kill')).toHaveLength(2);
    expect(workers).toBe(3);
  });

  test('a job that has failed in order while it ran alone may fail again', async () => {
    const prefix = ownPrefix();
    let attempts = 0;
    const fails = new Collector(
      'a',
      () => {
        attempts++;
        throw new Error('no');
      },
      { retry: { attempts: 4, base: 1 } },
    );
    const queue = await started([fails], { connection: redis.url, prefix, poisonLimit: 1 });
    await queue.pause();
    const event = queue.getPublisher().publish(1);
    const waiting = event.wait();
    await until(() => queue.getMetrics().accepted === 1);
    const ids = (await redis.command('LRANGE', `${prefix}:a:wait`, 0, -1)) as string[];
    await redis.command('HSET', `${prefix}:a:${ids[0]}`, 'stc', 1);
    await queue.resume();
    expect((await waiting).errs()[0]).toMatchObject({ code: 'CQ_PROCESSOR' });
    expect(attempts).toBe(4);
  });
});

describe('permits', () => {
  test('let many run, or one alone, and nobody waits for ever', async () => {
    const permits = new Permits();
    const order: string[] = [];
    const take = async (name: string, alone: boolean): Promise<void> => {
      await permits.take(alone);
      order.push(name);
    };
    await take('a', false);
    await take('b', false);
    const alone = take('alone', true);
    const c = take('c', false);
    const d = take('d', false);
    const second = take('second', true);
    await Promise.resolve();
    expect(order).toEqual(['a', 'b']);
    permits.give(false);
    permits.give(false);
    await alone;
    expect(order).toEqual(['a', 'b', 'alone']);
    permits.give(true);
    await Promise.all([c, d]);
    permits.give(false);
    expect(order).toEqual(['a', 'b', 'alone', 'c', 'd']);
    permits.give(false);
    await second;
    permits.give(true);
    expect(permits.take(false)).toBeUndefined();
  });
});
