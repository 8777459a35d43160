import { join } from 'node:path';
import type { EmitterEvent } from 'collector-queue/emitter';
import {
  LevelEventStore,
  type LevelEventStoreOptions,
  StoreClosedError,
  StoreDiskError,
  StoreFullError,
} from 'collector-queue/store';
import { describe, expect, test } from 'vitest';
import { classicLevel } from '../../src/store/classic-level.ts';
import type { ListedEvent } from '../../src/store/level-listing.ts';
import { ALL_MARKS, markOperation } from '../../src/store/level-records.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { gate } from '../core/scene.ts';
import { quiet } from './damage.ts';
import { scratchFolder } from './scene.ts';
import { ioError, WatchedLevel } from './watched-level.ts';

const scratch = scratchFolder();
let made = 0;

interface Scene {
  readonly store: LevelEventStore;
  readonly level: WatchedLevel;
  readonly clock: ManualClock;
}

async function opened(options: LevelEventStoreOptions = {}): Promise<Scene> {
  const level = new WatchedLevel();
  const clock = new ManualClock();
  const store = new LevelEventStore(join(scratch, String(++made)), { clock, logger: quiet, ...options }, level);
  await store.open();
  await clock.advance(5_000);
  return { store, level, clock };
}

function some(count: number, from = 0): EmitterEvent[] {
  return Array.from({ length: count }, (_, at) => ({ n: from + at }));
}

async function listed(
  store: LevelEventStore,
  options: Parameters<LevelEventStore['list']>[0] = {},
): Promise<ListedEvent[]> {
  const entries: ListedEvent[] = [];
  for await (const entry of store.list(options)) entries.push(entry);
  return entries;
}

async function numbers(store: LevelEventStore, options = {}): Promise<unknown[]> {
  return (await listed(store, options)).map(({ event }) => event?.n);
}

/** What another process would find. */
async function onDisk(store: LevelEventStore): Promise<{ marks: Record<string, string>; events: unknown[] }> {
  await store.close();
  const next = new LevelEventStore(store.path, { logger: quiet });
  await next.open();
  const found = { marks: Object.fromEntries(await next.marks()), events: await numbers(next) };
  expect(next.size).toBe(found.events.length);
  await next.close();
  return found;
}

/** Writes into the database of a store that is closed. */
async function tampered(store: LevelEventStore, key: Uint8Array, value: Uint8Array): Promise<void> {
  const level = await classicLevel().open(store.path, false);
  await level.write([{ type: 'put', key, value }], true);
  await level.close();
}

describe('events that are added as JSON', () => {
  const written = (json: string) => ({ event: JSON.parse(json) as EmitterEvent, json: Buffer.from(json) });

  test('are kept as they came, in one write with their marks', async () => {
    const { store, level } = await opened();
    const added = await store.addWritten([written('{ "n":0}'), written('{"n":1,"t":"€"}')], { a: '1' });
    expect(added._unsafeUnwrap()).toEqual([1, 2]);
    expect(level.writes).toEqual([{ puts: 3, dels: 0, sync: true }]);
    expect(store.bytes).toBe(8 + 17);
    const taken = await store.take({ count: 9 });
    expect(taken.map(({ event }) => event)).toEqual([{ n: 0 }, { n: 1, t: '€' }]);
    expect(await onDisk(store)).toEqual({ marks: { a: '1' }, events: [0, 1] });
  });

  test('are refused where there is no room, and once the store is closed', async () => {
    const { store } = await opened({ capacity: 1 });
    const two = [written('{"n":0}'), written('{"n":1}')];
    expect((await store.addWritten(two))._unsafeUnwrapErr()).toBeInstanceOf(StoreFullError);
    await store.close();
    expect((await store.addWritten(two))._unsafeUnwrapErr()).toBeInstanceOf(StoreClosedError);
  });
});

