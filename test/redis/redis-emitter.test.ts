import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CollectorQueue } from 'collector-queue';
import { EmitterClosedError } from 'collector-queue/emitter';
import { InvalidArgumentError, RedisConnectionError, RedisEmitter, RedisReplyError } from 'collector-queue/redis';
import { LevelEventStore } from 'collector-queue/store';
import { createClient } from 'redis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { redisForTest } from '../redis-server.ts';
import { events, idsIn, until } from './lists.ts';
import { emitterTo, ioredisTo, nodeRedisTo, TARGETS } from './scene.ts';

describe.each(TARGETS)('a RedisEmitter with %s', (_name, target) => {
  test('pushes each event as JSON to the list "snowplow", in order', async () => {
    const redis = await redisForTest();
    const { emitter } = emitterTo(await target(redis.url));
    const given = [
      { e: 'pv', page: 'Ünïcode "quoted"\n' },
      { e: 'se', value: 1.5, nested: { list: [1, null] } },
    ];
    for (const event of given) expect(emitter.input(event)).toBe(true);
    await emitter.flush();
    const list = (await redis.command('LRANGE', 'snowplow', 0, -1)) as string[];
    expect(list).toEqual(given.map((event) => JSON.stringify(event)));
    expect(emitter.getMetrics()).toMatchObject({ size: 0, accepted: 2, sent: 2, requests: 1, failedRequests: 0 });
  });

  test('resolves deliver once Redis has the event, with the length of the list', async () => {
    const redis = await redisForTest();
    const { emitter } = emitterTo(await target(redis.url), { key: 'k', batchSize: 2 });
    const outcomes = await Promise.all(events(1, 4).map((event) => emitter.deliver(event)));
    expect(outcomes.map((outcome) => outcome._unsafeUnwrap().length)).toEqual([2, 2, 4, 4]);
    expect(await redis.command('LLEN', 'k')).toBe(4);
  });

  test('keeps what it has while Redis is killed and comes back, and loses nothing that was acknowledged', async () => {
    const redis = await redisForTest({ aof: true });
    const { emitter, failures } = emitterTo(await target(redis.url), { batchSize: 5, requestTimeout: 2_000 });
    const acked = new Set<number>();
    const deliver = async (id: number): Promise<void> => {
      if ((await emitter.deliver({ id })).isOk()) acked.add(id);
    };
    const first = events(1, 50).map(({ id }) => deliver(id));
    await until(() => acked.size > 0);
    await redis.kill();
    const second = events(51, 100).map(({ id }) => deliver(id));
    await until(() => failures.length > 0);
    expect(emitter.getMetrics().size).toBeGreaterThanOrEqual(50);
    await redis.restart();
    await Promise.all([...first, ...second]);
    expect(acked.size).toBe(100);
    const kept = new Set(idsIn(await redis.command('LRANGE', 'snowplow', 0, -1)));
    expect([...acked].filter((id) => !kept.has(id))).toEqual([]);
    for (const { error } of failures) expect(error).toBeInstanceOf(RedisConnectionError);
  });

  test('gives up on a reply that never comes, and sends no further copy while the first is unanswered', async () => {
    const redis = await redisForTest();
    const { emitter, failures } = emitterTo(await target(redis.url), { requestTimeout: 50 });
    await emitter.deliver({ id: 0 });
    redis.pause();
    const delivering = emitter.deliver({ id: 1 });
    await until(() => failures.length >= 4);
    expect(emitter.getMetrics()).toMatchObject({ size: 1, sent: 1 });
    redis.resume();
    expect((await delivering).isOk()).toBe(true);
    expect(failures[0]?.error).toBeInstanceOf(RedisConnectionError);
    expect(failures[0]?.error.message).toContain('50 ms (requestTimeout)');
    expect(failures.every(({ willRetry }) => willRetry)).toBe(true);
    // At least once: the command that was given up, and the one that was answered.
    const ids = idsIn(await redis.command('LRANGE', 'snowplow', 0, -1));
    expect(ids.filter((id) => id === 1).length).toBeLessThanOrEqual(2);
    expect(ids).toContain(1);
  });

  test('closes in time while Redis hangs, and hands what is left to the dead letter', async () => {
    const redis = await redisForTest();
    const { emitter, buried } = emitterTo(await target(redis.url));
    await emitter.deliver({ id: 0 });
    redis.pause();
    const delivering = emitter.deliver({ id: 1 });
    const before = performance.now();
    expect(await emitter.close({ timeout: 50 })).toEqual({ undelivered: 1 });
    expect(performance.now() - before).toBeLessThan(5_000);
    expect((await delivering)._unsafeUnwrapErr()).toBeInstanceOf(EmitterClosedError);
    expect(buried.flatMap(({ events }) => events)).toEqual([{ id: 1 }]);
    redis.resume();
  });
});

