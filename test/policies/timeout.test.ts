import { Collector, DeliveryTimeoutError, ErrorCode, ok, ShutdownTimeoutError } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, giveUp, isSettled, started } from '../core/scene.ts';
import { hanging, oneCollector, recorded } from './scene.ts';

describe('an attempt that exceeds its timeout', () => {
  test('settles its task as Err(DeliveryTimeoutError), at the deadline and not before', async () => {
    const { queue, publisher, clock } = await oneCollector(() => new Promise(() => undefined), { timeout: 100 });
    const event = publisher.publish(1);
    await clock.advance(99);
    expect(event.status).toBe('running');
    await clock.advance(1);
    const error = event.getResult()?.first()._unsafeUnwrapErr();
    expect(error).toBeInstanceOf(DeliveryTimeoutError);
    expect(error).toMatchObject({
      code: ErrorCode.DELIVERY_TIMEOUT,
      retryable: true,
      collectorKey: 'a',
      message: 'collector "a" took longer than 100 ms (timeout)',
    });
    await giveUp({ queue, clock });
  });

  test('sees its signal fire, with the error as the reason', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { timeout: 100 });
    const event = publisher.publish(1);
    await clock.turn();
    const { signal } = work.attempts[0] ?? {};
    expect(signal?.aborted).toBe(false);
    await clock.advance(100);
    expect(signal?.aborted).toBe(true);
    expect(signal?.reason).toBe(event.getResult()?.first()._unsafeUnwrapErr());
    work.end();
    await queue.shutDownQueue();
  });

  test('finds its signal fired if it is read only then', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { timeout: 100 });
    void publisher.publish(1);
    await clock.advance(100);
    const { signal } = work.attempts[0] ?? {};
    expect(signal?.aborted).toBe(true);
    expect(signal?.reason).toBeInstanceOf(DeliveryTimeoutError);
    work.end();
    await queue.shutDownQueue();
  });

  test.each([
    ['brings a value', (work: ReturnType<typeof hanging>) => work.gates[0]?.open('late')],
    ['fails', (work: ReturnType<typeof hanging>) => work.gates[0]?.fail(new Error('late'))],
  ])('is ignored when it %s later, and counted as late', async (_, end) => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { timeout: 100 });
    const event = publisher.publish(1);
    await clock.advance(100);
    const list = event.getResult();
    expect(queue.getMetrics()).toMatchObject({ settled: 1, abandoned: 1, late: 0, busy: 1 });
    end(work);
    await clock.turn();
    expect(event.getResult()).toBe(list);
    expect(queue.getMetrics()).toMatchObject({ settled: 1, abandoned: 0, late: 1, busy: 0 });
    await queue.shutDownQueue();
  });

  test('keeps its consumer until its work ends: what waits goes on waiting', async () => {
    const work = hanging();
    const { queue, publisher, clock, called } = await oneCollector(work.process, { timeout: 100 });
    void publisher.publish('first');
    const next = publisher.publish('next');
    await clock.advance(5_000);
    expect(called).toEqual(['first']);
    expect(next.status).toBe('waiting');
    work.end();
    await clock.turn();
    expect(called).toEqual(['first', 'next']);
    work.end('done');
    expect((await next.wait()).first()).toEqual(ok('done'));
    await queue.shutDownQueue();
  });

  test('frees its consumer at once if its work heeds the signal', async () => {
    const { queue, publisher, clock } = await oneCollector(
      (value, { signal }) =>
        value === 'slow'
          ? new Promise((_, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason));
            })
          : value,
      { timeout: 100 },
    );
    const slow = publisher.publish('slow');
    const next = publisher.publish('next');
    await clock.advance(100);
    expect(slow.getResult()?.first()._unsafeUnwrapErr()).toBeInstanceOf(DeliveryTimeoutError);
    expect(next.getResult()?.first()).toEqual(ok('next'));
    expect(queue.getMetrics()).toMatchObject({ abandoned: 0, late: 1, busy: 0 });
    await queue.shutDownQueue();
  });

  test('is told: timeout with its error, then error-task', async () => {
    const work = hanging();
    const scene = await oneCollector(work.process, { timeout: 100 });
    const { queue, publisher, clock } = scene;
    const told = recorded(scene, ['started', 'timeout', 'error-task', 'finished']);
    const event = publisher.publish(1);
    await clock.advance(100);
    work.end();
    await clock.turn();
    const error = event.getResult()?.first()._unsafeUnwrapErr();
    expect(told).toEqual([
      expect.objectContaining({ status: 'started', attempt: 1, retries: 0 }),
      expect.objectContaining({ status: 'timeout', id: event.id, task: 'a', attempt: 1, error, timestamp: 100 }),
      expect.objectContaining({ status: 'error-task', error, duration: 100 }),
    ]);
    await queue.shutDownQueue();
  });

  test('settles once if a listener of its signal, or of the timeout, cancels its event', async () => {
    for (const where of ['signal', 'timeout']) {
      const work = hanging();
      const { queue, publisher, clock } = await oneCollector(work.process, { timeout: 100 });
      if (where === 'timeout') queue.events.on('timeout', () => event.cancel());
      const event = publisher.publish(1);
      await clock.turn();
      if (where === 'signal') work.attempts[0]?.signal.addEventListener('abort', () => event.cancel());
      await clock.advance(100);
      expect(event.getResult()?.first()._unsafeUnwrapErr()).toMatchObject({ code: ErrorCode.CANCELLED });
      expect(queue.getMetrics()).toMatchObject({ settled: 1, busy: 1 });
      work.end();
      await clock.turn();
      expect(queue.getMetrics()).toMatchObject({ settled: 1, busy: 0, abandoned: 0 });
      expect(await queue.removeCollector('a')).toBe(true);
      await queue.shutDownQueue();
    }
  });
});

