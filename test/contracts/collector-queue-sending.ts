import {
  Collector,
  type CollectorEvent,
  InvalidArgumentError,
  NotInitializedError,
  Payload,
  type PayloadOptions,
} from 'collector-queue';
import { expect } from 'vitest';
import { rejectionOf, thrownBy } from '../core/scene.ts';
import { codeOf, expectRefused, recorded, until } from './collector-queue-bench.ts';
import type { Checks } from './collector-queue-types.ts';

/** Something that no compiler would let through. */
function wrong<T>(value: unknown): T {
  return value as T;
}

export const sending = {
  sendBeforeInit: {
    kept: async (bench) => {
      const publisher = bench.make([new Collector('a', () => 1)]).getPublisher();
      expect(thrownBy(() => publisher.send(new Payload(1)))).toBeInstanceOf(NotInitializedError);
      expect(thrownBy(() => publisher.publish(1))).toBeInstanceOf(NotInitializedError);
      expect(thrownBy(() => publisher.sendMany([new Payload(1)]))).toBeInstanceOf(NotInitializedError);
      expect(await rejectionOf(publisher.sendWhenReady(new Payload(1)))).toBeInstanceOf(NotInitializedError);
    },
  },

  sendAfterShutdown: {
    kept: async (bench) => {
      const called: unknown[] = [];
      const { queue, publisher } = await bench.startedWith((value) => void called.push(value));
      await queue.shutDownQueue();
      const event = publisher.publish(1);
      expect(event.status).toBe('settled');
      expect(await codeOf(event)).toBe('CQ_QUEUE_CLOSED');
      for (const each of publisher.sendMany([new Payload(2), new Payload(3)])) {
        expect(await codeOf(each)).toBe('CQ_QUEUE_CLOSED');
      }
      expect(await codeOf(await publisher.sendWhenReady(new Payload(4)))).toBe('CQ_QUEUE_CLOSED');
      expect(called).toEqual([]);
    },
  },

  sendMisuse: {
    kept: async (bench) => {
      const { publisher } = await bench.startedWith(() => 1);
      for (const payload of [undefined, null, 1, { value: 1 }]) {
        const error = thrownBy(() => publisher.send(wrong<Payload>(payload)));
        expect(error).toBeInstanceOf(InvalidArgumentError);
        expect(String(error)).toContain('Payload');
      }
      const options: [options: object, named: string][] = [
        [{ timeout: 0 }, 'timeout'],
        [{ retry: 0 }, 'attempts'],
        [{ retry: { base: -1 } }, 'base'],
        [{ ttl: -1 }, 'ttl'],
        [{ ttl: 1, expiresAt: Date.now() + 1_000 }, 'expiresAt'],
        [{ expiresAt: Date.now() - 1_000 }, 'expiresAt'],
        [{ delay: Number.NaN }, 'delay'],
        [{ delay: 1, at: Date.now() }, 'at'],
        [{ at: 'tomorrow' }, 'at'],
        [{ signal: {} }, 'signal'],
        [{ timeuot: 1 }, "did you mean 'timeout'"],
      ];
      for (const [given, named] of options) {
        const error = thrownBy(() => publisher.send(new Payload(1), wrong(given)));
        expect(error).toBeInstanceOf(InvalidArgumentError);
        expect(String(error)).toContain(named);
      }
      expect((await publisher.publish(1).wait()).isOk()).toBe(true);
    },
  },

  sendMany: {
    kept: async (bench) => {
      const called: unknown[] = [];
      const work = (value: unknown): unknown => {
        called.push(value);
        return value;
      };
      const { publisher } = await bench.startedWith(work, { concurrency: 1 });
      const values = Array.from({ length: 30 }, (_, n) => n);
      const events = publisher.sendMany(values.map((value) => new Payload(value)));
      const lists = await Promise.all(events.map((event) => event.wait()));
      expect(lists.map((list) => list.oks()[0])).toEqual(values);
      expect(called).toEqual(values);
      const broken = [new Payload(100), wrong<Payload>('no payload'), new Payload(101)];
      expect(thrownBy(() => publisher.sendMany(broken))).toBeInstanceOf(InvalidArgumentError);
      expect(thrownBy(() => publisher.sendMany(wrong<Payload[]>(7)))).toBeInstanceOf(InvalidArgumentError);
      expect(publisher.sendMany([])).toEqual([]);
      await bench.quiet();
      expect(called).toEqual(values);
    },
  },

  publish: {
    kept: async (bench) => {
      const collectors = ['a', 'b'].map((key) => new Collector(key, ({ value }) => `${key}${value}`, { topics: key }));
      const { publisher } = await bench.started(collectors);
      const lists = await Promise.all([
        publisher.publish(1).wait(),
        publisher.publish(2, { keys: 'b' }).wait(),
        publisher.publish(3, { topics: 'a' }, { timeout: 8_000 }).wait(),
      ]);
      expect(lists.map((list) => list.oks())).toEqual([['a1', 'b1'], ['b2'], ['a3']]);
      expect(thrownBy(() => publisher.publish(1, wrong<PayloadOptions<never>>({ key: 'b' })))).toBeInstanceOf(
        InvalidArgumentError,
      );
    },
  },

  sendWhenReady: {
    kept: async (bench) => {
      const { publisher } = await bench.startedWith((value) => value);
      await publisher.ready();
      const event: CollectorEvent = await publisher.sendWhenReady(new Payload(7));
      expect((await event.wait()).oks()).toEqual([7]);
      const aborted = publisher.sendWhenReady(new Payload(8), { signal: AbortSignal.abort('enough') });
      expect(await rejectionOf(aborted)).toBe('enough');
    },
  },

  sendFromInside: {
    kept: async (bench) => {
      const called: number[] = [];
      const inner: CollectorEvent[] = [];
      const scene = await bench.startedWith(
        (value) => {
          called.push(value);
          if (value < 5) inner.push(scene.publisher.publish(value + 1));
          return value;
        },
        { concurrency: 1 },
      );
      const settled = recorded(scene.queue, ['finished']);
      expect((await scene.publisher.publish(1).wait()).oks()).toEqual([1]);
      await until(() => settled.length === 5);
      expect(called).toEqual([1, 2, 3, 4, 5]);
      const lists = await Promise.all(inner.map((event) => event.wait()));
      expect(lists.flatMap((list) => list.oks())).toEqual([2, 3, 4, 5]);
    },
  },

  maxSize: {
    kept: async (bench) => {
      const end = bench.gate();
      const collectors = [new Collector('a', () => end.promise)];
      const queue = bench.adopt(bench.kind.construct(collectors, { maxConsumers: 1, maxSize: 2 }));
      await queue.initQueue();
      const events = queue.getPublisher().sendMany([1, 2, 3, 4].map((value) => new Payload(value)));
      expect(events.map(({ status }) => status)).toEqual(['running', 'waiting', 'waiting', 'settled']);
      expect(await codeOf(events[3] as CollectorEvent)).toBe('CQ_QUEUE_FULL');
      end.open();
      for (const event of events.slice(0, 3)) expect((await event.wait()).isOk()).toBe(true);
    },
    not: async (bench) => expectRefused(bench, { maxSize: 2 }, 'maxSize'),
  },
} satisfies Checks;
