import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RedisServer, redisForTest, startRedis } from '../redis-server.ts';
import { folder } from '../socket/scene.ts';
import { cli } from './child.ts';
import { Terminal } from './terminal.ts';
import { moduleOf, publisherTo, worker } from './worker-scene.ts';

const LONG = { timeout: 60_000 };

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

describe('a module', () => {
  const AWAY = ['--redis', 'redis://127.0.0.1:1'];

  /** Two at a time, since the machine has other things to do. */
  async function allSay(cases: readonly (readonly [path: string, code: number, message: RegExp])[]): Promise<void> {
    for (let at = 0; at < cases.length; at += 2) {
      await Promise.all(
        cases.slice(at, at + 2).map(async ([path, code, message]) => {
          const run = await cli(['worker', path, ...AWAY]);
          expect({ path, ...run }).toEqual({ path, code, stdout: '', stderr: expect.stringMatching(message) });
        }),
      );
    }
  }

  test('that holds no collectors is told, and ends with 2', LONG, async () => {
    const one = "new Collector('a', () => 1)";
    mkdirSync(join(folder(), 'sub'));
    await allSay([
      [folder(), 2, /is a folder, not a module\n$/],
      [moduleOf('export const other = 1;'), 2, /it must export an array of them, as default or as collectors\n$/],
      [moduleOf(`export default ${one};`), 2, /must be an array of Collectors, but it is a Collector\n$/],
      [
        moduleOf(`export default [${one}, { key: 'b' }];`),
        2,
        /collectors\[1\] of \S+ must be a Collector, but it is an/,
      ],
      [moduleOf(`export default () => [${one}, ${one}];`), 2, /two collectors of \S+ have the key "a"\n$/],
      [moduleOf(`export default [${one}]; export const options = [];`), 2, /options of \S+ must be an object/],
      [moduleOf(`export default [${one}]; export const options = { role: 'both' };`), 2, /must be without role/],
      [moduleOf(`export default [${one}]; export const options = { prefx: 'a' };`), 2, /prefx/],
      [
        moduleOf("class Collector2 { key = 'a'; processor() {} }\nexport default [new Collector2()];"),
        2,
        /of another copy of/,
      ],
    ]);
  });

  test('that fails is told with what it failed with, and ends with 1', LONG, async () => {
    await allSay([
      [moduleOf('export default [\n  1,,\n  const\n];'), 1, /cannot be loaded: .*collectors\.mjs:4\b/s],
      [moduleOf("import 'no-such-package';\nexport default [];"), 1, /cannot be loaded: .*'no-such-package'/],
      [moduleOf("export default async () => { throw new TypeError('no'); };"), 1, /failed: TypeError: no\n +at /],
      [moduleOf('await new Promise(() => undefined);'), 1, /awaits what never comes/],
      [moduleOf('export default () => new Promise(() => undefined);'), 1, /awaits what never comes/],
    ]);
  });

  test('may be CommonJS, or compiled to it', LONG, async () => {
    const place = folder();
    const plain = join(place, 'plain.cjs');
    writeFileSync(plain, 'module.exports = { collectors: [] };');
    const compiled = join(place, 'compiled.cjs');
    writeFileSync(compiled, 'exports.__esModule = true; exports.default = [];');
    await allSay([
      [plain, 2, /the array is empty/],
      [compiled, 2, /the array is empty/],
    ]);
  });

  test('whose set-up fails ends it with 1, and says why', LONG, async () => {
    const lifecycle = "{ setup: () => { throw new Error('no database'); } }";
    const path = moduleOf(`export default [new Collector('a', () => 1, { lifecycle: ${lifecycle} })];`);
    const run = await cli(['worker', path, '--redis', redis.url, '--prefix', 'setup']);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^collector-queue: .*no database/m);
  });
});

test.each(['bullmq', 'ioredis'])('without the package %s it says how to get it', LONG, async (name) => {
  const hook = join(folder(), 'hook.mjs');
  writeFileSync(
    hook,
    `import { register } from 'node:module';
    const resolve = (wanted, context, next) => {
      if (wanted === '${name}') throw Object.assign(new Error("Cannot find package '${name}'"), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(wanted, context);
    };
    register('data:text/javascript,' + encodeURIComponent('export const resolve = ' + resolve));`,
  );
  const path = moduleOf("export default [new Collector('a', () => 1)];");
  const env = { NODE_OPTIONS: `--import ${hook}`, REDIS_URL: redis.url };
  const run = await cli(['worker', path], { env });
  expect([run.code, run.stderr]).toEqual([
    1,
    expect.stringMatching(new RegExp(`needs the package ${name}: npm install ${name}\\n$`)),
  ]);
});

test(
  'on a terminal figures stay below what is logged and what collectors print, and are gone at the end',
  LONG,
  async () => {
    const own = await redisForTest();
    const path = moduleOf(`
    export default [
      new Collector('quick', ({ value }) => { if (value % 200 === 0) console.log('printed ' + value); }),
      new Collector('held', () => new Promise(() => undefined)),
    ];`);
    const args = ['worker', path, '--redis', own.url, '--concurrency', '2', '--shutdown-timeout', '500'];
    const terminal = Terminal.run(100, args);
    await terminal.shows(/working/);
    const queue = await publisherTo(own.url);
    const publisher = queue.getPublisher();
    for (let n = 0; n < 600; n++) publisher.publish(n, { keys: 'quick' }, { reply: false });
    for (let n = 0; n < 5; n++) publisher.publish(n, { keys: 'held' }, { reply: false });
    await terminal.shows(() => terminal.drawn.some((line) => Number(/^(\d+)\/s/.exec(line)?.[1]) > 50));
    await terminal.shows(() => /busy 2\/4 │ waiting 3 │ delayed 0 │ failed 0$/.test(terminal.rows.at(-1) ?? ''));
    expect(terminal.rows.filter((row) => row.includes('│'))).toHaveLength(1);
    expect(terminal.rows.filter((row) => row.startsWith('printed'))).toEqual([0, 200, 400].map((n) => `printed ${n}`));
    own.pause();
    await terminal.shows(() => /Redis does not answer$/.test(terminal.rows.at(-1) ?? ''));
    own.resume();
    await terminal.shows(() => /failed 0$/.test(terminal.rows.at(-1) ?? ''));
    terminal.tell('signal TERM');
    expect(await terminal.ended).toBe(3);
    expect(terminal.rows.filter((row) => row.includes('│'))).toEqual([]);
    expect(terminal.rows.at(-1)).toMatch(/^\d\d:\d\d:\d\d stopped; others will run the rest ended=600 unfinished=2$/);
  },
);

test('a Redis that is away does not keep it from stopping', LONG, async () => {
  const own = await redisForTest();
  const child = await worker([
    moduleOf("export default [new Collector('a', () => 1)];"),
    ...['--redis', own.url, '--shutdown-timeout', '1500'],
  ]);
  await own.kill();
  await child.wrote('Redis is away');
  const begun = performance.now();
  child.process.kill('SIGTERM');
  expect(await child.ended).toBe(0);
  expect(performance.now() - begun).toBeLessThan(8_000);
});
