import { Collector, type CollectorOptions, err, ok, Payload } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import type { ManualClock } from '../../src/testing/manual-clock.ts';
import { started } from '../core/scene.ts';
import { hanging, oneCollector, recorded } from './scene.ts';

interface Started {
  /** `time: value`, for each attempt. */
  readonly starts: string[];
  /** To be set once the clock is there. */
  clock: ManualClock | undefined;
  readonly process: (value: unknown) => unknown;
}

function timed(process: (value: unknown) => unknown = () => undefined): Started {
  const noted: Started = {
    starts: [],
    clock: undefined,
    process: (value) => {
      noted.starts.push(`${noted.clock?.now()}: ${value}`);
      return process(value);
    },
  };
  return noted;
}

const MANY = { maxConsumers: 10 };
const per = ({ value }: Payload<string>): string | undefined => (/^\d/.test(value) ? undefined : value[0]);

describe('a rate limit', () => {
  test('lets so many attempts begin in any window; the others begin in order, as soon as they may', async () => {
    const noted = timed();
    const rateLimit = { limit: 2, interval: 100 };
    const { queue, publisher, clock } = await oneCollector(noted.process, { rateLimit }, MANY);
    noted.clock = clock;
    void publisher.publish(1);
    await clock.advance(30);
    for (const value of [2, 3, 4, 5]) void publisher.publish(value);
    await clock.turn();
    expect(queue.getMetrics()).toMatchObject({ parked: 3, busy: 0 });
    await clock.advance(60);
    void publisher.publish(6);
    await clock.advance(500);
    expect(noted.starts).toEqual(['0: 1', '30: 2', '100: 3', '130: 4', '200: 5', '230: 6']);
    await queue.shutDownQueue();
    expect(clock.pendingTimers).toBe(0);
  });

  test('is made use of in full when several may begin at once', async () => {
    const noted = timed();
    const rateLimit = { limit: 3, interval: 100 };
    const { queue, publisher, clock } = await oneCollector(noted.process, { rateLimit }, MANY);
    noted.clock = clock;
    for (let value = 1; value <= 7; value++) void publisher.publish(value);
    await clock.advance(200);
    expect(noted.starts).toEqual(['0: 1', '0: 2', '0: 3', '100: 4', '100: 5', '100: 6', '200: 7']);
    await queue.shutDownQueue();
  });

  test('counts what per returns apart; what has no key is not limited', async () => {
    const noted = timed();
    const rateLimit = { limit: 1, interval: 100, per };
    const { queue, publisher, clock } = await oneCollector(noted.process, { rateLimit }, MANY);
    noted.clock = clock;
    for (const value of ['a1', 'a2', 'b1', '1', '2', 'b2', 'a3']) void publisher.publish(value);
    await clock.advance(200);
    expect(noted.starts).toEqual(['0: a1', '0: b1', '0: 1', '0: 2', '100: a2', '100: b2', '200: a3']);
    await queue.shutDownQueue();
  });

  test('counts further attempts of a task, which wait behind those that wait already', async () => {
    const noted = timed((value) => (value === 'flaky' ? err('no') : ok(value)));
    const options = { rateLimit: { limit: 1, interval: 100 }, retry: { attempts: 2, base: 0 } };
    const { queue, publisher, clock } = await oneCollector(noted.process, options, MANY);
    noted.clock = clock;
    for (const value of ['flaky', 'other']) void publisher.publish(value);
    await clock.advance(300);
    expect(noted.starts).toEqual(['0: flaky', '100: other', '200: flaky']);
    await queue.shutDownQueue();
  });

  test('asks per once for each task, however often it waits or is attempted', async () => {
    const asked: unknown[] = [];
    const rateLimit = {
      limit: 1,
      interval: 10,
      per: ({ value }: Payload): string | undefined => {
        asked.push(value);
        return value === 'free' ? undefined : 'all';
      },
    };
    const retry = { attempts: 3, base: 0 };
    const { queue, publisher, clock } = await oneCollector(() => err('no'), { rateLimit, retry }, MANY);
    for (const value of ['one', 'free', 'two']) void publisher.publish(value);
    await clock.advance(1_000);
    expect(asked).toEqual(['one', 'free', 'two']);
    await queue.shutDownQueue();
  });

  test.each<[what: string, wrong: (payload: Payload) => unknown, words: string]>([
    [
      'throws',
      () => {
        throw new Error('no key');
      },
      'no key',
    ],
    ['returns an empty text', () => '', 'the key that rateLimit.per returns must be a non-empty string'],
    ['returns an object', () => ({}), 'the key that rateLimit.per returns must be a non-empty string'],
    ['returns a promise', async () => Promise.reject(new Error()), 'but it is a Promise'],
  ])('whose per %s fails the task, which is not tried again', async (_, wrong, words) => {
    const rateLimit = { limit: 1, interval: 10, per: wrong as () => string };
    const { queue, publisher, clock, called } = await oneCollector(() => 1, { rateLimit, retry: 3 });
    const event = publisher.publish(1);
    await clock.turn();
    const [error] = event.getResult()?.errs() ?? [];
    expect(error).toMatchObject({ code: 'CQ_PROCESSOR', cause: { message: expect.stringContaining(words) } });
    expect(called).toEqual([]);
    await queue.shutDownQueue();
  });

  test('is not used by what is cancelled or expires while it waits: the next one begins in its place', async () => {
    const noted = timed();
    const rateLimit = { limit: 1, interval: 100 };
    const { queue, publisher, clock } = await oneCollector(noted.process, { rateLimit }, MANY);
    noted.clock = clock;
    void publisher.publish(1);
    const cancelled = publisher.publish(2);
    const first = publisher.send(new Payload(3), { ttl: 50 });
    const second = publisher.send(new Payload(4), { ttl: 150 });
    void publisher.publish(5);
    const last = publisher.send(new Payload(6), { ttl: 60 });
    await clock.turn();
    cancelled.cancel();
    await clock.advance(50);
    expect(first.getResult()?.errs()).toMatchObject([{ code: 'CQ_EXPIRED' }]);
    await clock.advance(10);
    expect(last.getResult()?.errs()).toMatchObject([{ code: 'CQ_EXPIRED' }]);
    await clock.advance(500);
    expect(second.getResult()?.isOk()).toBe(true);
    expect(noted.starts).toEqual(['0: 1', '100: 4', '200: 5']);
    await queue.shutDownQueue();
  });

  test('keeps its place for a task that waits for a consumer, and gives it to the next if that is cancelled', async () => {
    const blocker = hanging();
    const noted = timed();
    const collectors = [
      new Collector('limited', ({ value }) => noted.process(value), { rateLimit: { limit: 1, interval: 100 } }),
      new Collector('blocker', ({ value }, _, attempt) => blocker.process(value, attempt)),
    ];
    const { queue, publisher, clock } = await started(collectors, { maxConsumers: 1 });
    noted.clock = clock;
    const [, second] = [1, 2, 3].map((value) => publisher.publish(value, { keys: 'limited' }));
    await clock.turn();
    void publisher.publish(0, { keys: 'blocker' });
    await clock.advance(250);
    second?.cancel();
    blocker.end();
    await clock.turn();
    expect(noted.starts).toEqual(['0: 1', '250: 3']);
    await queue.shutDownQueue();
  });

  test('is not used up by what waits for a slot, nor is a slot by what waits for its rate', async () => {
    const work = hanging();
    const options: CollectorOptions = { concurrency: 2, rateLimit: { limit: 2, interval: 100, per } };
    const { queue, publisher, clock, called } = await oneCollector(work.process, options, MANY);
    for (const value of ['a1', 'a2', 'a3', 'b1']) void publisher.publish(value);
    await clock.turn();
    expect(called).toEqual(['a1', 'a2']);
    work.end();
    await clock.turn();
    expect(called.slice(2)).toEqual(['b1']);
    work.end();
    await clock.advance(99);
    expect(called).toHaveLength(3);
    await clock.advance(1);
    expect(called.slice(3)).toEqual(['a3']);
    work.end();
    work.end();
    await queue.shutDownQueue();
  });

  test('wakes as many as may begin, and not all that wait: each waits once for its rate and once for its slot', async () => {
    const work = hanging();
    const options = { concurrency: 1, rateLimit: { limit: 3, interval: 100 } };
    const scene = await oneCollector(work.process, options, MANY);
    const { queue, publisher, clock, called } = scene;
    const parked = recorded(scene, ['parked']);
    const values = Array.from({ length: 20 }, (_, value) => value);
    for (const value of values) void publisher.publish(value);
    while (called.length < 20) {
      await clock.advance(130);
      for (let burst = 0; burst < 4; burst++) {
        if (queue.getMetrics().busy > 0) work.end();
        await clock.turn();
      }
    }
    expect(called).toEqual(values);
    expect(parked.length).toBeLessThanOrEqual(2 * 20);
    if (queue.getMetrics().busy > 0) work.end();
    await queue.shutDownQueue();
  });

  test('counts an attempt from its start, although it was let through long before it had a slot', async () => {
    const work = hanging();
    const options = { concurrency: 1, rateLimit: { limit: 1, interval: 100 } };
    const { queue, publisher, clock, called } = await oneCollector(work.process, options, MANY);
    for (const value of [1, 2, 3]) void publisher.publish(value);
    await clock.advance(180);
    work.end();
    await clock.turn();
    expect(called).toEqual([1, 2]);
    work.end();
    await clock.advance(99);
    expect(called).toEqual([1, 2]);
    await clock.advance(1);
    expect(called).toEqual([1, 2, 3]);
    work.end();
    await queue.shutDownQueue();
  });

  test('is not used by a task that finds its lock taken', async () => {
    const work = hanging();
    const lock = { name: 'shared', delay: 10 };
    const rateLimit = { limit: 1, interval: 1_000 };
    const collectors = [
      new Collector('a', ({ value }, _, attempt) => work.process(value, attempt), { lock }),
      new Collector('b', ({ value }, _, attempt) => work.process(value, attempt), { lock, rateLimit }),
    ];
    const { queue, publisher, clock } = await started(collectors);
    void publisher.publish(1, { keys: 'a' });
    void publisher.publish(2, { keys: 'b' });
    await clock.advance(50);
    work.end();
    await clock.advance(10);
    expect(work.attempts.map(({ collectorKey }) => collectorKey)).toEqual(['a', 'b']);
    work.end();
    await queue.shutDownQueue();
  });

  test('does not bring a task back from the delay of its retry', async () => {
    // Woken by its own alarm for its expiry while a start is promised to it, it fails at once.
    const noted = timed(() => err({ retryAfter: 1_000 }));
    const options = { rateLimit: { limit: 1, interval: 100 }, retry: 2 };
    const { queue, publisher, clock } = await oneCollector(noted.process, options, MANY);
    noted.clock = clock;
    for (const value of [1, 2]) void publisher.publish(value);
    await clock.advance(1_050);
    expect(noted.starts).toEqual(['0: 1', '100: 2', '1000: 1']);
    await clock.advance(50);
    expect(noted.starts.slice(3)).toEqual(['1100: 2']);
    await queue.shutDownQueue();
  });

  test('is counted exactly where times are no whole numbers', async () => {
    const noted = timed();
    const { queue, publisher, clock } = await oneCollector(
      noted.process,
      { rateLimit: { limit: 1, interval: 0.2 } },
      MANY,
    );
    noted.clock = clock;
    await clock.advance(0.1);
    for (const value of [1, 2, 3]) void publisher.publish(value);
    await clock.advance(10);
    expect(noted.starts.map((one) => one.slice(-1))).toEqual(['1', '2', '3']);
    await queue.shutDownQueue();
  });

  test('of one run does not count in the next', async () => {
    const noted = timed();
    const { queue, publisher, clock } = await oneCollector(
      noted.process,
      { rateLimit: { limit: 1, interval: 100 } },
      MANY,
    );
    noted.clock = clock;
    const events = [1, 2].map((value) => publisher.publish(value));
    await clock.turn();
    const closing = queue.shutDownQueue({ drain: false, timeout: 0 });
    await clock.advance(0);
    await closing;
    expect(events[1]?.getResult()?.errs()).toMatchObject([{ code: 'CQ_QUEUE_ABORTED' }]);
    expect(clock.pendingTimers).toBe(0);
    await queue.initQueue();
    void publisher.publish(3);
    await clock.turn();
    expect(noted.starts).toEqual(['0: 1', '0: 3']);
    await queue.shutDownQueue();
  });

  test('holds while its window is kept in use by those that wait, however long that takes', async () => {
    const noted = timed();
    const rateLimit = { limit: 2, interval: 10, per };
    const { queue, publisher, clock } = await oneCollector(noted.process, { rateLimit }, MANY);
    noted.clock = clock;
    for (let at = 0; at < 9; at++) void publisher.publish('a');
    await clock.advance(5);
    // Others come and go; each second one of them lets the collector look for windows that are idle.
    for (let at = 0; at < 8; at++) {
      void publisher.publish('b');
      await clock.advance(5);
    }
    void publisher.publish('a');
    await clock.advance(100);
    const ofA = noted.starts.filter((one) => one.endsWith('a')).map((one) => Number.parseInt(one, 10));
    expect(ofA).toEqual([0, 0, 10, 10, 20, 20, 30, 30, 40, 45]);
    await queue.shutDownQueue();
  });
});
