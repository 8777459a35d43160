import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { Collector, Payload } from 'collector-queue';
import { BullMQCollectorQueue, JobLostError, RemoteError } from 'collector-queue/bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Audience, DEAFNESS } from '../../src/bullmq/audience.ts';
import { newEventId, newOrigin, resultChannelOf } from '../../src/bullmq/names.ts';
import { RedisNotes } from '../../src/bullmq/notes.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { type RedisServer, redisForTest, startRedis } from '../redis-server.ts';
import { ownPrefix, passed, queueFor, started, told, until, WorkerChild } from './scene.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** Nothing is looked up for as long as a test takes: what is known was told. */
const NO_LOOKUPS = { lookupInterval: 3_600_000 } as const;

const echo = (key = 'a'): Collector => new Collector(key, ({ value }) => value);

function clientOf(server: RedisServer): Redis {
  const client = new Redis(server.url);
  onTestFinished(() => client.disconnect());
  return client;
}

/** What is told to whoever waits, from now on. */
async function listened(server: RedisServer, prefix: string): Promise<string[]> {
  const heard: string[] = [];
  const client = clientOf(server);
  client.on('pmessage', (_pattern, _channel, message: string) => heard.push(message));
  await client.psubscribe(`${prefix}:@results:*`);
  return heard;
}