describe('events that are added together', () => {
  test('are one write with their marks, and have the numbers that follow', async () => {
    const { store, level } = await opened();
    expect(await store.addAll(some(3), { a: '1', b: '2' })).toEqual(expect.objectContaining({ value: [1, 2, 3] }));
    expect(level.writes).toEqual([{ puts: 5, dels: 0, sync: true }]);
    expect(await onDisk(store)).toEqual({ marks: { a: '1', b: '2' }, events: [0, 1, 2] });
  });

  test('share a write with what others add at the same time', async () => {
    const { store, level } = await opened();
    const all = await Promise.all([store.addAll(some(2), { a: '1' }), store.add({ n: 2 }), store.addAll(some(2, 3))]);
    expect(all.map((added) => added._unsafeUnwrap())).toEqual([[1, 2], 3, [4, 5]]);
    expect(level.writes).toEqual([{ puts: 6, dels: 0, sync: true }]);
    await store.close();
  });

  test('are kept all, or none if there is no room for all; the mark neither', async () => {
    const { store } = await opened({ capacity: 4 });
    await store.addAll(some(2), { a: '1' });
    expect((await store.addAll(some(3, 2), { a: '2' }))._unsafeUnwrapErr()).toBeInstanceOf(StoreFullError);
    expect([store.size, store.dropped, await store.marks()]).toEqual([2, 3, new Map([['a', '1']])]);
    expect((await store.addAll(some(2, 2), { a: '3' })).isOk()).toBe(true);
    expect(await onDisk(store)).toEqual({ marks: { a: '3' }, events: [0, 1, 2, 3] });
  });

  test('throw out as many as it takes, or none', async () => {
    const { store } = await opened({ capacity: 4, overflow: 'dropOldest' });
    await store.addAll(some(4));
    expect((await store.addAll(some(5, 4))).isErr()).toBe(true);
    expect([store.size, store.dropped]).toEqual([4, 5]);
    expect((await store.addAll(some(3, 4), { a: '1' })).isOk()).toBe(true);
    expect([store.size, store.dropped]).toEqual([4, 8]);
    expect(await onDisk(store)).toEqual({ marks: { a: '1' }, events: [3, 4, 5, 6] });
  });

  test('are refused together if one of them cannot be carried', async () => {
    const { store } = await opened();
    expect((await store.addAll([{ n: 1 }, { n: 2n }], { a: '1' })).isErr()).toBe(true);
    expect(await onDisk(store)).toEqual({ marks: {}, events: [] });
  });

  test('may be none at all', async () => {
    const { store, level } = await opened();
    expect((await store.addAll([]))._unsafeUnwrap()).toEqual([]);
    await Promise.all([store.addAll([]), store.add({ n: 1 }), store.addAll([])]);
    expect(level.writes).toEqual([{ puts: 1, dels: 0, sync: true }]);
    await store.close();
  });

  test('more than a group has are one write all the same', async () => {
    const { store, level } = await opened();
    await store.addAll(some(2_500), { a: '1' });
    expect(level.writes).toEqual([{ puts: 2_501, dels: 0, sync: true }]);
    await store.close();
  });
});

describe('marks', () => {
  test('alone are written and synced before it is answered', async () => {
    const { store, level } = await opened();
    const held = gate();
    level.fates.push(held.promise);
    const adding = store.addAll([], { a: '1' });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(level.writes).toEqual([{ puts: 1, dels: 0, sync: true }]);
    expect(await store.marks()).toEqual(new Map());
    held.open();
    expect((await adding).isOk()).toBe(true);
    expect(await store.marks()).toEqual(new Map([['a', '1']]));
    await store.close();
  });

  test('are replaced, and removed by undefined', async () => {
    const { store } = await opened();
    await store.addAll([], { a: '1', b: '1', 'client:ü\0': 'text\nwith €' });
    await store.addAll([{ n: 0 }], { a: '2', b: undefined, c: undefined });
    expect(await store.marks()).toEqual(
      new Map([
        ['a', '2'],
        ['client:ü\0', 'text\nwith €'],
      ]),
    );
    expect(await onDisk(store)).toEqual({ marks: { a: '2', 'client:ü\0': 'text\nwith €' }, events: [0] });
  });

  test('take the last of what was added at the same time', async () => {
    const { store } = await opened();
    await Promise.all([1, 2, 3].map((n) => store.addAll([{ n }], { a: String(n) })));
    expect(await onDisk(store)).toEqual({ marks: { a: '3' }, events: [1, 2, 3] });
  });

  test('are taken though there is no room for events, and are no events', async () => {
    const { store } = await opened({ capacity: 1 });
    await store.add({ n: 1 });
    expect((await store.addAll([], { a: '1' })).isOk()).toBe(true);
    expect([store.size, await numbers(store)]).toEqual([1, [1]]);
    expect((await store.take({ count: 5 })).length).toBe(1);
    await store.close();
  });

  test('many of them are all there again', async () => {
    const { store } = await opened({ durability: 'os' });
    const marks = Object.fromEntries(Array.from({ length: 3_500 }, (_, n) => [`client:${n}`, `${n}`.repeat(20)]));
    await store.addAll([], marks);
    expect((await onDisk(store)).marks).toEqual(marks);
  });

  test('that are damaged are left out, and harm nothing else', async () => {
    const { store } = await opened();
    await store.addAll([{ n: 1 }], { a: '1', b: '2' });
    await store.close();
    const { key, value } = markOperation('b', '2') as unknown as { key: Uint8Array; value: Buffer };
    value[value.length - 1] = 0x39;
    await tampered(store, key, value);
    await tampered(store, Buffer.concat([ALL_MARKS.after, Buffer.from('c')]), Buffer.of(1, 2));
    expect(await onDisk(store)).toEqual({ marks: { a: '1' }, events: [1] });
    const next = new LevelEventStore(store.path, { logger: quiet });
    await next.addAll([], { b: '3' });
    expect(await onDisk(next)).toEqual({ marks: { a: '1', b: '3' }, events: [1] });
  });
});