describe('what Redis answers', () => {
  test.each([
    ['OOM', [['CONFIG', 'SET', 'maxmemory', '1']], [['CONFIG', 'SET', 'maxmemory', '0']]],
    ['READONLY', [['REPLICAOF', '127.0.0.1', '1']], [['REPLICAOF', 'NO', 'ONE']]],
    [
      'NOREPLICAS',
      [['CONFIG', 'SET', 'min-replicas-to-write', '1']],
      [['CONFIG', 'SET', 'min-replicas-to-write', '0']],
    ],
  ] as const)('%s is told, and the events are sent again until it is over', async (reply, begin, end) => {
    const redis = await redisForTest();
    const { emitter, failures, buried } = emitterTo(redis.url);
    for (const words of begin) await redis.command(...words);
    const delivering = emitter.deliver({ id: 1 });
    await until(() => failures.length >= 2);
    for (const { error, willRetry } of failures) {
      expect(error).toBeInstanceOf(RedisReplyError);
      expect(error).toMatchObject({ code: 'CQ_REDIS_REPLY', reply, retryable: true });
      expect(willRetry).toBe(true);
    }
    for (const words of end) await redis.command(...words);
    expect((await delivering).isOk()).toBe(true);
    expect(buried).toEqual([]);
    expect(idsIn(await redis.command('LRANGE', 'snowplow', 0, -1))).toEqual([1]);
  });

  test('MISCONF, when it cannot save, is told, and the events are sent again until it can', async () => {
    const redis = await redisForTest();
    const { emitter, failures } = emitterTo(redis.url);
    await redis.command('SET', 'something', 'to save');
    await redis.command('CONFIG', 'SET', 'save', '3600 1');
    // The server's folder is gone, so that no file can be made in it.
    rmSync(redis.folder, { recursive: true });
    await redis.command('BGSAVE');
    await until(async () => String(await redis.command('INFO', 'persistence')).includes('rdb_last_bgsave_status:err'));
    const delivering = emitter.deliver({ id: 1 });
    await until(() => failures.length > 0);
    expect(failures[0]?.error).toMatchObject({ reply: 'MISCONF', retryable: true });
    await redis.command('CONFIG', 'SET', 'save', '');
    expect((await delivering).isOk()).toBe(true);
  });

  test('NOAUTH is told, and the events are sent again', async () => {
    const redis = await redisForTest();
    const { emitter, failures } = emitterTo(redis.url);
    await redis.command('CONFIG', 'SET', 'requirepass', 'secret');
    const delivering = emitter.deliver({ id: 1 });
    await until(() => failures.length > 0);
    expect(failures[0]?.error).toMatchObject({ reply: 'NOAUTH', retryable: true });
    const withPassword = await ioredisTo(redis.url.replace('//', '//:secret@'));
    await withPassword.config('SET', 'requirepass', '');
    expect((await delivering).isOk()).toBe(true);
  });

  test('WRONGTYPE goes to the dead letter at once, and is the Err of deliver', async () => {
    const redis = await redisForTest();
    const { emitter, failures, buried } = emitterTo(redis.url);
    await redis.command('SET', 'snowplow', 'no list');
    const error = (await emitter.deliver({ id: 1 }))._unsafeUnwrapErr();
    expect(error).toBeInstanceOf(RedisReplyError);
    expect(error).toMatchObject({ reply: 'WRONGTYPE', retryable: false });
    expect(buried).toEqual([{ events: [{ id: 1 }], reason: error }]);
    expect(failures.map(({ willRetry }) => willRetry)).toEqual([false]);
    expect(emitter.getMetrics()).toMatchObject({ size: 0, deadLettered: 1, failedRequests: 1 });
  });

  test('NOPERM goes to the dead letter at once', async () => {
    const redis = await redisForTest();
    await redis.command('ACL', 'SETUSER', 'reader', 'on', '>pw', '~*', '+@read', '+@connection');
    const { emitter, buried } = emitterTo(redis.url.replace('//', '//reader:pw@'));
    const error = (await emitter.deliver({ id: 1 }))._unsafeUnwrapErr();
    expect(error).toMatchObject({ reply: 'NOPERM', retryable: false });
    expect(buried).toHaveLength(1);
  });

  test('while it loads its file is LOADING, or no reply, and is waited out', async () => {
    const redis = await redisForTest({ aof: true });
    await redis.command(
      'EVAL',
      "for i = 1, 200000 do redis.call('RPUSH', 'big', 'some text of some length ' .. i) end",
      0,
    );
    const { emitter, failures } = emitterTo(redis.url, { maxRetryDelay: 1 });
    await redis.kill();
    const delivering = emitter.deliver({ id: 1 });
    await redis.restart();
    expect((await delivering).isOk()).toBe(true);
    for (const { error } of failures) {
      if (error instanceof RedisReplyError) expect(error).toMatchObject({ reply: 'LOADING', retryable: true });
      else expect(error).toBeInstanceOf(RedisConnectionError);
    }
    expect(await redis.command('LLEN', 'big')).toBe(200_000);
  });
});

