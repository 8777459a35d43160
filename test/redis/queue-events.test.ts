import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { Collector, CollectorQueue, err, ok, Payload, QueueEventName } from 'collector-queue';
import {
  InvalidArgumentError,
  type ListenQueueEventsOptions,
  listenQueueEvents,
  type PublishQueueEventsOptions,
  publishQueueEvents,
  type QueueEventPublication,
  type RedisTarget,
  type RemoteQueueEvent,
  type RemoteQueueEventStream,
} from 'collector-queue/redis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { redisForTest } from '../redis-server.ts';
import { until } from './lists.ts';
import { TARGETS } from './scene.ts';

const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };

class Refused extends Error {
  readonly code = 'E_REFUSED';
  readonly secret = 'what the customer wrote';
}

/** A queue that fails what is negative. It is shut down when the test is over. */
async function queueForTest() {
  const number = new Collector('number', (payload: Payload<number>) =>
    payload.value < 0 ? err(new Refused('no negative number')) : ok(payload.value),
  );
  const queue = new CollectorQueue([number], { logger: QUIET });
  await queue.initQueue();
  onTestFinished(() => queue.shutDownQueue());
  return queue;
}

type AnyQueue = Parameters<typeof publishQueueEvents>[0];

function publishing(
  queue: AnyQueue,
  target: RedisTarget,
  options: PublishQueueEventsOptions = {},
): QueueEventPublication {
  const publication = publishQueueEvents(queue, target, { logger: QUIET, ...options });
  onTestFinished(() => publication.close(0));
  return publication;
}

async function listening(
  target: RedisTarget,
  options: ListenQueueEventsOptions = {},
): Promise<{ stream: RemoteQueueEventStream; heard: RemoteQueueEvent[] }> {
  const stream = listenQueueEvents(target, { logger: QUIET, maxRetryDelay: 20, ...options });
  onTestFinished(async () => void (await stream.return()));
  const heard: RemoteQueueEvent[] = [];
  void (async () => {
    for await (const event of stream) heard.push(event);
  })();
  await stream.listening();
  return { stream, heard };
}

describe.each(TARGETS)('queue events over %s', (_name, target) => {
  test('come to another process in order, with what they say', async () => {
    const redis = await redisForTest();
    const queue = await queueForTest();
    const { heard } = await listening(await target(redis.url));
    const publication = publishing(queue, await target(redis.url), { origin: 'shop-1' });
    await queue.getPublisher().send(new Payload(7)).wait();
    await until(() => heard.some(({ status }) => status === 'finished'));
    expect(heard.slice(0, 3).map(({ status }) => status)).toEqual(['enqueued', 'started', 'finished']);
    expect(heard[2]).toMatchObject({ origin: 'shop-1', task: 'number', attempt: 1, id: expect.any(String) });
    expect([publication.published, publication.dropped]).toEqual([heard.length, 0]);
  });

  test('are heard again after Redis was killed and came back', async () => {
    const redis = await redisForTest();
    const queue = await queueForTest();
    const { heard, stream } = await listening(await target(redis.url));
    const publication = publishing(queue, await target(redis.url));
    await redis.kill();
    await until(() => !stream.connected);
    await queue.getPublisher().send(new Payload(1)).wait();
    await until(() => publication.dropped > 0);
    await redis.restart();
    await stream.listening();
    await until(async () => {
      await queue.getPublisher().send(new Payload(2)).wait();
      return heard.some(({ status }) => status === 'finished');
    });
  });
});

