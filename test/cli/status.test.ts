import { Queue } from 'bullmq';
import { Collector } from 'collector-queue';
import { expect, onTestFinished, test } from 'vitest';
import { describeStatus } from '../../src/cli/status-text.ts';
import { started } from '../bullmq/scene.ts';
import { redisForTest } from '../redis-server.ts';
import { until } from '../socket/scene.ts';
import { Child, cli } from './child.ts';

const LONG = { timeout: 60_000 };

test('the status shows the jobs of each collector, its workers, a pause, and the quarantine', LONG, async () => {
  const redis = await redisForTest();
  const empty = cli(['status', '--redis', redis.url]);
  const held = new Collector('held', () => new Promise(() => undefined));
  const odd = new Collector('odd: one', () => 1);
  const options = { connection: redis.url, prefix: 'p', concurrency: 1, registryInterval: 60_000 };
  const queue = await started([held, odd], options);
  const publisher = queue.getPublisher();
  for (let n = 0; n < 3; n++) publisher.publish(n, { keys: 'held' }, { reply: false });
  publisher.publish(9, { keys: 'held' }, { reply: false, delay: 60_000 });
  const forged = new Queue(encodeURIComponent('odd: one'), { connection: { port: redis.port }, prefix: 'p' });
  await forged.add('odd: one', { junk: true });
  await forged.close();
  await until(async () => {
    const counts = await queue.counts();
    return counts.get('held')?.active === 1 && (await queue.quarantined()).length === 1;
  });
  await queue.pause();
  // As if its last worker were gone for a day.
  await queue.forgetCollector('odd: one');
  const [table, json] = await Promise.all([
    cli(['status', '--prefix', 'p'], { env: { REDIS_URL: redis.url } }),
    cli(['status', '--redis', redis.url, '--prefix', 'p', '--json']),
  ]);
  expect(await empty).toEqual({
    code: 0,
    stdout: 'there are no collectors: no worker has announced one, and no jobs are left\n',
    stderr: '',
  });
  expect([table.code, table.stderr]).toEqual([0, '']);
  expect(table.stdout.split('\n').map((line) => line.replaceAll(/ {2,}/g, '|').replace(/\d+ (ms|s)/, '…'))).toEqual([
    'collector|waiting|for|active|delayed|failed|completed|workers',
    'held|2|…|1|1|0|0|1|paused',
    'odd: one|0|0|0|0|0|1|paused, not announced',
    '',
    '1 message was not believed, and is in quarantine',
    '',
  ]);
  const { time, ...rest } = JSON.parse(json.stdout);
  expect(Number.isNaN(Date.parse(time))).toBe(false);
  const ofHeld = {
    waiting: 2,
    active: 1,
    delayed: 1,
    completed: 0,
    failed: 0,
    workers: 1,
    paused: true,
    announced: true,
  };
  expect(rest).toEqual({
    queues: [
      { key: 'held', ...ofHeld, nextAge: expect.any(Number) },
      { ...ofHeld, key: 'odd: one', waiting: 0, active: 0, delayed: 0, announced: false },
    ],
    quarantined: 1,
  });
});

test('a Redis that does not answer ends it with 1; while it watches it waits for its return', LONG, async () => {
  const redis = await redisForTest();
  const watch = new Child([
    'status',
    '--redis',
    redis.url,
    '--watch',
    '--interval',
    '100',
    '--connect-timeout',
    '2000',
    '--json',
  ]);
  onTestFinished(() => void watch.process.kill('SIGKILL'));
  const lines = (): number => watch.stdout.split('\n').length - 1;
  await watch.wrote(/(.*"time".*\n){2}/);
  await redis.kill();
  await watch.wrote(/collector-queue: Redis \(redis:\S+\): (no answer|Redis could not be reached)/);
  const away = await cli(['status', '--redis', `redis://:secret@127.0.0.1:${redis.port}`, '--connect-timeout', '200']);
  expect([away.code, away.stdout]).toEqual([1, '']);
  expect(away.stderr).toMatch(
    /^collector-queue: Redis \(redis:\/\/127\.0\.0\.1:\d+\): Redis could not be reached within 200 ms[^\n]*\n$/,
  );
  await redis.restart();
  const before = lines();
  await until(() => lines() >= before + 2);
  watch.process.kill('SIGINT');
  expect(await watch.ended).toBe(0);
});

test('a key that would move the cursor does not', () => {
  const none = { waiting: 0, active: 0, delayed: 0, failed: 0, completed: 0, workers: 0, paused: false };
  const known = { announced: true, nextAge: 90 * 60_000 };
  const text = describeStatus({ queues: [{ key: 'a\u001b[2Jb', ...none, ...known }], quarantined: 0 });
  expect(text).not.toContain('\u001b');
  expect(text).toContain(' 1 h ');
  expect(text).toMatch(/^"a\\u001b\[2Jb" /m);
});
