import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LevelEventStore, StoreDamagedError } from 'collector-queue/store';
import { describe, expect, test } from 'vitest';
import { classicLevel } from '../../src/store/classic-level.ts';
import { encodeEvent, eventKey, seal } from '../../src/store/level-records.ts';
import { rejectionOf } from '../core/scene.ts';
import { damaged, filesOf, flipped, leftInLog, leftInTables, quiet, removed, truncated } from './damage.ts';
import { scratchFolder } from './scene.ts';
import { WatchedLevel } from './watched-level.ts';

const scratch = scratchFolder();
let made = 0;

function newPath(): string {
  return join(scratch, String(++made));
}

/** A store with events 1, 2 and 3, of which the second record is replaced. */
async function withRecord(change: (key: Buffer, value: Buffer) => [Buffer, Buffer]): Promise<string> {
  const path = newPath();
  const store = new LevelEventStore(path);
  for (const n of [1, 2, 3]) await store.add({ n });
  await store.close();
  const key = eventKey({ id: 2, bytes: 7 });
  const { value } = encodeEvent({ n: 2 }, 0);
  seal(value, key);
  const database = await classicLevel().open(path, false);
  const [newKey, newValue] = change(Buffer.from(key), value);
  await database.write(
    [
      { type: 'del', key },
      { type: 'put', key: newKey, value: newValue },
    ],
    true,
  );
  await database.close();
  return path;
}

function changed(value: Buffer, at: number): Buffer {
  return Buffer.from(value.map((byte, index) => (index === at ? byte ^ 4 : byte)));
}

function written(value: Buffer, json: string): Buffer {
  return Buffer.concat([value.subarray(0, 5), Buffer.from(json)]);
}

function sealed(key: Buffer, value: Buffer): [Buffer, Buffer] {
  seal(value, key);
  return [key, value];
}

describe('a record that does not decode', () => {
  test.each<[string, (key: Buffer, value: Buffer) => [Buffer, Buffer]]>([
    ['with a wrong bit in its event', (key, value) => [key, changed(value, 8)]],
    ['with a wrong checksum', (key, value) => [key, changed(value, 0)]],
    ['under the number of another', (_, value) => [eventKey({ id: 5, bytes: 7 }), value]],
    ['that is cut', (key, value) => [key, value.subarray(0, -1)]],
    ['that is empty', (key) => [key, Buffer.alloc(0)]],
    ['of an unknown format', (key, value) => sealed(key, changed(value, 4))],
    ['that is no JSON', (key, value) => sealed(key, written(value, '{"n":2 '))],
    ['that is JSON, but no event', (key, value) => sealed(key, written(value, '[22222]'))],
    ['under a key that is too long', (key, value) => [Buffer.concat([key, Buffer.of(1)]), value]],
    ['under a number beyond all numbers', (_, value) => [eventKey({ id: 2 ** 52, bytes: 7 }), value]],
  ])('%s is put aside, told once, and never handed out', async (_, change) => {
    const path = await withRecord(change);
    const logged: string[] = [];
    const log = (_fields: object, message: string): unknown => logged.push(message);
    const logger = { info: log, warn: log, error: log };
    const store = new LevelEventStore(path, { logger });
    const events = await store.take({ count: 10 });
    expect(events.map(({ id, event }) => [id, event.n])).toEqual([
      [1, 1],
      [3, 3],
    ]);
    expect([store.size, store.quarantined, logged.length]).toEqual([2, 1, 1]);
    expect((await store.add({ n: 4 })).isOk()).toBe(true);
    await store.ack([1, 3]);
    await store.close();
    const next = new LevelEventStore(path, { logger });
    expect((await next.take({ count: 10 })).map(({ event }) => event.n)).toEqual([4]);
    expect([next.size, next.quarantined, logged.length]).toEqual([1, 1, 1]);
    await next.close();
  });

  test('is put aside though the store is closed while it reads, and the store stays closed', async () => {
    const path = await withRecord((key, value) => [key, changed(value, 8)]);
    const level = new WatchedLevel();
    const store = new LevelEventStore(path, { logger: quiet }, level);
    await store.open();
    const taking = store.take({ count: 10 });
    while (level.reads.length === 0) await Promise.resolve();
    await store.close();
    expect(await taking).toHaveLength(2);
    const next = new LevelEventStore(path, { logger: quiet });
    await next.open();
    expect([next.size, next.quarantined]).toEqual([2, 1]);
    await next.close();
  });

  test('is kept as it was found', async () => {
    const garbage = Buffer.from('not ours');
    const path = await withRecord((key) => [key, garbage]);
    const store = new LevelEventStore(path, { logger: quiet });
    await store.take({ count: 10 });
    await store.close();
    const database = await classicLevel().open(path, false);
    const { records } = await database.read({ after: Buffer.of(0), before: Buffer.of(255) }, { count: 9, bytes: 1e6 });
    await database.close();
    const moved = records.filter(({ key }) => key[0] === 'q'.charCodeAt(0));
    expect(moved.map(({ value }) => value)).toEqual([garbage]);
  });
});

