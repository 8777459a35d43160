import {
  BatchCollector,
  type BatchCollectorOptions,
  type BatchOptions,
  type BatchProcessor,
  CancelledError,
  Collector,
  CollectorQueue,
  DeliveryTimeoutError,
  ExpiredError,
  err,
  type Middleware,
  ok,
  ProcessorError,
  QueueAbortedError,
  type QueueOptions,
  type ResultList,
  RetryTask,
  ShutdownTimeoutError,
} from 'collector-queue';
import { createTestKit } from 'collector-queue/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { gate, type Scene, started, thrownBy } from '../core/scene.ts';
import { recorded } from './scene.ts';

interface BatchScene extends Scene {
  /** The values of each call. */
  readonly calls: unknown[][];
}

/** A queue with one consumer and one collector of batches, whose calls are recorded. */
async function batching(
  batch: BatchOptions,
  processor: BatchProcessor = (payloads) => payloads.map(({ value }) => value),
  options: Omit<BatchCollectorOptions, 'batch'> = {},
  queueOptions: Omit<QueueOptions, 'clock'> = {},
): Promise<BatchScene> {
  const calls: unknown[][] = [];
  const collector = new BatchCollector(
    'a',
    (payloads, context, call) => {
      calls.push(payloads.map(({ value }) => value));
      return processor(payloads, context, call);
    },
    { ...options, batch },
  );
  return { ...(await started([collector], { maxConsumers: 1, ...queueOptions })), calls };
}

const values = (lists: readonly (ResultList | undefined)[]): unknown[] => lists.map((list) => list?.oks()[0]);

