import {
  type Attempt,
  CancelTask,
  Collector,
  type CollectorOptions,
  type CollectorQueue,
  type DeadLetter,
  err,
  Payload,
  type TaskPolicy,
} from 'collector-queue';
import { expect } from 'vitest';
import { z } from 'zod';
import { rejectionOf, thrownBy } from '../core/scene.ts';
import { type Bench, codeOf, errorOf, passed, recorded, until } from './collector-queue-bench.ts';
import type { Checks } from './collector-queue-types.ts';

/** Keeps one consumer busy until what was sent meanwhile has expired. */
async function expired(bench: Bench, collector: CollectorOptions, ttl?: number) {
  const end = bench.gate();
  const called: unknown[] = [];
  const scene = await bench.startedWith(
    async (value) => {
      called.push(value);
      if (value === 'first') await end.promise;
    },
    { collector, concurrency: 1 },
  );
  const told = recorded(scene.queue, ['expired', 'dead-lettered']);
  const endless = { ttl: Number.POSITIVE_INFINITY };
  const first = scene.publisher.publish('first', undefined, endless);
  await until(() => called.length === 1);
  const event = scene.publisher.publish('second', undefined, ttl === undefined ? undefined : { ttl });
  await passed(60);
  end.open();
  await first.wait();
  expect(await codeOf(event)).toBe('CQ_EXPIRED');
  await scene.publisher.publish('last', undefined, endless).wait();
  expect(called).toEqual(['first', 'last']);
  await until(() => told.length > 0);
  expect(told).toEqual([expect.objectContaining({ status: 'expired', id: event.id, task: 'a' })]);
}

async function oneHolder(bench: Bench): Promise<void> {
  let holding = 0;
  let most = 0;
  const hold = async (): Promise<void> => {
    most = Math.max(most, ++holding);
    await passed(3);
    holding--;
  };
  const lock = { name: 'the one', delay: 2 };
  const { queue, publisher } = await bench.started([
    new Collector('a', hold, { lock }),
    new Collector('b', hold, { lock }),
  ]);
  const [locked, parked] = [recorded(queue, ['locked']), recorded(queue, ['parked'])];
  const events = publisher.sendMany([1, 2, 3].map((value) => new Payload(value)));
  for (const event of events) expect((await event.wait()).isOk()).toBe(true);
  expect(most).toBe(1);
  expect(locked[0]).toMatchObject({ lock: 'the one' });
  expect(parked[0]).toMatchObject({ id: locked[0]?.id, reason: 'lock' });
}

async function twoAtATime(bench: Bench): Promise<void> {
  let running = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await passed(3);
    running--;
  };
  const collectors = [new Collector('a', work, { concurrency: 2 }), new Collector('b', () => 'free')];
  const { queue, publisher } = await bench.started(collectors, { concurrency: 5 });
  const parked = recorded(queue, ['parked']);
  const events = publisher.sendMany([1, 2, 3, 4, 5, 6].map((value) => new Payload(value)));
  for (const event of events) expect((await event.wait()).isOk()).toBe(true);
  expect(most).toBe(2);
  expect(parked[0]).toMatchObject({ task: 'a', reason: 'concurrency' });
}

async function twoInAWindow(bench: Bench): Promise<void> {
  const starts: [key: string, at: number][] = [];
  const per = ({ value }: Payload<string>): string => value;
  const { queue, publisher } = await bench.startedWith(
    (value) => {
      starts.push([String(value), performance.now()]);
      return value;
    },
    { collector: { rateLimit: { limit: 2, interval: 50, per } }, concurrency: 10 },
  );
  const parked = recorded(queue, ['parked']);
  const events = publisher.sendMany(['x', 'x', 'x', 'x', 'x', 'y'].map((value) => new Payload(value)));
  for (const event of events) expect((await event.wait()).isOk()).toBe(true);
  const ofX = starts.filter(([key]) => key === 'x').map(([, at]) => at);
  expect(ofX).toHaveLength(5);
  expect(parked[0]).toMatchObject({ reason: 'rate-limit' });
  // Started is a moment after it was allowed.
  for (const at of [2, 3, 4]) expect((ofX[at] as number) - (ofX[at - 2] as number)).toBeGreaterThan(45);
}

