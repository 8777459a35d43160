import { mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LevelEventStore, StoreDiskError } from 'collector-queue/store';
import { expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { quiet } from './damage.ts';
import { scratchFolder } from './scene.ts';
import { ioError, WatchedLevel } from './watched-level.ts';

const SIZE = 12 << 20;

const scratch = scratchFolder();
let made = 0;

function newPath(): string {
  return join(scratch, String(++made));
}

function reserveOf(store: LevelEventStore): { readonly size: number; readonly blocks: number } {
  return statSync(join(store.path, 'reserve'));
}

/** Opening fails so many times, for want of room. */
class FullLevel extends WatchedLevel {
  failures = 0;

  override async open(path: string, create: boolean): ReturnType<WatchedLevel['open']> {
    if (!path.endsWith('guard') && this.failures-- > 0) throw ioError();
    return await super.open(path, create);
  }
}

async function opened(path = newPath()): Promise<{ store: LevelEventStore; level: FullLevel; clock: ManualClock }> {
  const level = new FullLevel();
  const clock = new ManualClock();
  const store = new LevelEventStore(path, { clock, logger: quiet }, level);
  await store.open();
  await clock.advance(5_000);
  return { store, level, clock };
}

async function accepts(store: LevelEventStore): Promise<boolean> {
  return (await store.add({ n: 1 })).isOk();
}

test('a store keeps room on its disk that nothing else takes', async () => {
  const { store } = await opened();
  expect(reserveOf(store).size).toBe(SIZE);
  if (process.platform === 'linux') expect(reserveOf(store).blocks * 512).toBeGreaterThanOrEqual(SIZE);
  await store.close();
  const next = new LevelEventStore(store.path);
  await next.open();
  await next.close();
  expect(reserveOf(store).size).toBe(SIZE);
});

test('a full disk costs the reserve; deleting goes on, and adding once there is room for another', async () => {
  const { store, level, clock } = await opened();
  for (let n = 0; n < 3; n++) expect(await accepts(store)).toBe(true);
  level.fates.push({ fails: ioError() });
  level.failures = 1;
  expect(await accepts(store)).toBe(false);
  const events = await store.take({ count: 2 });
  await store.ack(events.map(({ id }) => id));
  expect(reserveOf(store).size).toBe(0);
  expect(level.writes.at(-1)).toEqual({ puts: 0, dels: 2, sync: false });

  const looks = Array.from({ length: 10 }, () => store.add({ n: 2 }));
  for (const result of await Promise.all(looks)) {
    const refusal = result._unsafeUnwrapErr();
    expect(refusal).toBeInstanceOf(StoreDiskError);
    expect(refusal.message).toContain('is full: events are accepted again once 24 MiB are free');
  }
  expect([store.size, store.dropped]).toEqual([1, 0]);
  await clock.advance(999);
  expect(await accepts(store)).toBe(false);
  await clock.advance(1);
  expect(await accepts(store)).toBe(true);
  expect(reserveOf(store).size).toBe(SIZE);
  await store.close();
});

test('opening that lacks room takes it from the reserve', async () => {
  const { store, level } = await opened();
  await accepts(store);
  await store.close();
  level.failures = 1;
  const next = new LevelEventStore(store.path, { logger: quiet }, level);
  await next.open();
  expect(next.size).toBe(1);
  await next.close();
});

test.each([
  ['was used by the process before', (path: string) => truncateSync(path, 0)],
  ['was being made when the process ended', (path: string) => truncateSync(path, 1_000_000)],
  ['is gone', (path: string) => rmSync(path)],
])('a reserve that %s is made again', async (_, change) => {
  const { store } = await opened();
  await store.close();
  change(join(store.path, 'reserve'));
  const { store: next } = await opened(store.path);
  expect(await accepts(next)).toBe(true);
  expect(reserveOf(next).size).toBe(SIZE);
  await next.close();
});

test('a store that cannot make one works without', async () => {
  const path = newPath();
  mkdirSync(join(path, 'reserve'), { recursive: true });
  writeFileSync(join(path, 'reserve', 'x'), '');
  const store = new LevelEventStore(path, { logger: quiet });
  await store.open();
  expect(await accepts(store)).toBe(true);
  await store.close();
});
