import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type AnyCollector,
  Collector,
  Delivery,
  InvalidArgumentError,
  ok,
  Payload,
  ResultList,
  Router,
} from 'collector-queue';
import { expect } from 'vitest';
import { thrownBy } from '../core/scene.ts';
import {
  type Bench,
  type BenchOptions,
  codeOf,
  expectRefused,
  passed,
  recorded,
  type Started,
  until,
} from './collector-queue-bench.ts';
import type { Checks } from './collector-queue-types.ts';

/** A collector that answers with its key. */
function named(key: string, topics: readonly string[] = []): Collector {
  return new Collector(key, () => key, { topics });
}

/** Who takes each of these payloads, in the order of the results. */
async function takersOf(bench: Bench, collectors: AnyCollector[], payloads: Payload[], options: BenchOptions = {}) {
  const { publisher } = await bench.started(collectors, options);
  const lists = await Promise.all(publisher.sendMany(payloads).map((event) => event.wait()));
  return lists.map((list) => list.oks());
}

/** Sends to a collector that nobody has. */
async function sentToNobody(bench: Bench, options: BenchOptions = {}) {
  const { queue, publisher } = await bench.started([named('a')], options);
  const unrouted = recorded(queue, ['unrouted']);
  const event = publisher.publish(1, { keys: 'nobody' });
  const list = await event.wait();
  await until(() => unrouted.length > 0);
  expect(unrouted).toEqual([expect.objectContaining({ id: event.id })]);
  expect(queue.getMetrics()).toMatchObject({ unrouted: 1 });
  return { event, list };
}

async function eachOnce(bench: Bench): Promise<void> {
  const calls: string[] = [];
  const note = (key: string, topics: string[]): Collector =>
    new Collector(key, ({ value }) => void calls.push(`${key}${value}`), { topics });
  const { publisher } = await bench.started([note('a', ['t/+', 't/x', '#']), note('b', [])]);
  const events = [0, 1, 2, 3, 4].flatMap((n) => [
    publisher.publish(n, { topics: ['t/x', 't/y'] }),
    publisher.publish(n, { keys: ['b', 'b'] }),
  ]);
  await Promise.all(events.map((event) => event.wait()));
  await bench.quiet();
  expect(calls.sort()).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'b0', 'b1', 'b2', 'b3', 'b4']);
}

class EveryOther extends Router {
  override select({ value }: Payload): readonly AnyCollector[] {
    return [...this.collectors.values()].filter((_, at) => at % 2 === value % 2);
  }
}

/** Answers for the collectors. */
class Answering extends EveryOther {
  override handleEvent({ value }: Payload): ResultList {
    return new ResultList([ok(`instead of ${value}`)]);
  }
}

