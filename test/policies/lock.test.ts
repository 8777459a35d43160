import { Collector, err, ok } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, started } from '../core/scene.ts';
import { hanging, oneCollector, recorded } from './scene.ts';

const LOCK = { name: 'database', delay: 100 };

describe('a named lock', () => {
  test('is held by one task at a time; another is parked, frees its consumer, and tries again after the delay', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { lock: LOCK }, { maxConsumers: 2 });
    const [first, second] = [publisher.publish(1), publisher.publish(2)];
    await clock.turn();
    expect([first.status, second.status]).toEqual(['running', 'parked']);
    expect(queue.getMetrics()).toMatchObject({ busy: 1, parked: 1 });
    await clock.advance(250);
    expect(work.attempts).toHaveLength(1);
    work.end('first');
    await clock.advance(49);
    expect(work.attempts).toHaveLength(1);
    await clock.advance(1);
    expect(work.attempts).toHaveLength(2);
    work.end('second');
    expect((await second.wait()).first()).toEqual(ok('second'));
    expect(first.getResult()?.first()).toEqual(ok('first'));
    await queue.shutDownQueue();
  });

  test('is tried again after a second by default', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { lock: 'database' }, { maxConsumers: 2 });
    for (const value of [1, 2]) void publisher.publish(value);
    await clock.turn();
    work.end();
    await clock.advance(999);
    expect(work.attempts).toHaveLength(1);
    await clock.advance(1);
    expect(work.attempts).toHaveLength(2);
    work.end();
    await queue.shutDownQueue();
  });

  test('means the same to every collector of the queue, and nothing to those with another', async () => {
    const running: string[] = [];
    const end = gate();
    const collector = (key: string, lock: string | undefined): Collector =>
      new Collector(
        key,
        async () => {
          running.push(key);
          await end.promise;
        },
        { lock },
      );
    const collectors = [collector('a', 'one'), collector('b', 'one'), collector('c', 'two'), collector('d', undefined)];
    const { queue, publisher, clock } = await started(collectors);
    const event = publisher.publish(1);
    await clock.turn();
    expect(running).toEqual(['a', 'c', 'd']);
    end.open();
    await clock.advance(1_000);
    expect(running).toEqual(['a', 'c', 'd', 'b']);
    expect(event.status).toBe('settled');
    await queue.shutDownQueue();
  });

  test('that is taken costs no attempt, and is told each time', async () => {
    const work = hanging();
    const scene = await oneCollector(
      work.process,
      { lock: LOCK, retry: { attempts: 2, base: 0 } },
      { maxConsumers: 2 },
    );
    const { queue, publisher, clock } = scene;
    const told = recorded(scene, ['locked']);
    void publisher.publish(1);
    const { id } = publisher.publish(2);
    await clock.advance(100);
    const locked = { status: 'locked', id, task: 'a', attempt: 1, retries: 1, lock: 'database', retryDelay: 100 };
    expect(told).toEqual([
      { ...locked, timestamp: 0, executeTime: 100 },
      { ...locked, timestamp: 100, executeTime: 200 },
    ]);
    work.end();
    await clock.advance(100);
    expect(work.attempts.map(({ number }) => number)).toEqual([1, 1]);
    work.end();
    await queue.shutDownQueue();
  });

  test('is not held between attempts', async () => {
    const order: string[] = [];
    const { queue, publisher, clock } = await oneCollector(
      (value, { number }) => {
        order.push(`${value} ${number}`);
        return value === 'flaky' && number === 1 ? err({ retryAfter: 1_000 }) : ok(value);
      },
      { lock: LOCK, retry: 2 },
    );
    for (const value of ['flaky', 'other']) void publisher.publish(value);
    await clock.advance(1_000);
    expect(order).toEqual(['flaky 1', 'other 1', 'flaky 2']);
    await queue.shutDownQueue();
  });

  test('is held until work that was left behind has ended', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(
      work.process,
      { lock: LOCK, timeout: 50 },
      { maxConsumers: 2 },
    );
    const [first, second] = [publisher.publish(1), publisher.publish(2)];
    await clock.advance(500);
    expect([first.status, second.status]).toEqual(['settled', 'parked']);
    expect(work.attempts).toHaveLength(1);
    work.end();
    await clock.advance(100);
    expect(work.attempts).toHaveLength(2);
    work.end();
    await queue.shutDownQueue();
  });

  test('is held until the work of a cancelled event has ended', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { lock: LOCK }, { maxConsumers: 2 });
    const [first] = [publisher.publish(1), publisher.publish(2)];
    await clock.turn();
    first.cancel();
    await clock.advance(500);
    expect(work.attempts).toHaveLength(1);
    work.end();
    await clock.advance(100);
    expect(work.attempts).toHaveLength(2);
    work.end();
    await queue.shutDownQueue();
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
    ['returns an Err', () => err('no')],
    ['returns at once', () => 1],
  ])('is free again when its processor %s', async (_, end) => {
    const { queue, publisher, clock, called } = await oneCollector(end, { lock: LOCK });
    for (const value of [1, 2, 3]) void publisher.publish(value);
    await clock.turn();
    expect(called).toEqual([1, 2, 3]);
    await queue.shutDownQueue();
  });

  test('is free again when a listener cancels its event as it starts', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value, { lock: LOCK });
    queue.events.once('started', () => first.cancel());
    const first = publisher.publish(1);
    void publisher.publish(2);
    await clock.turn();
    expect(called).toEqual([2]);
    await queue.shutDownQueue();
  });

  test('is not waited for by a task that was cancelled or has expired', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { lock: LOCK, ttl: 250 }, { maxConsumers: 3 });
    const [, cancelled, expired] = [1, 2, 3].map((value) => publisher.publish(value));
    await clock.turn();
    cancelled?.cancel();
    await clock.advance(300);
    expect(expired?.getResult()?.errs()).toEqual([expect.objectContaining({ code: 'CQ_EXPIRED' })]);
    work.end();
    await clock.advance(200);
    expect(work.attempts).toHaveLength(1);
    expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 3 });
    await queue.shutDownQueue();
  });

  test('that is taken is waited for by a shutdown, within its time limit', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { lock: LOCK }, { maxConsumers: 2 });
    const events = [1, 2].map((value) => publisher.publish(value));
    await clock.turn();
    const closing = queue.shutDownQueue({ timeout: 1_000 });
    await clock.advance(100);
    work.end('first');
    await clock.advance(100);
    work.end('second');
    await closing;
    expect(events.map((event) => event.getResult()?.first())).toEqual([ok('first'), ok('second')]);
  });

  test('of one run is free in the next', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { lock: LOCK });
    void publisher.publish(1);
    await clock.turn();
    const closing = queue.shutDownQueue({ drain: false, timeout: 0 });
    await clock.advance(0);
    await closing;
    await queue.initQueue();
    const event = publisher.publish(2);
    await clock.turn();
    expect(event.status).toBe('running');
    work.end();
    work.end('second');
    expect((await event.wait()).first()).toEqual(ok('second'));
    await queue.shutDownQueue();
  });
});
