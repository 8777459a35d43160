import {
  Collector,
  type CollectorQueue,
  err,
  NotInitializedError,
  Payload,
  type QueueHealth,
  type QueueMetrics,
} from 'collector-queue';
import { expect } from 'vitest';
import { expectBalance, METRICS } from '../core/metrics-checks.ts';
import { thrownBy } from '../core/scene.ts';
import { type Bench, expectRefused, recorded, sendAccepted, until } from './collector-queue-bench.ts';
import type { Checks } from './collector-queue-types.ts';

/** The books are right before, during and after. */
async function balances(bench: Bench): Promise<void> {
  const end = bench.gate();
  let running = 0;
  const scene = await bench.startedWith(
    (value) => {
      running++;
      return value === 'no' ? err('no') : end.promise;
    },
    { concurrency: 2 },
  );
  const { queue, publisher } = scene;
  expectBalance(queue.getMetrics());
  const events = await sendAccepted(
    scene,
    [1, 2, 3, 4, 'no'].map((value) => new Payload(value)),
  );
  await until(() => running === 2);
  expect(queue.getMetrics()).toMatchObject({ offered: 5, accepted: 5, rejected: 0, settled: 0 });
  expectBalance(queue.getMetrics());
  expect(events[3]?.cancel()).toBe(true);
  expect(queue.getMetrics()).toMatchObject({ settled: 1, cancelled: 1 });
  expectBalance(queue.getMetrics());
  end.open();
  await Promise.all(events.map((event) => event.wait()));
  await publisher.publish(1, { keys: 'nobody' }).wait();
  expect(queue.getMetrics()).toMatchObject({ accepted: 6, settled: 6, qsize: 0, inFlight: 0, unrouted: 1 });
  await queue.shutDownQueue();
  await publisher.publish(1).wait();
  expect(queue.getMetrics()).toMatchObject({ offered: 7, accepted: 6, rejected: 1 });
  expectBalance(queue.getMetrics());
}

/** The same where others work on it: what was sent is in flight until somebody knows how it ended. */
function expectBalanceOfSends(metrics: QueueMetrics): void {
  expect(metrics.accepted + metrics.rejected + metrics.qsize).toBe(metrics.offered);
  expect(metrics.inFlight + metrics.settled).toBe(metrics.accepted);
}

async function balancesOfSends(bench: Bench): Promise<void> {
  const end = bench.gate();
  const scene = await bench.startedWith((value) => (value === 'no' ? err('no') : end.promise), { concurrency: 2 });
  const { queue, publisher } = scene;
  expectBalanceOfSends(queue.getMetrics());
  const sent = publisher.sendMany([1, 2].map((value) => new Payload(value)));
  expect(queue.getMetrics()).toMatchObject({ offered: 2, accepted: 0, qsize: 2 });
  expectBalanceOfSends(queue.getMetrics());
  const events = [
    ...sent,
    ...(await sendAccepted(
      scene,
      [3, 4, 'no'].map((value) => new Payload(value)),
    )),
  ];
  await until(() => queue.getMetrics().qsize === 0);
  expect(queue.getMetrics()).toMatchObject({ offered: 5, accepted: 5, rejected: 0, settled: 0, inFlight: 5 });
  expect(events[3]?.cancel()).toBe(true);
  expect(queue.getMetrics()).toMatchObject({ settled: 1, cancelled: 1, inFlight: 4 });
  expectBalanceOfSends(queue.getMetrics());
  end.open();
  await Promise.all(events.map((event) => event.wait()));
  await publisher.publish(1, { keys: 'nobody' }).wait();
  expect(queue.getMetrics()).toMatchObject({ accepted: 6, settled: 6, inFlight: 0, unrouted: 1 });
  publisher.publish('hasty').cancel();
  await until(() => queue.getMetrics().qsize === 0);
  await bench.quiet();
  expect(queue.getMetrics()).toMatchObject({ offered: 7, cancelled: 2 });
  expectBalanceOfSends(queue.getMetrics());
  await queue.shutDownQueue();
  await publisher.publish(1).wait();
  expect(queue.getMetrics()).toMatchObject({ offered: 8, rejected: 1 });
  expectBalanceOfSends(queue.getMetrics());
}

