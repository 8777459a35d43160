import { InvalidArgumentError } from 'collector-queue';
import type { EmitterEvent } from 'collector-queue/emitter';
import {
  type EventId,
  type EventStore,
  StoreClosedError,
  type StoredEvent,
  StoreFullError,
  type StoreOverflow,
  type TakeLimits,
} from 'collector-queue/store';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventStoreModel, type StoreStep } from './event-store-model.ts';

/** What every implementation has beside the contract. */
export interface CountingStore extends EventStore {
  readonly dropped: number;
  readonly capacity: number;
  onDrop(listener: (dropped: StoredEvent) => void): () => void;
}

interface EventStoreOptions {
  readonly capacity?: number;
  readonly overflow?: StoreOverflow;
}

export interface EventStoreKind {
  readonly name: string;
  /** An empty one. */
  make(options?: EventStoreOptions): CountingStore;
  /** Closes a store, and opens what it left; for one that outlives its process. */
  reopen?(store: CountingStore): Promise<CountingStore>;
  readonly numRuns: number;
}

async function added(store: EventStore, event: EmitterEvent): Promise<EventId> {
  return (await store.add(event))._unsafeUnwrap();
}

async function filled(store: CountingStore, count: number): Promise<EventId[]> {
  return await Promise.all(Array.from({ length: count }, (_, n) => added(store, { n: n + 1 })));
}

async function taken(store: EventStore, limits: TakeLimits = { count: 100 }): Promise<unknown[]> {
  return (await store.take(limits)).map(({ event }) => event.n);
}

/** An event whose JSON has so many bytes, at least 8. */
function eventOf(bytes: number): EmitterEvent {
  return { n: 'x'.repeat(bytes - 8) };
}