describe('a write that fails', () => {
  test('leaves neither the events nor the marks', async () => {
    const { store, level } = await opened();
    await store.addAll([{ n: 1 }], { a: '1', b: '1' });
    level.fates.push({ fails: ioError() });
    const refused = await store.addAll([{ n: 2 }], { a: '2', b: undefined, c: '1' });
    expect(refused._unsafeUnwrapErr()).toBeInstanceOf(StoreDiskError);
    expect(await store.marks()).toEqual(
      new Map([
        ['a', '1'],
        ['b', '1'],
      ]),
    );
    expect(await onDisk(store)).toEqual({ marks: { a: '1', b: '1' }, events: [1] });
  });

  test('leaves neither, even if the disk has both', async () => {
    const { store, level } = await opened();
    await store.addAll([{ n: 1 }], { a: '1', b: '1' });
    level.fates.push({ fails: ioError(), written: true });
    expect((await store.addAll([{ n: 2 }], { a: '2', b: undefined, c: '1' })).isErr()).toBe(true);
    expect(await store.marks()).toEqual(
      new Map([
        ['a', '1'],
        ['b', '1'],
      ]),
    );
    expect((await store.addAll([{ n: 3 }], { d: '1' })).isOk()).toBe(true);
    expect(await onDisk(store)).toEqual({ marks: { a: '1', b: '1', d: '1' }, events: [1, 3] });
  });

  test('and is persisted, with the process ending before it could be undone, keeps both or neither', async () => {
    const { store, level } = await opened();
    await store.addAll([{ n: 1 }], { a: '1' });
    level.fates.push({ fails: ioError(), written: true });
    level.openFails = undefined;
    const refusing = store.addAll([{ n: 2 }], { a: '2' });
    expect((await refusing).isErr()).toBe(true);
    level.openFails = ioError();
    expect(await onDisk(store)).toEqual({ marks: { a: '2' }, events: [1, 2] });
  });

  test('is tried again under the same mark: what is younger wins', async () => {
    const { store, level } = await opened();
    await store.addAll([{ n: 1 }], { a: '1' });
    level.fates.push({ fails: ioError(), written: true });
    await store.addAll([{ n: 2 }], { a: '2' });
    expect((await store.addAll([{ n: 2 }], { a: '2' })).isOk()).toBe(true);
    expect(await onDisk(store)).toEqual({ marks: { a: '2' }, events: [1, 2] });
  });

  test('is undone before anything younger is written, however much else is to be done', async () => {
    const { store, level } = await opened();
    await store.addAll(some(1_500), { a: '1' });
    const ids = (await store.take({ count: 1_500 })).map(({ id }) => id);
    level.fates.push({ fails: ioError(), written: true });
    const acks = ids.map((id) => store.ack([id]));
    expect((await store.addAll([{ n: 'lost' }], { a: '2' })).isErr()).toBe(true);
    expect((await store.addAll([{ n: 'kept' }], { a: '3' })).isOk()).toBe(true);
    await Promise.all(acks);
    expect(await onDisk(store)).toEqual({ marks: { a: '3' }, events: ['kept'] });
  });

  test('of several that were added together refuses all of them, and restores all of their marks', async () => {
    const { store, level } = await opened();
    await store.addAll([], { a: '1', b: '1' });
    level.fates.push({ fails: ioError(), written: true });
    const all = await Promise.all(['a', 'b', 'c'].map((name) => store.addAll([{ n: name }], { [name]: '2' })));
    expect(all.map((added) => added.isOk())).toEqual([false, false, false]);
    expect((await store.add({ n: 1 })).isOk()).toBe(true);
    expect(await onDisk(store)).toEqual({ marks: { a: '1', b: '1' }, events: [1] });
  });

  test('of marks alone is a refusal too', async () => {
    const { store, level } = await opened();
    level.fates.push({ fails: ioError() });
    expect((await store.addAll([], { a: '1' }))._unsafeUnwrapErr()).toBeInstanceOf(StoreDiskError);
    expect((await store.addAll([], { a: '2' })).isOk()).toBe(true);
    expect(await onDisk(store)).toEqual({ marks: { a: '2' }, events: [] });
  });
});

