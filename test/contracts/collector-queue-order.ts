import { type CollectorEvent, InvalidArgumentError, Payload, QueueType } from 'collector-queue';
import { expect } from 'vitest';
import { isSettled, thrownBy } from '../core/scene.ts';
import {
  type Bench,
  type BenchOptions,
  codeOf,
  passed,
  recorded,
  sendAccepted,
  until,
} from './collector-queue-bench.ts';
import type { Checks } from './collector-queue-types.ts';

/** In which order one consumer takes what waits. */
async function orderOf(bench: Bench, payloads: Payload[], options: BenchOptions): Promise<unknown[]> {
  const first = bench.gate();
  const taken: unknown[] = [];
  const scene = await bench.startedWith(
    async (value) => {
      taken.push(value);
      if (value === 'first') await first.promise;
    },
    { ...options, concurrency: 1 },
  );
  void scene.publisher.publish('first');
  await until(() => taken.length === 1);
  const events = await sendAccepted(scene, payloads);
  first.open();
  await Promise.all(events.map((event) => event.wait()));
  return taken.slice(1);
}

/** Never more than the limit, and no less while there is more to do. */
async function heedsLimit(bench: Bench): Promise<void> {
  const end = bench.gate();
  let running = 0;
  let most = 0;
  const { publisher } = await bench.startedWith(
    async () => {
      running++;
      most = Math.max(most, running);
      await end.promise;
      running--;
    },
    { concurrency: 3 },
  );
  const events = publisher.sendMany(Array.from({ length: 12 }, (_, n) => new Payload(n)));
  await until(() => running === 3);
  await bench.quiet();
  expect(running).toBe(3);
  end.open();
  await Promise.all(events.map((event) => event.wait()));
  expect(most).toBe(3);
}

/** One consumer that is kept by a payload "first" until the gate opens. */
async function held(bench: Bench) {
  const end = bench.gate();
  const called: unknown[] = [];
  const scene = await bench.startedWith(
    (value) => {
      called.push(value);
      return end.promise;
    },
    { concurrency: 1 },
  );
  const first = scene.publisher.publish('first');
  await until(() => called.length === 1);
  return { scene, first, called, end };
}

/** What runs goes on, and what is sent waits. */
async function pauses(bench: Bench): Promise<void> {
  const end = bench.gate();
  const called: unknown[] = [];
  const { queue, publisher } = await bench.startedWith(async (value) => {
    called.push(value);
    if (value === 'first') await end.promise;
    return value;
  });
  const told = recorded(queue, ['paused', 'resumed']);
  const first = publisher.publish('first');
  await until(() => called.length === 1);
  await queue.pause();
  const [second] = await sendAccepted({ queue, publisher }, [new Payload('second')]);
  end.open();
  expect((await first.wait()).oks()).toEqual(['first']);
  await bench.quiet();
  expect(called).toEqual(['first']);
  await queue.resume();
  expect((await second?.wait())?.oks()).toEqual(['second']);
  expect(told.map(({ status }) => status)).toEqual(['paused', 'resumed']);
}

async function becomesIdle(bench: Bench): Promise<void> {
  const end = bench.gate();
  const { queue, publisher } = await bench.startedWith(() => end.promise);
  await queue.onIdle();
  const events = publisher.sendMany([new Payload(1), new Payload(2)]);
  const idle = queue.onIdle();
  await bench.quiet();
  expect(await isSettled(idle)).toBe(false);
  end.open();
  await idle;
  for (const event of events) expect((await event.wait()).isOk()).toBe(true);
}

/** While workers take one payload after the other: what is told as cleared has not run, and is what was counted. */
async function clearsNothingThatRuns(bench: Bench): Promise<void> {
  const called = new Set<unknown>();
  const work = async (value: unknown): Promise<void> => {
    called.add(value);
    await passed(1);
  };
  const { queue, publisher } = await bench.startedWith(work, { concurrency: 4 });
  for (const round of [1, 2, 3]) {
    const values = Array.from({ length: 100 }, (_, n) => `${round}: ${n}`);
    const waiting = publisher.sendMany(values.map((value) => new Payload(value))).map((event) => event.wait());
    await until(() => called.has(`${round}: 3`));
    const count = await queue.clear();
    const lists = await Promise.all(waiting);
    const cleared = values.filter((_, n) => lists[n]?.isOk() === false);
    expect(cleared.filter((value) => called.has(value))).toEqual([]);
    expect(cleared).toHaveLength(count);
  }
}

