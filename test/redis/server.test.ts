import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findRedisServer, NoRedisBinary } from '../../scripts/redis-binary.ts';
import { redisForTest, startRedis } from '../redis-server.ts';
import { until } from './lists.ts';

const SCRIPTS = resolve(import.meta.dirname, '../../scripts');

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A program of the shape of `redis-server --version`. */
function binarySaying(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'redis-binary-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'redis-server');
  writeFileSync(path, `#!/bin/sh\necho '${text}'\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('a server for tests', () => {
  test('keeps what it acknowledged through a kill with aof, and forgets it without', async () => {
    for (const [aof, kept] of [
      [true, '1'],
      [false, null],
    ] as const) {
      const redis = await redisForTest({ aof });
      await redis.command('SET', 'key', 1);
      const { pid, url } = redis;
      await redis.kill();
      expect([redis.running, alive(pid)]).toEqual([false, false]);
      await redis.restart();
      expect([redis.url, await redis.command('GET', 'key')]).toEqual([url, kept]);
    }
  });

  test('leaves nothing behind when it is stopped, even while it is paused', async () => {
    const redis = await startRedis();
    redis.pause();
    await redis.stop();
    await redis.stop();
    expect([alive(redis.pid), existsSync(redis.folder)]).toEqual([false, false]);
  });

  test('dies with the process that started it, however that dies', async () => {
    const program = `
      const { startRedis } = await import(${JSON.stringify(join(SCRIPTS, 'redis-process.ts'))});
      const redis = await startRedis();
      redis.pause();
      process.send({ pid: redis.pid, folder: redis.folder });
      setInterval(() => undefined, 1_000);`;
    const parent: ChildProcess = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      cwd: resolve(SCRIPTS, '..'),
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [{ pid, folder }] = (await once(parent, 'message')) as [{ pid: number; folder: string }];
    expect(alive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await until(() => !alive(pid) && !existsSync(folder));
  });

  test('says why it did not start', async () => {
    await expect(startRedis({ args: ['--nonsense', '1'] })).rejects.toThrow('Bad directive');
  });
});

describe('the binary of redis-server', () => {
  test('is the one that REDIS_SERVER names, or none', () => {
    const path = binarySaying('Redis server v=7.2.4 sha=00000000:0');
    expect(findRedisServer({ REDIS_SERVER: path, PATH: process.env.PATH })).toEqual({ path, version: '7.2.4' });
    expect(() => findRedisServer({ REDIS_SERVER: '/nowhere/redis-server' })).toThrow(NoRedisBinary);
    expect(() => findRedisServer({ REDIS_SERVER: '/nowhere/redis-server' })).toThrow('not an executable file');
  });

  test('is new enough', () => {
    expect(() => findRedisServer({ REDIS_SERVER: binarySaying('Redis server v=6.0.16 sha') })).toThrow('too old');
    expect(() => findRedisServer({ REDIS_SERVER: binarySaying('hello') })).toThrow('tells no version');
    expect(findRedisServer({ REDIS_SERVER: binarySaying('Redis server v=6.2.0 sha') }).version).toBe('6.2.0');
  });
});

test('a server that is started again answers once it has loaded what it keeps', async () => {
  const redis = await redisForTest({ aof: true });
  await redis.command(
    'EVAL',
    "for i = 1, 200000 do redis.call('RPUSH', 'big', 'some text of some length ' .. i) end",
    0,
  );
  for (let round = 0; round < 3; round++) {
    await redis.restart();
    expect(await redis.command('LLEN', 'big')).toBe(200_000);
  }
});
