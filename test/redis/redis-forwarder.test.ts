import { err, ok, type Result } from 'collector-queue';
import { type Emitter, EmitterClosedError, type EmitterEvent } from 'collector-queue/emitter';
import { HttpEmitter, json } from 'collector-queue/http';
import {
  InvalidArgumentError,
  RedisEmitter,
  RedisForwarder,
  type RedisForwarderOptions,
  type RedisTarget,
} from 'collector-queue/redis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { serve, status } from '../http/server.ts';
import { type RedisServer, redisForTest } from '../redis-server.ts';
import { events, idsIn, until } from './lists.ts';
import { emitterTo, TARGETS } from './scene.ts';

const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A forwarder that is stopped when the test is over. */
async function forwarderOf(
  target: RedisTarget,
  emitter: Emitter,
  options: RedisForwarderOptions = {},
): Promise<RedisForwarder> {
  const forwarder = new RedisForwarder(target, emitter, { maxRetryDelay: 20, logger: QUIET, ...options });
  onTestFinished(async () => void (await forwarder.stop({ timeout: 0 })));
  await forwarder.start();
  return forwarder;
}

/** Somebody's emitter: notes what it is given, and answers what it is told. */
class Noting implements Emitter {
  readonly given: EmitterEvent[] = [];
  readonly #answer: (event: EmitterEvent) => Promise<Result<unknown, Error>> | Result<unknown, Error>;

  constructor(answer: (event: EmitterEvent) => Promise<Result<unknown, Error>> | Result<unknown, Error> = () => ok()) {
    this.#answer = answer;
  }

  get ids(): unknown[] {
    return this.given.map(({ id }) => id);
  }

  input(): boolean {
    return true;
  }

  async store(event: EmitterEvent): Promise<Result<unknown, Error>> {
    this.given.push(event);
    return this.#answer(event);
  }