describe('a folder in which', () => {
  test('the log is cut gives every event before the cut', async () => {
    const left = await leftInLog(join(scratch, 'cut'), 40);
    const [name] = filesOf(left.path, /\.log$/) as [string];
    for (let size = statSync(join(left.path, name)).size; size > 0; size -= 409) {
      const { numbers } = await damaged(left, scratch, name, truncated(size));
      expect(numbers).toHaveLength(left.safeAt.filter((end) => end <= size).length);
    }
  });

  test('a bit of any file is wrong gives nothing wrong, and loses little', async () => {
    const left = await leftInTables(join(scratch, 'bits'), 400);
    for (const name of filesOf(left.path, /\.(ldb|log)$|^MANIFEST|^CURRENT$/)) {
      const bits = statSync(join(left.path, name)).size * 8;
      for (let n = 0; n < 2; n++) {
        const { numbers, refused } = await damaged(left, scratch, name, flipped((n * 7_919 * 31) % bits));
        expect(refused).toBe(false);
        expect(numbers.length).toBeGreaterThan(left.size - 70);
      }
    }
  });

  test('what leads to the events is gone gives them all', async () => {
    const left = await leftInTables(join(scratch, 'lead'), 400);
    for (const name of filesOf(left.path, /^MANIFEST|^CURRENT$/)) {
      const { numbers } = await damaged(left, scratch, name, removed);
      expect(numbers).toHaveLength(left.size);
    }
  });

  test('the manifest lost its end gives them all', async () => {
    const left = await leftInTables(join(scratch, 'manifest'), 400);
    const [name] = filesOf(left.path, /^MANIFEST/) as [string];
    for (let size = statSync(join(left.path, name)).size - 1; size >= 0; size -= 61) {
      const { numbers } = await damaged(left, scratch, name, truncated(size));
      expect(numbers).toHaveLength(left.size);
    }
  });

  test('mending was cut short is mended again', async () => {
    const left = await leftInTables(join(scratch, 'mending'), 400);
    const [table] = filesOf(left.path, /\.ldb$/) as [string];
    const aside = (file: string): void => renameSync(file, file.replace('.ldb', '.damaged'));
    expect((await damaged(left, scratch, table, aside)).numbers).toHaveLength(left.size);
    expect(readdirSync(join(scratch, 'damaged', 'lost'))).toContain(table.replace('.ldb', '.damaged'));
  });

  test('nothing can be mended is refused, and told what to do', async () => {
    const left = await leftInLog(join(scratch, 'hopeless'), 4);
    rmSync(join(left.path, 'CURRENT'));
    const level = new WatchedLevel();
    level.openFails = Object.assign(new Error('Corruption: beyond repair'), { code: 'LEVEL_CORRUPTION' });
    const store = new LevelEventStore(left.path, { logger: quiet }, level);
    const refusal = await rejectionOf(store.open());
    expect(refusal).toBeInstanceOf(StoreDamagedError);
    expect(refusal).toMatchObject({ code: 'CQ_STORE_DAMAGED', retryable: false, cause: level.openFails });
    expect((refusal as Error).message).toMatch(/move the folder away/);
    expect(level.repaired).toBe(1);
    expect((await store.add({ n: 1 }))._unsafeUnwrapErr()).toBeInstanceOf(StoreDamagedError);
    await store.close();
  });

  test('all is well but for the disk is not mended', async () => {
    const left = await leftInLog(join(scratch, 'full'), 4);
    const level = new WatchedLevel();
    for (const reason of [
      'No space left on device',
      'Permission denied',
      'Input/output error',
      'Too many open files',
    ]) {
      level.openFails = Object.assign(new Error(`IO error: 000007.log: ${reason}`), { code: 'LEVEL_IO_ERROR' });
      const store = new LevelEventStore(left.path, { logger: quiet }, level);
      expect(await rejectionOf(store.open())).toMatchObject({ code: 'CQ_STORE_DISK' });
      await store.close();
    }
    expect(level.repaired).toBe(0);
  });

  test('a process was killed while it wrote a table opens without mending', async () => {
    const left = await leftInTables(join(scratch, 'orphan'), 400);
    const [table] = filesOf(left.path, /\.ldb$/) as [string];
    writeFileSync(join(left.path, '000099.ldb'), readFileSync(join(left.path, table)).subarray(0, 1_000));
    const level = new WatchedLevel();
    const store = new LevelEventStore(left.path, { logger: quiet }, level);
    await store.open();
    expect([level.repaired, store.size]).toEqual([0, left.size]);
    await store.close();
  });
});

test('a write that meets damage is followed by mending, and nothing that was acknowledged is lost', async () => {
  const level = new WatchedLevel();
  const store = new LevelEventStore(newPath(), { logger: quiet }, level);
  for (const n of [1, 2, 3]) await store.add({ n });
  const [first] = await store.take({ count: 1 });
  level.fates.push({ fails: Object.assign(new Error('Corruption: bad block'), { code: 'LEVEL_CORRUPTION' }) });
  expect((await store.add({ n: 4 })).isErr()).toBe(true);
  await store.release([first?.id as number]);
  await store.open();
  expect((await store.add({ n: 5 })).isOk()).toBe(true);
  expect((await store.take({ count: 9 })).map(({ event }) => event.n)).toEqual([1, 2, 3, 5]);
  expect(store.size).toBe(4);
  await store.close();
});