export function describeEventStore(kind: EventStoreKind): void {
  const { name, make } = kind;

  async function withStore<T>(options: EventStoreOptions, body: (store: CountingStore) => Promise<T>): Promise<T> {
    const store = make(options);
    try {
      return await body(store);
    } finally {
      await store.close();
    }
  }

  describe(`${name}: events`, () => {
    test('come out as they went in, oldest first', async () => {
      const events = [
        { e: 'pv', page: 'Überblick – ☃', p: 1.5, ok: true, none: null },
        { nested: { list: [1, 'two', { three: 3 }] } },
        JSON.parse('{"__proto__": "a name like any other"}') as EmitterEvent,
        {},
      ];
      await withStore({}, async (store) => {
        for (const event of events) await added(store, event);
        expect((await store.take({ count: 10 })).map(({ event }) => event)).toEqual(events);
      });
    });

    test('that are added at the same time keep the order of the calls', async () => {
      await withStore({}, async (store) => {
        await filled(store, 50);
        expect(await taken(store)).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
      });
    });

    test('that are equal are two, under two ids', async () => {
      await withStore({}, async (store) => {
        const ids = [await added(store, { n: 1 }), await added(store, { n: 1 })];
        expect(new Set(ids).size).toBe(2);
        const events = await store.take({ count: 10 });
        expect(events.map(({ id }) => id)).toEqual(ids);
        await store.ack(ids.slice(0, 1));
        expect(store.size).toBe(1);
        await store.release(ids);
        expect(await store.take({ count: 10 })).toEqual(events.slice(1));
      });
    });

    test('of an empty store are none, and nobody waits for them', async () => {
      await withStore({}, async (store) => {
        expect(await store.take({ count: 1 })).toEqual([]);
        expect(store.size).toBe(0);
      });
    });

    test('are not handed out a second time while they are in flight', async () => {
      await withStore({}, async (store) => {
        await filled(store, 3);
        expect(await taken(store, { count: 2 })).toEqual([1, 2]);
        expect(await taken(store)).toEqual([3]);
        expect(await taken(store)).toEqual([]);
        expect(store.size).toBe(3);
      });
    });

    test('are handed out once to callers that take at the same time', async () => {
      await withStore({}, async (store) => {
        await filled(store, 20);
        const hands = await Promise.all([1, 2, 3, 4, 5].map(() => taken(store, { count: 4 })));
        expect(hands.flat()).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
      });
    });

    test('that are acknowledged are gone, and those that came meanwhile are not', async () => {
      await withStore({}, async (store) => {
        await filled(store, 2);
        const first = await store.take({ count: 2 });
        await added(store, { n: 3 });
        await store.ack(first.map(({ id }) => id));
        expect(store.size).toBe(1);
        expect(await taken(store)).toEqual([3]);
      });
    });

    test('that are released wait again, as old as they were', async () => {
      await withStore({}, async (store) => {
        await filled(store, 5);
        const [one, two, three] = await store.take({ count: 3 });
        await store.release([(three as StoredEvent).id]);
        await store.release([(one as StoredEvent).id]);
        expect(await taken(store, { count: 3 })).toEqual([1, 3, 4]);
        await store.release([(two as StoredEvent).id]);
        expect(await taken(store)).toEqual([2, 5]);
      });
    });

    test('that were released can still be acknowledged', async () => {
      await withStore({}, async (store) => {
        await filled(store, 2);
        const [one] = await store.take({ count: 1 });
        await store.release([(one as StoredEvent).id]);
        await store.ack([(one as StoredEvent).id]);
        expect(store.size).toBe(1);
        expect(await taken(store)).toEqual([2]);
      });
    });

    test('are removed and released by ids that it holds; others are ignored', async () => {
      await withStore({}, async (store) => {
        await filled(store, 2);
        const [one] = await store.take({ count: 1 });
        const { id } = one as StoredEvent;
        await store.ack([4_711, 'no such id', -1]);
        await store.release([4_711, 'no such id']);
        expect(store.size).toBe(2);
        await store.ack([id, id]);
        await store.ack([id]);
        await store.release([id]);
        expect(store.size).toBe(1);
        expect(await taken(store)).toEqual([2]);
      });
    });
  });

  describe(`${name}: taking`, () => {
    test('stops at the count', async () => {
      await withStore({}, async (store) => {
        await filled(store, 5);
        expect(await taken(store, { count: 2 })).toEqual([1, 2]);
      });
    });

    test('stops before the bytes are exceeded', async () => {
      await withStore({}, async (store) => {
        for (const bytes of [40, 60, 1]) await added(store, eventOf(bytes + 8));
        const sizes = async (limits: TakeLimits): Promise<number[]> =>
          (await store.take(limits)).map(({ event }) => JSON.stringify(event).length);
        expect(await sizes({ count: 10, bytes: 116 })).toEqual([48, 68]);
        expect(await sizes({ count: 10, bytes: 116 })).toEqual([9]);
      });
    });

    test('counts bytes, not characters', async () => {
      await withStore({}, async (store) => {
        await added(store, { n: '☃☃☃' });
        await added(store, { n: '☃☃☃' });
        expect(await store.take({ count: 10, bytes: 33 })).toHaveLength(1);
        expect(await store.take({ count: 10, bytes: 17 })).toHaveLength(1);
      });
    });

    test('hands out one event that is too large, alone', async () => {
      await withStore({}, async (store) => {
        for (const bytes of [100, 100, 10]) await added(store, eventOf(bytes));
        for (let left = 3; left > 0; left--) expect(await store.take({ count: 10, bytes: 50 })).toHaveLength(1);
      });
    });

    test.each([
      [{ count: 0 }, 'count'],
      [{ count: 1.5 }, 'count'],
      [{ count: Number.POSITIVE_INFINITY }, 'count'],
      [{}, 'count'],
      [{ count: 1, bytes: 0 }, 'bytes'],
      [{ count: 1, bytes: Number.NaN }, 'bytes'],
      [{ count: 1, byte: 1 }, 'byte'],
      [undefined, 'options'],
    ])('refuses the limits %j', async (limits, named) => {
      await withStore({}, async (store) => {
        const refusal = await store.take(limits as TakeLimits).catch((error: unknown) => error);
        expect(refusal).toBeInstanceOf(InvalidArgumentError);
        expect((refusal as Error).message).toMatch(new RegExp(`\\.take\\b.*\\b${named}\\b`));
      });
    });
  });

  describe(`${name}: room`, () => {
    test('ends at the capacity, what is in flight included', async () => {
      await withStore({ capacity: 3 }, async (store) => {
        expect(store.capacity).toBe(3);
        await filled(store, 3);
        await store.take({ count: 3 });
        const refused = await store.add({ n: 4 });
        expect(refused._unsafeUnwrapErr()).toBeInstanceOf(StoreFullError);
        expect(refused._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_STORE_FULL', retryable: true });
        expect([store.size, store.dropped]).toEqual([3, 1]);
      });
    });

    test('is as much for those who add at the same time', async () => {
      await withStore({ capacity: 3 }, async (store) => {
        const results = await Promise.all([1, 2, 3, 4, 5].map((n) => store.add({ n })));
        expect(results.map((result) => result.isOk())).toEqual([true, true, true, false, false]);
        expect([store.size, store.dropped]).toEqual([3, 2]);
        expect(await taken(store)).toEqual([1, 2, 3]);
      });
    });

    test('is there again once an event is acknowledged', async () => {
      await withStore({ capacity: 1 }, async (store) => {
        await filled(store, 1);
        const [one] = await store.take({ count: 1 });
        await store.ack([(one as StoredEvent).id]);
        await added(store, { n: 2 });
        expect(await taken(store)).toEqual([2]);
      });
    });

    test('is made by throwing out the oldest, if so wished, and that is counted and told', async () => {
      await withStore({ capacity: 3, overflow: 'dropOldest' }, async (store) => {
        const told: unknown[] = [];
        const stop = store.onDrop(({ id, event }) => told.push([id, event.n]));
        const ids = await filled(store, 3);
        await added(store, { n: 4 });
        await added(store, { n: 5 });
        expect(told).toEqual([
          [ids[0], 1],
          [ids[1], 2],
        ]);
        stop();
        await added(store, { n: 6 });
        expect(told).toHaveLength(2);
        expect([store.size, store.dropped]).toEqual([3, 3]);
        expect(await taken(store)).toEqual([4, 5, 6]);
      });
    });

    test('is made at the cost of events that came at the same time, too', async () => {
      await withStore({ capacity: 3, overflow: 'dropOldest' }, async (store) => {
        await filled(store, 2);
        await Promise.all([3, 4, 5].map((n) => added(store, { n })));
        expect(await taken(store)).toEqual([3, 4, 5]);
      });
    });

    test('is not made of what is in flight', async () => {
      await withStore({ capacity: 3, overflow: 'dropOldest' }, async (store) => {
        await filled(store, 3);
        const [one] = await store.take({ count: 1 });
        await added(store, { n: 4 });
        await store.release([(one as StoredEvent).id]);
        expect(await taken(store)).toEqual([1, 3, 4]);
        const refused = await store.add({ n: 5 });
        expect(refused._unsafeUnwrapErr()).toBeInstanceOf(StoreFullError);
        expect([store.size, store.dropped]).toEqual([3, 2]);
      });
    });

    test('is made of what was released', async () => {
      await withStore({ capacity: 2, overflow: 'dropOldest' }, async (store) => {
        await filled(store, 2);
        const both = await store.take({ count: 2 });
        await store.release(both.map(({ id }) => id));
        await added(store, { n: 3 });
        expect(await taken(store)).toEqual([2, 3]);
      });
    });

    test('is made whatever a listener does', async () => {
      const warned = new Promise((resolve) => process.once('warning', resolve));
      await withStore({ capacity: 1, overflow: 'dropOldest' }, async (store) => {
        const told: unknown[] = [];
        store.onDrop(() => {
          throw new Error('no');
        });
        store.onDrop(({ event }) => told.push(event.n));
        await filled(store, 1);
        await added(store, { n: 2 });
        expect(told).toEqual([1]);
        expect(await taken(store)).toEqual([2]);
      });
      expect(String(await warned)).toContain('Error: no');
    });
  });

  describe(`${name}: options`, () => {
    test.each([
      [{ capacity: 0 }, 'capacity'],
      [{ capacity: '5' }, 'capacity'],
      [{ capacity: 2.5 }, 'capacity'],
      [{ overflow: 'drop' }, 'overflow'],
      [{ capcity: 5 }, "did you mean 'capacity'"],
      [null, 'options'],
    ])('%j are refused by name', (options, named) => {
      const construct = (): unknown => make(options as EventStoreOptions);
      expect(construct).toThrow(InvalidArgumentError);
      expect(construct).toThrow(named);
    });
  });

  describe(`${name}: closing`, () => {
    test('can be done twice, and at once', async () => {
      const store = make();
      await filled(store, 1);
      await Promise.all([store.close(), store.close()]);
      await store.close();
    });

    test('can be done before anything else', async () => {
      const store = make();
      await store.close();
      expect(await store.take({ count: 1 })).toEqual([]);
    });

    test('ends adding and taking; the rest is ignored', async () => {
      const store = make();
      await filled(store, 3);
      const [one, two] = await store.take({ count: 2 });
      await store.close();
      const refused = await store.add({ n: 4 });
      expect(refused._unsafeUnwrapErr()).toBeInstanceOf(StoreClosedError);
      expect(refused._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_STORE_CLOSED', retryable: false });
      expect(await store.take({ count: 1 })).toEqual([]);
      await store.ack([(one as StoredEvent).id]);
      await store.release([(two as StoredEvent).id]);
    });

    test('keeps the promise to those who have added', async () => {
      const store = make();
      const adding = [1, 2, 3].map((n) => store.add({ n }));
      await store.close();
      for (const result of await Promise.all(adding)) expect(result.isOk()).toBe(true);
    });
  });

  describe(`${name}: any use`, () => {
    const indexes = fc.array(fc.nat({ max: 12 }), { maxLength: 4 });
    const steps: fc.Arbitrary<StoreStep>[] = [
      fc.record({ kind: fc.constant('add' as const), sizes: fc.array(fc.nat({ max: 30 }), { maxLength: 3 }) }),
      fc.record({
        kind: fc.constant('take' as const),
        count: fc.integer({ min: 1, max: 5 }),
        bytes: fc.option(fc.integer({ min: 1, max: 150 }), { nil: undefined }),
      }),
      fc.record({ kind: fc.constant('ack' as const), which: indexes }),
      fc.record({ kind: fc.constant('release' as const), which: indexes }),
    ];
    if (kind.reopen !== undefined) steps.push(fc.record({ kind: fc.constant('reopen' as const) }));

    test('is as a list that is read from its head', async () => {
      const property = fc.asyncProperty(
        fc.integer({ min: 3, max: 8 }),
        fc.constantFrom('dropNewest' as const, 'dropOldest' as const),
        fc.array(fc.oneof(...steps), { maxLength: 40, size: 'max' }),
        async (capacity, overflow, run) => {
          const model = new EventStoreModel(make({ capacity, overflow }), { capacity, overflow }, kind.reopen);
          try {
            for (const step of run) await model.take(step);
            await model.end();
          } finally {
            await model.store.close();
          }
        },
      );
      await fc.assert(property, { numRuns: kind.numRuns });
    });
  });
}