describe('a timeout', () => {
  test.each([
    ['shorter than the work ends it', 100, false],
    ['longer than the work leaves it alone, and no timer behind', 300, true],
    ['of Infinity sets no limit', Number.POSITIVE_INFINITY, true],
  ])('%s', async (_, timeout, fine) => {
    const end = gate<string>();
    const { queue, publisher, clock } = await oneCollector(() => end.promise, { timeout });
    const event = publisher.publish(1);
    await clock.advance(200);
    end.open('done');
    await clock.advance(5_000);
    expect(event.getResult()?.isOk()).toBe(fine);
    expect(clock.pendingTimers).toBe(0);
    await queue.shutDownQueue();
  });

  test('counts from the start of the attempt, not from the acceptance', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { timeout: 100 });
    void publisher.publish(1);
    const second = publisher.publish(2);
    await clock.advance(90);
    work.end();
    await clock.advance(90);
    expect(second.status).toBe('running');
    work.end('in time');
    expect((await second.wait()).first()).toEqual(ok('in time'));
    await queue.shutDownQueue();
  });

  test.each([
    [100, 50, 50],
    [50, 100, 100],
    [undefined, 70, 70],
  ])('of a collector (%s) gives way to that of a send (%s)', async (timeout, sent, expected) => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { timeout });
    const event = publisher.publish(1, {}, { timeout: sent });
    await clock.advance(expected - 1);
    expect(event.status).toBe('running');
    await clock.advance(1);
    expect(event.getResult()?.errs()).toEqual([expect.objectContaining({ code: ErrorCode.DELIVERY_TIMEOUT })]);
    work.end();
    await queue.shutDownQueue();
  });

  test('of a collector is lifted by a send with Infinity', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { timeout: 100 });
    const event = publisher.publish(1, {}, { timeout: Number.POSITIVE_INFINITY });
    await clock.advance(10_000);
    expect(event.status).toBe('running');
    work.end('done');
    expect((await event.wait()).first()).toEqual(ok('done'));
    await queue.shutDownQueue();
  });

  test('does not notice that the time of day jumps', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { timeout: 100 });
    const event = publisher.publish(1);
    await clock.advance(50);
    clock.setWall(1e12);
    await clock.advance(49);
    expect(event.status).toBe('running');
    clock.setWall(-1e12);
    await clock.advance(1);
    expect(event.status).toBe('settled');
    work.end();
    await queue.shutDownQueue();
  });
});