/** A way to Redis on which the answers on the first connection take their time. */
async function slowAnswers(port: number): Promise<{ delay: number; readonly url: string }> {
  const answers = { delay: 0, url: '' };
  let connections = 0;
  const server = createServer((client) => {
    const isFirst = connections++ === 0;
    const upstream = connect(port, '127.0.0.1');
    client.pipe(upstream);
    upstream.on('data', (data) => {
      if (isFirst && answers.delay > 0) setTimeout(() => client.write(data), answers.delay);
      else client.write(data);
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  answers.url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return answers;
}

const subscribers = async (server: RedisServer): Promise<string[]> => {
  const list = String(await clientOf(server).client('LIST', 'TYPE', 'PUBSUB'));
  return [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => id as string);
};

describe('results', () => {
  test('are told as they come: Ok, Err, and after another attempt', async () => {
    const picky = new Collector(
      'picky',
      ({ value }, _context, { number }) => {
        if (value === 'later' && number > 1) return 'at last';
        throw new RangeError(`not ${value}`);
      },
      { retry: { attempts: 2, base: 1, cap: 1 } },
    );
    const queue = await started([echo(), picky], { connection: redis.url, ...NO_LOOKUPS });
    const publisher = queue.getPublisher();
    const list = await publisher.publish(1).wait();
    expect(list.get('a')?._unsafeUnwrap()).toBe(1);
    expect(list.get('picky')?._unsafeUnwrapErr()).toBeInstanceOf(RemoteError);
    expect((await publisher.publish('later', { keys: 'picky' }).wait()).oks()).toEqual(['at last']);
    const many = publisher.sendMany(Array.from({ length: 500 }, (_, value) => new Payload(value, { keys: 'a' })));
    const lists = await Promise.all(many.map((event) => event.wait()));
    expect(lists.flatMap((one) => one.oks())).toEqual(Array.from({ length: 500 }, (_, value) => value));
  });

  test('are told though the job is not kept', async () => {
    const options = { connection: redis.url, ...NO_LOOKUPS, keepCompleted: { count: 0 }, keepFailed: { count: 0 } };
    const fails = new Collector('fails', () => Promise.reject(new Error('no')));
    const queue = await started([echo(), fails], options);
    // The first one does not leave before its result can be heard.
    for (const value of [1, 2]) {
      const list = await queue.getPublisher().publish(value).wait();
      expect(list.get('a')?._unsafeUnwrap()).toBe(value);
      expect(list.get('fails')?._unsafeUnwrapErr()).toMatchObject({ cause: { message: 'no' } });
    }
  });

  test('are told to their publisher alone, on one connection for all collectors, once it waits', async () => {
    const server = await redisForTest();
    const options = { connection: server.url, prefix: ownPrefix(), ...NO_LOOKUPS };
    const collectors = () => ['a', 'b', 'c'].map(echo);
    await started(collectors(), { ...options, role: 'worker' });
    const before = (await clientOf(server).client('LIST')) as string;
    const [one, other, silent] = await Promise.all(
      [1, 2, 3].map(() => started(collectors(), { ...options, role: 'publisher' })),
    );
    silent?.getPublisher().publish('x', undefined, { reply: false });
    expect((await one?.getPublisher().publish(1).wait())?.oks()).toEqual([1, 1, 1]);
    expect((await other?.getPublisher().publish(2).wait())?.oks()).toEqual([2, 2, 2]);
    const channels = (await clientOf(server).pubsub('CHANNELS', `${options.prefix}:*`)) as string[];
    expect(channels).toHaveLength(2);
    const counts = await Promise.all(channels.map((channel) => server.command('PUBSUB', 'NUMSUB', channel)));
    expect(counts).toEqual(channels.map((channel) => [channel, 1]));
    // Each has a connection to send on, and those that wait one to listen on.
    const count = (list: string) => list.split('\n').filter((line) => line.startsWith('id=')).length;
    const mine = 2;
    expect(count((await clientOf(server).client('LIST')) as string)).toBe(count(before) + 5 + mine);
  });

  test('are not told if nobody may ask', async () => {
    const options = { connection: redis.url, prefix: ownPrefix() };
    const heard = await listened(redis, options.prefix);
    let calls = 0;
    const fails = new Collector('fails', () => {
      calls++;
      throw new Error('no');
    });
    const queue = await started([echo(), fails], options);
    queue.getPublisher().publish(1, undefined, { reply: false });
    await until(() => calls === 1);
    await queue.onIdle();
    expect(heard).toEqual([]);
    await queue.getPublisher().publish(2, { keys: 'a' }).wait();
    await until(() => heard.length > 0);
    expect(heard).toHaveLength(1);
  });

  test('are hardly told where nobody waits, and not missed by the first who does', async () => {
    const server = await redisForTest();
    const queue = await started(['a', 'b'].map(echo), { connection: server.url, ...NO_LOOKUPS });
    const publisher = queue.getPublisher();
    const published = async (): Promise<number> => {
      const [, calls] = /cmdstat_publish:calls=(\d+)/.exec(String(await server.command('INFO', 'commandstats'))) ?? [];
      return Number(calls ?? 0);
    };
    for (let round = 0; round < 4; round++) {
      publisher.sendMany(Array.from({ length: 250 }, (_, value) => new Payload(value, { keys: 'a' })));
      await queue.onIdle();
    }
    expect(await published()).toBeGreaterThan(0);
    expect(await published()).toBeLessThan(500);
    await passed(DEAFNESS);
    // The worker has just found again that nobody listens.
    const before = await published();
    publisher.publish('nobody', { keys: 'a' });
    await until(async () => (await published()) > before);
    const ask = (value: string) => publisher.publish(value, { keys: 'b' }).wait({ timeout: 5_000 });
    const first = ask('first');
    await until(async () => (await subscribers(server)).length === 1);
    const second = ask('second');
    expect([...(await first).oks(), ...(await second).oks()]).toEqual(['first', 'second']);
  });

  test('are not missed by a wait that begins while Redis has not answered yet', async () => {
    const options = { connection: redis.url, prefix: ownPrefix(), ...NO_LOOKUPS };
    let ended = 0;
    const counting = new Collector('a', ({ value }) => {
      ended++;
      return value;
    });
    await started([counting], { ...options, role: 'worker' });
    const answers = await slowAnswers(redis.port);
    const queue = await started([echo()], { ...options, connection: answers.url, role: 'publisher' });
    const publisher = queue.getPublisher();
    await publisher.publish('first').wait();
    await passed(2 * DEAFNESS);
    answers.delay = 300;
    const event = publisher.publish('second');
    await until(() => ended === 2);
    await passed(50);
    expect(queue.getMetrics().accepted).toBe(1);
    expect((await event.wait({ timeout: 5_000 })).oks()).toEqual(['second']);
  });

  test('are not told by a worker that has lost its job to another', { timeout: 40_000 }, async () => {
    const options = { connection: redis.url, prefix: ownPrefix() };
    const heard = await listened(redis, options.prefix);
    const first = await WorkerChild.start(options, ['slow']);
    const queue = await started([echo('slow')], { ...options, role: 'publisher' });
    const waiting = queue.getPublisher().publish('once').wait();
    await until(() => first.said.length > 1);
    first.process.kill('SIGSTOP');
    const second = await WorkerChild.start(options, ['slow']);
    expect((await waiting).oks()).toEqual(['once']);
    expect(second.said.map(String)).toContain('slow ends,once');
    first.process.kill('SIGCONT');
    await until(() => first.said.map(String).includes('slow ends,once'));
    await passed(200);
    expect(heard).toHaveLength(1);
  });

  test('that were told while the connection was lost are found as soon as it is back', async () => {
    const server = await redisForTest();
    const options = { connection: server.url, prefix: ownPrefix(), ...NO_LOOKUPS };
    let end: () => void = () => undefined;
    const slow = new Collector('slow', async ({ value }) => {
      await new Promise<void>((resolve) => {
        end = resolve;
      });
      return value;
    });
    const queue = await started([echo(), slow], options);
    const publisher = queue.getPublisher();
    await publisher.publish('first', { keys: 'a' }).wait();
    const waiting = publisher.publish('lost?', { keys: 'slow' }).wait();
    await until(() => queue.getMetrics().busy === 1);
    const heard = await listened(server, options.prefix);
    const [listener] = await subscribers(server);
    expect(await server.command('CLIENT', 'KILL', 'ID', listener as string)).toBe(1);
    // It is told at once, and the connection comes back after a pause.
    end();
    expect((await waiting).oks()).toEqual(['lost?']);
    await until(() => heard.length === 1);
    // And it is told again.
    expect((await publisher.publish('next', { keys: 'a' }).wait()).oks()).toEqual(['next']);
  });

  test('that were told in vain a moment before they were there are found by a second look', async () => {
    const server = await redisForTest();
    const prefix = ownPrefix();
    const queue = await started([echo()], { connection: server.url, prefix, role: 'publisher', ...NO_LOOKUPS });
    const event = queue.getPublisher().publish('x');
    const waiting = event.wait();
    await until(async () => (await subscribers(server)).length === 1 && queue.getMetrics().accepted === 1);
    const [before] = await subscribers(server);
    await server.command('CLIENT', 'KILL', 'ID', before as string);
    await until(async () => (await subscribers(server)).some((id) => id !== before));
    // The first look finds it unfinished.
    await passed(50);
    const [jobId] = (await clientOf(server).lrange(`${prefix}:a:wait`, 0, 0)) as [string];
    const result = JSON.stringify({ v: 1, due: Date.now(), body: '{"ok":true}\n"there"' });
    await server.command('HSET', `${prefix}:a:${jobId}`, 'returnvalue', result, 'finishedOn', 1);
    await server.command('ZADD', `${prefix}:a:completed`, 1, jobId);
    expect((await waiting).oks()).toEqual(['there']);
  });

  test('are looked up while Redis lets nobody listen or tell, which is said once', async () => {
    const server = await redisForTest();
    await server.command('ACL', 'SETUSER', 'deaf', 'on', '>word', '~*', '+@all', 'resetchannels');
    const connection = { host: '127.0.0.1', port: server.port, username: 'deaf', password: 'word' };
    const queue = await started([echo()], { connection, lookupInterval: 100, sendTimeout: 300 });
    const events = told(queue);
    const publisher = queue.getPublisher();
    for (const value of [1, 2, 3, 4]) expect((await publisher.publish(value).wait()).oks()).toEqual([value]);
    const internal = events.filter(({ status }) => status === 'error-internal');
    expect(internal.map(({ source }) => source).sort()).toEqual(['news of results', 'telling of results of queue "a"']);
    for (const { error } of internal) expect(String(error)).toMatch(/NOPERM|can't publish/);
    // As soon as it may, it listens again.
    await server.command('ACL', 'SETUSER', 'deaf', 'allchannels');
    await until(async () => {
      void publisher
        .publish('x')
        .wait()
        .catch(() => undefined);
      return (await subscribers(server)).length === 1;
    });
    expect((await publisher.publish(5).wait()).oks()).toEqual([5]);
  });

  test('are looked up while Redis takes no more connections, which is said', async () => {
    const server = await redisForTest();
    const queue = await started([echo()], { connection: server.url, lookupInterval: 100 });
    const events = told(queue);
    const client = clientOf(server);
    const clients = String(await client.client('LIST'))
      .trim()
      .split('\n').length;
    await client.config('SET', 'maxclients', clients);
    const publisher = queue.getPublisher();
    expect((await publisher.publish(1).wait()).oks()).toEqual([1]);
    const internal = events.filter(({ status }) => status === 'error-internal');
    expect(internal.map(({ source }) => source)).toEqual(['news of results']);
    expect(String(internal[0]?.error)).toMatch(
      /no connection for results.*(EPIPE|ECONNRESET|max number of clients|no answer)/,
    );
    await client.config('SET', 'maxclients', 1_000);
    await until(async () => (await subscribers(server)).length === 1);
    expect((await publisher.publish(2).wait()).oks()).toEqual([2]);
  });

  test('come on a new connection where Redis answers no more on the old one', async () => {
    const server = await redisForTest();
    const queue = await started([echo(), new Collector('never', () => new Promise(() => undefined))], {
      connection: server.url,
      lookupInterval: 100,
      sendTimeout: 300,
      lockDuration: 30_000,
    });
    const publisher = queue.getPublisher();
    await publisher.publish('first', { keys: 'a' }).wait();
    const before = await subscribers(server);
    void publisher
      .publish('for ever', { keys: 'never' })
      .wait()
      .catch(() => undefined);
    await server.command('CLIENT', 'PAUSE', 1_000, 'ALL');
    await passed(1_000);
    await until(async () => (await subscribers(server)).some((id) => !before.includes(id)));
    expect((await publisher.publish('then', { keys: 'a' }).wait()).oks()).toEqual(['then']);
  });

  test('that are gone for good are a loss, also of jobs that were sent before anybody listened', async () => {
    const queue = await started([echo()], { connection: redis.url, keepCompleted: { count: 0 } });
    const event = queue.getPublisher().publish(1);
    await queue.onIdle();
    expect((await event.wait()).errs()[0]).toBeInstanceOf(JobLostError);
  });
});

describe('a conclusion', () => {
  test.each([
    ['its worker has it', 'token', 1],
    ['another one has it', 'another', 0],
    ['nobody has it', undefined, 0],
  ])('of a job is told and remembered only if %s', async (_, lock, heardOf) => {
    const prefix = ownPrefix();
    const client = clientOf(redis);
    const notes = new RedisNotes(client, prefix);
    const heard = await listened(redis, prefix);
    const lockKey = `${prefix}:a:job:lock`;
    if (lock !== undefined) await client.set(lockKey, lock);
    const channel = resultChannelOf(prefix, 'job');
    const job = { queue: 'a', jobId: 'job', lockKey, token: 'token' };
    await notes.conclude({ ...job, ttl: 60_000, channel, news: 'the news' });
    expect(await notes.isDone('a', 'job')).toBe(heardOf === 1);
    const ttl = await client.pttl(`${prefix}:@done:a:job`);
    if (heardOf === 1) expect(ttl).toBeGreaterThan(50_000);
    await client.publish(`${prefix}:@results:end`, 'end');
    await until(() => heard.includes('end'));
    expect(heard).toEqual(heardOf === 1 ? ['the news', 'end'] : ['end']);
  });

  test('need not be remembered, nor told', async () => {
    const prefix = ownPrefix();
    const client = clientOf(redis);
    const notes = new RedisNotes(client, prefix);
    const heard = await listened(redis, prefix);
    const lockKey = `${prefix}:a:job:lock`;
    await client.set(lockKey, 'token');
    const job = { queue: 'a', jobId: 'job', lockKey, token: 'token' };
    await notes.conclude({ ...job, ttl: 0, channel: `${prefix}:@results:told`, news: 'told' });
    expect(await notes.isDone('a', 'job')).toBe(false);
    await notes.conclude({ ...job, ttl: 1_000, channel: `${prefix}:@results:told`, news: undefined });
    expect(await notes.isDone('a', 'job')).toBe(true);
    await client.publish(`${prefix}:@results:end`, 'end');
    await until(() => heard.includes('end'));
    expect(heard).toEqual(['told', 'end']);
  });
});

describe('an audience', () => {
  test('is believed to be away for a quarter of a second from when nobody was told, each for itself', async () => {
    const clock = new ManualClock();
    const audience = new Audience(clock);
    expect(audience.mayListen('a')).toBe(true);
    const at = clock.now();
    await clock.advance(100);
    audience.nobody('a', at);
    expect([audience.mayListen('a'), audience.mayListen('b')]).toEqual([false, true]);
    await clock.advance(DEAFNESS - 101);
    expect(audience.mayListen('a')).toBe(false);
    await clock.advance(1);
    expect(audience.mayListen('a')).toBe(true);
  });

  test('is forgotten rather than remembered without end', () => {
    const audience = new Audience(new ManualClock());
    for (let at = 0; at <= 1_000; at++) audience.nobody(`channel ${at}`, 0);
    expect(audience.mayListen('channel 0')).toBe(true);
    expect(audience.mayListen('channel 1000')).toBe(false);
  });
});

describe('the id of an event', () => {
  const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

  test('is a UUID that says where its results are waited for, as those of its jobs do', () => {
    const [one, other] = [newOrigin(), newOrigin()];
    const ids = Array.from({ length: 1_000 }, () => newEventId(one));
    expect(new Set(ids).size).toBe(1_000);
    for (const id of ids) expect(id).toMatch(UUID);
    expect(new Set([one, ...ids, `${ids[0]}-0123456789ab`].map((id) => resultChannelOf('shop', id))).size).toBe(1);
    expect(resultChannelOf('shop', one)).not.toBe(resultChannelOf('shop', other));
    expect(resultChannelOf('shop', one)).not.toBe(resultChannelOf('cellar', one));
  });

  test('is of another origin after a restart: what was told to the run before is nothing to this one', async () => {
    const queue = queueFor([echo()], { connection: redis.url, role: 'publisher' });
    await queue.initQueue();
    const first = queue.getPublisher().publish(1).id;
    await queue.shutDownQueue();
    await queue.initQueue();
    expect(queue.getPublisher().publish(1).id.slice(0, 13)).not.toBe(first.slice(0, 13));
    expect(queue).toBeInstanceOf(BullMQCollectorQueue);
  });
});