describe('the list', () => {
  test('has what the store holds, oldest first, with its number and time, in flight or not', async () => {
    const { store, clock } = await opened();
    clock.setWall(1_000_000);
    await store.addAll(some(2));
    await clock.advance(500);
    await store.add({ n: 2 });
    await store.take({ count: 1 });
    expect(await listed(store)).toEqual([
      { id: 1, at: 1_000_000, event: { n: 0 } },
      { id: 2, at: 1_000_000, event: { n: 1 } },
      { id: 3, at: 1_000_500, event: { n: 2 } },
    ]);
    expect((await store.take({ count: 5 })).map(({ id }) => id)).toEqual([2, 3]);
    await store.close();
  });

  test.each([
    [{ limit: 2 }, [1, 2]],
    [{ limit: 100 }, [1, 2, 3, 4, 5]],
    [{ newest: true }, [5, 4, 3, 2, 1]],
    [{ newest: true, limit: 2 }, [5, 4]],
    [{ after: 3 }, [4, 5]],
    [{ after: 3, limit: 1 }, [4]],
    [{ after: 3, newest: true }, [5, 4]],
    [{ after: 5 }, []],
    [{ after: 0 }, [1, 2, 3, 4, 5]],
  ])('with %j', async (options, expected) => {
    const { store } = await opened({ durability: 'os' });
    await store.addAll(some(5, 1));
    expect(await numbers(store, options)).toEqual(expected);
    await store.close();
  });

  test.each([false, true])('is complete where it takes many readings, newest %s', async (newest) => {
    const { store, level } = await opened({ durability: 'os' });
    const all = Array.from({ length: 2_500 }, (_, n) => ({ n, text: 'x'.repeat(1_500) }));
    await store.addAll(all);
    const expected = all.map(({ n }) => n);
    expect(await numbers(store, { newest })).toEqual(newest ? expected.reverse() : expected);
    expect(level.reads.length).toBeGreaterThan(3);
    await store.close();
  });

  test('may be left, and does not mind what changes meanwhile', async () => {
    const { store } = await opened({ durability: 'os' });
    await store.addAll(some(3_000));
    const seen: unknown[] = [];
    for await (const { id, event } of store.list()) {
      seen.push(event?.n);
      if (id === 1) await store.ack((await store.take({ count: 1_500 })).map((taken) => taken.id));
      if (id === 2_000) await store.add({ n: 'late' });
      if (id === 2_500) break;
    }
    expect(seen.slice(0, 1_000)).toEqual(some(1_000).map(({ n }) => n));
    expect(seen.at(-1)).toBe(2_499);
    await store.close();
  });

  test('leaves out what is damaged, or shows that it is there', async () => {
    const { store } = await opened();
    await store.addAll(some(3, 1));
    await store.close();
    const level = await classicLevel().open(store.path, false);
    const { records } = await level.read({ after: Buffer.of(0x65), before: Buffer.of(0x66) }, { count: 9, bytes: 999 });
    const second = records[1] as { key: Uint8Array; value: Buffer };
    await level.write([{ type: 'put', key: second.key, value: Buffer.from('damaged') }], true);
    await level.close();
    const next = new LevelEventStore(store.path, { logger: quiet });
    expect(await numbers(next)).toEqual([1, 3]);
    expect(await numbers(next, { limit: 2 })).toEqual([1, 3]);
    const all = await listed(next, { damaged: true });
    expect(all.map(({ id, event }) => [id, event?.n])).toEqual([
      [1, 1],
      [2, undefined],
      [3, 3],
    ]);
    expect(all[1]?.at).toBe(0);
    await next.close();
  });

  test('refuses what it does not know, with its name', async () => {
    const { store } = await opened();
    const wrong: [object, RegExp][] = [
      [{ limit: 0 }, /LevelEventStore\.list: limit/],
      [{ after: -1 }, /after/],
      [{ newest: 1 }, /newest/],
      [{ damaged: 'yes' }, /damaged/],
      [{ oldest: true }, /oldest/],
    ];
    for (const [options, message] of wrong) await expect(listed(store, options)).rejects.toThrow(message);
    await store.close();
  });

  test('rejects with the reason while the database cannot be read', async () => {
    const { store, level } = await opened();
    await store.add({ n: 1 });
    level.readFails = ioError('IO error: 000005.ldb: Input/output error');
    await expect(listed(store)).rejects.toBeInstanceOf(StoreDiskError);
    await expect(store.oldest()).rejects.toBeInstanceOf(StoreDiskError);
    level.readFails = undefined;
    expect(await numbers(store)).toEqual([1]);
    await store.close();
  });

  test('opens the store, if nobody has', async () => {
    const { store } = await opened();
    await store.addAll([{ n: 1 }], { a: '1' });
    await store.close();
    const next = new LevelEventStore(store.path);
    expect(await numbers(next)).toEqual([1]);
    await next.close();
    const other = new LevelEventStore(store.path);
    expect(await other.marks()).toEqual(new Map([['a', '1']]));
    await other.close();
  });

  test('is empty once the store is closed', async () => {
    const { store } = await opened();
    await store.add({ n: 1 });
    await store.close();
    expect(await numbers(store)).toEqual([]);
    expect(await store.oldest()).toBeUndefined();
  });
});