describe('a timeout with retry', () => {
  test('limits each attempt anew, and each has its own signal', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(
      work.process,
      { timeout: 100, retry: { attempts: 3, base: 0 } },
      { maxConsumers: 3 },
    );
    const event = publisher.publish(1);
    await clock.advance(100);
    expect(work.attempts.map(({ number }) => number)).toEqual([1, 2]);
    expect(work.attempts[0]?.signal.aborted).toBe(true);
    expect(work.attempts[1]?.signal.aborted).toBe(false);
    await clock.advance(100);
    expect(work.attempts).toHaveLength(3);
    work.gates[2]?.open('third');
    expect((await event.wait()).first()).toEqual(ok('third'));
    work.end();
    work.end();
    await queue.shutDownQueue();
    expect(queue.getMetrics()).toMatchObject({ late: 2, abandoned: 0, settled: 1, busy: 0 });
  });

  test('gives the retry a consumer of its own: it waits until there is one', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, {
      timeout: 100,
      retry: { attempts: 2, base: 0 },
    });
    const event = publisher.publish(1);
    await clock.advance(1_000);
    expect(work.attempts).toHaveLength(1);
    expect(event.status).toBe('parked');
    expect(queue.getMetrics()).toMatchObject({ busy: 1, parked: 1, abandoned: 1 });
    work.end('late');
    await clock.turn();
    expect(work.attempts).toHaveLength(2);
    work.end('second');
    expect((await event.wait()).first()).toEqual(ok('second'));
    await queue.shutDownQueue();
  });

  test('keeps one consumer for each attempt that was left behind', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(
      work.process,
      { timeout: 100, retry: { attempts: 3, base: 0 } },
      { maxConsumers: 3 },
    );
    const event = publisher.publish(1);
    await clock.advance(300);
    expect(event.status).toBe('settled');
    expect(queue.getMetrics()).toMatchObject({ busy: 3, abandoned: 3 });
    for (const busy of [2, 1, 0]) {
      work.end();
      await clock.turn();
      expect(queue.getMetrics()).toMatchObject({ busy, abandoned: busy });
    }
    await queue.shutDownQueue();
  });
});

describe('the siblings of a task that times out', () => {
  test('keep their results, and one consumer serves the payload until its last work ends', async () => {
    const slow = hanging();
    const longer = hanging();
    const collectors = [
      new Collector('slow', ({ value }, _, attempt) => slow.process(value, attempt), { timeout: 100 }),
      new Collector('longer', ({ value }, _, attempt) => longer.process(value, attempt)),
      new Collector('quick', () => 'quick'),
    ];
    const { queue, publisher, clock } = await started(collectors, { maxConsumers: 1 });
    const event = publisher.publish(1);
    await clock.advance(100);
    expect(event.status).toBe('running');
    expect(longer.attempts[0]?.signal.aborted).toBe(false);
    longer.end('longer');
    const results = await event.wait();
    expect(results.get('slow')?._unsafeUnwrapErr()).toBeInstanceOf(DeliveryTimeoutError);
    expect([results.get('longer'), results.get('quick')]).toEqual([ok('longer'), ok('quick')]);
    await clock.turn();
    expect(queue.getMetrics()).toMatchObject({ busy: 1, abandoned: 1 });
    slow.end();
    await clock.turn();
    expect(queue.getMetrics()).toMatchObject({ busy: 0, abandoned: 0 });
    await queue.shutDownQueue();
  });

  test('share its consumer with its retry while they run', async () => {
    const slow = hanging();
    const longer = hanging();
    const collectors = [
      new Collector('slow', ({ value }, _, attempt) => slow.process(value, attempt), {
        timeout: 100,
        retry: { attempts: 2, base: 0 },
      }),
      new Collector('longer', ({ value }, _, attempt) => longer.process(value, attempt)),
    ];
    const { queue, publisher, clock } = await started(collectors, { maxConsumers: 1 });
    const event = publisher.publish(1);
    await clock.advance(100);
    expect(slow.attempts).toHaveLength(2);
    slow.gates[1]?.open('again');
    longer.end('longer');
    expect((await event.wait()).oks()).toEqual(['again', 'longer']);
    expect(queue.getMetrics()).toMatchObject({ busy: 1, abandoned: 1 });
    slow.end();
    await queue.shutDownQueue();
  });
});