describe('a client that was given', () => {
  test('is not closed with the emitter', async () => {
    const redis = await redisForTest();
    const client = await ioredisTo(redis.url);
    const { emitter } = emitterTo(client);
    await emitter.deliver({ id: 1 });
    await emitter.close();
    expect(await client.ping()).toBe('PONG');
  });

  test('that is not connected gets nothing until its owner connects it', async () => {
    const redis = await redisForTest();
    const client = createClient({ url: redis.url });
    client.on('error', () => undefined);
    onTestFinished(() => client.destroy());
    const { emitter, failures } = emitterTo(client as never);
    const delivering = emitter.deliver({ id: 1 });
    await until(() => failures.length > 0);
    expect(failures[0]?.error.message).toContain('not connected');
    await client.connect();
    expect((await delivering).isOk()).toBe(true);
    expect(await redis.command('LLEN', 'snowplow')).toBe(1);
  });

  test('serves several emitters', async () => {
    const redis = await redisForTest();
    const client = await nodeRedisTo(redis.url);
    const [one, two] = [emitterTo(client, { key: 'one' }).emitter, emitterTo(client, { key: 'two' }).emitter];
    await Promise.all([one.deliver({ id: 1 }), two.deliver({ id: 2 })]);
    expect([await redis.command('LLEN', 'one'), await redis.command('LLEN', 'two')]).toEqual([1, 1]);
  });
});