/** A signal ends what waits for a collector, and what runs. */
async function heedsSignal(bench: Bench): Promise<void> {
  const end = bench.gate();
  const controller = new AbortController();
  const called: unknown[] = [];
  const { publisher } = await bench.started(
    [
      new Collector(
        'a',
        ({ value }) => {
          called.push(value);
          return end.promise;
        },
        { signal: controller.signal, retry: 5 },
      ),
      new Collector('b', () => 'other'),
    ],
    { concurrency: 1 },
  );
  const first = publisher.publish(1, { keys: 'a' });
  await until(() => called.length === 1);
  controller.abort('enough');
  expect(await errorOf(first)).toMatchObject({ code: 'CQ_CANCELLED', cause: 'enough' });
  end.open();
  expect(await codeOf(publisher.publish(2, { keys: 'a' }))).toBe('CQ_CANCELLED');
  expect((await publisher.publish(3, { keys: 'b' }).wait()).oks()).toEqual(['other']);
  expect(called).toEqual([1]);
}

/** A dead letter, as far as it is the same everywhere. */
function letter(event: { readonly id: string }, known: Partial<DeadLetter>): unknown {
  return { collectorKey: 'a', eventId: event.id, timestamp: expect.any(Number), ...known };
}

export const policies = {
  ttl: {
    kept: async (bench) => {
      await expired(bench, {}, 40);
      await expired(bench, { ttl: 40 });
    },
  },

  delay: {
    kept: async (bench) => {
      const calls: { value: unknown; at: number }[] = [];
      const note = ({ value }: Payload): void => void calls.push({ value, at: Date.now() });
      const { publisher } = await bench.started(
        [new Collector('a', note), new Collector('slow', note, { delay: 60, topics: 'slow' })],
        { concurrency: 1 },
      );
      const before = Date.now();
      const events = [
        publisher.publish('delay', { keys: 'a' }, { delay: 80 }),
        publisher.publish('at', { keys: 'a' }, { at: before + 160 }),
        publisher.publish('of the collector', { keys: 'slow' }),
        publisher.publish('soon', { keys: 'a' }),
      ];
      for (const event of events) expect((await event.wait()).isOk()).toBe(true);
      expect(calls.map(({ value }) => value).filter((value) => value !== 'of the collector')).toEqual([
        'soon',
        'delay',
        'at',
      ]);
      // A timer of Node may come a millisecond early by another clock.
      const waited = (value: string): number => (calls.find((call) => call.value === value)?.at ?? 0) - before + 2;
      expect(waited('delay')).toBeGreaterThanOrEqual(80);
      expect(waited('at')).toBeGreaterThanOrEqual(160);
      expect(waited('of the collector')).toBeGreaterThanOrEqual(60);
    },
  },

  timeout: {
    kept: async (bench) => {
      const end = bench.gate();
      const signals: AbortSignal[] = [];
      const { queue, publisher } = await bench.startedWith(
        (value, { number, signal }) => {
          signals.push(signal);
          return value === 'again' && number === 2 ? 'done' : end.promise;
        },
        { collector: { timeout: 40 } },
      );
      const told = recorded(queue, ['timeout', 'error-task']);
      const event = publisher.publish(1);
      const error = (await event.wait()).first()._unsafeUnwrapErr();
      expect(error).toMatchObject({ name: 'DeliveryTimeoutError', code: 'CQ_DELIVERY_TIMEOUT' });
      expect(signals[0]?.aborted).toBe(true);
      await until(() => told.length === 2);
      expect(told.map(({ status, id }) => [status, id])).toEqual([
        ['timeout', event.id],
        ['error-task', event.id],
      ]);
      const again = publisher.publish('again', undefined, { retry: { attempts: 2, base: 0 } });
      expect((await again.wait()).oks()).toEqual(['done']);
    },
  },

  deadLetterKey: {
    kept: async (bench) => {
      const letters: unknown[] = [];
      const { queue, publisher } = await bench.started([
        new Collector('a', ({ value }) => err(value.why), { deadLetter: 'dead', retry: { attempts: 2, base: 0 } }),
        new Collector('dead', ({ value }) => void letters.push(value)),
      ]);
      const told = recorded(queue, ['dead-lettered']);
      const value = { some: 'value', why: { code: 7 } };
      const event = publisher.publish(value, { keys: 'a' });
      expect((await event.wait()).first()._unsafeUnwrapErr()).toEqual({ code: 7 });
      await until(() => letters.length > 0 && told.length > 0);
      expect(letters).toEqual([letter(event, { value, error: { code: 7 }, attempts: 2 })]);
      expect(told).toEqual([expect.objectContaining({ id: event.id, task: 'a', attempt: 2 })]);
    },
  },

  deadLetterFunction: {
    kept: async (bench) => {
      const letters: DeadLetter[] = [];
      const deadLetter = (dead: DeadLetter): void => void letters.push(dead);
      const { publisher } = await bench.startedWith(
        (value) => {
          if (value === 'cancel') throw new CancelTask();
          throw new Error(value);
        },
        { collector: { deadLetter } },
      );
      await publisher.publish('cancel').wait();
      const event = publisher.publish('broken');
      await event.wait();
      await until(() => letters.length > 0);
      expect(letters).toEqual([letter(event, { value: 'broken', error: expect.anything(), attempts: 1 })]);
      expect(letters[0]?.error).toMatchObject({ code: 'CQ_PROCESSOR', cause: { message: 'broken' } });
      await expired(bench, { deadLetter }, 40);
      expect(letters).toHaveLength(1);
    },
  },

  revoke: {
    kept: async (bench) => {
      const scene = await bench.startedWith((value) => value);
      const { publisher } = scene;
      const queue = scene.queue as CollectorQueue;
      queue.revoke('a');
      expect(await codeOf(publisher.publish(1))).toBe('CQ_REVOKED');
      expect(queue.restore('a')).toBe(true);
      expect((await publisher.publish(2).wait()).oks()).toEqual([2]);
    },
    not: async (bench) => expect('revoke' in (await bench.startedWith(() => 1)).queue).toBe(false),
  },

  every: {
    kept: async (bench) => {
      const called: unknown[] = [];
      const { queue } = await bench.startedWith((value) => void called.push(value));
      let made = 0;
      const handle = (queue as CollectorQueue).every(5, () => new Payload(++made));
      await until(() => called.length >= 3);
      handle.stop();
      expect(called.slice(0, 3)).toEqual([1, 2, 3]);
    },
    not: async (bench) => expect('every' in (await bench.startedWith(() => 1)).queue).toBe(false),
  },

  collectorSignal: { kept: heedsSignal, differently: heedsSignal },

  schema: {
    kept: async (bench) => {
      const called: unknown[] = [];
      const work = (value: unknown): unknown => called.push(value) && value;
      const schema = z.string().transform(Number);
      const { publisher } = await bench.startedWith(work, { collector: { schema, retry: 3 } });
      expect((await publisher.publish('7').wait()).oks()).toEqual([7]);
      expect(await errorOf(publisher.publish(8))).toMatchObject({
        code: 'CQ_SCHEMA',
        retryable: false,
        message: expect.stringContaining('the value does not fit the schema of collector "a"'),
      });
      expect(called).toEqual([7]);
    },
  },

  middleware: {
    kept: async (bench) => {
      const notes: unknown[] = [];
      const { queue, publisher } = await bench.startedWith(
        (value, { number }) => {
          notes.push('work');
          return number === 1 ? err('not yet') : value;
        },
        { collector: { retry: { attempts: 2, base: 1 } } },
      );
      for (const name of ['outer', 'inner']) {
        queue.use(async (task, next) => {
          notes.push(`${name} ${task.number}`);
          const result = await next();
          notes.push(`${name} ${result.isOk() ? 'ok' : 'err'}`);
          return result.map((value) => `${name} ${value}`);
        });
      }
      expect((await publisher.publish('x').wait()).oks()).toEqual(['outer inner x']);
      const attempt = (number: number, end: string): string[] => [
        `outer ${number}`,
        `inner ${number}`,
        'work',
        `inner ${end}`,
        `outer ${end}`,
      ];
      expect(notes).toEqual([...attempt(1, 'err'), ...attempt(2, 'ok')]);
    },
  },

  headers: {
    kept: async (bench) => {
      const seen: unknown[] = [];
      const { publisher } = await bench.startedWith(
        (_value, attempt) => {
          seen.push(attempt.headers);
          return attempt.number === 1 ? err('not yet') : 'done';
        },
        { collector: { retry: { attempts: 2, base: 1 } } },
      );
      await publisher.publish(1, undefined, { headers: { a: 'b' } }).wait();
      await publisher.publish(1).wait();
      expect(seen).toEqual([{ a: 'b' }, { a: 'b' }, undefined, undefined]);
    },
  },

  customPolicies: {
    kept: async (bench) => {
      const called: unknown[] = [];
      const told: unknown[] = [];
      const policy: TaskPolicy = {
        before: ({ payload, number }) => (payload?.value === 'refuse' && number === 1 ? err('refused') : 'run'),
        after: (task, result) => {
          if (result.isOk() || task.number > 1) return 'settle';
          task.resumeAt(0);
          return 'park';
        },
        settled: ({ collectorKey, number }, result) => void told.push([collectorKey, number, result.isOk()]),
      };
      const { publisher } = await bench.startedWith(
        (value, { number }) => {
          called.push([value, number]);
          return number === 1 ? err('not yet') : 'done';
        },
        { collector: { policies: [policy] } },
      );
      expect((await publisher.publish('refuse').wait()).errs()).toEqual(['refused']);
      expect((await publisher.publish('again').wait()).oks()).toEqual(['done']);
      expect(called).toEqual([
        ['again', 1],
        ['again', 2],
      ]);
      expect(told).toEqual([
        ['a', 1, false],
        ['a', 2, true],
      ]);
    },
  },

  lock: { kept: oneHolder, differently: oneHolder },

  collectorConcurrency: { kept: twoAtATime, differently: twoAtATime },

  rateLimit: { kept: twoInAWindow, differently: twoInAWindow },

  partition: {
    kept: async (bench) => {
      const order: string[] = [];
      const work = async ({ value }: Payload<string>, _: unknown, { number }: Attempt): Promise<unknown> => {
        order.push(`${value} begins`);
        await passed(value === 'a1' ? 10 : 1);
        order.push(`${value} ends`);
        return value === 'a1' && number === 1 ? err('again') : value;
      };
      const partitionBy = ({ value }: Payload<string>): string | undefined => value[0];
      const retry = { attempts: 2, base: 5 };
      const { publisher } = await bench.started([new Collector('a', work, { partitionBy, retry })], { concurrency: 5 });
      const events = ['a1', 'b1', 'a2'].map((value) => publisher.publish(value));
      events.push(publisher.publish('c', undefined, { partitionKey: 'a' }));
      for (const event of events) expect((await event.wait()).isOk()).toBe(true);
      const ofA = ['a1 begins', 'a1 ends', 'a1 begins', 'a1 ends', 'a2 begins', 'a2 ends', 'c begins', 'c ends'];
      expect(order.filter((one) => !one.startsWith('b'))).toEqual(ofA);
      expect(order.indexOf('b1 begins')).toBe(1);
    },
    not: async (bench) => {
      const partitionBy = (): string => 'x';
      const collector = new Collector('b', () => 1, { partitionBy });
      const words = 'Collector "b": partitionBy must be left out: the jobs of a collector have no order by key';
      expect(String(thrownBy(() => bench.kind.construct([collector], {})))).toContain(words);
      const { queue, publisher } = await bench.startedWith((value) => value);
      expect(String(await rejectionOf(queue.addCollector(collector)))).toContain(words);
      const options = { partitionKey: 'x' };
      const error = thrownBy(() => publisher.publish(1, undefined, options));
      expect(String(error)).toContain('send: partitionKey must be left out: the jobs of a collector have no order');
      expect((await publisher.publish(1).wait()).oks()).toEqual([1]);
    },
  },
} satisfies Checks;