describe('queue events', () => {
  test('tell of an error its name, message and code, and of payloads nothing', async () => {
    const redis = await redisForTest();
    const queue = await queueForTest();
    const { heard } = await listening(redis.url, { filter: ['error-task'] });
    const raw = await listening(redis.url);
    publishing(queue, redis.url);
    await queue.getPublisher().send(new Payload(-12345)).wait();
    await until(() => heard.length > 0);
    expect(heard[0]).toMatchObject({
      status: 'error-task',
      error: { name: 'Error', message: 'no negative number', code: 'E_REFUSED' },
    });
    expect(JSON.stringify(raw.heard)).not.toMatch(/12345|customer|stack|\.test\.ts/);
  });

  test('are dropped and counted while Redis hangs, and the queue does not wait', async () => {
    const redis = await redisForTest();
    const queue = await queueForTest();
    const publication = publishing(queue, redis.url, { bufferSize: 10 });
    await queue.getPublisher().send(new Payload(0)).wait();
    await until(() => publication.published > 0);
    redis.pause();
    const before = performance.now();
    for (let value = 0; value < 200; value++) await queue.getPublisher().send(new Payload(value)).wait();
    expect(performance.now() - before).toBeLessThan(2_000);
    expect(publication.dropped).toBeGreaterThan(400);
    redis.resume();
  });

  test('that a slow consumer has no room for are dropped, the oldest first, and counted', async () => {
    const redis = await redisForTest();
    const queue = await queueForTest();
    const stream = listenQueueEvents(redis.url, { bufferSize: 5, filter: ['finished'] });
    onTestFinished(async () => void (await stream.return()));
    await stream.listening();
    const publication = publishing(queue, redis.url, { filter: ['finished'] });
    for (let value = 0; value < 20; value++) await queue.getPublisher().send(new Payload(value)).wait();
    await until(() => publication.published === 20);
    await until(() => stream.dropped === 15);
    expect(stream.buffered).toBe(5);
  });

  test('that are none are counted, and heard by nobody', async () => {
    const redis = await redisForTest();
    const { heard, stream } = await listening(redis.url);
    const lines = ['no json', '{}', 'null', '{"status":"unknown","timestamp":1,"origin":"x"}', '{"status":"idle"}'];
    await redis.command('PUBLISH', 'collector-queue:events', lines.join('\n'));
    await redis.command('PUBLISH', 'collector-queue:events', '{"status":"idle","timestamp":1,"origin":"x"}\n');
    await redis.command('PUBLISH', 'another channel', '{"status":"drained","timestamp":1,"origin":"x"}\n');
    await until(() => heard.length > 0);
    expect(heard).toEqual([{ status: 'idle', timestamp: 1, origin: 'x' }]);
    expect(stream.malformed).toBe(lines.length);
  });

  test('are sent before a publication closes, and no more afterwards', async () => {
    const redis = await redisForTest();
    const queue = await queueForTest();
    const { heard } = await listening(redis.url, { channel: 'mine' });
    const publication = publishing(queue, redis.url, { channel: 'mine', filter: ['finished'] });
    await queue.getPublisher().send(new Payload(1)).wait();
    await publication.close();
    expect([publication.published, publication.dropped]).toEqual([1, 0]);
    await until(() => heard.length === 1);
    expect(Object.values(QueueEventName).map((name) => queue.events.listenerCount(name))).not.toContain(1);
    expect(await redis.command('CLIENT', 'LIST', 'TYPE', 'normal')).not.toContain('cmd=publish');
  });

  test('end with their signal, and with them the connection', async () => {
    const redis = await redisForTest();
    const controller = new AbortController();
    const stream = listenQueueEvents(redis.url, { signal: controller.signal });
    await stream.listening();
    const subscribers = async (): Promise<unknown> => redis.command('PUBSUB', 'NUMSUB', 'collector-queue:events');
    expect(await subscribers()).toEqual(['collector-queue:events', 1]);
    const next = stream.next();
    controller.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    await until(async () => ((await subscribers()) as unknown[])[1] === 0);
  });

  test('end at once while Redis is not there, and while it never answers', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    onTestFinished(() => void silent.close());
    for (const port of [(silent.address() as AddressInfo).port, 1]) {
      const stream = listenQueueEvents(`redis://127.0.0.1:${port}`, { logger: QUIET });
      const next = stream.next();
      await stream.return();
      expect(await next).toEqual({ done: true, value: undefined });
      await stream.listening();
    }
  });

  test.each([
    [{ channel: '' }, 'channel'],
    [{ origin: '' }, 'origin'],
    [{ bufferSize: 0 }, 'bufferSize'],
    [{ filter: [] }, 'filter'],
    [{ signal: 1 }, 'signal'],
    [{ logger: {} }, 'logger'],
    [{ clock: {} }, 'clock'],
    [{ chanel: 'x' }, "did you mean 'channel'?"],
  ])('are not published with the options %j', async (options, message) => {
    const queue = await queueForTest();
    const make = (): unknown => publishQueueEvents(queue, 'redis://localhost', options as never);
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow(message);
  });

  test.each([
    [{ channel: '' }, 'channel'],
    [{ bufferSize: 0 }, 'listenQueueEvents: bufferSize'],
    [{ filter: ['started', 'begun'] }, 'listenQueueEvents: filter[1]'],
    [{ signal: 1 }, 'listenQueueEvents: signal'],
    [{ maxRetryDelay: -1 }, 'listenQueueEvents: maxRetryDelay'],
    [{ logger: {} }, 'logger'],
    [{ clock: {} }, 'clock'],
    [{ chanel: 'x' }, "did you mean 'channel'?"],
  ])('are not listened to with the options %j', (options, message) => {
    const make = (): unknown => listenQueueEvents('redis://localhost', options as never);
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow(message);
  });

  test('need a queue, and a target', () => {
    expect(() => publishQueueEvents({} as never, 'redis://localhost')).toThrow('publishQueueEvents: queue');
    expect(() => publishQueueEvents(undefined as never, 'redis://localhost')).toThrow('publishQueueEvents: queue');
    expect(() => listenQueueEvents('localhost')).toThrow('listenQueueEvents: redis');
  });
});
