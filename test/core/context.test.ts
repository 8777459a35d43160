import { Collector, type CollectorOptions } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { rejectionOf, started } from './scene.ts';

/** A collector that keeps the contexts its processor gets. */
function collecting(options: CollectorOptions): { collector: Collector; contexts: Record<string, unknown>[] } {
  const contexts: Record<string, unknown>[] = [];
  const collector = new Collector('a', (_, context) => void contexts.push(context), options);
  return { collector, contexts };
}

function first(contexts: readonly Record<string, unknown>[]): Record<string, unknown> {
  return contexts[0] as Record<string, unknown>;
}

async function send(collector: Collector, times = 1): Promise<void> {
  const { queue, publisher } = await started([collector]);
  for (let i = 0; i < times; i++) await publisher.publish(i).wait();
  await queue.shutDownQueue();
}

describe('the context', () => {
  test('is an empty object if there is nothing to put in', async () => {
    const { collector, contexts } = collecting({});
    await send(collector);
    expect(contexts).toEqual([{}]);
  });

  test('is one and the same object for every payload', async () => {
    const { collector, contexts } = collecting({ context: { count: 0 } });
    await send(collector, 3);
    expect(contexts).toHaveLength(3);
    expect(new Set(contexts).size).toBe(1);
  });

  test('is a copy of what was given, one level deep', async () => {
    const shared = { deep: true };
    const given = { shared, name: 'given' };
    const { collector, contexts } = collecting({ context: given });
    await send(collector);
    expect(contexts[0]).not.toBe(given);
    expect(first(contexts).shared).toBe(shared);
    first(contexts).name = 'changed';
    expect(given.name).toBe('given');
  });

  test('is a new copy at each set-up', async () => {
    const { collector, contexts } = collecting({ context: { name: 'given' } });
    await send(collector);
    first(contexts).name = 'changed';
    await send(collector);
    expect(contexts[1]).toEqual({ name: 'given' });
  });

  test('may be given frozen, or without a prototype', async () => {
    const bare = Object.assign(Object.create(null), { name: 'bare' });
    for (const context of [Object.freeze({ name: 'frozen' }), bare]) {
      const { collector, contexts } = collecting({
        context,
        lifecycle: { setup: () => ({ added: true }) },
      });
      await send(collector);
      expect(contexts[0]).toEqual({ ...context, added: true });
    }
  });

  test('is filled with what a generator yields, which wins over what was given', async () => {
    const { collector, contexts } = collecting({
      context: { a: 'given', b: 'given' },
      lifecycle: async function* () {
        yield { b: 'yielded', c: 'yielded' };
      },
    });
    await send(collector);
    expect(contexts).toEqual([{ a: 'given', b: 'yielded', c: 'yielded' }]);
  });

  test('is filled with what a synchronous generator yields, and with what setup returns or resolves to', async () => {
    const lifecycles: CollectorOptions['lifecycle'][] = [
      function* () {
        yield { db: 1 };
      },
      { setup: () => ({ db: 1 }) },
      { setup: async () => ({ db: 1 }) },
    ];
    for (const lifecycle of lifecycles) {
      const { collector, contexts } = collecting({ lifecycle });
      await send(collector);
      expect(contexts).toEqual([{ db: 1 }]);
    }
  });

  test('is the same object for a lifecycle as for the processor', async () => {
    const seen: unknown[] = [];
    const { collector, contexts } = collecting({
      context: { given: 1 },
      lifecycle: {
        setup(context) {
          seen.push(context);
          return { added: 2 };
        },
        shutdown(context) {
          seen.push(context);
        },
      },
    });
    await send(collector);
    expect(seen).toHaveLength(2);
    expect(seen[0]).toBe(contexts[0]);
    expect(seen[1]).toBe(contexts[0]);
    expect(contexts[0]).toEqual({ given: 1, added: 2 });
  });

  test('can be filled by the lifecycle itself, which then yields nothing', async () => {
    const { collector, contexts } = collecting({
      lifecycle: function* (context: { db?: string }) {
        context.db = 'open';
        yield;
      },
    });
    await send(collector);
    expect(contexts).toEqual([{ db: 'open' }]);
  });

  test('belongs to its collector alone', async () => {
    const given = { n: 0 };
    const contexts = new Set<unknown>();
    const collectors = ['a', 'b'].map(
      (key) => new Collector(key, (_, context) => void contexts.add(context), { context: given }),
    );
    const { queue, publisher } = await started(collectors);
    await publisher.publish(1).wait();
    expect(contexts.size).toBe(2);
    await queue.shutDownQueue();
  });

  test('keeps its prototype when a lifecycle yields something with a hostile name', async () => {
    const { collector, contexts } = collecting({
      lifecycle: { setup: () => JSON.parse('{ "__proto__": { "isAdmin": true }, "constructor": 1 }') },
    });
    await send(collector);
    expect(first(contexts).isAdmin).toBeUndefined();
    expect(Object.getPrototypeOf(first(contexts))).toBe(Object.prototype);
  });

  test('takes no instance of a class from a lifecycle, whose methods would be lost', async () => {
    class Database {
      insert(): string {
        return 'inserted';
      }
    }
    const collector = new Collector('a', (_, context) => context.insert(), {
      lifecycle: { setup: () => new Database() },
    });
    const error = await rejectionOf(started([collector]));
    expect(error).toMatchObject({ code: 'CQ_LIFECYCLE' });
  });
});