/** What is told of a payload that a collector takes well, in this order. */
async function toldOfSuccess(bench: Bench): Promise<string[]> {
  const { queue, publisher } = await bench.startedWith(() => 'done');
  const told = recorded(queue, ['enqueued', 'started', 'finished', 'error-task', 'retrying']);
  const event = publisher.publish(1);
  await event.wait();
  await until(() => told.length === 3);
  expect(told.map(({ id }) => id)).toEqual([event.id, event.id, event.id]);
  const one = (name: string) => told.find(({ status }) => status === name);
  expect(one('started')).toMatchObject({ task: 'a', attempt: 1, retries: 0 });
  expect(one('finished')).toMatchObject({ task: 'a', attempt: 1, retries: 0, duration: expect.any(Number) });
  for (const { timestamp } of told) expect(Math.abs(timestamp - Date.now())).toBeLessThan(60_000);
  return told.map(({ status }) => status);
}

/** @param more - fields beside those that every queue tells */
async function tellsHealth(bench: Bench, more: object): Promise<void> {
  const end = bench.gate();
  const { queue, publisher } = await bench.startedWith(() => end.promise, { concurrency: 2 });
  const health = async (): Promise<QueueHealth> => queue.health();
  const healthOnce = async (condition: (health: QueueHealth) => boolean): Promise<QueueHealth> => {
    for (;;) {
      const found = await health();
      if (condition(found)) return found;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const idle = { saturated: false, paused: false, waiting: 0, busy: 0, abandoned: 0, oldest: [], ...more };
  const consumers = expect.any(Number);
  expect(await health()).toEqual({ ...idle, state: 'running', live: true, ready: true, consumers });
  const first = publisher.publish(1);
  await healthOnce(({ oldest }) => oldest.length === 1);
  const second = publisher.publish(2);
  const { oldest } = await healthOnce((found) => found.oldest.length === 2 && found.busy === 2);
  expect(oldest.map(({ eventId }) => eventId)).toEqual([first.id, second.id]);
  for (const { age, ...task } of oldest) {
    expect(task).toMatchObject({ collectorKey: 'a', attempt: 1, abandoned: false });
    expect(age).toBeGreaterThanOrEqual(0);
  }
  end.open();
  await Promise.all([first.wait(), second.wait()]);
  await healthOnce(({ busy }) => busy === 0);
  await queue.shutDownQueue();
  expect(await health()).toEqual({ ...idle, state: 'closed', live: false, ready: false, consumers: 0 });
}

export const observation = {
  eventsOfSuccess: {
    kept: async (bench) => {
      expect(await toldOfSuccess(bench)).toEqual(['enqueued', 'started', 'finished']);
    },
    differently: async (bench) => {
      const told = await toldOfSuccess(bench);
      expect(told.filter((name) => name !== 'enqueued')).toEqual(['started', 'finished']);
      expect(told).toContain('enqueued');
    },
  },

  eventsOfFailure: {
    kept: async (bench) => {
      const { queue, publisher } = await bench.startedWith(
        (value, { number }) => (value < number ? 'done' : err('no')),
        {
          collector: { retry: { attempts: 2, base: 0 } },
        },
      );
      const told = recorded(queue, ['started', 'finished', 'error-task', 'retrying']);
      const names = (): string[] => told.map(({ status }) => status);
      await publisher.publish(1).wait();
      await until(() => told.length === 4);
      expect(names()).toEqual(['started', 'retrying', 'started', 'finished']);
      expect(told[0]).toMatchObject({ attempt: 1, retries: 1 });
      expect(told[1]).toMatchObject({ attempt: 1, retries: 1, error: 'no', retryDelay: expect.any(Number) });
      expect(told[2]).toMatchObject({ attempt: 2, retries: 0 });
      told.length = 0;
      const event = publisher.publish(2);
      await event.wait();
      await until(() => told.length === 4);
      expect(names()).toEqual(['started', 'retrying', 'started', 'error-task']);
      expect(told[3]).toMatchObject({ id: event.id, task: 'a', attempt: 2, retries: 0, error: 'no' });
      expect(told[3]).toMatchObject({ duration: expect.any(Number) });
    },
  },

  throwingListener: {
    kept: async (bench) => {
      const { queue, publisher } = await bench.startedWith((value) => value);
      const internal = recorded(queue, ['error-internal']);
      const error = new Error('of a listener');
      const told: string[] = [];
      for (const name of ['enqueued', 'started', 'finished'] as const) {
        queue.events.on(name, () => {
          throw error;
        });
        queue.events.on(name, () => void told.push(name));
      }
      expect((await publisher.publish(7).wait()).oks()).toEqual([7]);
      await until(() => told.length === 3 && internal.length === 3);
      for (const one of internal) expect(one.error).toBe(error);
      expect(thrownBy(() => queue.events.on('startd' as 'started', () => undefined))).toMatchObject({
        code: 'CQ_INVALID_ARGUMENT',
      });
    },
  },

  stream: {
    kept: async (bench) => {
      const { queue, publisher } = await bench.startedWith((value) => value);
      const stream = queue.events.stream({ filter: ['started', 'finished'] });
      const event = publisher.publish(1);
      const seen: string[] = [];
      for await (const one of stream) {
        expect(one.id).toBe(event.id);
        seen.push(one.status);
        if (one.status === 'finished') break;
      }
      expect(seen).toEqual(['started', 'finished']);
    },
  },

  keptResults: {
    kept: async (bench) => {
      const collectors = [new Collector('a', ({ value }) => value)];
      const queue = bench.adopt(bench.kind.construct(collectors, { results: { keep: 1 } })) as CollectorQueue;
      await queue.initQueue();
      const events = [queue.getPublisher().publish(1), queue.getPublisher().publish(2)];
      for (const event of events) await event.wait();
      expect(events.map(({ id }) => queue.result(id)?.oks())).toEqual([undefined, [2]]);
    },
    not: async (bench) => expectRefused(bench, { results: { keep: 1 } }, 'results'),
  },

  metrics: {
    kept: async (bench) => {
      const queue = bench.make([new Collector('a', () => 1)]);
      expect(thrownBy(() => queue.getMetrics())).toBeInstanceOf(NotInitializedError);
      await queue.initQueue();
      const metrics = queue.getMetrics();
      expect(Object.keys(metrics)).toEqual(expect.arrayContaining(METRICS));
      for (const name of METRICS) expect(metrics[name as keyof QueueMetrics]).toSatisfy(Number.isFinite);
      await queue.getPublisher().publish(1).wait();
      expect(queue.getMetrics()).toMatchObject({ eventCount: 1, accepted: 1, settled: 1 });
      expect(queue.getMetrics()).toMatchObject({ eventCount: 0, accepted: 1, settled: 1 });
      await queue.shutDownQueue();
      expect(queue.getMetrics()).toMatchObject({ accepted: 1, settled: 1 });
    },
  },

  accounting: { kept: balances, differently: balancesOfSends },

  health: {
    kept: (bench) => tellsHealth(bench, {}),
    differently: (bench) => tellsHealth(bench, { redis: expect.objectContaining({ reachable: expect.any(Boolean) }) }),
  },

  consumerCount: {
    kept: async (bench) => {
      const end = bench.gate();
      let running = 0;
      const queue = bench.make(
        [
          new Collector('a', () => {
            running++;
            return end.promise;
          }),
        ],
        { concurrency: 3 },
      );
      expect(queue.consumerCount).toBe(0);
      await queue.initQueue();
      expect(queue.consumerCount).toBeGreaterThanOrEqual(1);
      queue.getPublisher().sendMany([new Payload(1), new Payload(2), new Payload(3)]);
      await until(() => running === 3);
      expect(queue.consumerCount).toBe(3);
      end.open();
      await queue.shutDownQueue();
      expect(queue.consumerCount).toBe(0);
    },
  },
} satisfies Checks;
