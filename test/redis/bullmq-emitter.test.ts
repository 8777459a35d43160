import { Queue } from 'bullmq';
import { CollectorQueue } from 'collector-queue';
import { HttpEmitter, json } from 'collector-queue/http';
import {
  BullMQEmitter,
  type BullMQEmitterOptions,
  BullMQEmitterWorker,
  InvalidArgumentError,
  RedisEmitter,
} from 'collector-queue/redis';
import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { serve, status } from '../http/server.ts';
import { type RedisServer, redisForTest } from '../redis-server.ts';
import { events, idsIn, until } from './lists.ts';

const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };

function emitterTo(redis: RedisServer, options: Partial<BullMQEmitterOptions> = {}): BullMQEmitter {
  const emitter = new BullMQEmitter({
    connection: redis.url,
    flushInterval: 5,
    maxRetryDelay: 20,
    logger: QUIET,
    ...options,
  });
  onTestFinished(async () => void (await emitter.close({ timeout: 0 })));
  return emitter;
}

async function workerOf(redis: RedisServer, emitter: HttpEmitter | RedisEmitter): Promise<BullMQEmitterWorker> {
  const worker = new BullMQEmitterWorker({ connection: redis.url, emitter, logger: QUIET });
  onTestFinished(() => worker.close({ timeout: 1_000 }));
  await worker.start();
  return worker;
}

function httpTo(url: string): HttpEmitter {
  const http = new HttpEmitter(url, { codec: json(), flushInterval: 5, logger: QUIET, deadLetter: () => undefined });
  onTestFinished(async () => void (await http.close({ timeout: 0 })));
  return http;
}

function queueOn(redis: RedisServer): Queue {
  const queue = new Queue('emitter', { connection: { url: redis.url } as never });
  queue.on('error', () => undefined);
  onTestFinished(() => queue.close());
  return queue;
}

describe('a BullMQEmitter', () => {
  test('makes a job of each batch, which a worker executes with its emitter', async () => {
    const redis = await redisForTest();
    const server = await serve([]);
    const emitter = emitterTo(redis, { batchSize: 5 });
    const outcomes = await Promise.all(events(1, 12).map((event) => emitter.deliver(event)));
    const jobs = new Set(outcomes.map((outcome) => outcome._unsafeUnwrap().jobId));
    expect(jobs.size).toBe(3);
    const http = httpTo(server.url);
    await workerOf(redis, http);
    await until(() => http.getMetrics().sent === 12);
    const queue = queueOn(redis);
    await until(async () => (await queue.getCompletedCount()) === 3);
  });

  test('plugs into a queue as a collector', async () => {
    const redis = await redisForTest();
    const queue = new CollectorQueue([emitterTo(redis).toCollector('jobs', { ack: 'delivered' })]);
    const results = await queue.run((publisher) => publisher.publish({ id: 7 }).wait());
    expect(results.isOk()).toBe(true);
    const [job] = await queueOn(redis).getWaiting();
    expect(job?.data).toEqual({ v: 1, events: [{ id: 7 }] });
  });

  test('keeps what it has while Redis is killed and comes back, and adds each batch once', async () => {
    const redis = await redisForTest({ aof: true });
    const emitter = emitterTo(redis, { batchSize: 5, requestTimeout: 1_000 });
    await Promise.all(events(1, 5).map((event) => emitter.deliver(event)));
    await redis.kill();
    const delivering = events(6, 20).map((event) => emitter.deliver(event));
    await until(() => emitter.getMetrics().failedRequests > 1);
    await redis.restart();
    const outcomes = await Promise.all(delivering);
    expect(outcomes.every((outcome) => outcome.isOk())).toBe(true);
    const jobs = await queueOn(redis).getWaiting();
    const ids = jobs.flatMap(({ data }) => (data as { events: { id: number }[] }).events.map(({ id }) => id));
    expect(ids.sort((a, b) => a - b)).toEqual(events(1, 20).map(({ id }) => id));
  });

  test('gives up on a reply that never comes, and the job that is added again is the same', async () => {
    const redis = await redisForTest();
    const emitter = emitterTo(redis, { requestTimeout: 100, batchSize: 1 });
    await emitter.deliver({ id: 0 });
    redis.pause();
    const delivering = emitter.deliver({ id: 1 });
    await until(() => emitter.getMetrics().failedRequests >= 3);
    redis.resume();
    expect((await delivering).isOk()).toBe(true);
    expect(await queueOn(redis).getWaitingCount()).toBe(2);
  });

  test('closes in time while Redis hangs', async () => {
    const redis = await redisForTest();
    const emitter = emitterTo(redis);
    await emitter.deliver({ id: 0 });
    redis.pause();
    emitter.input({ id: 1 });
    const before = performance.now();
    expect(await emitter.close({ timeout: 50 })).toEqual({ undelivered: 1 });
    expect(performance.now() - before).toBeLessThan(5_000);
    redis.resume();
  });

  test('adds nothing to a Redis that is full, until there is room', async () => {
    const redis = await redisForTest();
    const emitter = emitterTo(redis);
    await redis.command('CONFIG', 'SET', 'maxmemory', '1');
    const delivering = emitter.deliver({ id: 1 });
    await until(() => emitter.getMetrics().failedRequests > 0);
    await redis.command('CONFIG', 'SET', 'maxmemory', '0');
    expect((await delivering).isOk()).toBe(true);
  });

  test.each([
    [{ connection: 'localhost' }, 'BullMQEmitter: connection'],
    [{ connection: { sendCommand: () => 1, duplicate: () => 1, isReady: true } }, 'a client of redis'],
    [{ connection: 'redis://localhost', queueName: 'a:b' }, 'BullMQEmitter: queueName'],
    [{ connection: 'redis://localhost', queueName: '' }, 'BullMQEmitter: queueName'],
    [{ connection: 'redis://localhost', prefix: '' }, 'BullMQEmitter: prefix'],
    [{ connection: 'redis://localhost', batchSize: 0 }, 'BullMQEmitter: batchSize'],
    [{ connection: 'redis://localhost', onSuccess: () => 1 }, "given 'onSuccess'"],
    [undefined, 'BullMQEmitter: options'],
  ])('refuses the options %j', (options, message) => {
    const make = (): unknown => new BullMQEmitter(options as never);
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow(message);
  });
});