describe('more work left behind than maxAbandoned', () => {
  test('makes the queue saturated, which it tells once, until enough of it has ended', async () => {
    const work = hanging();
    const scene = await oneCollector(work.process, { timeout: 100 }, { maxConsumers: 5, maxAbandoned: 2 });
    const { queue, publisher, clock } = scene;
    const told = recorded(scene, ['saturated']);
    for (let i = 0; i < 2; i++) void publisher.publish(i);
    await clock.advance(100);
    expect([queue.isSaturated, told.length]).toEqual([false, 0]);
    for (let i = 0; i < 2; i++) void publisher.publish(i);
    await clock.advance(100);
    expect(queue.isSaturated).toBe(true);
    expect(told).toEqual([{ status: 'saturated', timestamp: 200, abandoned: 3 }]);
    work.end();
    await clock.turn();
    expect(queue.isSaturated).toBe(true);
    work.end();
    await clock.turn();
    expect(queue.isSaturated).toBe(false);
    void publisher.publish('again');
    await clock.advance(100);
    expect(told).toHaveLength(2);
    for (let i = 0; i < 3; i++) work.end();
    await queue.shutDownQueue();
    expect(queue.isSaturated).toBe(false);
  });

  test('is the first, with maxAbandoned 0', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { timeout: 100 }, { maxAbandoned: 0 });
    expect(queue.isSaturated).toBe(false);
    void publisher.publish(1);
    await clock.advance(100);
    expect(queue.isSaturated).toBe(true);
    work.end();
    await queue.shutDownQueue();
  });
});

describe('work that was left behind', () => {
  test('is waited for by a shutdown', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { timeout: 100 });
    void publisher.publish(1);
    await clock.advance(100);
    const closing = queue.shutDownQueue();
    expect(await isSettled(closing)).toBe(false);
    work.end();
    await closing;
  });

  test('does not outwait the time limit of a shutdown, and disturbs no later run', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { timeout: 100 });
    const event = publisher.publish(1);
    await clock.advance(100);
    const closing = queue.shutDownQueue({ timeout: 500 });
    await clock.advance(500);
    await closing;
    expect(event.getResult()?.errs()).not.toContainEqual(expect.any(ShutdownTimeoutError));
    await queue.initQueue();
    const next = publisher.publish(2);
    await clock.turn();
    work.end('late');
    await clock.turn();
    expect(next.status).toBe('running');
    expect(queue.getMetrics()).toMatchObject({ busy: 1, abandoned: 0, late: 0 });
    work.end('second');
    expect((await next.wait()).first()).toEqual(ok('second'));
    await queue.shutDownQueue();
  });

  test('keeps its collector from being removed', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { timeout: 100 });
    void publisher.publish(1);
    await clock.advance(100);
    const removing = queue.removeCollector('a');
    expect(await isSettled(removing)).toBe(false);
    work.end();
    expect(await removing).toBe(true);
    await queue.shutDownQueue();
  });
});

test('a shutdown with a time limit longer than the timeouts lets them settle', async () => {
  const { queue, publisher, clock } = await oneCollector(() => new Promise(() => undefined), { timeout: 100 });
  const event = publisher.publish(1);
  await clock.turn();
  const closing = queue.shutDownQueue({ timeout: 1_000 });
  await clock.advance(1_000);
  await closing;
  expect(event.getResult()?.errs()).toEqual([expect.any(DeliveryTimeoutError)]);
});
