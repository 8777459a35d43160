import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError } from 'collector-queue';
import {
  LevelEventStore,
  StoreClosedError,
  StoreDamagedError,
  StoreDiskError,
  StoreLockedError,
} from 'collector-queue/store';
import { describe, expect, test } from 'vitest';
import { MissingPackageError, UnusablePackageError } from '../../src/core/errors.ts';
import { classicLevel } from '../../src/store/classic-level.ts';
import { rejectionOf } from '../core/scene.ts';
import { scratchFolder } from './scene.ts';
import { WatchedLevel } from './watched-level.ts';

const scratch = scratchFolder();
let made = 0;

function newPath(): string {
  return join(scratch, String(++made));
}

async function filled(count: number): Promise<LevelEventStore> {
  const store = new LevelEventStore(newPath());
  await Promise.all(Array.from({ length: count }, (_, n) => store.add({ n })));
  return store;
}

async function takenFrom(store: LevelEventStore): Promise<unknown[]> {
  return (await store.take({ count: 1_000 })).map(({ event }) => event.n);
}

describe('a store that is opened again', () => {
  test('holds what was not acknowledged, in flight or not, to the byte', async () => {
    const store = await filled(100);
    const events = await store.take({ count: 50 });
    await store.ack(events.slice(0, 30).map(({ id }) => id));
    await store.release(events.slice(30, 40).map(({ id }) => id));
    const { size, bytes } = store;
    await store.close();
    const next = new LevelEventStore(store.path);
    expect([next.size, next.bytes]).toEqual([0, 0]);
    await next.open();
    expect([next.size, next.bytes]).toEqual([size, bytes]);
    expect(await takenFrom(next)).toEqual(Array.from({ length: 70 }, (_, n) => n + 30));
    await next.close();
  });

  test('gives new events numbers of their own', async () => {
    const store = await filled(3);
    await store.close();
    const next = new LevelEventStore(store.path);
    const [first] = await next.take({ count: 1 });
    const id = (await next.add({ n: 3 }))._unsafeUnwrap();
    expect((await next.take({ count: 9 })).map((one) => one.id)).toEqual([2, 3, id]);
    expect(id).not.toBe(first?.id);
    await next.close();
  });

  test('refuses beyond its capacity from the first event on', async () => {
    const store = await filled(3);
    await store.close();
    const next = new LevelEventStore(store.path, { capacity: 4 });
    const results = await Promise.all([3, 4, 5].map((n) => next.add({ n })));
    expect(results.map((result) => result.isOk())).toEqual([true, false, false]);
    await next.close();
  });

  test('is opened once, however many ask', async () => {
    const level = new WatchedLevel();
    const store = new LevelEventStore(newPath(), {}, level);
    await Promise.all([store.open(), store.add({ n: 1 }), store.take({ count: 1 }), store.open()]);
    expect(level.opened).toBe(1);
    await store.close();
  });

  test('cannot be once it was closed', async () => {
    const store = await filled(1);
    await store.close();
    expect(await rejectionOf(store.open())).toBeInstanceOf(StoreClosedError);
  });
});

describe('a folder', () => {
  test.skipIf(process.platform === 'win32')('is made for its owner alone', async () => {
    const path = join(newPath(), 'with', 'parents');
    const store = new LevelEventStore(path);
    await store.open();
    expect(store.path).toBe(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    await store.close();
  });

  test.skipIf(process.platform === 'win32')('is closed to others if it was open to them', async () => {
    const store = await filled(1);
    await store.close();
    chmodSync(store.path, 0o755);
    const next = new LevelEventStore(store.path);
    await next.open();
    expect(statSync(store.path).mode & 0o777).toBe(0o700);
    await next.close();
  });

  test('with files of somebody else is refused, and left as it was', async () => {
    const path = newPath();
    mkdirSync(path, { mode: 0o755 });
    writeFileSync(join(path, 'thesis.txt'), 'precious');
    const store = new LevelEventStore(path);
    const refusal = await rejectionOf(store.open());
    expect(refusal).toBeInstanceOf(StoreDamagedError);
    expect((refusal as Error).message).toContain('a folder of its own');
    expect(readdirSync(path)).toEqual(['thesis.txt']);
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o755);
  });

  test('that is a file is refused, and may be tried again', async () => {
    const path = join(scratch, 'a file');
    writeFileSync(path, '');
    const store = new LevelEventStore(path);
    expect(await rejectionOf(store.open())).toBeInstanceOf(StoreDiskError);
    expect((await store.add({ n: 1 }))._unsafeUnwrapErr()).toBeInstanceOf(StoreDiskError);
    expect(await rejectionOf(store.take({ count: 1 }))).toBeInstanceOf(StoreDiskError);
    await store.close();
  });

  test('in which making a store was cut short is taken for empty', async () => {
    const path = newPath();
    mkdirSync(path);
    writeFileSync(join(path, 'MANIFEST-000001'), '');
    const store = new LevelEventStore(path, { logger: failing });
    expect((await store.add({ n: 1 })).isOk()).toBe(true);
    await store.close();
  });
});

const fail = (_: object, message: string): never => {
  throw new Error(message);
};
const failing = { info: fail, warn: fail, error: fail };

