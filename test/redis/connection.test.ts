import { MissingPackageError, UnusablePackageError } from 'collector-queue/store';
import * as ioredis from 'ioredis';
import * as nodeRedis from 'redis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { dialerTo, type Loaders } from '../../src/redis/connection.ts';
import { asRedisError, RedisConnectionError, RedisReplyError } from '../../src/redis/errors.ts';
import { linkTo, OwnLink } from '../../src/redis/link.ts';
import { redisForTest } from '../redis-server.ts';

function missing(name: string): () => Promise<never> {
  return async () => {
    throw Object.assign(new Error(`Cannot find package '${name}' imported from /app/x.js`), {
      code: 'ERR_MODULE_NOT_FOUND',
    });
  };
}

const PACKAGES = {
  ioredis: async () => ioredis,
  redis: async () => nodeRedis,
} as unknown as Loaders;

describe('a connection to a URL', () => {
  test.each([
    ['ioredis', PACKAGES],
    ['redis, where ioredis is not installed', { ...PACKAGES, ioredis: missing('ioredis') }],
  ])('is made with %s', async (_name, loaders) => {
    const redis = await redisForTest();
    const link = linkTo({ kind: 'url', url: redis.url }, 'a test', loaders as Loaders);
    onTestFinished(() => link.close());
    expect(await link.send(['PING'])).toBe('PONG');
    expect(await link.send(['RPUSH', 'list', 'a', 'b'])).toBe(2);
    await expect(link.send(['GET', 'list'])).rejects.toMatchObject({ reply: 'WRONGTYPE', retryable: false });
    await redis.kill();
    await expect(link.send(['PING'])).rejects.toThrow(RedisConnectionError);
    await redis.restart();
    expect(await link.send(['PING'])).toBe('PONG');
  });

  test('says which package is missing, to whoever opens and to whoever sends', async () => {
    const loaders = { ioredis: missing('ioredis'), redis: missing('redis') };
    const link = linkTo({ kind: 'url', url: 'redis://localhost' }, 'a RedisEmitter with a URL', loaders);
    await expect(link.prepare()).rejects.toThrow(MissingPackageError);
    await expect(link.prepare()).rejects.toThrow('a RedisEmitter with a URL needs the package ioredis');
    await expect(link.send(['PING'])).rejects.toMatchObject({
      retryable: true,
      cause: expect.any(MissingPackageError),
    });
  });

  test('tells a package that is there and cannot be loaded', async () => {
    const broken = async (): Promise<never> => {
      throw new SyntaxError('unexpected token');
    };
    await expect(dialerTo({ kind: 'url', url: 'redis://localhost' }, 'x', { ...PACKAGES, ioredis: broken }).load())
      .rejects //
      .toThrow(UnusablePackageError);
  });

  test('that is given up while it is made, or used, is closed', async () => {
    const redis = await redisForTest();
    const link = new OwnLink(dialerTo({ kind: 'url', url: redis.url }, 'x'), { keepsAlive: false });
    onTestFinished(() => link.close());
    expect(await link.send(['PING'])).toBe('PONG');
    redis.pause();
    for (let attempt = 0; attempt < 3; attempt++) {
      const controller = new AbortController();
      const sending = link.send(['RPUSH', 'list', String(attempt)], controller.signal);
      setTimeout(() => controller.abort(), 50);
      await expect(sending).rejects.toThrow(RedisConnectionError);
    }
    redis.resume();
    expect(await link.send(['LLEN', 'list'])).toBe(1);
  });
});

describe('what a client throws', () => {
  test.each(['OOM', 'READONLY', 'MISCONF', 'LOADING', 'NOAUTH', 'WRONGPASS', 'BUSY', 'ERR'])(
    'with the reply %s can be tried again',
    (reply) => {
      const thrown = asRedisError(new nodeRedis.SimpleError(`${reply} something`));
      expect(thrown).toBeInstanceOf(RedisReplyError);
      expect(thrown).toMatchObject({ reply, retryable: true });
    },
  );

  test.each(['WRONGTYPE', 'NOPERM'])('with the reply %s cannot', (reply) => {
    expect(asRedisError(new nodeRedis.SimpleError(`${reply} no`))).toMatchObject({ reply, retryable: false });
  });

  test('that is no reply is a lost connection', () => {
    for (const thrown of [new Error('Connection is closed.'), undefined, 'text', null]) {
      expect(asRedisError(thrown)).toBeInstanceOf(RedisConnectionError);
    }
  });
});