describe('a batch leaves', () => {
  test('as soon as it has maxCount payloads, and each send has its own result', async () => {
    const { queue, publisher, clock, calls } = await batching({ maxCount: 3, maxWait: 1_000 }, (payloads) =>
      payloads.map(({ value }) => value * 10),
    );
    const events = [1, 2, 3, 4].map((value) => publisher.publish(value));
    await clock.turn();
    expect(calls).toEqual([[1, 2, 3]]);
    expect(values(events.map((event) => event.getResult()))).toEqual([10, 20, 30, undefined]);
    expect(events[3]?.status).toBe('parked');
    expect(queue.getMetrics()).toMatchObject({ busy: 0, parked: 1, settled: 3, inFlight: 0, qsize: 0 });
    await clock.advance(1_000);
    expect(calls).toEqual([[1, 2, 3], [4]]);
    expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 4 });
    await queue.shutDownQueue();
  });

  test('maxWait after the first came, not later, however many came since', async () => {
    const { queue, publisher, clock, calls } = await batching({ maxCount: 100, maxWait: 50 });
    publisher.publish(0);
    for (let at = 1; at <= 4; at++) {
      await clock.advance(10);
      publisher.publish(at);
    }
    await clock.advance(9);
    expect(calls).toEqual([]);
    await clock.advance(1);
    expect(calls).toEqual([[0, 1, 2, 3, 4]]);
    publisher.publish(5);
    await clock.advance(49);
    expect(calls).toHaveLength(1);
    await clock.advance(1);
    expect(calls).toEqual([[0, 1, 2, 3, 4], [5]]);
    await queue.shutDownQueue();
  });

  test('before it would have more than maxBytes; one that is larger goes alone', async () => {
    const { queue, publisher, clock, calls } = await batching(
      { maxBytes: 10, maxWait: 50, bytesOf: ({ value }) => value },
      undefined,
      {},
      { maxConsumers: 9 },
    );
    for (const value of [4, 4, 4, 6, 25, 3]) publisher.publish(value);
    await clock.turn();
    expect(calls).toEqual(expect.arrayContaining([[4, 4], [4, 6], [25]]));
    expect(calls).toHaveLength(3);
    await clock.advance(50);
    expect(calls.at(-1)).toEqual([3]);
    await queue.shutDownQueue();
  });

  test('counts the bytes of JSON by default', async () => {
    const { queue, publisher, clock, calls } = await batching({ maxBytes: 8, maxWait: 50 });
    for (const value of ['ä', undefined, 'bb']) publisher.publish(value);
    await clock.turn();
    expect(calls).toEqual([['ä', undefined, 'bb']]);
    await queue.shutDownQueue();
  });

  test('with those of its key alone', async () => {
    const { queue, publisher, clock, calls } = await batching({
      maxCount: 2,
      maxWait: 50,
      by: ({ value }) => value[0],
    });
    for (const value of ['a1', 'b1', 'c1', 'b2', 'a2']) publisher.publish(value);
    await clock.turn();
    expect(calls).toEqual([
      ['b1', 'b2'],
      ['a1', 'a2'],
    ]);
    await clock.advance(50);
    expect(calls.at(-1)).toEqual(['c1']);
    await queue.shutDownQueue();
  });

  test('at a shutdown that drains, at once; what waits in the queue goes along', async () => {
    const { queue, publisher, clock, calls } = await batching({ maxCount: 100, maxWait: 60_000 });
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    await clock.turn();
    queue.pause();
    events.push(publisher.publish(4));
    const closing = queue.shutDownQueue();
    await clock.advance(0);
    await closing;
    expect(calls.flat().toSorted()).toEqual([1, 2, 3, 4]);
    expect(values(events.map((event) => event.getResult()))).toEqual([1, 2, 3, 4]);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('the removal of a collector of batches', () => {
  test('lets what is gathered leave at once, and what comes back from a retry', async () => {
    const calls: unknown[][] = [];
    const rows = new BatchCollector(
      'rows',
      (payloads, _, { attempts }) => {
        calls.push(payloads.map(({ value }) => value));
        return payloads.map(({ value }, at) => (value === 1 && attempts[at]?.number === 1 ? err('no') : ok(value)));
      },
      { batch: { maxCount: 9, maxWait: 60_000 }, retry: { attempts: 2, base: 100, cap: 100 } },
    );
    const { queue, publisher, clock } = await started([rows, new Collector('other', () => 1)]);
    const events = [1, 2].map((value) => publisher.publish(value, { keys: 'rows' }));
    await clock.turn();
    const removed = queue.removeCollector('rows');
    await clock.turn();
    expect(calls).toEqual([[1, 2]]);
    await clock.advance(100);
    expect(await removed).toBe(true);
    expect(values(events.map((event) => event.getResult()))).toEqual([1, 2]);
    // Added again, it gathers as before.
    await queue.addCollector(rows);
    const event = publisher.publish(3, { keys: 'rows' });
    await clock.advance(59_999);
    expect(event.status).toBe('parked');
    await clock.advance(1);
    expect(event.status).toBe('settled');
    await queue.shutDownQueue();
  });
});

describe('the processor of a batch', () => {
  test('gets the context, the key, and the attempts in the order of the payloads', async () => {
    const seen: unknown[] = [];
    const { queue, publisher, clock } = await batching(
      { maxCount: 2 },
      (payloads, context, call) => {
        seen.push(
          context,
          call.collectorKey,
          call.attempts.map(({ number, eventId }) => [number, eventId]),
        );
        return payloads.map(() => ok());
      },
      { context: { db: 'd' } },
    );
    const events = [publisher.publish(1), publisher.publish(2)];
    await clock.turn();
    expect(seen).toEqual([{ db: 'd' }, 'a', events.map(({ id }) => [1, id])]);
    await queue.shutDownQueue();
  });

  test('may take its time: it keeps one consumer, whatever the size of the batch', async () => {
    const end = gate<number[]>();
    const { queue, publisher, clock } = await batching({ maxCount: 3 }, () => end.promise, {}, { maxConsumers: 9 });
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    await clock.turn();
    expect(queue.getMetrics()).toMatchObject({ busy: 1, inFlight: 1, parked: 2 });
    end.open([7, 8, 9]);
    expect(values(await Promise.all(events.map((event) => event.wait())))).toEqual([7, 8, 9]);
    await queue.shutDownQueue();
  });

  test('may say how each payload fared', async () => {
    const { queue, publisher } = await batching({ maxCount: 4 }, () => [ok(1), err('no'), null, new Error('x')]);
    const events = [1, 2, 3, 4].map((value) => publisher.publish(value));
    const lists = await Promise.all(events.map((event) => event.wait()));
    expect(lists.map((list) => list.first())).toEqual([ok(1), err('no'), ok(null), ok(new Error('x'))]);
    await queue.shutDownQueue();
  });

  test('that returns nothing has done all', async () => {
    const { queue, publisher } = await batching({ maxCount: 2 }, async () => undefined);
    const events = [1, 2].map((value) => publisher.publish(value));
    for (const event of events) expect((await event.wait()).first()).toEqual(ok(undefined));
    await queue.shutDownQueue();
  });

  test.each<[string, BatchProcessor, RegExp]>([
    [
      'throws',
      () => {
        throw new Error('down');
      },
      /down/,
    ],
    ['rejects', () => Promise.reject(new Error('down')), /down/],
    ['returns too few', () => [1], /an array of 2 results, but it is 1/],
    ['returns too many', async () => [1, 2, 3], /an array of 2 results, but it is 3/],
    ['returns no array', () => 'ok', /an array of 2 results, but it is "ok"/],
    ['returns promises', () => [Promise.resolve(1), Promise.reject(new Error('no'))], /must not be a promise/],
    [
      'returns something hostile',
      () =>
        [1, 2].map(() =>
          Object.defineProperty({}, 'then', {
            get: () => {
              throw new Error('hostile');
            },
          }),
        ),
      /hostile/,
    ],
  ])('that %s fails each of its payloads', async (_, processor, message) => {
    const { queue, publisher } = await batching({ maxCount: 2 }, processor);
    const events = [1, 2].map((value) => publisher.publish(value));
    for (const event of events) {
      const [error] = (await event.wait()).errs();
      expect(error).toBeInstanceOf(ProcessorError);
      expect(String((error as Error).cause)).toMatch(message);
    }
    expect(queue.getMetrics()).toMatchObject({ busy: 0, parked: 0, settled: 2 });
    await queue.shutDownQueue();
  });

  test.each<[string, BatchOptions]>([
    ['by', { by: () => 5 as never }],
    [
      'by',
      {
        by: () => {
          throw new Error('by');
        },
      },
    ],
    ['bytesOf', { maxBytes: 9, bytesOf: () => Number.NaN }],
    ['bytesOf', { maxBytes: 9, bytesOf: () => '3' as never }],
    ['by returns must be a string, but it is a Promise', { by: () => Promise.reject(new Error('no')) as never }],
    [
      'bytesOf returns must be a number of at least 0, but it is a Promise',
      { maxBytes: 9, bytesOf: () => Promise.reject(new Error('no')) as never },
    ],
  ])('is not called for a payload whose batch is not known: %s', async (name, options) => {
    const { queue, publisher, calls } = await batching({ maxCount: 1, ...options });
    const [error] = (await publisher.publish(1).wait()).errs();
    expect(error).toBeInstanceOf(ProcessorError);
    expect(String((error as Error).cause)).toContain(name);
    expect(calls).toEqual([]);
    await queue.shutDownQueue();
  });
});

describe('each payload of a batch settles by itself:', () => {
  test('a failure is tried again, in a later batch', async () => {
    const { queue, publisher, clock, calls } = await batching(
      { maxCount: 2, maxWait: 50 },
      (payloads, _, { attempts }) =>
        payloads.map(({ value }, at) =>
          value === 'flaky' && attempts[at]?.number === 1 ? err({ retryAfter: 100 }) : ok(value),
        ),
      { retry: 2 },
    );
    const [flaky, sound] = [publisher.publish('flaky'), publisher.publish('sound')];
    await clock.turn();
    expect([flaky.status, sound.status]).toEqual(['parked', 'settled']);
    await clock.advance(100);
    expect(calls).toEqual([['flaky', 'sound']]);
    await clock.advance(50);
    expect(calls).toEqual([['flaky', 'sound'], ['flaky']]);
    expect(flaky.getResult()?.oks()).toEqual(['flaky']);
    expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 2, busy: 0 });
    await queue.shutDownQueue();
  });

  test('RetryTask counts, too, for whichever payload', async () => {
    const { queue, publisher, clock, calls } = await batching(
      { maxCount: 2, maxWait: 10 },
      (payloads, _, { attempts }) =>
        payloads.map(() => (attempts[0]?.number === 1 ? err(new RetryTask({ delay: 5 })) : ok('again'))),
    );
    const events = [1, 2].map((value) => publisher.publish(value));
    await clock.advance(20);
    expect(calls).toHaveLength(2);
    expect(values(events.map((event) => event.getResult()))).toEqual(['again', 'again']);
    await queue.shutDownQueue();
  });

  test('one that is cancelled while it waits is not there; the next leads', async () => {
    const { queue, publisher, clock, calls } = await batching({ maxCount: 9, maxWait: 50 });
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    await clock.turn();
    events[0]?.cancel();
    await clock.advance(49);
    expect(calls).toEqual([]);
    await clock.advance(1);
    expect(calls).toEqual([[2, 3]]);
    expect(events[0]?.getResult()?.errs()).toEqual([expect.any(CancelledError)]);
    await queue.shutDownQueue();
  });

  test('a batch that all have left does not leave, and leaves no timer behind', async () => {
    const { queue, publisher, clock, calls } = await batching({ maxCount: 9, maxWait: 50 });
    const event = publisher.publish(1);
    await clock.turn();
    const timers = clock.pendingTimers;
    event.cancel();
    expect(clock.pendingTimers).toBe(timers - 1);
    await clock.advance(100);
    expect(calls).toEqual([]);
    publisher.publish(2);
    await clock.advance(50);
    expect(calls).toEqual([[2]]);
    await queue.shutDownQueue();
  });

  test('one that leads and is cancelled before it has a consumer is followed by the next', async () => {
    const end = gate();
    const { queue, publisher, clock, calls } = await batching({ maxCount: 9, maxWait: 50 }, async (payloads) => {
      if (payloads[0]?.value === 'long') await end.promise;
    });
    publisher.publish('long');
    await clock.advance(50);
    const events = [1, 2].map((value) => publisher.publish(value, {}, {}));
    await clock.turn();
    expect(events.map(({ status }) => status)).toEqual(['waiting', 'waiting']);
    end.open();
    await clock.turn();
    queue.pause();
    await clock.advance(50);
    expect(calls).toEqual([['long']]);
    events[0]?.cancel();
    queue.resume();
    await clock.turn();
    expect(calls).toEqual([['long'], [2]]);
    expect(events[1]?.getResult()?.isOk()).toBe(true);
    await queue.shutDownQueue();
  });

  test('to cancel the one that leads calls no processor before it returns', async () => {
    const end = gate();
    const calls: unknown[] = [];
    const rows = new BatchCollector('rows', (payloads) => void calls.push(payloads.map(({ value }) => value)), {
      batch: { maxCount: 9, maxWait: 50 },
    });
    const { queue, publisher, clock } = await started([rows, new Collector('long', () => end.promise)]);
    const leads = publisher.publish('leads', { keys: 'rows' });
    await clock.turn();
    publisher.publish('next', { keys: ['rows', 'long'] });
    await clock.turn();
    queue.pause();
    await clock.advance(50);
    leads.cancel();
    expect(calls).toEqual([]);
    await clock.turn();
    expect(calls).toEqual([['next']]);
    end.open();
    await queue.shutDownQueue();
  });

  test('one that is cancelled while the call is made misses its result; the others have theirs', async () => {
    const end = gate<number[]>();
    let signal: AbortSignal | undefined;
    const { queue, publisher, clock } = await batching({ maxCount: 3 }, (_, __, call) => {
      signal = call.signal;
      return end.promise;
    });
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    await clock.turn();
    // The last one makes the call; it is no exception.
    for (const at of [2, 0]) expect(events[at]?.cancel()).toBe(true);
    expect(signal?.aborted).toBe(false);
    end.open([10, 20, 30]);
    await clock.turn();
    expect(events[1]?.getResult()?.oks()).toEqual([20]);
    for (const at of [2, 0]) expect(events[at]?.getResult()?.errs()).toEqual([expect.any(CancelledError)]);
    expect(queue.getMetrics()).toMatchObject({ busy: 0, parked: 0, settled: 3 });
    await queue.shutDownQueue();
  });

  test('once nobody wants its results, the signal of the call fires', async () => {
    const end = gate();
    let signal: AbortSignal | undefined;
    const { queue, publisher, clock } = await batching({ maxCount: 2 }, (_, __, call) => {
      signal = call.signal;
      return end.promise;
    });
    const events = [1, 2].map((value) => publisher.publish(value));
    await clock.turn();
    for (const event of events) event.cancel('enough');
    expect(signal?.aborted).toBe(true);
    end.open();
    await queue.shutDownQueue();
  });

  test('one that expires while it waits is not there', async () => {
    const { queue, publisher, clock, calls } = await batching({ maxCount: 9, maxWait: 50 });
    const late = publisher.publish('late', {}, { ttl: 20 });
    publisher.publish('early');
    await clock.advance(50);
    // It leads, and is asked whether it has expired before it does.
    expect(calls).toEqual([['early']]);
    expect(late.getResult()?.errs()).toEqual([expect.any(ExpiredError)]);
    await queue.shutDownQueue();
  });
});

