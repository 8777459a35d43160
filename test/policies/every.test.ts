import { Collector, CollectorQueue, ErrorCode, InvalidArgumentError, ok, Payload } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { thrownBy } from '../core/scene.ts';
import { hanging, oneCollector, recorded } from './scene.ts';

const tick = (): Payload => new Payload('tick');

describe('queue.every', () => {
  test('publishes at each due time, the first of them one interval from now', async () => {
    const { queue, clock, called } = await oneCollector((value) => value);
    let count = 0;
    const handle = queue.every(100, () => new Payload(++count));
    expect([handle.runs, handle.lastRun, handle.nextRun]).toEqual([0, undefined, new Date(100)]);
    await clock.advance(99);
    expect(called).toEqual([]);
    await clock.advance(201);
    expect(called).toEqual([1, 2, 3]);
    expect([handle.runs, handle.missed]).toEqual([3, 0]);
    expect([handle.lastRun, handle.nextRun]).toEqual([new Date(300), new Date(400)]);
    await queue.shutDownQueue();
  });

  test('publishes by a cron expression, in its time zone', async () => {
    const clock = new ManualClock(0, Date.parse('2026-01-01T10:59:00Z'));
    const called: string[] = [];
    const collector = new Collector('a', () => called.push(new Date(clock.wall()).toISOString()));
    const queue = new CollectorQueue([collector], { clock });
    await queue.initQueue();
    const handle = queue.every('0 12 * * *', tick, { timeZone: 'Europe/Berlin' });
    expect(handle.nextRun).toEqual(new Date('2026-01-01T11:00:00Z'));
    await clock.advance(60_000);
    expect(called).toEqual(['2026-01-01T11:00:00.000Z']);
    expect(handle.nextRun).toEqual(new Date('2026-01-02T11:00:00Z'));
    await queue.shutDownQueue();
  });

  test('hands its payloads to the collectors like those of others', async () => {
    const called: string[] = [];
    const clock = new ManualClock();
    const collectors = ['a', 'b'].map((key) => new Collector(key, () => called.push(key)));
    const queue = new CollectorQueue(collectors, { clock });
    await queue.initQueue();
    queue.every(100, () => new Payload(1, { keys: 'b' }));
    await clock.advance(100);
    expect(called).toEqual(['b']);
    await queue.shutDownQueue();
  });

  test('leaves out a due time while the payload before has not settled, and counts it as missed', async () => {
    const work = hanging();
    const scene = await oneCollector(work.process, {}, { maxConsumers: 5 });
    const told = recorded(scene, ['scheduling-periodic']);
    const handle = scene.queue.every(100, tick);
    await scene.clock.advance(350);
    expect(work.attempts).toHaveLength(1);
    expect([handle.runs, handle.missed]).toEqual([1, 2]);
    work.end();
    await scene.clock.advance(50);
    expect(work.attempts).toHaveLength(2);
    expect(told.map(({ missed }) => missed)).toEqual([0, 2]);
    work.end();
    await scene.queue.shutDownQueue();
  });

  test('publishes all the same with overlap', async () => {
    const work = hanging();
    const { queue, clock } = await oneCollector(work.process, {}, { maxConsumers: 5 });
    const handle = queue.every(100, tick, { overlap: true });
    await clock.advance(300);
    expect(work.attempts).toHaveLength(3);
    expect([handle.runs, handle.missed]).toEqual([3, 0]);
    for (let i = 0; i < 3; i++) work.end();
    await queue.shutDownQueue();
  });

  test('waits with the next for a payload that is retried', async () => {
    const { queue, clock, called } = await oneCollector(
      (_, { number }) => (number < 2 ? Promise.reject({ retryAfter: 150 }) : number),
      { retry: 2 },
    );
    const handle = queue.every(100, tick);
    await clock.advance(300);
    expect(called).toHaveLength(3);
    expect([handle.runs, handle.missed]).toEqual([2, 1]);
    handle.stop();
    await clock.advance(150);
    await queue.shutDownQueue();
  });

  test('says what was missed while the process was busy', async () => {
    const { queue, clock, called } = await oneCollector((value) => value);
    const handle = queue.every(100, tick);
    clock.consume(450);
    await clock.advance(0);
    expect(called).toHaveLength(1);
    expect([handle.runs, handle.missed, handle.nextRun]).toEqual([1, 3, new Date(500)]);
    await queue.shutDownQueue();
  });

  test('ends for good when its handle is stopped; what was published goes on', async () => {
    for (const stop of ['stop', Symbol.dispose] as const) {
      const work = hanging();
      const { queue, publisher, clock } = await oneCollector(work.process);
      const handle = queue.every(100, tick);
      await clock.advance(100);
      handle[stop]();
      handle.stop();
      expect(handle.nextRun).toBeUndefined();
      work.end();
      await clock.advance(1_000);
      expect(work.attempts).toHaveLength(1);
      await queue.shutDownQueue();
      await queue.initQueue();
      await clock.advance(1_000);
      expect(work.attempts).toHaveLength(1);
      expect(publisher.publish(1).status).toBe('running');
      await clock.turn();
      work.end();
      await queue.shutDownQueue();
    }
  });

  test('tells: checking at each due time, scheduling with the id of its payload', async () => {
    const scene = await oneCollector((value) => value);
    const told = recorded(scene, ['checking-periodic', 'scheduling-periodic', 'enqueued', 'finished']);
    scene.queue.every(100, tick, { name: 'ticker' });
    await scene.clock.advance(100);
    const id = expect.any(String);
    expect(told).toEqual([
      { status: 'checking-periodic', timestamp: 100, schedule: 'ticker', missed: 0 },
      { status: 'enqueued', timestamp: 100, id },
      { status: 'scheduling-periodic', timestamp: 100, schedule: 'ticker', missed: 0, id },
      expect.objectContaining({ status: 'finished', id }),
    ]);
    expect(new Set(told.flatMap((event) => ('id' in event ? event.id : []))).size).toBe(1);
    await scene.queue.shutDownQueue();
  });

  test.each([
    [100, '100'],
    ['* * * * *', '* * * * *'],
  ])('is called by its cadence %s if it has no name', async (cadence, schedule) => {
    const scene = await oneCollector((value) => value);
    const told = recorded(scene, ['checking-periodic']);
    const handle = scene.queue.every(cadence, tick);
    await scene.clock.advance((handle.nextRun as Date).getTime());
    expect(told.at(-1)).toMatchObject({ schedule });
    await scene.queue.shutDownQueue();
  });
});

