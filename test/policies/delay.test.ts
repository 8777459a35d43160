import {
  Collector,
  CollectorQueue,
  ErrorCode,
  Overflow,
  ok,
  Payload,
  QueueFullError,
  QueueType,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { isSettled, started } from '../core/scene.ts';
import { oneCollector, recorded } from './scene.ts';

describe('a send', () => {
  test.each([
    ['delay', { delay: 100 }],
    ['at, in milliseconds', { at: 100 }],
    ['at, as a Date', { at: new Date(100) }],
  ])('with %s is accepted now and attempted then, neither before nor with a consumer', async (_, options) => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value);
    const event = publisher.publish(1, {}, options);
    expect(event.status).toBe('scheduled');
    expect(event.getResult()).toBeUndefined();
    expect(queue.getMetrics()).toMatchObject({ accepted: 1, parked: 1, scheduled: 1, qsize: 0, busy: 0, inFlight: 0 });
    await clock.advance(99);
    expect([event.status, called]).toEqual(['scheduled', []]);
    await clock.advance(1);
    expect(event.getResult()?.first()).toEqual(ok(1));
    expect(queue.getMetrics()).toMatchObject({ parked: 0, scheduled: 0, settled: 1 });
    await queue.shutDownQueue();
  });

  test.each([[{ delay: 0 }], [{ at: -1 }], [{ at: 0 }], [{ at: new Date(-1e12) }]])(
    'with %j is not put off',
    async (options) => {
      const { queue, publisher } = await oneCollector((value) => value);
      const event = publisher.publish(1, {}, options);
      expect(event.status).toBe('running');
      expect((await event.wait()).first()).toEqual(ok(1));
      await queue.shutDownQueue();
    },
  );

  test('is told: enqueued and scheduled with its time; started comes then', async () => {
    const scene = await oneCollector((value) => value);
    const told = recorded(scene, ['enqueued', 'scheduled', 'started', 'finished', 'parked']);
    const { id } = scene.publisher.publish(1, {}, { delay: 100 });
    expect(told).toEqual([]);
    await scene.clock.advance(100);
    expect(told).toEqual([
      { status: 'enqueued', timestamp: 0, id },
      { status: 'scheduled', timestamp: 0, id, task: undefined, delay: 100, executeTime: 100 },
      expect.objectContaining({ status: 'started', timestamp: 100, id }),
      expect.objectContaining({ status: 'finished', id }),
    ]);
    await scene.queue.shutDownQueue();
  });

  test('when due waits behind what came before, while all consumers are busy', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value);
    queue.pause();
    const scheduled = publisher.publish('scheduled', {}, { delay: 100 });
    void publisher.publish('first');
    await clock.advance(100);
    expect(scheduled.status).toBe('waiting');
    void publisher.publish('last');
    expect(queue.size).toBe(3);
    queue.resume();
    await queue.onIdle();
    expect(called).toEqual(['first', 'scheduled', 'last']);
    await queue.shutDownQueue();
  });

  test('several become due in the order of their times, equal ones in that of their sends', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value);
    for (const [value, delay] of [
      ['c', 300],
      ['a', 100],
      ['b1', 200],
      ['b2', 200],
    ] as const) {
      void publisher.publish(value, {}, { delay });
    }
    void publisher.publish('b3', {}, { at: 200 });
    await clock.advance(300);
    expect(called).toEqual(['a', 'b1', 'b2', 'b3', 'c']);
    await queue.shutDownQueue();
  });

  test.each([
    [QueueType.LIFO, ['b', 'a']],
    [QueueType.PRIORITY, ['b', 'a']],
    [QueueType.FIFO, ['a', 'b']],
  ])('when due comes in the order of a %s queue', async (queueType, expected) => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value, {}, { queueType });
    queue.pause();
    void publisher.publish('a', { priority: 2 }, { delay: 100 });
    void publisher.publish('b', { priority: 1 }, { delay: 100 });
    await clock.advance(100);
    queue.resume();
    await queue.onIdle();
    expect(called).toEqual(expected);
    await queue.shutDownQueue();
  });

  test('when due waits whatever maxSize: it was accepted', async () => {
    const { queue, publisher, clock } = await oneCollector((value) => value, {}, { maxSize: 0 });
    queue.pause();
    const events = [1, 2].map((value) => publisher.publish(value, {}, { delay: 100 }));
    await clock.advance(100);
    expect(events.map(({ status }) => status)).toEqual(['waiting', 'waiting']);
    queue.resume();
    await queue.onIdle();
    expect(events.map((event) => event.getResult()?.isOk())).toEqual([true, true]);
    await queue.shutDownQueue();
  });

  test('when due drops the longest-waiting, if overflow says so', async () => {
    const options = { maxSize: 1, overflow: Overflow.DROP_OLDEST };
    const { queue, publisher, clock } = await oneCollector((value) => value, {}, options);
    queue.pause();
    const scheduled = publisher.publish('scheduled', {}, { delay: 100 });
    const plain = publisher.publish('plain');
    await clock.advance(100);
    expect(plain.getResult()?.errs()).toEqual([expect.objectContaining({ code: ErrorCode.DROPPED })]);
    queue.resume();
    expect((await scheduled.wait()).first()).toEqual(ok('scheduled'));
    await queue.shutDownQueue();
  });

  test('of many with a delay puts all of them off', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value);
    const events = publisher.sendMany([new Payload(1), new Payload(2)], { delay: 100 });
    const ready = await publisher.sendWhenReady(new Payload(3), { delay: 100 });
    await clock.advance(99);
    expect(called).toEqual([]);
    await clock.advance(1);
    expect(called).toEqual([1, 2, 3]);
    expect([...events, ready].map(({ status }) => status)).toEqual(['settled', 'settled', 'settled']);
    await queue.shutDownQueue();
  });

  test('with a very long delay stays scheduled, and the clock is not kept busy', async () => {
    const { queue, publisher, clock } = await oneCollector((value) => value);
    const event = publisher.publish(1, {}, { delay: 1e15 });
    await clock.advance(10_000);
    expect(event.status).toBe('scheduled');
    clock.consume(1e15);
    await clock.advance(0);
    expect(event.getResult()?.first()).toEqual(ok(1));
    await queue.shutDownQueue();
  });
});