test('the end of each payload is told, with the time that the call took', async () => {
  const scene = await batching(
    { maxCount: 3, maxWait: 50 },
    (payloads) =>
      new Promise((resolve) => {
        scene.clock.setTimer(() => resolve(payloads.map(({ value }) => (value === 2 ? err('no') : ok()))), 30);
      }),
  );
  const failed = recorded(scene, ['error-task']);
  const told = recorded(scene, ['finished']);
  for (const value of [1, 2]) scene.publisher.publish(value);
  await scene.clock.advance(100);
  expect(told.map(({ duration }) => duration)).toEqual([30]);
  expect(failed.map(({ duration }) => duration)).toEqual([30]);
  await scene.queue.shutDownQueue();
});

test('a call that exceeds its time limit fails for each payload; its work keeps the consumer, and comes too late', async () => {
  const end = gate<number[]>();
  let signal: AbortSignal | undefined;
  const { queue, publisher, clock } = await batching(
    { maxCount: 2 },
    (_, __, call) => {
      signal = call.signal;
      return end.promise;
    },
    { timeout: 100 },
  );
  const events = [1, 2].map((value) => publisher.publish(value));
  await clock.advance(99);
  expect(events.map(({ status }) => status)).toEqual(['parked', 'running']);
  await clock.advance(1);
  for (const event of events) expect(event.getResult()?.errs()).toEqual([expect.any(DeliveryTimeoutError)]);
  expect(signal?.reason).toBeInstanceOf(DeliveryTimeoutError);
  expect(queue.getMetrics()).toMatchObject({ busy: 1, abandoned: 1, parked: 0, settled: 2 });
  end.open([1, 2]);
  await clock.turn();
  expect(queue.getMetrics()).toMatchObject({ busy: 0, abandoned: 0, late: 1 });
  await queue.shutDownQueue();
});