describe('error-scheduling', () => {
  test('tells that the function threw; the next due time is tried again', async () => {
    const scene = await oneCollector((value) => value);
    const told = recorded(scene, ['error-scheduling', 'scheduling-periodic']);
    let count = 0;
    const handle = scene.queue.every(
      100,
      () => {
        if (count++ === 0) throw new Error('no payload');
        return tick();
      },
      { name: 'ticker' },
    );
    await scene.clock.advance(200);
    expect(told).toEqual([
      { status: 'error-scheduling', timestamp: 100, source: 'schedule "ticker"', error: new Error('no payload') },
      expect.objectContaining({ status: 'scheduling-periodic', timestamp: 200, missed: 1 }),
    ]);
    expect([handle.runs, handle.missed]).toEqual([1, 1]);
    await scene.queue.shutDownQueue();
  });

  test.each([
    [undefined, 'undefined'],
    ['tick', '"tick"'],
    [Promise.resolve(tick()), 'a Promise'],
  ])('tells that the function returned no Payload: %s', async (made, came) => {
    const scene = await oneCollector((value) => value);
    const told = recorded(scene, ['error-scheduling']);
    scene.queue.every(100, () => made as unknown as Payload, { name: 'ticker' });
    await scene.clock.advance(100);
    expect(told.map(({ error }) => error)).toEqual([
      new InvalidArgumentError('every: what "ticker" publishes', 'a Payload', came),
    ]);
    expect(scene.called).toEqual([]);
    await scene.queue.shutDownQueue();
  });

  test('becomes error-internal if nobody listens for it', async () => {
    const scene = await oneCollector((value) => value);
    const told = recorded(scene, ['error-internal']);
    scene.queue.every(100, () => {
      throw new Error('no payload');
    });
    await scene.clock.advance(100);
    expect(told).toEqual([expect.objectContaining({ source: 'schedule "100"', error: new Error('no payload') })]);
    await scene.queue.shutDownQueue();
  });
});