export const order = {
  fifo: {
    kept: async (bench) => {
      const payloads = [3, 1, 2].map((value) => new Payload(value));
      expect(await orderOf(bench, payloads, {})).toEqual([3, 1, 2]);
    },
  },

  lifo: {
    kept: async (bench) => {
      const payloads = [3, 1, 2].map((value) => new Payload(value));
      expect(await orderOf(bench, payloads, { queueType: QueueType.LIFO })).toEqual([2, 1, 3]);
    },
  },

  priority: {
    kept: async (bench) => {
      const ranks = [5, -1_000_000, 0, 5, 1_000_000, -1, 0, 5];
      const payloads = ranks.map((priority, n) => new Payload(`${n} at ${priority}`, { priority }));
      expect(await orderOf(bench, payloads, { queueType: QueueType.PRIORITY })).toEqual([
        '1 at -1000000',
        '5 at -1',
        '2 at 0',
        '6 at 0',
        '0 at 5',
        '3 at 5',
        '7 at 5',
        '4 at 1000000',
      ]);
    },
  },

  defaultPriority: {
    kept: async (bench) => {
      const options = { queueType: QueueType.PRIORITY };
      const payloads = (...ranks: number[]): Payload[] => [
        new Payload('none'),
        ...ranks.map((priority) => new Payload(priority, { priority })),
      ];
      expect(await orderOf(bench, payloads(1_001, 1_000, 999), options)).toEqual([999, 'none', 1_000, 1_001]);
      const lower = { ...options, defaultPriority: -3 };
      expect(await orderOf(bench, payloads(0, -4), lower)).toEqual([-4, 'none', 0]);
    },
  },

  anyPriority: {
    kept: async (bench) => {
      const payloads = [0.5, 1e300, -1e300, 0.25].map((priority) => new Payload(priority, { priority }));
      expect(await orderOf(bench, payloads, { queueType: QueueType.PRIORITY })).toEqual([-1e300, 0.25, 0.5, 1e300]);
    },
    not: async (bench) => {
      const called: unknown[] = [];
      const { publisher } = await bench.startedWith((value) => called.push(value), { queueType: QueueType.PRIORITY });
      for (const priority of [0.5, 1_000_001, -1_000_001, 1e300]) {
        const error = thrownBy(() => publisher.publish(1, { priority }));
        expect(error).toBeInstanceOf(InvalidArgumentError);
        expect(String(error)).toContain('priority');
        const both = [new Payload(1), new Payload(2, { priority })];
        expect(thrownBy(() => publisher.sendMany(both))).toBeInstanceOf(InvalidArgumentError);
      }
      await bench.quiet();
      expect(called).toEqual([]);
    },
  },

  lifoPriority: {
    kept: async (bench) => {
      const payloads = [3, 1, 2].map((priority) => new Payload(priority, { priority }));
      expect(await orderOf(bench, payloads, { queueType: QueueType.LIFO })).toEqual([2, 1, 3]);
    },
    not: async (bench) => {
      const { publisher } = await bench.startedWith(() => 1, { queueType: QueueType.LIFO });
      const error = thrownBy(() => publisher.publish(1, { priority: 1 }));
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect(String(error)).toContain('priority');
      expect((await publisher.publish(1).wait()).isOk()).toBe(true);
    },
  },

  concurrency: { kept: heedsLimit, differently: heedsLimit },

  pause: { kept: pauses, differently: pauses },

  clear: {
    kept: async (bench) => {
      const { scene, first, called, end } = await held(bench);
      const events = await sendAccepted(
        scene,
        [1, 2, 3].map((value) => new Payload(value)),
      );
      expect(await scene.queue.clear()).toBe(3);
      for (const event of events) expect(await codeOf(event)).toBe('CQ_CLEARED');
      end.open();
      expect((await first.wait()).isOk()).toBe(true);
      await scene.publisher.publish('last').wait();
      expect(called).toEqual(['first', 'last']);
      expect(await scene.queue.clear()).toBe(0);
    },
    differently: async (bench) => {
      const { scene, first, called, end } = await held(bench);
      const events = await sendAccepted(
        scene,
        [1, 2, 3].map((value) => new Payload(value)),
      );
      const waiting = events.slice(0, 2).map(codeOf);
      await bench.quiet();
      expect(await scene.queue.clear()).toBe(3);
      expect(await Promise.all(waiting)).toEqual(['CQ_CLEARED', 'CQ_CLEARED']);
      expect(await codeOf(events[2] as CollectorEvent)).toBe('CQ_JOB_LOST');
      end.open();
      expect((await first.wait()).isOk()).toBe(true);
      await scene.publisher.publish('last').wait();
      expect(called).toEqual(['first', 'last']);
      expect(await scene.queue.clear()).toBe(0);
      await clearsNothingThatRuns(bench);
    },
  },

  onIdle: { kept: becomesIdle, differently: becomesIdle },
} satisfies Checks;