test('what comes after the time limit does not settle what is to be tried again', async () => {
  const end = gate<string[]>();
  const { queue, publisher, clock, calls } = await batching(
    { maxCount: 2, maxWait: 10 },
    (payloads) => (calls.length === 1 ? end.promise : payloads.map(() => 'second')),
    { timeout: 100, retry: { attempts: 2, base: 1_000, cap: 1_000, retryIf: () => true } },
  );
  const events = [1, 2].map((value) => publisher.publish(value));
  await clock.advance(100);
  end.open(['late', 'late']);
  await clock.turn();
  expect(events.map((event) => event.getResult())).toEqual([undefined, undefined]);
  await clock.advance(1_100);
  expect(values(events.map((event) => event.getResult()))).toEqual(['second', 'second']);
  await queue.shutDownQueue();
});

test('sends go together whatever options they have; the signal of a call that ended well does not fire', async () => {
  let signal: AbortSignal | undefined;
  const { queue, publisher, clock, calls } = await batching({ maxCount: 2 }, (payloads, _, call) => {
    signal = call.signal;
    return payloads.map(() => 1);
  });
  publisher.publish('a', {}, { timeout: 500 });
  publisher.publish('b', {}, { retry: 5 });
  await clock.turn();
  expect(calls).toEqual([['a', 'b']]);
  await clock.advance(1_000);
  expect(signal?.aborted).toBe(false);
  await queue.shutDownQueue();
});

