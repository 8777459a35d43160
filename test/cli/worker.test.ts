import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type RedisServer, redisForTest, startRedis } from '../redis-server.ts';
import { folder, until } from '../socket/scene.ts';
import { Child, cli } from './child.ts';
import { moduleOf, publisherTo, worker } from './worker-scene.ts';

const LONG = { timeout: 60_000 };

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

test('a worker runs the collectors of a module; SIGTERM lets what runs end, and ends it with 0', LONG, async () => {
  const go = join(folder(), 'go');
  const path = moduleOf(`
    import { existsSync } from 'node:fs';
    export default async () => [
      new Collector('square', ({ value }) => value ** 2),
      new Collector('held', async () => {
        console.log('held begins');
        while (!existsSync(${JSON.stringify(go)})) await new Promise((resolve) => setTimeout(resolve, 10));
        return ok('done');
      }),
      new Collector('bad', () => { throw new RangeError('not that one'); }),
    ];
    export const options = { prefix: 'overruled', stalledInterval: 1000 };
    // Left open, as a pool of connections would be.
    setInterval(() => undefined, 1000);`);
  const secret = 'a secret of more than thirty-two bytes';
  const args = [path, '--prefix', 'first', '--name', 'w1', '--concurrency', '1..5', '--secret-env', 'CQ_SECRET'];
  const child = await worker(args, { REDIS_URL: redis.url, CQ_SECRET: secret });
  const publisher = (await publisherTo(redis.url, { prefix: 'first', secret })).getPublisher();
  const squared = await publisher.publish(7, { keys: 'square' }).wait();
  expect(squared.first()).toMatchObject({ value: 49 });
  expect((await publisher.publish(7, { keys: 'bad' }).wait()).isOk()).toBe(false);
  const held = publisher.publish(1, { keys: 'held' });
  const result = held.wait();
  await child.wrote('held begins');
  child.process.kill('SIGTERM');
  await child.wrote('"message":"stopping"');
  writeFileSync(go, '');
  expect((await result).first()).toMatchObject({ value: 'done' });
  expect(await child.ended).toBe(0);
  expect(child.log).toMatchObject([
    { message: 'starting', redis: redis.url },
    { message: 'working', collectors: 'square, held, bad', name: 'w1' },
    { level: 'error', message: 'job failed', collector: 'bad', attempt: 1, error: 'RangeError: not that one' },
    { message: 'stopping', signal: 'SIGTERM', running: 1 },
    { message: 'stopped; everything that ran has ended', ended: 3, unfinished: 0 },
  ]);
  expect(child.stderr).not.toContain(secret);
});

test('a job that does not end within the time limit is given back, and the exit code is 3', LONG, async () => {
  const path = moduleOf(`
    export const collectors = [new Collector('endless', () => { console.log('begins'); return new Promise(() => undefined); })];
    setInterval(() => undefined, 1000);`);
  const child = await worker([path, '--redis', redis.url, '--prefix', 'second', '--shutdown-timeout', '400']);
  const queue = await publisherTo(redis.url, { prefix: 'second' });
  const { id } = queue.getPublisher().publish(1, undefined, { reply: false });
  await child.wrote('begins');
  child.process.kill('SIGINT');
  expect(await child.ended).toBe(3);
  expect(child.log.slice(-2)).toMatchObject([
    { level: 'warn', message: 'job did not end in time', collector: 'endless', event: id },
    { message: 'stopped; others will run the rest', unfinished: 1 },
  ]);
  const status = await cli(['status', '--redis', redis.url, '--prefix', 'second', '--json']);
  expect(JSON.parse(status.stdout).queues).toMatchObject([{ key: 'endless', waiting: 1, active: 0, workers: 0 }]);
});

test('a second signal ends it at once, with 1', LONG, async () => {
  const path = moduleOf(`
    export default [new Collector('endless', () => { console.log('begins'); return new Promise(() => undefined); })];`);
  const child = await worker([path, '--redis', redis.url, '--prefix', 'third', '--shutdown-timeout', '60000']);
  const queue = await publisherTo(redis.url, { prefix: 'third' });
  queue.getPublisher().publish(1, undefined, { reply: false });
  await child.wrote('begins');
  child.process.kill('SIGTERM');
  await child.wrote('"message":"stopping"');
  child.process.kill('SIGTERM');
  expect(await child.ended).toBe(1);
});

test('a Redis that goes is told once, as is its return, and work goes on', LONG, async () => {
  const own = await redisForTest({ aof: true });
  const child = await worker([
    moduleOf("export default [new Collector('echo', ({ value }) => value)];"),
    '--redis',
    own.url,
  ]);
  const told = (message: string): number => child.log.filter((line) => line.message.startsWith(message)).length;
  for (const outage of [1, 2]) {
    await own.kill();
    await until(() => told('Redis is away') === outage);
    await own.restart();
    await until(() => told('Redis is back') === outage);
  }
  const queue = await publisherTo(own.url);
  const results = await queue.getPublisher().publish('hello').wait();
  expect(results.first()).toMatchObject({ value: 'hello' });
  expect(told('internal error')).toBe(0);
  child.process.kill('SIGTERM');
  expect(await child.ended).toBe(0);
});

test('what cannot be run is told, without the password, and the exit code says whose fault it is', LONG, async () => {
  const good = moduleOf("export default [new Collector('a', () => 1)];");
  const away = 'redis://user:password@127.0.0.1:1/0';
  const runs = await Promise.all([
    cli(['worker', good, '--redis', away, '--connect-timeout', '300']),
    cli(['worker', join(folder(), 'none.js'), '--redis', away]),
    cli(['worker', moduleOf('export default [];\nsetInterval(() => undefined, 1000);'), '--redis', away]),
    cli(['worker', moduleOf("throw new Error('no such table');"), '--redis', away]),
  ]);
  const said = [
    [1, /^collector-queue: Redis \(redis:\/\/127\.0\.0\.1:1\/0\): Redis could not be reached within 300 ms/m],
    [2, /^collector-queue: there is no module \S+none\.js/],
    [2, /^collector-queue: \S+ has no collectors: the array is empty\n$/],
    [1, /^collector-queue: \S+ cannot be loaded: Error: no such table\n +at .*collectors\.mjs:2/],
  ] as const;
  for (const [at, [code, message]] of said.entries()) {
    expect(runs[at]).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) });
    expect(runs[at]?.stderr).not.toContain('password');
  }
});

test('a signal while it starts ends it in order', LONG, async () => {
  const path = moduleOf(`
    const lifecycle = async function* () {
      console.log('setting up');
      await new Promise((resolve) => setTimeout(resolve, 300));
      try { yield; } finally { console.log('shut down'); }
    };
    export default [new Collector('a', () => 1, { lifecycle })];`);
  const child = new Child(['worker', path, '--redis', redis.url, '--prefix', 'fourth']);
  onTestFinished(() => void child.process.kill('SIGKILL'));
  await child.wrote('setting up');
  child.process.kill('SIGTERM');
  expect(await child.ended).toBe(0);
  expect(child.stdout).toBe('setting up\nshut down\n');
  expect(child.stderr).not.toContain('working');
});