describe('a BullMQEmitterWorker', () => {
  test('leaves what its emitter refuses for good in a job that failed, with the reason', async () => {
    const redis = await redisForTest();
    const server = await serve([status(400)]);
    await workerOf(redis, httpTo(server.url));
    await emitterTo(redis).deliver({ id: 1 });
    const queue = queueOn(redis);
    await until(async () => (await queue.getFailedCount()) === 1);
    const [job] = await queue.getFailed();
    expect(job?.data).toEqual({ v: 1, events: [{ id: 1 }] });
    expect(job?.failedReason).toContain('the server answered 400');
  });

  test('fails jobs that hold no events, and goes on', async () => {
    const redis = await redisForTest();
    const out = new RedisEmitter(redis.url, { key: 'out', flushInterval: 5, logger: QUIET });
    onTestFinished(async () => void (await out.close({ timeout: 0 })));
    const queue = queueOn(redis);
    for (const data of [null, {}, { v: 2, events: [] }, { v: 1, events: 'x' }, { v: 1, events: [1] }]) {
      await queue.add('emit', data);
    }
    await workerOf(redis, out);
    await emitterTo(redis).deliver({ id: 1 });
    await until(async () => (await redis.command('LLEN', 'out')) === 1);
    await until(async () => (await queue.getFailedCount()) === 5);
    expect(idsIn(await redis.command('LRANGE', 'out', 0, -1))).toEqual([1]);
  });

  test('closes in time while Redis hangs, and does not close a client that was given', async () => {
    const redis = await redisForTest();
    const client = new Redis(redis.url);
    onTestFinished(() => client.disconnect());
    const worker = new BullMQEmitterWorker({
      connection: client,
      emitter: httpTo('http://127.0.0.1:9'),
      logger: QUIET,
    });
    await worker.start();
    await until(async () => String(await redis.command('CLIENT', 'LIST')).includes('bzpopmin'));
    redis.pause();
    const before = performance.now();
    await worker.close({ timeout: 100 });
    expect(performance.now() - before).toBeLessThan(3_000);
    redis.resume();
    expect(await client.ping()).toBe('PONG');
  });

  test.each([
    [{ emitter: {} }, 'BullMQEmitterWorker: emitter'],
    [{ concurrency: 0 }, 'BullMQEmitterWorker: concurrency'],
    [{ ack: 'soon' }, 'BullMQEmitterWorker: ack'],
    [{ queueName: 'a:b' }, 'BullMQEmitterWorker: queueName'],
    [{ prefix: '' }, 'BullMQEmitterWorker: prefix'],
    [{ logger: {} }, 'BullMQEmitterWorker: logger'],
    [{ connection: 7 }, 'BullMQEmitterWorker: connection'],
    [{ conection: 7 }, "did you mean 'connection'?"],
  ])('refuses the options %j', (options, message) => {
    const right = { connection: 'redis://localhost', emitter: new RedisEmitter('redis://localhost') };
    const make = (): unknown => new BullMQEmitterWorker({ ...right, ...(options as object) });
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow(message);
  });
});