describe('a RedisEmitter', () => {
  test('plugs into a queue as a collector, and delivers before the queue is shut down', async () => {
    const redis = await redisForTest();
    const { emitter } = emitterTo(redis.url);
    const queue = new CollectorQueue([emitter.toCollector('redis', { ack: 'delivered' })]);
    const results = await queue.run((publisher) => publisher.publish({ id: 7 }).wait());
    expect(results.isOk()).toBe(true);
    expect(idsIn(await redis.command('LRANGE', 'snowplow', 0, -1))).toEqual([7]);
  });

  test('keeps events on disk while Redis is away, and another one sends them', async () => {
    const redis = await redisForTest();
    await redis.kill();
    const folder = mkdtempSync(join(tmpdir(), 'redis-emitter-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const store = new LevelEventStore(join(folder, 'spool'));
    const { emitter, failures } = emitterTo(redis.url, { eventStore: store });
    for (const event of events(1, 10)) expect((await emitter.store(event)).isOk()).toBe(true);
    await until(() => failures.length > 0);
    expect(await emitter.close({ timeout: 0 })).toEqual({ undelivered: 10 });
    await redis.restart();
    const { emitter: next } = emitterTo(redis.url, { eventStore: store });
    await next.open();
    await until(() => next.getMetrics().size === 0);
    await store.close();
    expect(idsIn(await redis.command('LRANGE', 'snowplow', 0, -1))).toEqual(events(1, 10).map(({ id }) => id));
  });

  test('works again after it was closed and opened', async () => {
    const redis = await redisForTest();
    const { emitter } = emitterTo(redis.url);
    await emitter.close();
    expect(emitter.input({ id: 1 })).toBe(false);
    await emitter.open();
    expect((await emitter.deliver({ id: 2 })).isOk()).toBe(true);
  });

  test('refuses what it has no room for, and what JSON cannot carry', async () => {
    const redis = await redisForTest();
    await redis.kill();
    const { emitter } = emitterTo(redis.url, { bufferCapacity: 2, batchSize: 1 });
    expect(events(1, 3).map((event) => emitter.input(event))).toEqual([true, true, false]);
    expect((await emitter.store({ id: 4 }))._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_STORE_FULL' });
    expect(() => emitter.input({ a: { b: 1n } } as never)).toThrow('RedisEmitter: event.a.b must be');
  });

  test('sends no more bytes in a command than byteLimit', async () => {
    const redis = await redisForTest();
    const { emitter } = emitterTo(redis.url, { byteLimit: 100 });
    const text = 'x'.repeat(40);
    const outcomes = await Promise.all(events(1, 4).map(({ id }) => emitter.deliver({ id, text })));
    expect(outcomes.every((outcome) => outcome.isOk())).toBe(true);
    expect(emitter.getMetrics().requests).toBeGreaterThanOrEqual(4);
  });

  test.each([
    ['nothing', undefined],
    ['a number', 6379],
    ['no URL', 'localhost'],
    ['a URL of another kind', 'http://localhost:6379'],
    ['an object that is no client', { call: (): void => undefined }],
    ['a client of a cluster', { isCluster: true, call: (): number => 1, duplicate: (): number => 1, status: 'ready' }],
  ])('refuses %s for a target', (_what, target) => {
    expect(() => new RedisEmitter(target as never)).toThrow(InvalidArgumentError);
    expect(() => new RedisEmitter(target as never)).toThrow(/^RedisEmitter: redis must be a URL/);
  });

  test('shows no password when it refuses a URL', () => {
    const make = (): unknown => new RedisEmitter('http://user:hush@localhost');
    expect(make).toThrow(InvalidArgumentError);
    expect(make).not.toThrow(/hush/);
  });

  test.each([
    [{ key: '' }, 'RedisEmitter: key'],
    [{ key: 7 }, 'RedisEmitter: key'],
    [{ keys: 'a' }, "given 'keys' (did you mean 'key'?)"],
    [{ batchSize: 0 }, 'RedisEmitter: batchSize'],
    [{ byteLimit: 0 }, 'RedisEmitter: byteLimit'],
    [{ requestTimeout: 0 }, 'RedisEmitter: requestTimeout'],
    [{ requestTimeout: 2 ** 31 }, 'RedisEmitter: requestTimeout'],
    [{ maxRetryDelay: -1 }, 'RedisEmitter: maxRetryDelay'],
    [{ bufferCapacity: 1.5 }, 'RedisEmitter: bufferCapacity'],
    [{ concurrency: 0 }, 'RedisEmitter: concurrency'],
    [{ flushInterval: true }, 'RedisEmitter: flushInterval'],
    [{ overflow: 'dropAll' }, 'RedisEmitter: overflow'],
    [{ eventStore: {} }, 'RedisEmitter: eventStore'],
    [{ deadLetter: {} }, 'RedisEmitter: deadLetter'],
    [{ onSuccess: 1 }, 'RedisEmitter: onSuccess'],
    [{ onFailure: 1 }, 'RedisEmitter: onFailure'],
    [{ logger: {} }, 'RedisEmitter: logger'],
    [{ clock: {} }, 'RedisEmitter: clock'],
    [null, 'RedisEmitter: options'],
  ])('refuses the options %j', (options, message) => {
    const make = (): unknown => new RedisEmitter('redis://localhost', options as never);
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow(message);
  });
});
