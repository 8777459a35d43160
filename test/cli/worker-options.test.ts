import { describe, expect, test } from 'vitest';
import { redisUrlOf } from '../../src/cli/redis-url.ts';
import { describeFigures, type WorkerFigures } from '../../src/cli/worker-figures.ts';
import { explained } from '../../src/cli/worker-module.ts';
import { readWorkerConfig } from '../../src/cli/worker-options.ts';

const ENV = { NEW: 'n'.repeat(32), OLD: 'o'.repeat(40), SHORT: 'ü'.repeat(15), EMPTY: '' };

describe('the command line of a worker', () => {
  test('comes to options of the queue', () => {
    const args = ['./c.js', '--concurrency', '2..20', '--secret-env', 'NEW', '--secret-env', 'OLD', '--name', 'w'];
    expect(readWorkerConfig([...args, '--redis', 'rediss://h'], ENV)).toEqual({
      module: './c.js',
      namesRedis: true,
      redis: { url: 'rediss://h', shown: 'rediss://h' },
      queue: { concurrency: { min: 2, max: 20 }, secret: [ENV.NEW, ENV.OLD], name: 'w' },
      shutdownTimeout: 10_000,
      log: undefined,
    });
    expect(readWorkerConfig(['c.js', '--concurrency', '7', '--log', 'auto'], {}).queue).toEqual({ concurrency: 7 });
  });

  test.each([
    [[], /worker needs one module with collectors; see collector-queue worker --help/],
    [['a.js', 'b.js'], /worker needs one module/],
    [['a.js', '--concurency', '1'], /Unknown option '--concurency'/],
    [['a.js', '--concurrency', '0'], /--concurrency must be .* from 1 to 100000, but it is '0'/],
    [['a.js', '--concurrency', '5..2'], /--concurrency/],
    [['a.js', '--concurrency', '1..'], /--concurrency/],
    [['a.js', '--concurrency', '100001'], /--concurrency/],
    [['a.js', '--concurrency', '1.5'], /--concurrency/],
    [['a.js', '--secret-env', 'NONE'], /--secret-env: the environment has no NONE/],
    [['a.js', '--secret-env', 'EMPTY'], /has no EMPTY, or an empty one/],
    [['a.js', '--secret-env', 'SHORT'], /SHORT must have at least 32 bytes, but it has 30/],
    [['a.js', ...['NEW', 'OLD', 'NEW'].flatMap((name) => ['--secret-env', name])], /twice at most/],
    [['a.js', '--log', 'xml'], /--log must be auto, text or json/],
    [['a.js', '--shutdown-timeout', '-1'], /shutdown-timeout/],
    [['a.js', '--connect-timeout', '0'], /--connect-timeout must be a whole number from 1/],
  ])('%j is refused', (args, message) => {
    expect(() => readWorkerConfig(args, ENV)).toThrow(message);
  });
});

describe('the URL of a Redis', () => {
  test('comes from the command line, or else from the environment, and is shown without secrets', () => {
    const env = { REDIS_URL: 'redis://:secret@b:6380/2?family=6' };
    expect(redisUrlOf(undefined, env)).toEqual({ url: env.REDIS_URL, shown: 'redis://b:6380/2' });
    expect(redisUrlOf('redis://me:secret@a', env)).toEqual({ url: 'redis://me:secret@a', shown: 'redis://a' });
    expect(redisUrlOf(undefined, {})).toBeUndefined();
    expect(redisUrlOf(undefined, { REDIS_URL: '' })).toBeUndefined();
  });

  test.each([
    ['localhost', /it is no URL/],
    ['http://h', /it is a URL of http:/],
    ['redis://', /no URL|names no host/],
    ['redis://h:99999', /no URL/],
    ['redis://h/jobs', /the number of a database/],
    ['redis://me:12/secret@h', /percent-encoded/],
    ['redis://me:12#secret@h', /percent-encoded/],
    ['redis://me:12?secret@h', /percent-encoded/],
  ])('%s is refused, and not repeated', (url, message) => {
    expect(() => redisUrlOf(url, {})).toThrow(message);
    expect(() => redisUrlOf(url, {})).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('secret') }),
    );
  });
});

test('a file that Node does not load is told, with what helps for TypeScript', () => {
  const unknown = (file: string): Error =>
    Object.assign(new TypeError(`Unknown file extension for ${file}`), { code: 'ERR_UNKNOWN_FILE_EXTENSION' });
  expect(explained('./c.ts', '/a/c.ts', unknown('/a/c.ts')).message).toMatch(
    /^\.\/c\.ts: Node [\d.]+ loads no files that end with '\.ts': compile it, .*--import tsx/,
  );
  expect(explained('./c.coffee', '/a/c.coffee', unknown('/a/c.coffee')).message).toMatch(/end with '\.coffee'$/);
  expect(explained('./c.js', '/a/c.js', unknown('/a/other.ts')).message).toMatch(/^\.\/c\.js cannot be loaded: /);
});

test('the line at the bottom has the rate, how busy it is, and what there is in Redis', () => {
  const first: WorkerFigures = { ended: 10, busy: 3, consumers: 20, queues: undefined, isSilent: false };
  expect(describeFigures(first, undefined, 0)).toBe('–/s │ busy 3/20');
  const queues = { waiting: 120, delayed: 4, failed: 2, paused: false };
  const later = { ...first, ended: 34, queues };
  expect(describeFigures(later, first, 2_000)).toBe('12/s │ busy 3/20 │ waiting 120 │ delayed 4 │ failed 2');
  expect(describeFigures({ ...later, queues: { ...queues, paused: true } }, later, 1_000)).toMatch(
    /^0\/s .* │ paused$/,
  );
  expect(describeFigures({ ...later, isSilent: true }, later, 1_000)).toBe('0/s │ busy 3/20 │ Redis does not answer');
});