test('a call that fails for all is tried again for all, in their order', async () => {
  let down = true;
  const { queue, publisher, clock, calls } = await batching(
    { maxCount: 3, maxWait: 50 },
    (payloads) => {
      if (down) throw Object.assign(new Error('down'), { retryAfter: 100 });
      return payloads.map(({ value }) => value);
    },
    { retry: 2 },
  );
  const events = [1, 2, 3].map((value) => publisher.publish(value));
  await clock.advance(50);
  down = false;
  await clock.advance(60);
  expect(calls).toHaveLength(2);
  expect(calls[1]?.toSorted()).toEqual([1, 2, 3]);
  expect(values(events.map((event) => event.getResult()))).toEqual([1, 2, 3]);
  await queue.shutDownQueue();
});

test('a lock is held by the call, not by each payload', async () => {
  const { queue, publisher, clock, calls } = await batching({ maxCount: 2, maxWait: 50 }, undefined, {
    lock: { name: 'table', delay: 10 },
  });
  const events = [1, 2, 3, 4].map((value) => publisher.publish(value));
  await clock.advance(50);
  expect(calls).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect(values(events.map((event) => event.getResult()))).toEqual([1, 2, 3, 4]);
  await queue.shutDownQueue();
});

test('a shutdown without draining settles what is gathered, and the call that is made', async () => {
  const end = gate();
  let signal: AbortSignal | undefined;
  const { queue, publisher, clock } = await batching({ maxCount: 2, maxWait: 50 }, (_, __, call) => {
    signal = call.signal;
    return end.promise;
  });
  const events = [1, 2, 3].map((value) => publisher.publish(value));
  await clock.turn();
  const closing = queue.shutDownQueue({ drain: false, timeout: 10 });
  await clock.advance(10);
  await closing;
  for (const event of events.slice(0, 2)) expect(event.getResult()?.errs()).toEqual([expect.any(QueueAbortedError)]);
  expect(events[2]?.getResult()?.errs()).toEqual([expect.any(QueueAbortedError)]);
  expect(signal?.aborted).toBe(true);
  expect(clock.pendingTimers).toBe(0);
  end.open();
});

