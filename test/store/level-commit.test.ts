import { join } from 'node:path';
import { LevelEventStore, type LevelEventStoreOptions } from 'collector-queue/store';
import { describe, expect, test } from 'vitest';
import { gate } from '../core/scene.ts';
import { scratchFolder } from './scene.ts';
import { WatchedLevel } from './watched-level.ts';

const scratch = scratchFolder();
let made = 0;

async function opened(options: LevelEventStoreOptions = {}): Promise<{ store: LevelEventStore; level: WatchedLevel }> {
  const level = new WatchedLevel();
  const store = new LevelEventStore(join(scratch, String(++made)), options, level);
  await store.open();
  return { store, level };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function addMany(store: LevelEventStore, count: number, event: object = {}): Promise<unknown>[] {
  return Array.from({ length: count }, async (_, n) => (await store.add({ n, ...event }))._unsafeUnwrap());
}

describe('adding', () => {
  test('at the same time costs one sync', async () => {
    const { store, level } = await opened();
    await Promise.all(addMany(store, 500));
    expect(level.writes).toEqual([{ puts: 500, dels: 0, sync: true }]);
    await store.close();
  });

  test('from callbacks of one turn of the event loop costs one sync', async () => {
    const { store, level } = await opened();
    await Promise.all(
      [1, 2, 3].map(async (n) => {
        await Promise.resolve();
        await store.add({ n });
      }),
    );
    expect(level.writes).toEqual([{ puts: 3, dels: 0, sync: true }]);
    await store.close();
  });

  test('while a write is under way waits for the next, all together', async () => {
    const { store, level } = await opened();
    const held = gate();
    level.fates.push(held.promise);
    const first = addMany(store, 2);
    await turns(2);
    const later = addMany(store, 3);
    await turns(2);
    const last = addMany(store, 4);
    await turns(2);
    held.open();
    await Promise.all([...first, ...later, ...last]);
    expect(level.writes.map(({ puts }) => puts)).toEqual([2, 7]);
    await store.close();
  });

  test('again as soon as an event is safe belongs to the next group', async () => {
    const { store, level } = await opened();
    const adder = async (): Promise<void> => {
      for (let n = 0; n < 5; n++) await store.add({ n });
    };
    await Promise.all(Array.from({ length: 20 }, adder));
    expect(level.writes.map(({ puts }) => puts)).toEqual([20, 20, 20, 20, 20]);
    await store.close();
  });

  test('is answered only after the sync', async () => {
    const { store, level } = await opened();
    const held = gate();
    level.fates.push(held.promise);
    let answers = 0;
    const adding = addMany(store, 3).map((one) => one.then(() => answers++));
    await turns(20);
    expect([level.writes.length, answers, store.size]).toEqual([1, 0, 0]);
    expect(await store.take({ count: 1 })).toEqual([]);
    held.open();
    await Promise.all(adding);
    expect([answers, store.size]).toEqual([3, 3]);
    await store.close();
  });

  test('is not synced if the operating system is enough', async () => {
    const { store, level } = await opened({ durability: 'os' });
    await Promise.all(addMany(store, 3));
    expect(level.writes).toEqual([{ puts: 3, dels: 0, sync: false }]);
    await store.close();
  });

  test('of very many is done in groups, bounded by count', async () => {
    const { store, level } = await opened();
    await Promise.all(addMany(store, 2_500));
    expect(level.writes.map(({ puts }) => puts)).toEqual([1_000, 1_000, 500]);
    await store.close();
  });

  test('of very large events is done in groups, bounded by bytes', async () => {
    const { store, level } = await opened();
    await Promise.all(addMany(store, 5, { text: 'x'.repeat(600_000) }));
    expect(level.writes.map(({ puts }) => puts)).toEqual([2, 2, 1]);
    await store.close();
  });

  test('counts what is still being written when it looks for room', async () => {
    const { store, level } = await opened({ capacity: 3 });
    const held = gate();
    level.fates.push(held.promise);
    const adding = addMany(store, 3);
    await turns(2);
    expect((await store.add({ n: 4 })).isErr()).toBe(true);
    held.open();
    await Promise.all(adding);
    await store.close();
  });

  test('ends at the bytes that it may hold', async () => {
    const { store } = await opened({ maxBytes: 25 });
    const results = await Promise.all([1, 2, 3, 4].map((n) => store.add({ n })));
    expect(results.map((result) => result.isOk())).toEqual([true, true, true, false]);
    expect([store.bytes, store.dropped]).toEqual([21, 1]);
    await store.close();
  });

  test('throws out as many as it takes, and none for an event that can never fit', async () => {
    const { store } = await opened({ maxBytes: 25, overflow: 'dropOldest' });
    for (const n of [1, 2, 3]) await store.add({ n });
    expect((await store.add({ text: 'x'.repeat(20) })).isErr()).toBe(true);
    expect([store.size, store.dropped]).toEqual([3, 1]);
    expect((await store.add({ n: '12345' })).isOk()).toBe(true);
    expect([store.size, store.bytes, store.dropped]).toEqual([2, 20, 3]);
    expect((await store.take({ count: 5 })).map(({ event }) => event.n)).toEqual([3, '12345']);
    await store.close();
  });

  test('deletes what it throws out in the same write', async () => {
    const { store, level } = await opened({ capacity: 3, overflow: 'dropOldest' });
    await Promise.all(addMany(store, 3));
    await Promise.all(addMany(store, 2));
    expect(level.writes.slice(1)).toEqual([{ puts: 2, dels: 2, sync: true }]);
    await store.close();
  });

  test('throws out events that are on disk alone', async () => {
    const { store } = await opened({ capacity: 100, overflow: 'dropOldest' });
    await Promise.all(addMany(store, 100));
    await store.close();
    const next = new LevelEventStore(store.path, { capacity: 100, overflow: 'dropOldest' });
    const told: unknown[] = [];
    next.onDrop(({ event }) => told.push(event.n));
    await Promise.all(addMany(next, 30));
    expect(told).toEqual(Array.from({ length: 30 }, (_, n) => n));
    expect([next.size, next.dropped]).toEqual([100, 30]);
    await next.close();
  });
});

describe('acknowledging', () => {
  test('is not synced, and costs one write for all', async () => {
    const { store, level } = await opened();
    await Promise.all(addMany(store, 6));
    const ids = (await store.take({ count: 6 })).map(({ id }) => id);
    await Promise.all([store.ack(ids.slice(0, 3)), store.ack(ids.slice(3))]);
    expect(level.writes.slice(1)).toEqual([{ puts: 0, dels: 6, sync: false }]);
    await store.close();
  });

  test('goes along with what is added', async () => {
    const { store, level } = await opened();
    await Promise.all(addMany(store, 2));
    const ids = (await store.take({ count: 2 })).map(({ id }) => id);
    await Promise.all([store.ack(ids), ...addMany(store, 3)]);
    expect(level.writes.slice(1)).toEqual([{ puts: 3, dels: 2, sync: true }]);
    await store.close();
  });
});

describe('reading', () => {
  test('needs no disk while the events are taken as they come', async () => {
    const { store, level } = await opened();
    for (let round = 0; round < 30; round++) {
      await Promise.all(addMany(store, 100));
      const events = await store.take({ count: 100 });
      expect(events).toHaveLength(100);
      await store.ack(events.map(({ id }) => id));
    }
    expect(level.reads).toEqual([]);
    await store.close();
  });

  test('of a long backlog goes on where it was, and never back to what was deleted', async () => {
    const { store, level } = await opened({ durability: 'os' });
    const text = 'x'.repeat(500);
    await Promise.all(addMany(store, 12_000, { text }));
    for (let next = 0; next < 12_000; ) {
      const events = await store.take({ count: 450 });
      for (const { event } of events) expect(event).toEqual({ n: next++, text });
      await store.ack(events.map(({ id }) => id));
    }
    expect([store.size, store.bytes]).toEqual([0, 0]);
    expect(level.reads.length).toBeLessThan(30);
    for (const [at, { after }] of level.reads.entries()) {
      if (at > 0) expect(Buffer.compare(after, (level.reads[at - 1] as { after: Uint8Array }).after)).toBe(1);
    }
    await store.close();
  });

  test('finds what came while it fell behind, each once, in order', async () => {
    const { store } = await opened({ durability: 'os' });
    const seen: unknown[] = [];
    for (let round = 0; round < 20; round++) {
      const adding = Array.from({ length: 600 }, (_, n) => store.add({ n: round * 600 + n }));
      const events = await store.take({ count: 431 });
      seen.push(...events.map(({ event }) => event.n));
      await store.ack(events.map(({ id }) => id));
      await Promise.all(adding);
    }
    for (let left = store.size; left > 0; left = store.size) {
      const events = await store.take({ count: 999 });
      seen.push(...events.map(({ event }) => event.n));
      await store.ack(events.map(({ id }) => id));
    }
    expect(seen).toEqual(Array.from({ length: 12_000 }, (_, n) => n));
    await store.close();
  });
});