describe('at most maxScheduled payloads are scheduled:', () => {
  test('one too many is refused, until one of them is due or cancelled', async () => {
    const { queue, publisher, clock } = await oneCollector((value) => value, {}, { maxScheduled: 2 });
    const [one] = [publisher.publish(1, {}, { delay: 100 }), publisher.publish(2, {}, { delay: 200 })];
    const refused = publisher.publish(3, {}, { at: 100 });
    expect(refused.status).toBe('settled');
    const error = refused.getResult()?.first()._unsafeUnwrapErr();
    expect(error).toBeInstanceOf(QueueFullError);
    expect(error).toMatchObject({
      code: ErrorCode.QUEUE_FULL,
      retryable: true,
      message: '2 payloads are scheduled already (maxScheduled)',
    });
    expect(queue.getMetrics()).toMatchObject({ offered: 3, accepted: 2, rejected: 1, scheduled: 2 });
    one?.cancel();
    expect(publisher.publish(4, {}, { delay: 100 }).status).toBe('scheduled');
    await clock.advance(100);
    expect(publisher.publish(5, {}, { delay: 100 }).status).toBe('scheduled');
    await queue.shutDownQueue();
  });

  test('none with maxScheduled 0; what is due at once does not count', async () => {
    const { queue, publisher } = await oneCollector((value) => value, {}, { maxScheduled: 0 });
    expect(publisher.publish(1, {}, { delay: 1 }).getResult()?.errs()).toEqual([expect.any(QueueFullError)]);
    expect((await publisher.publish(1, {}, { delay: 0 }).wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });
});

test('a scheduled payload that is cancelled never runs, and leaves no timer behind', async () => {
  const { queue, publisher, clock, called } = await oneCollector((value) => value);
  const event = publisher.publish(1, {}, { delay: 100 });
  const waiting = event.wait();
  expect(event.cancel('not needed')).toBe(true);
  expect(event.cancel()).toBe(false);
  const error = (await waiting).first()._unsafeUnwrapErr();
  expect(error).toMatchObject({ code: ErrorCode.CANCELLED, cause: 'not needed' });
  expect(clock.pendingTimers).toBe(0);
  await clock.advance(200);
  expect(called).toEqual([]);
  expect(queue.getMetrics()).toMatchObject({ scheduled: 0, parked: 0, settled: 1, cancelled: 1 });
  await queue.onIdle();
  await queue.shutDownQueue();
});

test('clear() leaves alone what is scheduled', async () => {
  const { queue, publisher, clock } = await oneCollector((value) => value);
  const event = publisher.publish(1, {}, { delay: 100 });
  expect(queue.clear()).toBe(0);
  await clock.advance(100);
  expect(event.getResult()?.isOk()).toBe(true);
  await queue.shutDownQueue();
});

describe('when the time of day jumps', () => {
  test.each([1e12, -1e12])('(by %s) a delay does not notice', async (jump) => {
    const { queue, publisher, clock } = await oneCollector((value) => value);
    const event = publisher.publish(1, {}, { delay: 100 });
    await clock.advance(50);
    clock.setWall(clock.wall() + jump);
    await clock.advance(49);
    expect(event.status).toBe('scheduled');
    await clock.advance(1);
    expect(event.status).toBe('settled');
    await queue.shutDownQueue();
  });

  test.each([
    ['of a send', undefined, { at: 100 }],
    ['of a collector', { at: 100 }, undefined],
  ])('back, a time of day %s is not taken for come', async (_, given, sent) => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value, given);
    void publisher.publish(1, {}, sent);
    await clock.advance(50);
    clock.setWall(20);
    await clock.advance(50);
    expect(called).toEqual([]);
    await clock.advance(29);
    expect(called).toEqual([]);
    await clock.advance(1);
    expect(called).toEqual([1]);
    await queue.shutDownQueue();
  });
});