describe('the oldest', () => {
  test('is the time of the event that came first, in flight or not; none if the store is empty', async () => {
    const { store, clock } = await opened();
    expect(await store.oldest()).toBeUndefined();
    clock.setWall(5_000_000);
    await store.add({ n: 1 });
    await clock.advance(1_000);
    await store.add({ n: 2 });
    const [first] = await store.take({ count: 1 });
    expect(await store.oldest()).toBe(5_000_000);
    await store.ack([first?.id as number]);
    expect(await store.oldest()).toBe(5_001_000);
    await store.close();
  });
});

describe('who listens for what comes', () => {
  test('is told once it is there to be taken, and no more after it has left', async () => {
    const { store } = await opened();
    const told: Promise<number>[] = [];
    const leave = store.onAdd(() => told.push(store.take({ count: 10 }).then(({ length }) => length)));
    await store.addAll(some(3));
    await store.add({ n: 3 });
    expect(await Promise.all(told)).toEqual([3, 1]);
    leave();
    await store.add({ n: 4 });
    expect(told).toHaveLength(2);
    await store.close();
  });

  test('is not told of marks, or of what was refused', async () => {
    const { store, level } = await opened({ capacity: 1 });
    let told = 0;
    store.onAdd(() => told++);
    await store.addAll([], { a: '1' });
    await store.addAll(some(2));
    level.fates.push({ fails: ioError() });
    await store.add({ n: 1 });
    expect(told).toBe(0);
    await store.close();
  });

  test('cannot make a refusal of what was kept', async () => {
    const { store } = await opened();
    let others = 0;
    const warned = new Promise((resolve) => process.once('warning', resolve));
    store.onAdd(() => {
      throw new Error('mine');
    });
    store.onAdd(() => others++);
    expect((await store.add({ n: 1 })).isOk()).toBe(true);
    expect(others).toBe(1);
    expect(String(await warned)).toContain('mine');
    await store.close();
  });
});