  async deliver(event: EmitterEvent): Promise<Result<unknown, Error>> {
    return this.store(event);
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}

async function push(redis: RedisServer, given: readonly object[]): Promise<void> {
  await redis.command('RPUSH', 'snowplow', ...given.map((event) => JSON.stringify(event)));
}

/** How many elements are in the list and in all processing lists. */
async function left(redis: RedisServer): Promise<number> {
  const keys = (await redis.command('KEYS', 'snowplow:processing:*')) as string[];
  const lengths = await Promise.all(['snowplow', ...keys].map((key) => redis.command('LLEN', key)));
  return lengths.reduce<number>((sum, length) => sum + Number(length), 0);
}

describe.each(TARGETS)('a RedisForwarder with %s', (_name, target) => {
  test('hands over what is on the list and what comes, in order, and leaves nothing behind', async () => {
    const redis = await redisForTest();
    await push(redis, events(1, 250));
    const emitter = new Noting();
    const forwarder = await forwarderOf(await target(redis.url), emitter);
    await until(() => emitter.given.length === 250);
    await push(redis, events(251, 260));
    await until(async () => (await left(redis)) === 0);
    expect(emitter.ids).toEqual(events(1, 260).map(({ id }) => id));
    expect(await forwarder.stop()).toEqual({ returned: 0 });
    expect(forwarder.getMetrics()).toMatchObject({ forwarded: 260, deadLettered: 0, inProcess: 0 });
    expect(await redis.command('KEYS', '*')).toEqual([]);
  });

  test('goes on by itself after Redis was killed and came back', async () => {
    const redis = await redisForTest({ aof: true });
    const emitter = new Noting();
    await forwarderOf(await target(redis.url), emitter);
    await push(redis, events(1, 5));
    await until(() => emitter.given.length >= 5);
    await redis.restart();
    await push(redis, events(6, 10));
    await until(async () => new Set(emitter.ids).size === 10 && (await left(redis)) === 0);
  });

  test('stops in time while Redis hangs', async () => {
    const redis = await redisForTest();
    const forwarder = await forwarderOf(await target(redis.url), new Noting(), { requestTimeout: 200 });
    await push(redis, events(1, 1));
    await until(async () => (await left(redis)) === 0);
    redis.pause();
    const before = performance.now();
    expect(await forwarder.stop({ timeout: 50 })).toEqual({ returned: undefined });
    expect(performance.now() - before).toBeLessThan(4_000);
    redis.resume();
  });
});

describe('a RedisForwarder', () => {
  test('brings what a RedisEmitter pushed to an HTTP server', async () => {
    const redis = await redisForTest();
    const server = await serve([]);
    const http = new HttpEmitter(server.url, { codec: json() });
    onTestFinished(async () => void (await http.close({ timeout: 0 })));
    await forwarderOf(redis.url, http);
    const { emitter } = emitterTo(redis.url);
    for (const event of events(1, 25)) emitter.input(event);
    await until(() => http.getMetrics().sent === 25);
    await until(async () => (await left(redis)) === 0);
  });

  test('keeps an event until the emitter has it, and tries again as long as that fails', async () => {
    const redis = await redisForTest();
    let isDown = true;
    const emitter = new Noting(() => (isDown ? err(new Error('not now')) : ok()));
    const forwarder = await forwarderOf(redis.url, emitter);
    await push(redis, events(1, 1));
    await until(() => emitter.given.length >= 3);
    expect(await left(redis)).toBe(1);
    isDown = false;
    await until(async () => (await left(redis)) === 0);
    const { forwarded, failed, deadLettered } = forwarder.getMetrics();
    expect({ forwarded, failed, deadLettered }).toEqual({
      forwarded: 1,
      failed: emitter.given.length - 1,
      deadLettered: 0,
    });
  });

  test('keeps everything while its emitter is closed', async () => {
    const redis = await redisForTest();
    const emitter = new Noting(() => err(new EmitterClosedError('closed')));
    const forwarder = await forwarderOf(redis.url, emitter);
    await push(redis, events(1, 3));
    await until(() => forwarder.getMetrics().failed > 3);
    expect(await forwarder.stop()).toEqual({ returned: 3 });
    expect(idsIn(await redis.command('LRANGE', 'snowplow', 0, -1))).toEqual([1, 2, 3]);
    expect(await redis.command('EXISTS', 'snowplow:dead')).toBe(0);
  });

  test('lets others pass an event that fails, and two that are equal are two', async () => {
    const redis = await redisForTest();
    const emitter = new Noting(({ id }) => (id === 1 ? err(new Error('never')) : ok()));
    const forwarder = await forwarderOf(redis.url, emitter, { batchSize: 4 });
    await push(redis, [{ id: 1 }, { id: 2 }, { id: 2 }, { id: 3 }, { id: 4 }, { id: 4 }]);
    await until(async () => (await left(redis)) === 1);
    expect(forwarder.getMetrics().forwarded).toBe(5);
    expect(emitter.ids.filter((id) => id !== 1)).toEqual([2, 2, 3, 4, 4]);
  });

  test('puts what is no event aside, with the reason, byte by byte', async () => {
    const redis = await redisForTest();
    const emitter = new Noting();
    const bad = ['no json', '[1]', '"text"', 'null', '7', '{"a":', ''];
    await redis.command('RPUSH', 'snowplow', ...bad, '{"id":1}');
    // Bytes that are no UTF-8: a client that reads text never has them as they are.
    await redis.command('EVAL', "return redis.call('RPUSH', 'snowplow', '\\255\\254{')", 0);
    const forwarder = await forwarderOf(redis.url, emitter);
    await until(() => forwarder.getMetrics().deadLettered === bad.length + 1);
    expect(emitter.ids).toEqual([1]);
    const letters = ((await redis.command('LRANGE', 'snowplow:dead', 0, -2)) as string[]).map((text) =>
      JSON.parse(text),
    );
    expect(letters.map(({ text }) => text)).toEqual(bad);
    for (const letter of letters) {
      expect(letter).toMatchObject({ code: 'CQ_INVALID_ARGUMENT', forwarder: forwarder.id, at: expect.any(Number) });
      expect(letter.reason).toContain('RedisForwarder: an element of the list must be');
    }
    const kept = "return string.find(redis.call('LINDEX', 'snowplow:dead', -1), '\\255\\254{', 1, true)";
    expect(await redis.command('EVAL', kept, 0)).toBeGreaterThan(0);
    expect(await left(redis)).toBe(0);
  });

  test('puts what the emitter refuses for good aside, with its reason', async () => {
    const redis = await redisForTest();
    const http = new HttpEmitter((await serve([status(400)])).url, { codec: json(), deadLetter: () => undefined });
    onTestFinished(async () => void (await http.close({ timeout: 0 })));
    await forwarderOf(redis.url, http, { deadKey: 'refused' });
    await push(redis, events(1, 1));
    await until(async () => (await redis.command('LLEN', 'refused')) === 1);
    const letter = JSON.parse((await redis.command('LINDEX', 'refused', 0)) as string);
    expect(letter).toMatchObject({ code: 'CQ_HTTP_STATUS', name: 'HttpStatusError', text: '{"id":1}' });
  });

  test('takes over what a dead forwarder had, once its heartbeat has expired, as the oldest', async () => {
    const redis = await redisForTest();
    await redis.command('RPUSH', 'snowplow:processing:gone', '{"id":1}', '{"id":2}');
    await redis.command('SADD', 'snowplow:forwarders', 'gone');
    await redis.command('SET', 'snowplow:heartbeat:gone', '1', 'PX', 400);
    await push(redis, [{ id: 3 }]);
    const emitter = new Noting();
    const forwarder = await forwarderOf(redis.url, emitter, { heartbeatTimeout: 300 });
    await until(() => emitter.given.length === 3);
    expect(emitter.ids).toEqual([3, 1, 2]);
    expect(await redis.command('SISMEMBER', 'snowplow:forwarders', 'gone')).toBe(0);
    await until(() => forwarder.getMetrics().recovered === 2);
  });

  test('takes nothing from one that lives, however long its emitter takes', async () => {
    const redis = await redisForTest();
    let release = (): void => undefined;
    const slow = new Noting(
      () =>
        new Promise((resolve) => {
          release = () => resolve(ok());
        }),
    );
    const busy = await forwarderOf(redis.url, slow, { heartbeatTimeout: 200 });
    await push(redis, events(1, 1));
    await until(() => busy.getMetrics().inProcess === 1);
    const other = new Noting();
    const idle = await forwarderOf(redis.url, other, { heartbeatTimeout: 200 });
    const looks = performance.now() + 800;
    await until(() => performance.now() > looks);
    expect(other.given).toEqual([]);
    expect(idle.getMetrics().recovered).toBe(0);
    release();
    await until(async () => (await left(redis)) === 0);
    expect(slow.ids).toEqual([1]);
  });

  test('goes on under its old name with what it had', async () => {
    const redis = await redisForTest();
    await redis.command('RPUSH', 'snowplow:processing:worker-1', '{"id":1}');
    await push(redis, [{ id: 2 }]);
    const emitter = new Noting();
    await forwarderOf(redis.url, emitter, { id: 'worker-1' });
    await until(() => emitter.given.length === 2);
    expect(emitter.ids).toEqual([1, 2]);
  });

  test('gives back what its emitter has not taken within the time of stop, and can be started again', async () => {
    const redis = await redisForTest();
    let isStuck = true;
    const emitter = new Noting(() => (isStuck ? new Promise(() => undefined) : ok()));
    const forwarder = await forwarderOf(redis.url, emitter);
    await push(redis, events(1, 3));
    await until(() => forwarder.getMetrics().inProcess === 3);
    expect(await forwarder.stop({ timeout: 20 })).toEqual({ returned: 3 });
    expect(await forwarder.stop()).toEqual({ returned: 3 });
    expect(idsIn(await redis.command('LRANGE', 'snowplow', 0, -1))).toEqual([1, 2, 3]);
    isStuck = false;
    await forwarder.start();
    await until(async () => (await left(redis)) === 0);
    expect(emitter.ids).toEqual([1, 2, 3, 1, 2, 3]);
  });

  test('empties a Redis that is full', async () => {
    const redis = await redisForTest();
    await push(redis, events(1, 20));
    await redis.command('CONFIG', 'SET', 'maxmemory', '1');
    const emitter = new Noting();
    await forwarderOf(redis.url, emitter);
    await until(async () => emitter.given.length === 20 && (await left(redis)) === 0);
  });

  test('forwards nothing twice only because Redis was away when it was done', async () => {
    const redis = await redisForTest({ aof: true });
    const emitter = new Noting(async () => {
      await redis.kill();
      return ok();
    });
    const forwarder = await forwarderOf(redis.url, emitter, { requestTimeout: 200 });
    await push(redis, events(1, 1));
    await until(() => forwarder.getMetrics().forwarded === 1 && !redis.running);
    await redis.restart();
    await until(async () => (await left(redis)) === 0);
    expect(emitter.ids).toEqual([1]);
  });

  test('waits out a key that is no list', async () => {
    const redis = await redisForTest();
    await redis.command('SET', 'snowplow', 'text');
    const warnings: string[] = [];
    const logger = { ...QUIET, warn: (_fields: object, message: string) => void warnings.push(message) };
    const emitter = new Noting();
    await forwarderOf(redis.url, emitter, { logger });
    await until(() => warnings.some((warning) => warning.includes('WRONGTYPE')));
    await redis.command('DEL', 'snowplow');
    await push(redis, events(1, 1));
    await until(() => emitter.given.length === 1);
  });

  test.each([
    [{ key: '' }, 'RedisForwarder: key'],
    [{ id: '' }, 'RedisForwarder: id'],
    [{ ack: 'never' }, 'RedisForwarder: ack'],
    [{ batchSize: 0 }, 'RedisForwarder: batchSize'],
    [{ heartbeatTimeout: 99 }, 'RedisForwarder: heartbeatTimeout'],
    [{ requestTimeout: 0 }, 'RedisForwarder: requestTimeout'],
    [{ maxRetryDelay: -1 }, 'RedisForwarder: maxRetryDelay'],
    [{ deadKey: '' }, 'RedisForwarder: deadKey'],
    [{ logger: {} }, 'RedisForwarder: logger'],
    [{ clock: {} }, 'RedisForwarder: clock'],
    [{ batch: 1 }, "given 'batch'"],
    [7, 'RedisForwarder: options'],
  ])('refuses the options %j', (options, message) => {
    const make = (): unknown => new RedisForwarder('redis://localhost', new Noting(), options as never);
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow(message);
  });

  test('refuses what is no target, no emitter, or one that cannot tell what it was asked for', () => {
    const input = new RedisEmitter('redis://localhost');
    expect(() => new RedisForwarder('localhost', input)).toThrow('RedisForwarder: redis');
    expect(() => new RedisForwarder('redis://localhost', {} as never)).toThrow('RedisForwarder: emitter');
    const { deliver: _, ...rest } = { ...input, deliver: undefined };
    const silent = { input: () => true, store: async () => ok(), flush: async () => 1, close: async () => 1, ...rest };
    expect(() => new RedisForwarder('redis://localhost', silent)).toThrow("ack must be 'stored'");
    expect(() => new RedisForwarder('redis://localhost', silent, { ack: 'stored' })).not.toThrow();
  });
});
