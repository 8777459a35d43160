import { join } from 'node:path';
import { LevelEventStore, type LevelEventStoreOptions, StoreDiskError } from 'collector-queue/store';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { gate } from '../core/scene.ts';
import { scratchFolder } from './scene.ts';
import { ioError, WatchedLevel } from './watched-level.ts';

const scratch = scratchFolder();
let made = 0;

interface Scene {
  readonly store: LevelEventStore;
  readonly level: WatchedLevel;
  readonly clock: ManualClock;
  readonly logged: string[];
}

async function opened(options: LevelEventStoreOptions = {}): Promise<Scene> {
  const level = new WatchedLevel();
  const clock = new ManualClock();
  const logged: string[] = [];
  const log = (_: object, message: string): unknown => logged.push(message);
  const logger = { info: log, warn: log, error: log };
  const store = new LevelEventStore(join(scratch, String(++made)), { clock, logger, ...options }, level);
  await store.open();
  await clock.advance(5_000);
  return { store, level, clock, logged };
}

async function add(store: LevelEventStore, ...numbers: number[]): Promise<boolean[]> {
  return (await Promise.all(numbers.map((n) => store.add({ n })))).map((result) => result.isOk());
}

async function taken(store: LevelEventStore, count = 100): Promise<unknown[]> {
  return (await store.take({ count })).map(({ event }) => event.n);
}

/** What another process would find. */
async function onDisk(store: LevelEventStore): Promise<unknown[]> {
  await store.close();
  const next = new LevelEventStore(store.path);
  const events = await taken(next);
  expect(next.size).toBe(events.length);
  await next.close();
  return events;
}