describe('a second store on the same folder', () => {
  test.each([
    ['the same path', (path: string) => path],
    ['a relative path', (path: string) => join(path, '..', path.split('/').at(-1) as string)],
    [
      'a symbolic link',
      (path: string) => {
        symlinkSync(path, `${path}-link`);
        return `${path}-link`;
      },
    ],
  ])('is refused, under %s, until the first is closed', async (_, spelled) => {
    const store = await filled(2);
    const second = new LevelEventStore(spelled(store.path));
    const refusal = await rejectionOf(second.open());
    expect(refusal).toBeInstanceOf(StoreLockedError);
    expect(refusal).toMatchObject({ code: 'CQ_STORE_LOCKED', retryable: true });
    expect((await second.add({ n: 3 }))._unsafeUnwrapErr()).toBeInstanceOf(StoreLockedError);
    expect(await rejectionOf(second.take({ count: 1 }))).toBeInstanceOf(StoreLockedError);
    expect((await store.add({ n: 2 })).isOk()).toBe(true);
    await store.close();
    await second.open();
    expect(await takenFrom(second)).toEqual([0, 1, 2]);
    await second.close();
  });

  test('is refused in another process, until the first has ended, however it did', async () => {
    const path = newPath();
    const child = fork(join(import.meta.dirname, 'holding-child.ts'), [path], { execArgv: ['--import', 'tsx'] });
    try {
      await once(child, 'message');
      const store = new LevelEventStore(path);
      expect(await rejectionOf(store.open())).toBeInstanceOf(StoreLockedError);
      child.kill('SIGKILL');
      await once(child, 'exit');
      await store.open();
      expect(await takenFrom(store)).toEqual(['held']);
      await store.close();
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('is refused while somebody makes or mends the database', async () => {
    const path = newPath();
    const guard = await classicLevel().open(join(path, 'guard'), true);
    const store = new LevelEventStore(path);
    expect(await rejectionOf(store.open())).toBeInstanceOf(StoreLockedError);
    await guard.close();
    await store.open();
    await store.close();
  });
});

describe('without classic-level', () => {
  test('opening and adding say how to get it', async () => {
    const cause = Object.assign(new Error("Cannot find package 'classic-level'"), { code: 'ERR_MODULE_NOT_FOUND' });
    const store = new LevelEventStore(
      newPath(),
      {},
      classicLevel(() => Promise.reject(cause)),
    );
    const refusal = await rejectionOf(store.open());
    expect(refusal).toBeInstanceOf(MissingPackageError);
    expect(refusal).toMatchObject({ packageName: 'classic-level', cause });
    expect((refusal as Error).message).toContain('npm install classic-level');
    expect((await store.add({ n: 1 }))._unsafeUnwrapErr()).toBe(refusal);
    await store.close();
  });
});

describe('with a classic-level that cannot be loaded', () => {
  test.each([
    new Error('No native build was found for platform=sunos arch=mips runtime=node'),
    Object.assign(new Error('/x/classic-level.node: invalid ELF header'), { code: 'ERR_DLOPEN_FAILED' }),
    Object.assign(new Error("Cannot find module 'abstract-level' from '/x/classic-level'"), {
      code: 'MODULE_NOT_FOUND',
    }),
  ])('opening and adding say why: %s', async (cause) => {
    const store = new LevelEventStore(
      newPath(),
      {},
      classicLevel(() => Promise.reject(cause)),
    );
    const refusal = await rejectionOf(store.open());
    expect(refusal).toBeInstanceOf(UnusablePackageError);
    expect(refusal).toMatchObject({ packageName: 'classic-level', retryable: false, cause });
    expect((refusal as Error).message).toContain(cause.message);
    expect((await store.add({ n: 1 }))._unsafeUnwrapErr()).toBe(refusal);
    await store.close();
  });
});

describe('what cannot be added', () => {
  test.each([
    [{ big: 1n }, 'event.big'],
    [{ at: Number.NaN }, 'event.at'],
    [{ call: () => 1 }, 'event.call'],
    ['text', 'event'],
    [null, 'event'],
    [[1], 'event'],
  ])('is an Err that names it: %o', async (event, named) => {
    const store = new LevelEventStore(newPath());
    const refusal = (await store.add(event as never))._unsafeUnwrapErr();
    expect(refusal).toBeInstanceOf(InvalidArgumentError);
    expect(refusal.message).toContain(named);
    expect(store.size).toBe(0);
    await store.close();
  });

  test('is not what its owner makes of an event afterwards', async () => {
    const store = new LevelEventStore(newPath());
    const event = { n: 1, deep: { list: [1] } };
    const adding = store.add(event);
    event.n = 2;
    event.deep.list.push(2);
    await adding;
    expect((await store.take({ count: 1 }))[0]?.event).toEqual({ n: 1, deep: { list: [1] } });
    await store.close();
  });
});

describe('options', () => {
  test.each([
    [{ maxBytes: 0 }, 'maxBytes'],
    [{ maxBytes: Number.POSITIVE_INFINITY }, 'maxBytes'],
    [{ durability: 'fsync' }, 'durability'],
    [{ logger: console.log }, 'logger'],
    [{ clock: { now: () => 0 } }, 'clock'],
    [{ maxByte: 1 }, "did you mean 'maxBytes'"],
  ])('%j are refused by name', (options, named) => {
    const construct = (): unknown => new LevelEventStore(newPath(), options as never);
    expect(construct).toThrow(InvalidArgumentError);
    expect(construct).toThrow(named);
  });

  test.each(['', undefined, 5])('the path %j is refused', (path) => {
    expect(() => new LevelEventStore(path as never)).toThrow(/LevelEventStore: path must be/);
  });
});