describe('at a shutdown, what is scheduled', () => {
  test('settles at once as Err(QueueClosedError) by default', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value);
    const events = [100, 200].map((delay) => publisher.publish(delay, {}, { delay }));
    await queue.shutDownQueue();
    for (const event of events) {
      expect(event.getResult()?.errs()).toEqual([expect.objectContaining({ code: ErrorCode.QUEUE_CLOSED })]);
    }
    await clock.advance(1_000);
    expect(called).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
    expect(queue.getMetrics()).toMatchObject({ settled: 2, scheduled: 0, parked: 0 });
  });

  test("is waited for with scheduled: 'wait'", async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value);
    const event = publisher.publish(1, {}, { delay: 5_000 });
    const closing = queue.shutDownQueue({ scheduled: 'wait' });
    expect(publisher.publish(2, {}, { delay: 1 }).getResult()?.errs()).toEqual([
      expect.objectContaining({ code: ErrorCode.QUEUE_CLOSED }),
    ]);
    await clock.advance(4_999);
    expect(await isSettled(closing)).toBe(false);
    await clock.advance(1);
    await closing;
    expect(event.getResult()?.first()).toEqual(ok(1));
    expect(called).toEqual([1]);
  });

  test("is waited for with scheduled: 'wait' no longer than the timeout", async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value);
    const events = [50, 500].map((delay) => publisher.publish(delay, {}, { delay }));
    const closing = queue.shutDownQueue({ scheduled: 'wait', timeout: 100 });
    await clock.advance(100);
    await closing;
    expect(called).toEqual([50]);
    expect(events[1]?.getResult()?.errs()).toEqual([expect.objectContaining({ code: ErrorCode.SHUTDOWN_TIMEOUT })]);
    await clock.advance(1_000);
    expect(called).toEqual([50]);
  });

  test.each(['cancel', 'wait'] as const)('is given up without draining, with scheduled: %s', async (scheduled) => {
    const { queue, publisher, clock } = await oneCollector((value) => value);
    const event = publisher.publish(1, {}, { delay: 100 });
    const closing = queue.shutDownQueue({ drain: false, scheduled });
    await clock.turn();
    await closing;
    expect(event.getResult()?.errs()).toEqual([expect.objectContaining({ code: ErrorCode.QUEUE_ABORTED })]);
    expect(clock.pendingTimers).toBe(0);
  });

  test('of one run does not reach the next', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value);
    void publisher.publish('old', {}, { delay: 100 });
    await queue.shutDownQueue();
    await queue.initQueue();
    void publisher.publish('new', {}, { delay: 100 });
    await clock.advance(100);
    expect(called).toEqual(['new']);
    await queue.shutDownQueue();
  });
});