describe('a write that fails', () => {
  test('refuses every event of its group, with the reason, and nothing else', async () => {
    const { store, level, logged } = await opened();
    await add(store, 1);
    const fails = ioError();
    level.fates.push({ fails });
    const results = await Promise.all([2, 3].map((n) => store.add({ n })));
    for (const result of results) {
      expect(result._unsafeUnwrapErr()).toBeInstanceOf(StoreDiskError);
      expect(result._unsafeUnwrapErr()).toMatchObject({ cause: fails, retryable: true, code: 'CQ_STORE_DISK' });
      expect(result._unsafeUnwrapErr().message).toContain('No space left on device');
    }
    expect([store.size, store.dropped]).toEqual([1, 0]);
    expect(logged).toHaveLength(1);
    expect(await onDisk(store)).toEqual([1]);
  });

  test('is followed by no other before the database was opened again', async () => {
    const { store, level } = await opened();
    const before = level.opened;
    level.fates.push({ fails: ioError() });
    expect(await add(store, 1)).toEqual([false]);
    expect(await add(store, 2)).toEqual([true]);
    expect([level.opened, level.repaired]).toEqual([before + 1, 0]);
    expect(await onDisk(store)).toEqual([2]);
  });

  test('refuses nobody who added while it was under way, if the next one succeeds', async () => {
    const { store, level } = await opened();
    const failing = gate();
    level.fates.push(failing.promise.then(() => Promise.reject(ioError())));
    const first = add(store, 1);
    while (level.writes.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const second = add(store, 2);
    failing.open();
    expect([await first, await second]).toEqual([[false], [true]]);
    expect(await onDisk(store)).toEqual([2]);
  });

  test('leaves no event behind that was refused, even if the disk has it', async () => {
    const { store, level } = await opened();
    await add(store, 1);
    level.fates.push({ fails: ioError(), written: true });
    expect(await add(store, 2, 3)).toEqual([false, false]);
    expect(await add(store, 4)).toEqual([true]);
    expect([store.size, await taken(store)]).toEqual([2, [1, 4]]);
    expect(await onDisk(store)).toEqual([1, 4]);
  });

  test('uses up the numbers of its events', async () => {
    const { store, level } = await opened();
    level.fates.push({ fails: ioError() });
    await add(store, 1, 2);
    expect((await store.add({ n: 3 }))._unsafeUnwrap()).toBe(3);
    await store.close();
  });

  test('throws nothing out', async () => {
    const { store, level } = await opened({ capacity: 2, overflow: 'dropOldest' });
    const told: unknown[] = [];
    store.onDrop(({ event }) => told.push(event.n));
    await add(store, 1, 2);
    level.fates.push({ fails: ioError() });
    expect(await add(store, 3)).toEqual([false]);
    expect([store.size, store.dropped, told]).toEqual([2, 0, []]);
    expect(await add(store, 4)).toEqual([true]);
    expect([store.dropped, told]).toEqual([1, [1]]);
    expect(await onDisk(store)).toEqual([2, 4]);
  });

  test('counts what it threw out, if the disk has it all the same', async () => {
    const { store, level } = await opened({ capacity: 2, overflow: 'dropOldest' });
    const told: unknown[] = [];
    store.onDrop(({ event }) => told.push(event.n));
    await add(store, 1, 2);
    level.fates.push({ fails: ioError(), written: true });
    expect(await add(store, 3)).toEqual([false]);
    expect(await add(store, 4)).toEqual([true]);
    expect([store.dropped, told]).toEqual([1, [1]]);
    expect(await onDisk(store)).toEqual([2, 4]);
  });

  test('loses no delete: it is gone here at once, and on disk with the next write', async () => {
    const { store, level } = await opened();
    await add(store, 1, 2);
    const [one] = await store.take({ count: 1 });
    level.fates.push({ fails: ioError() });
    await store.ack([one?.id as number]);
    expect([store.size, await taken(store)]).toEqual([1, [2]]);
    expect(await onDisk(store)).toEqual([2]);
  });

  test('does not stop the reading', async () => {
    const { store, level } = await opened();
    await add(store, 1, 2, 3);
    level.fates.push({ fails: ioError() });
    expect(await add(store, 4)).toEqual([false]);
    level.openFails = ioError();
    expect(await taken(store, 2)).toEqual([1, 2]);
    await store.close();
  });
});

describe('while the database cannot be opened', () => {
  async function broken(): Promise<Scene> {
    const scene = await opened();
    await add(scene.store, 1);
    scene.level.fates.push({ fails: ioError() });
    scene.level.openFails = ioError('IO error: MANIFEST-000009: No space left on device');
    expect(await add(scene.store, 2)).toEqual([false]);
    return scene;
  }

  test('events are refused at once, and opening is tried once a second at most', async () => {
    const { store, level, clock } = await broken();
    await add(store, 3);
    const tried = level.opened;
    for (let n = 0; n < 10; n++) {
      const refused = (await store.add({ n }))._unsafeUnwrapErr();
      expect(refused).toBeInstanceOf(StoreDiskError);
      expect(refused.message).toContain('No space left');
    }
    await clock.advance(999);
    await add(store, 4);
    expect(level.opened).toBe(tried);
    await clock.advance(1);
    await add(store, 5);
    expect(level.opened).toBe(tried + 1);
    await store.close();
  });

  test('nothing is lost, and all goes on once it can', async () => {
    const { store, level, clock } = await broken();
    await add(store, 3);
    level.openFails = undefined;
    expect(await add(store, 4)).toEqual([false]);
    await clock.advance(1_000);
    expect(await add(store, 5)).toEqual([true]);
    expect(await taken(store)).toEqual([1, 5]);
    expect(await onDisk(store)).toEqual([1, 5]);
  });

  test('open() tries at once', async () => {
    const { store, level } = await broken();
    await expect(store.open()).rejects.toBeInstanceOf(StoreDiskError);
    level.openFails = undefined;
    await store.open();
    expect(await add(store, 3)).toEqual([true]);
    await store.close();
  });

  test('what is on disk alone cannot be taken, and that is said', async () => {
    const { store, level, clock } = await opened();
    await store.close();
    const next = new LevelEventStore(store.path, { clock, durability: 'os', logger: quiet }, level);
    await Promise.all(Array.from({ length: 6_000 }, (_, n) => next.add({ n })));
    level.fates.push({ fails: ioError() });
    level.openFails = ioError();
    await add(next, -1);
    await clock.advance(1_000);
    await add(next, -2);
    expect(await taken(next, 6_000)).toHaveLength(4_000);
    await expect(next.take({ count: 1 })).rejects.toBeInstanceOf(StoreDiskError);
    level.openFails = undefined;
    await clock.advance(1_000);
    expect((await next.take({ count: 1 }))[0]?.event.n).toBe(4_000);
    await next.close();
  });

  test('closing still works', async () => {
    const { store } = await broken();
    await store.close();
    expect(await add(store, 3)).toEqual([false]);
  });
});

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

describe('reading that fails', () => {
  test('rejects with the reason, loses nothing, and goes on', async () => {
    const { store, level } = await opened();
    await add(store, 1, 2);
    await store.close();
    const next = new LevelEventStore(store.path, {}, level);
    await next.open();
    level.readFails = ioError('IO error: 000005.ldb: Input/output error');
    const refused = await next.take({ count: 1 }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StoreDiskError);
    expect(refused).toMatchObject({ cause: level.readFails });
    level.readFails = undefined;
    expect(await taken(next)).toEqual([1, 2]);
    await next.close();
  });
});