test('error-enqueueing tells that the payload was refused; it counts as missed', async () => {
  const scene = await oneCollector((value) => value, {}, { maxSize: 0 });
  const told = recorded(scene, ['error-enqueueing', 'scheduling-periodic']);
  scene.queue.pause();
  const handle = scene.queue.every(100, tick, { name: 'ticker' });
  await scene.clock.advance(100);
  expect(told).toEqual([
    {
      status: 'error-enqueueing',
      timestamp: 100,
      source: 'schedule "ticker"',
      error: expect.objectContaining({ code: ErrorCode.QUEUE_FULL }),
    },
  ]);
  expect([handle.runs, handle.missed]).toEqual([0, 1]);
  scene.queue.resume();
  await scene.clock.advance(100);
  expect([handle.runs, scene.called]).toEqual([1, ['tick']]);
  await scene.queue.shutDownQueue();
});

describe('a schedule', () => {
  test('that is made before initQueue begins with it', async () => {
    const clock = new ManualClock();
    const called: unknown[] = [];
    const queue = new CollectorQueue([new Collector('a', ({ value }) => called.push(value))], { clock });
    const handle = queue.every(100, tick);
    expect(handle.nextRun).toBeUndefined();
    await clock.advance(250);
    expect(called).toEqual([]);
    await queue.initQueue();
    expect(handle.nextRun).toEqual(new Date(350));
    await clock.advance(100);
    expect(called).toHaveLength(1);
    expect(handle.missed).toBe(0);
    await queue.shutDownQueue();
  });

  test('rests from the shutdown on, and starts again with the next initQueue', async () => {
    const { queue, clock, called } = await oneCollector((value) => value);
    const handle = queue.every(100, tick);
    await clock.advance(100);
    await queue.shutDownQueue();
    expect(handle.nextRun).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(1_000);
    expect(called).toHaveLength(1);
    await queue.initQueue();
    await clock.advance(100);
    expect(called).toHaveLength(2);
    expect([handle.runs, handle.missed]).toEqual([2, 0]);
    await queue.shutDownQueue();
  });

  test('publishes nothing while the queue drains', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, {}, { maxConsumers: 3 });
    queue.every(100, tick);
    const event = publisher.publish(1);
    await clock.turn();
    const closing = queue.shutDownQueue();
    await clock.advance(500);
    expect(work.attempts).toHaveLength(1);
    work.end('done');
    await closing;
    expect(event.getResult()?.first()).toEqual(ok('done'));
  });

  test('publishes while the queue is paused, once: that one waits', async () => {
    const { queue, clock, called } = await oneCollector((value) => value);
    queue.pause();
    const handle = queue.every(100, tick);
    await clock.advance(300);
    expect(queue.size).toBe(1);
    expect([handle.runs, handle.missed]).toEqual([1, 2]);
    queue.resume();
    await clock.turn();
    expect(called).toEqual(['tick']);
    await queue.shutDownQueue();
  });

  test('may stop itself from within its function, and may shut the queue down', async () => {
    const { queue, clock, called } = await oneCollector((value) => value);
    const handle = queue.every(100, () => {
      handle.stop();
      return tick();
    });
    await clock.advance(500);
    expect(called).toHaveLength(1);
    let closing: Promise<void> | undefined;
    queue.every(100, () => {
      closing = queue.shutDownQueue();
      return tick();
    });
    await clock.advance(500);
    await closing;
    expect(called).toHaveLength(1);
  });

  test('with a wrong cadence is not made', async () => {
    const { queue, clock } = await oneCollector((value) => value);
    expect(thrownBy(() => queue.every('61 * * * *', tick))).toBeInstanceOf(InvalidArgumentError);
    expect(clock.pendingTimers).toBe(0);
    await queue.shutDownQueue();
  });
});
