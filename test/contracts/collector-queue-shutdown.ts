import { Collector, type CollectorEvent, Payload, RetryTask } from 'collector-queue';
import { expect } from 'vitest';
import { type AnyQueue, type Bench, codeOf, passed, recorded, sendAccepted, until } from './collector-queue-bench.ts';
import type { Checks } from './collector-queue-types.ts';

const payloads = (count: number): Payload[] => Array.from({ length: count }, (_, value) => new Payload(value));

/** One consumer, whose first call hangs until the gate opens. */
async function hanging(bench: Bench) {
  const end = bench.gate();
  const called: unknown[] = [];
  const signals: AbortSignal[] = [];
  const scene = await bench.startedWith(
    (value, { signal }) => {
      called.push(value);
      signals.push(signal);
      return signals.length === 1 ? end.promise : value;
    },
    { concurrency: 1 },
  );
  return { ...scene, end, called, signals };
}

async function waitsForRetries(bench: Bench): Promise<void> {
  const numbers: number[] = [];
  const { queue, publisher } = await bench.startedWith((_, { number }) => {
    numbers.push(number);
    return number < 3 ? new RetryTask({ delay: 60 }) : 'done';
  });
  const waiting = publisher.publish(1).wait();
  await until(() => numbers.length === 1);
  await queue.shutDownQueue();
  expect((await waiting).oks()).toEqual(['done']);
  expect(numbers).toEqual([1, 2, 3]);
}

/** What was left in Redis by a shutdown is worked on after the next start; the sends of before stay settled. */
async function resumesAfterwards(queue: AnyQueue, called: unknown[], values: number[]): Promise<void> {
  called.length = 0;
  await queue.initQueue();
  await until(() => values.every((value) => called.includes(value)));
}

