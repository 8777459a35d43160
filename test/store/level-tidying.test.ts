import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { LevelEventStore, type LevelEventStoreOptions } from 'collector-queue/store';
import { describe, expect, test } from 'vitest';
import { classicLevel } from '../../src/store/classic-level.ts';
import { eventKey } from '../../src/store/level-records.ts';
import { gate } from '../core/scene.ts';
import { scratchFolder } from './scene.ts';
import { drain, fill, onDisk } from './tidying.ts';
import { WatchedLevel } from './watched-level.ts';

const scratch = scratchFolder();
let made = 0;

async function opened(options: LevelEventStoreOptions = {}): Promise<{ store: LevelEventStore; level: WatchedLevel }> {
  const level = new WatchedLevel();
  const store = new LevelEventStore(join(scratch, String(++made)), { durability: 'os', ...options }, level);
  await store.open();
  return { store, level };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** The number of the event up to which the last compaction went. */
function upTo({ compactions }: WatchedLevel): number {
  return Buffer.from(compactions.at(-1)?.before as Uint8Array).readUIntBE(3, 6);
}

describe('the room of what was deleted', () => {
  test('is given back once nothing is left', async () => {
    const { store, level } = await opened();
    for (let round = 0; round < 4; round++) {
      await fill(store, 6e6);
      expect(level.compactions).toHaveLength(round);
      await drain(store);
      await until(() => onDisk(store) < 100_000);
    }
    await store.close();
  });

  test('is given back when a store is opened, even before anything was taken', async () => {
    const path = join(scratch, 'left');
    const left = await classicLevel().open(path, true);
    const keys = Array.from({ length: 400 }, (_, n) => eventKey({ id: n + 1, bytes: 10_000 }));
    for (const key of keys) await left.write([{ type: 'put', key, value: randomBytes(10_000) }], false);
    await left.write(
      keys.slice(0, 300).map((key) => ({ type: 'del', key })),
      false,
    );
    await left.close();
    const level = new WatchedLevel();
    const store = new LevelEventStore(path, {}, level);
    await store.open();
    await until(() => level.compactions.length > 0);
    expect(upTo(level)).toBe(301);
    expect(store.size).toBe(100);
    await store.close();
  });

  test('is not asked for by a store that has little', async () => {
    const { store, level } = await opened();
    await fill(store, 500_000);
    await drain(store);
    await store.close();
    const next = new LevelEventStore(store.path, {}, level);
    await next.open();
    await next.close();
    expect(level.compactions).toEqual([]);
  });

  test('is not kept by one event that is in flight for long', async () => {
    const { store, level } = await opened();
    await fill(store, 36e6);
    await store.take({ count: 1 });
    await drain(store);
    await until(() => level.compactions.length > 0);
    expect(upTo(level)).toBeGreaterThan(3_000);
    await store.close();
    expect(onDisk(store)).toBeLessThan(6e6);
  });

  test('is not sought among much that is in flight', async () => {
    const { store, level } = await opened();
    await fill(store, 40e6);
    const ids = (await store.take({ count: 4_000 })).map(({ id }) => id);
    await store.ack(ids.slice(0, 3_500));
    await until(() => level.compactions.length > 0);
    expect(upTo(level)).toBe(3_501);
    await store.close();
  });
});

describe('while room is given back', () => {
  test('adding, taking and acknowledging go on, and no second one begins', async () => {
    const { store, level } = await opened();
    const held = gate();
    level.compacting = held.promise;
    await fill(store, 2e6);
    await drain(store);
    await until(() => level.compactions.length > 0);
    for (let round = 0; round < 3; round++) {
      await fill(store, 2e6);
      await drain(store);
    }
    expect([level.compactions.length, store.size]).toEqual([1, 0]);
    held.open();
    await until(() => level.compactions.length === 2);
    await store.close();
    expect(level.compactions).toHaveLength(2);
  });

  test('closing waits for it', async () => {
    const { store, level } = await opened();
    const held = gate();
    level.compacting = held.promise;
    await fill(store, 2e6);
    await drain(store);
    await until(() => level.compactions.length > 0);
    let closed = false;
    const closing = store.close().then(() => {
      closed = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(closed).toBe(false);
    held.open();
    await closing;
  });

  test('closing does not wait for that of another store', async () => {
    const { store, level } = await opened();
    const held = gate();
    level.compacting = held.promise;
    await fill(store, 2e6);
    await drain(store);
    await until(() => level.compactions.length > 0);
    const other = await opened();
    await fill(other.store, 2e6);
    await drain(other.store);
    await other.store.close();
    expect(other.level.compactions).toEqual([]);
    held.open();
    await store.close();
  });

  test('what fails is told, and harms nobody', async () => {
    const logged: string[] = [];
    const log = (_: object, message: string): unknown => logged.push(message);
    const { store, level } = await opened({ logger: { info: log, warn: log, error: log } });
    level.compacting = Promise.reject(new Error('no'));
    level.compacting.catch(() => undefined);
    await fill(store, 2e6);
    await drain(store);
    await until(() => logged.length > 0);
    expect((await store.add({ n: 1 })).isOk()).toBe(true);
    await store.close();
    expect(logged).toEqual(['event store: the disk could not be given back what was deleted']);
  });
});