test('a drain that takes too long settles the payloads of the call', async () => {
  const { queue, publisher, clock } = await batching({ maxCount: 2 }, () => new Promise(() => undefined));
  const events = [1, 2].map((value) => publisher.publish(value));
  await clock.turn();
  const closing = queue.shutDownQueue({ timeout: 10 });
  await clock.advance(10);
  await closing;
  for (const event of events) expect(event.getResult()?.errs()).toEqual([expect.any(ShutdownTimeoutError)]);
});

describe('where the one that makes the call does not come to it,', () => {
  const waits: Middleware = async (_task, next) => {
    await Promise.resolve();
    return next();
  };
  const refusing = (refuse: Middleware): Middleware => {
    return (task, next) => (task.payload?.value === 'leads' ? refuse(task, next) : next());
  };

  test.each<[string, Middleware]>([
    ['refuses it', () => err('no')],
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['answers instead', () => ok('cached')],
    ['refuses it later', async () => err('no')],
  ])('because a middleware %s, the next one does', async (_how, middleware) => {
    const { queue, publisher, clock, calls } = await batching({ maxCount: 3 });
    queue.use(refusing(middleware));
    const events = [1, 2, 'leads'].map((value) => publisher.publish(value));
    await clock.turn();
    expect(calls).toEqual([[1, 2]]);
    expect(events.map(({ status }) => status)).toEqual(['settled', 'settled', 'settled']);
    expect(values(events.slice(0, 2).map((event) => event.getResult()))).toEqual([1, 2]);
    expect(queue.getMetrics()).toMatchObject({ busy: 0, parked: 0, settled: 3 });
    await queue.shutDownQueue();
  });

  test('because it is cancelled before a middleware lets it through, the next one does', async () => {
    const end = gate();
    const { queue, publisher, clock, calls } = await batching({ maxCount: 3 });
    queue.use(refusing((_task, next) => end.promise.then(next)));
    const events = [1, 2, 'leads'].map((value) => publisher.publish(value));
    await clock.turn();
    events[2]?.cancel();
    end.open();
    await clock.turn();
    expect(calls).toEqual([[1, 2]]);
    expect(values(events.map((event) => event.getResult()))).toEqual([1, 2, undefined]);
    expect(queue.getMetrics()).toMatchObject({ busy: 0, parked: 0, settled: 3 });
    await queue.shutDownQueue();
  });

  test('because its time is over in a middleware, the next one does', async () => {
    const end = gate();
    const { queue, publisher, clock, calls } = await batching({ maxCount: 3 }, undefined, { timeout: 50 });
    queue.use(refusing((_task, next) => end.promise.then(next)));
    const events = [1, 2, 'leads'].map((value) => publisher.publish(value));
    await clock.advance(50);
    expect(events[2]?.getResult()?.errs()).toEqual([expect.any(DeliveryTimeoutError)]);
    end.open();
    await clock.turn();
    expect(calls).toEqual([[1, 2]]);
    expect(values(events.map((event) => event.getResult()))).toEqual([1, 2, undefined]);
    await queue.shutDownQueue();
  });

  test('because a policy of its collector asks for another attempt, it joins a later batch', async () => {
    const { queue, publisher, clock, calls } = await batching({ maxCount: 2, maxWait: 20 }, undefined, {
      retry: 2,
      policies: [{ around: refusing((task, next) => (task.number === 1 ? err({ retryAfter: 100 }) : next())) }],
    });
    const events = [1, 'leads'].map((value) => publisher.publish(value));
    await clock.advance(200);
    expect(calls).toEqual([[1], ['leads']]);
    expect(values(events.map((event) => event.getResult()))).toEqual([1, 'leads']);
    await queue.shutDownQueue();
  });

  test('but a middleware settles for something else while the call is made, the others have their results', async () => {
    const end = gate<number[]>();
    const { queue, publisher, clock } = await batching({ maxCount: 3 }, () => end.promise);
    queue.use((_task, next) => {
      void next();
      return ok('at once');
    });
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    await clock.turn();
    end.open([10, 20, 30]);
    await clock.turn();
    expect(values(events.map((event) => event.getResult()))).toEqual([10, 20, 'at once']);
    await queue.shutDownQueue();
  });

  test('nothing is kept of one that was cancelled, before the call or during it', async () => {
    const leaders: WeakRef<object>[] = [];
    const ends: (() => void)[] = [];
    const { queue, publisher, clock } = await batching(
      { maxCount: 1 },
      () => new Promise<void>((end) => ends.push(end)),
    );
    queue.use((task, next) => {
      leaders.push(new WeakRef(task));
      return waits(task, next);
    });
    for (let round = 0; round < 40; round++) {
      const event = publisher.publish(round);
      await (round % 2 === 0 ? Promise.resolve() : clock.turn());
      event.cancel();
      for (const end of ends.splice(0)) end();
      await clock.turn();
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
    globalThis.gc?.();
    expect(leaders.length).toBeGreaterThan(20);
    expect(leaders.filter((leader) => leader.deref() !== undefined).length).toBeLessThan(5);
    await queue.shutDownQueue();
  });
});

test('a stub of the test kit gets the batch', async () => {
  const rows = new BatchCollector('rows', () => [1, 2], { batch: { maxCount: 2 } });
  const kit = await createTestKit([rows], {
    stubs: { rows: (payloads) => payloads.map(() => 7) },
  });
  const events = [kit.publisher.publish(1), kit.publisher.publish(2)];
  await kit.settled();
  expect(values(events.map((event) => event.getResult()))).toEqual([7, 7]);
  await kit.close();
});

describe('bad input', () => {
  test.each<[unknown, string]>([
    [undefined, 'BatchCollector "a": batch'],
    [null, 'BatchCollector "a": batch'],
    [5, 'BatchCollector "a": batch'],
    [{ size: 5 }, 'BatchCollector "a": batch'],
    [{ maxCount: 0 }, 'BatchCollector "a": batch.maxCount'],
    [{ maxCount: 1.5 }, 'BatchCollector "a": batch.maxCount'],
    [{ maxCount: '5' }, 'BatchCollector "a": batch.maxCount'],
    [{ maxBytes: 0 }, 'BatchCollector "a": batch.maxBytes'],
    [{ maxWait: -1 }, 'BatchCollector "a": batch.maxWait'],
    [{ maxWait: Number.POSITIVE_INFINITY }, 'BatchCollector "a": batch.maxWait'],
    [{ bytesOf: 5 }, 'BatchCollector "a": batch.bytesOf'],
    [{ bytesOf: () => 5 }, 'batch.bytesOf must be given with maxBytes'],
    [{ by: 'key' }, 'BatchCollector "a": batch.by'],
  ])('batch: %j is refused', (batch, name) => {
    const error = thrownBy(() => new BatchCollector('a', () => undefined, { batch: batch as BatchOptions }));
    expect(error).toBeInstanceOf(TypeError);
    expect(String(error)).toContain(name);
  });

  test('so are schemas: they would check no batch', () => {
    const rows = new BatchCollector('a', () => undefined, { batch: {} });
    const schema = z.number();
    const own = thrownBy(() => new BatchCollector('a', () => undefined, { batch: {}, schema } as never));
    expect(String(own)).toContain('BatchCollector "a": schema must be left out');
    const ofQueue = thrownBy(() => new CollectorQueue([rows], { schemas: { topic: schema } }));
    expect(String(ofQueue)).toContain('collectors[0] must be a Collector of single payloads');
  });

  test('so are options that are none, and what a Collector refuses', () => {
    expect(String(thrownBy(() => new BatchCollector('a', () => undefined, undefined as never)))).toContain('options');
    expect(String(thrownBy(() => new BatchCollector('', () => undefined, { batch: {} })))).toContain('key');
    expect(String(thrownBy(() => new BatchCollector('a', 5 as never, { batch: {} })))).toContain('processor');
    expect(
      String(thrownBy(() => new BatchCollector('a', () => undefined, { batch: {}, retries: 5 } as never))),
    ).toContain('retries');
  });
});

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ does: fc.constant('send' as const), key: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('wait' as const), ms: fc.nat(40) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('cancel' as const), which: fc.nat(50) }) },
);