export const shutdown = {
  drain: {
    kept: async (bench) => {
      const { queue, publisher } = await bench.startedWith(
        async (value) => {
          await passed(1);
          return value * 2;
        },
        { concurrency: 3 },
      );
      const drained = recorded(queue, ['drained', 'shutdown']);
      const events = publisher.sendMany(payloads(20));
      await queue.shutDownQueue();
      const lists = await Promise.all(events.map((event) => event.wait()));
      expect(lists.flatMap((list) => list.oks())).toEqual(events.map((_, value) => value * 2));
      expect(drained.map(({ status }) => status)).toEqual(['drained', 'shutdown']);
      expect(await codeOf(publisher.publish(1))).toBe('CQ_QUEUE_CLOSED');
    },
    differently: async (bench) => {
      const { queue, publisher, called, end } = await hanging(bench);
      const drained = recorded(queue, ['drained', 'shutdown']);
      const events = await sendAccepted({ queue, publisher }, payloads(4));
      await until(() => called.length === 1);
      const waitedFor = events.slice(0, 2).map((event) => event.wait());
      const closing = queue.shutDownQueue();
      end.open();
      expect((await Promise.all(waitedFor)).map((list) => list.isOk())).toEqual([true, true]);
      await closing;
      expect(drained.map(({ status }) => status)).toEqual(['drained', 'shutdown']);
      // Who begins to wait only now gets an answer, too.
      for (const event of events.slice(2)) expect(await codeOf(event)).toBe('CQ_QUEUE_CLOSED');
      expect(await codeOf(publisher.publish(1))).toBe('CQ_QUEUE_CLOSED');
      const left = [2, 3].filter((value) => !called.includes(value));
      await resumesAfterwards(queue, called, left);
    },
  },

  drainRetries: { kept: waitsForRetries, differently: waitsForRetries },

  drainPaused: {
    kept: async (bench) => {
      const { queue, publisher } = await bench.startedWith((value) => value);
      await queue.pause();
      const events = publisher.sendMany(payloads(3));
      await queue.shutDownQueue();
      const lists = await Promise.all(events.map((event) => event.wait()));
      expect(lists.flatMap((list) => list.oks())).toEqual([0, 1, 2]);
    },
    not: async (bench) => {
      const { queue, publisher, called } = await hanging(bench);
      await queue.pause();
      const [event] = await sendAccepted({ queue, publisher }, payloads(1));
      const waiting = codeOf(event as CollectorEvent);
      await queue.shutDownQueue({ timeout: 200 });
      expect(await waiting).toBe('CQ_SHUTDOWN_TIMEOUT');
      await queue.initQueue();
      await bench.quiet();
      expect(called).toEqual([]);
      await queue.resume();
      await until(() => called.length === 1);
    },
  },

  drainScheduled: {
    kept: async (bench) => {
      const { queue, publisher } = await bench.startedWith((value) => value);
      const cancelled = [
        publisher.publish(1, undefined, { delay: 60_000 }),
        publisher.publish(2, undefined, { at: Date.now() + 60_000 }),
      ];
      await queue.shutDownQueue();
      for (const event of cancelled) expect(await codeOf(event)).toBe('CQ_QUEUE_CLOSED');
      await queue.initQueue();
      const waitedFor = publisher.publish(3, undefined, { delay: 50 });
      await queue.shutDownQueue({ scheduled: 'wait' });
      expect((await waitedFor.wait()).oks()).toEqual([3]);
    },
    differently: async (bench) => {
      const called: unknown[] = [];
      const note = ({ value }: Payload): void => void called.push(value);
      const { queue, publisher } = await bench.started([
        new Collector('a', note),
        new Collector('slow', note, { delay: 60_000 }),
      ]);
      const cancelled = [
        publisher.publish(1, { keys: 'a' }, { delay: 60_000 }),
        publisher.publish(2, { keys: 'a' }, { at: Date.now() + 60_000 }),
        publisher.publish(3, { keys: 'slow' }),
        publisher.publish(4, { keys: 'a' }, { delay: 400 }),
      ].map(codeOf);
      await bench.quiet();
      const before = performance.now();
      await queue.shutDownQueue();
      expect(performance.now() - before).toBeLessThan(5_000);
      expect(await Promise.all(cancelled)).toEqual(Array(4).fill('CQ_QUEUE_CLOSED'));
      await queue.initQueue();
      await until(() => called.length === 1);
      const waitedFor = publisher.publish(5, { keys: 'a' }, { delay: 100 }).wait();
      await queue.shutDownQueue({ scheduled: 'wait' });
      expect((await waitedFor).isOk()).toBe(true);
      expect(called).toEqual([4, 5]);
    },
  },

  abort: {
    kept: async (bench) => {
      const { queue, publisher, called } = await hanging(bench);
      const events = publisher.sendMany(payloads(3));
      await until(() => called.length === 1);
      const closing = queue.shutDownQueue({ drain: false, timeout: 100 });
      for (const event of events) expect(await codeOf(event)).toBe('CQ_QUEUE_ABORTED');
      await closing;
      expect(called).toEqual([0]);
    },
    differently: async (bench) => {
      const { queue, publisher, called } = await hanging(bench);
      const events = await sendAccepted({ queue, publisher }, payloads(3));
      await until(() => called.length === 1);
      const waiting = events.slice(0, 2).map(codeOf);
      await queue.shutDownQueue({ drain: false, timeout: 400 });
      expect(await Promise.all(waiting)).toEqual(['CQ_QUEUE_ABORTED', 'CQ_QUEUE_ABORTED']);
      expect(await codeOf(events[2] as CollectorEvent)).toBe('CQ_QUEUE_CLOSED');
      expect(called).toEqual([0]);
      await resumesAfterwards(queue, called, [0, 1, 2]);
    },
  },

  shutdownTimeout: {
    kept: async (bench) => {
      const { queue, publisher, called, signals } = await hanging(bench);
      const events = publisher.sendMany(payloads(2));
      await until(() => called.length === 1);
      const before = performance.now();
      await queue.shutDownQueue({ timeout: 60 });
      expect(performance.now() - before).toBeLessThan(3_000);
      for (const event of events) expect(await codeOf(event)).toBe('CQ_SHUTDOWN_TIMEOUT');
      expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    },
    differently: async (bench) => {
      const { queue, publisher, called, signals } = await hanging(bench);
      const events = await sendAccepted({ queue, publisher }, payloads(3));
      await until(() => called.length === 1);
      const waiting = events.slice(0, 2).map(codeOf);
      const before = performance.now();
      await queue.shutDownQueue({ timeout: 400 });
      expect(performance.now() - before).toBeLessThan(3_000);
      expect(await Promise.all(waiting)).toEqual(['CQ_SHUTDOWN_TIMEOUT', 'CQ_SHUTDOWN_TIMEOUT']);
      expect(await codeOf(events[2] as CollectorEvent)).toBe('CQ_QUEUE_CLOSED');
      expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
      await resumesAfterwards(queue, called, [0, 1, 2]);
    },
  },
} satisfies Checks;