describe("a collector's delay", () => {
  test.each([
    ['delay', { delay: 100 }],
    ['at', { at: 100 }],
  ])('by %s parks its task alone: the others attempt the payload at once', async (_, options) => {
    const called: string[] = [];
    const collectors = [
      new Collector('later', () => called.push('later'), options),
      new Collector('now', () => called.push('now')),
    ];
    const { queue, publisher, clock } = await started(collectors);
    const event = publisher.publish(1);
    await clock.turn();
    expect([called, event.status]).toEqual([['now'], 'parked']);
    expect(queue.getMetrics()).toMatchObject({ parked: 1, scheduled: 0, busy: 0 });
    await clock.advance(99);
    expect(called).toEqual(['now']);
    await clock.advance(1);
    expect(called).toEqual(['now', 'later']);
    expect(event.status).toBe('settled');
    await queue.shutDownQueue();
  });

  test('counts from the acceptance, so what waited that long goes on at once', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value, { delay: 100 });
    queue.pause();
    void publisher.publish(1);
    await clock.advance(150);
    queue.resume();
    await clock.turn();
    expect(called).toEqual([1]);
    await queue.shutDownQueue();
  });

  test('is not served again before a retry', async () => {
    const numbers: number[] = [];
    const { queue, publisher, clock } = await oneCollector(
      (_, { number }) => {
        numbers.push(number);
        return number === 1 ? Promise.reject('no') : number;
      },
      { delay: 1_000, retry: { attempts: 2, base: 0 } },
    );
    void publisher.publish(1);
    await clock.advance(1_000);
    expect(numbers).toEqual([1, 2]);
    await queue.shutDownQueue();
  });

  test.each([
    [{ delay: 50 }, 50],
    [{ at: 50 }, 50],
    [{ delay: 0 }, 0],
    [{ delay: 200 }, 200],
  ])('gives way to that of a send, %j', async (sent, expected) => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value, { delay: 100 });
    void publisher.publish(1, {}, sent);
    await clock.advance(Math.max(0, expected - 1));
    expect(called).toHaveLength(expected === 0 ? 1 : 0);
    await clock.advance(1);
    expect(called).toHaveLength(1);
    await queue.shutDownQueue();
  });

  test('is cut short by a draining shutdown, unless that waits for what is scheduled', async () => {
    for (const scheduled of ['cancel', 'wait'] as const) {
      const letters: unknown[] = [];
      const options = { delay: 100, deadLetter: (letter: unknown) => letters.push(letter) };
      const { queue, publisher, clock, called } = await oneCollector((value) => value, options);
      const event = publisher.publish('later');
      await clock.turn();
      const closing = queue.shutDownQueue({ scheduled });
      if (scheduled === 'wait') await clock.advance(100);
      await closing;
      expect(event.getResult()?.isOk()).toBe(scheduled === 'wait');
      expect(called).toEqual(scheduled === 'wait' ? ['later'] : []);
      expect(event.getResult()?.errs()).toMatchObject(scheduled === 'wait' ? [] : [{ code: 'CQ_QUEUE_CLOSED' }]);
      expect(letters).toEqual([]);
      expect(clock.pendingTimers).toBe(0);
    }
  });

  test('is waited for by a shutdown that says so, and cancelled with its event', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value, { delay: 100 });
    const [kept, cancelled] = [publisher.publish('kept'), publisher.publish('cancelled')];
    await clock.turn();
    cancelled.cancel();
    const closing = queue.shutDownQueue({ scheduled: 'wait' });
    await clock.advance(100);
    await closing;
    expect(kept.getResult()?.isOk()).toBe(true);
    expect(called).toEqual(['kept']);
  });
});

test('100,000 scheduled payloads all come, in the order of their times, on one timer', async () => {
  const clock = new ManualClock();
  let last = -1;
  let count = 0;
  const collector = new Collector('a', ({ value }) => {
    if (value < last) throw new Error(`${value} after ${last}`);
    last = value;
    count++;
  });
  const queue = new CollectorQueue([collector], { clock, maxConsumers: 1 });
  await queue.run(async (publisher) => {
    const payloads = Array.from({ length: 100_000 }, (_, at) => (at * 7_919) % 1_000);
    const events = payloads.map((delay) => publisher.publish(delay, {}, { delay: delay + 1 }));
    expect(clock.pendingTimers).toBe(1);
    expect(queue.getMetrics().scheduled).toBe(100_000);
    await clock.advance(1_100);
    expect(count).toBe(100_000);
    expect(events.every((event) => event.getResult()?.isOk())).toBe(true);
  });
});