test('model: every payload has its own result; no batch is too large, too late, of two keys, or left behind', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.record({
        maxCount: fc.integer({ min: 1, max: 4 }),
        duration: fc.nat(30),
        timeout: fc.constantFrom(undefined, 20),
        maxConsumers: fc.integer({ min: 1, max: 3 }),
        failures: fc.nat(4),
        end: fc.constantFrom('drain', 'abort'),
        middleware: fc.constantFrom('none', 'refuses', 'waits'),
      }),
      async (steps, { maxCount, duration, timeout, maxConsumers, failures, end, middleware }) => {
        const maxWait = 25;
        const tooLate: unknown[] = [];
        const sizes: number[] = [];
        const keys: number[] = [];
        const attempted = new Map<number, number>();
        let failing = failures;
        const scene: BatchScene = await batching(
          { maxCount, maxWait, by: ({ value }) => `${value.key}` },
          (payloads) => {
            const now = scene.clock.now();
            sizes.push(payloads.length);
            keys.push(new Set(payloads.map(({ value }) => value.key)).size);
            for (const { value } of payloads) {
              attempted.set(value.id, (attempted.get(value.id) ?? 0) + 1);
              // With a consumer to be had, nothing waits for longer than maxWait.
              if (
                middleware === 'none' &&
                maxConsumers === 3 &&
                duration === 0 &&
                attempted.get(value.id) === 1 &&
                now - value.at > maxWait
              )
                tooLate.push(value);
            }
            const results = payloads.map(({ value }) => (failing-- > 0 ? err(new Error('flaky')) : ok(value.id)));
            if (duration === 0) return results;
            return new Promise((resolve) => {
              scene.clock.setTimer(() => resolve(results), duration);
            });
          },
          { retry: { attempts: 2, base: 10, cap: 10 }, timeout },
          { maxConsumers },
        );
        const { queue, publisher, clock } = scene;
        if (middleware === 'refuses')
          queue.use(({ payload }, next) => (payload?.value.id % 3 === 0 ? err('no') : next()));
        if (middleware === 'waits') {
          queue.use(async (_task, next) => {
            await new Promise<void>((resolve) => void clock.setTimer(resolve, 15));
            return next();
          });
        }
        const sent = [];
        const cancelled = new Set<number>();
        for (const now of steps) {
          if (now.does === 'send') {
            sent.push(publisher.publish({ id: sent.length, key: now.key, at: clock.now() }));
            await clock.turn();
          } else if (now.does === 'wait') await clock.advance(now.ms);
          else if (sent.length > 0) {
            const which = now.which % sent.length;
            if (sent[which]?.cancel() === true) cancelled.add(which);
          }
          const { accepted, qsize, inFlight, parked, settled } = queue.getMetrics();
          expect(qsize + inFlight + parked + settled).toBe(accepted);
        }
        const closing = queue.shutDownQueue({ drain: end === 'drain', timeout: 10_000 });
        for (let at = 0; at < 200; at++) await clock.advance(50);
        await closing;
        expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(maxCount);
        expect(keys.every((count) => count === 1)).toBe(true);
        expect(tooLate).toEqual([]);
        for (const [id, event] of sent.entries()) {
          const result = event.getResult()?.first();
          expect(result, `event ${id} has settled`).toBeDefined();
          expect(attempted.get(id) ?? 0).toBeLessThanOrEqual(2);
          if (result?.isOk() === true) expect(result.value).toBe(id);
          if (cancelled.has(id)) expect(result?.isErr()).toBe(true);
        }
        expect(queue.getMetrics()).toMatchObject({ qsize: 0, parked: 0, settled: sent.length, inFlight: 0 });
        expect(clock.pendingTimers).toBe(0);
      },
    ),
    { numRuns: Number(process.env.FC_RUNS) },
  );
});