export const delivery = {
  key: {
    kept: async (bench) => {
      const payloads = [new Payload(1, { keys: 'b' }), new Payload(1, { keys: ['c', 'a'] })];
      expect(
        await takersOf(
          bench,
          ['a', 'b', 'c'].map((key) => named(key)),
          payloads,
        ),
      ).toEqual([['b'], ['a', 'c']]);
    },
  },

  anyKey: {
    kept: async (bench) => {
      const keys = ['__proto__', 'constructor', 'a:b', '123', 'Überblick ☃', '../{x}*?', ' '];
      const payloads = keys.map((key) => new Payload(1, { keys: key }));
      expect(
        await takersOf(
          bench,
          keys.map((key) => named(key)),
          payloads,
        ),
      ).toEqual(keys.map((key) => [key]));
    },
  },

  topic: {
    kept: async (bench) => {
      const collectors = [named('plain', ['a/b']), named('one', ['a/+']), named('all', ['a/#']), named('none')];
      const payloads = ['a/b', 'a/c', 'a', 'a/b/c', 'b'].map((topics) => new Payload(1, { topics }));
      expect(await takersOf(bench, collectors, payloads)).toEqual([
        ['plain', 'one', 'all'],
        ['one', 'all'],
        ['all'],
        ['all'],
        [undefined],
      ]);
    },
  },

  broadcast: {
    kept: async (bench) => {
      const payloads = [new Payload(1), new Payload(2, { keys: 'a', topics: 't', delivery: Delivery.BROADCAST })];
      expect(await takersOf(bench, [named('a'), named('b', ['t']), named('c')], payloads)).toEqual([
        ['a', 'b', 'c'],
        ['a', 'b', 'c'],
      ]);
    },
  },

  once: { kept: eachOnce, differently: eachOnce },

  router: {
    kept: async (bench) => {
      const payloads = [new Payload(0), new Payload(1, { keys: 'a' })];
      const options = { router: EveryOther };
      expect(await takersOf(bench, [named('a'), named('b'), named('c')], payloads, options)).toEqual([
        ['a', 'c'],
        ['b'],
      ]);
    },
  },

  fullControl: {
    kept: async (bench) => {
      const options = { router: Answering };
      expect(await takersOf(bench, [named('a')], [new Payload(7)], options)).toEqual([['instead of 7']]);
    },
    not: async (bench) => expectRefused(bench, { router: Answering }, 'router'),
  },

  unmatched: {
    kept: async (bench) => {
      const { list } = await sentToNobody(bench);
      expect([list.length, list.delivered, list.keys()]).toEqual([1, 0, []]);
      expect(list.first()._unsafeUnwrap()).toBeUndefined();
    },
  },

  unmatchedError: {
    kept: async (bench) => {
      const { event, list } = await sentToNobody(bench, { onUnrouted: 'error' });
      expect([list.length, list.delivered]).toEqual([1, 0]);
      expect(await codeOf(event)).toBe('CQ_UNROUTED');
    },
  },

  payload: {
    kept: async (bench) => {
      const seen: Payload[] = [];
      const collector = new Collector('a', (payload) => void seen.push(payload), { topics: 't/#' });
      const { publisher } = await bench.started([collector]);
      const sent = [
        new Payload({ n: 1, nested: [null, 'ü', true] }, { keys: ['a', 'z'], priority: 7 }),
        new Payload('two', { topics: ['t/x', 'u'] }),
        new Payload(3, { keys: 'a', topics: 't', delivery: Delivery.TOPIC }),
        new Payload(undefined),
      ];
      for (const payload of sent) await publisher.send(payload).wait();
      const parts = ({ value, keys, topics, delivery, priority }: Payload) => ({
        value,
        keys,
        topics,
        delivery,
        priority,
      });
      expect(seen.map(parts)).toEqual(sent.map(parts));
      for (const payload of seen) expect(payload).toBeInstanceOf(Payload);
    },
  },

  reference: {
    kept: async (bench) => {
      const value = { call: () => 1n };
      const { publisher } = await bench.startedWith((same) => same);
      const list = await publisher.publish(value).wait();
      expect(list.first()._unsafeUnwrap()).toBe(value);
    },
    differently: async (bench) => {
      const value = { text: 'ü', list: [1, null, { deep: true }] };
      let seen: unknown;
      const { publisher } = await bench.startedWith((copy) => {
        seen = copy;
        return copy === 'bigint' ? 1n : copy;
      });
      const list = await publisher.publish(value).wait();
      expect(seen).toEqual(value);
      expect(seen).not.toBe(value);
      expect(list.first()._unsafeUnwrap()).toEqual(value);
      expect(list.first()._unsafeUnwrap()).not.toBe(seen);
      expect((await publisher.publish('bigint').wait()).first().isErr()).toBe(true);
      const unwritable = new Payload({ value: [1n] });
      expect(thrownBy(() => publisher.send(unwritable))).toBeInstanceOf(InvalidArgumentError);
      seen = undefined;
      expect(thrownBy(() => publisher.sendMany([new Payload('fine'), unwritable]))).toBeInstanceOf(
        InvalidArgumentError,
      );
      await bench.quiet();
      expect(seen).toBeUndefined();
    },
  },

  attempt: {
    kept: async (bench) => {
      const seen: unknown[] = [];
      const { publisher } = await bench.startedWith((_, { number, collectorKey, eventId, signal }) => {
        seen.push([number, collectorKey, eventId, signal instanceof AbortSignal, signal.aborted]);
      });
      const events = [publisher.publish(1), publisher.publish(2)];
      for (const event of events) await event.wait();
      expect(seen.toSorted()).toEqual(events.map(({ id }) => [1, 'a', id, true, false]).toSorted());
    },
  },

  asyncContext: {
    kept: async (bench) => {
      const sender = new AsyncLocalStorage<string>();
      const collectors = [new Collector('a', () => sender.getStore())];
      const queue = bench.adopt(bench.kind.construct(collectors, { asyncContext: true }));
      await queue.initQueue();
      const events = ['Ada', 'Bob'].map((name) => sender.run(name, () => queue.getPublisher().publish(1)));
      const lists = await Promise.all(events.map((event) => event.wait()));
      expect(lists.flatMap((list) => list.oks())).toEqual(['Ada', 'Bob']);
    },
    not: async (bench) => expectRefused(bench, { asyncContext: true }, 'asyncContext'),
  },

  concurrentTasks: {
    kept: async (bench) => {
      const running = new Set<string>();
      const together = async (key: string): Promise<string> => {
        running.add(key);
        await until(() => running.size === 3);
        return key;
      };
      const collectors = ['a', 'b', 'c'].map((key) => new Collector(key, () => together(key)));
      const { publisher }: Started = await bench.started(collectors, { concurrency: 1 });
      const event = publisher.publish(1);
      expect((await Promise.race([event.wait(), passed(5_000)]))?.oks()).toEqual(['a', 'b', 'c']);
    },
  },
} satisfies Checks;
