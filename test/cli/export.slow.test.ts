import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LevelEventStore } from 'collector-queue/store';
import { expect, test } from 'vitest';
import { running } from '../socket/daemon-scene.ts';
import { folder, some } from '../socket/scene.ts';
import { Child, cli, ENTRY } from './child.ts';

const LONG = { timeout: 60_000 };

/** A spool that no daemon has open, with so many events. */
async function closedSpool(count: number): Promise<string> {
  const path = join(folder(), 'spool');
  const events = new LevelEventStore(join(path, 'events'), { durability: 'os' });
  for (let from = 0; from < count; from += 10_000) await events.addAll(some(Math.min(10_000, count - from), from));
  await events.close();
  mkdirSync(join(path, 'dead-letters'));
  return path;
}

/** The command in a shell, which says where its output goes. */
async function shell(line: string, args: readonly string[]): Promise<{ code: number; stderr: string }> {
  const child = spawn('sh', ['-c', line, process.execPath, '--import', 'tsx', ENTRY, ...args], {
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (text) => (stderr += text));
  const [code] = await once(child, 'close');
  return { code: code as number, stderr };
}

const numbersIn = (text: string): unknown[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).n);

test('an export into a file is there as a whole, and nothing beside it', LONG, async () => {
  const store = await closedSpool(30_000);
  const out = join(folder(), 'events.ndjson');
  expect(await cli(['spool', 'export', '--events', '--raw', '--store', store, '--out', out])).toEqual({
    code: 0,
    stdout: '',
    stderr: '',
  });
  expect(numbersIn(readFileSync(out, 'utf8'))).toEqual(some(30_000).map(({ n }) => n));
  expect(readdirSync(join(out, '..'))).toEqual(['events.ndjson']);
});

test(
  'an export that finds no room says so, keeps its beginning beside, and puts nothing in its place',
  LONG,
  async () => {
    // The limit is for the exporting process, so the spool is that of a daemon.
    const { client, collector, daemon, socket } = await running();
    await collector.stop();
    const one = await client();
    for (let from = 0; from < 20_000; from += 2_000) await one.ask(some(2_000, from));
    const out = join(folder(), 'events.ndjson');
    const args = ['spool', 'export', '--events', '--raw', '--socket', socket, '--out', out];
    const { code, stderr } = await shell(`trap '' XFSZ; ulimit -f 128; exec "$0" "$@"`, args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^collector-queue: the export is not complete: EFBIG[^\n]*; its beginning is in [^\n]+\n$/);
    expect(existsSync(out)).toBe(false);
    const [partial, ...others] = readdirSync(join(out, '..'));
    expect([partial?.startsWith('events.ndjson.partial-'), others]).toEqual([true, []]);
    expect(stderr).toContain(partial);
    expect((await daemon.getMetrics()).stored).toBe(20_000);
    // The next one is not in its way.
    expect(await cli(args)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(numbersIn(readFileSync(out, 'utf8'))).toHaveLength(20_000);
  },
);

test('an export to where something is, or nothing can be, writes nothing', LONG, async () => {
  const store = await closedSpool(10);
  const place = folder();
  const there = join(place, 'there');
  writeFileSync(there, 'precious');
  const exported = (out: string) => cli(['spool', 'export', '--events', '--store', store, '--out', out]);
  const [over, nowhere] = await Promise.all([
    exported(there),
    closedSpool(10).then((other) => cli(['spool', 'export', '--store', other, '--out', join(place, 'none', 'out')])),
  ]);
  expect([over.code, over.stderr]).toEqual([1, `collector-queue: --out ${there} exists already: it is left alone\n`]);
  expect([nowhere.code, nowhere.stderr]).toEqual([1, expect.stringMatching(/^collector-queue: ENOENT[^\n]*\n$/)]);
  expect([readFileSync(there, 'utf8'), readdirSync(place)]).toEqual(['precious', ['there']]);
});

test('an export to standard output that nobody reads to the end says so, and ends with 1', LONG, async () => {
  const store = await closedSpool(50_000);
  const child = new Child(['spool', 'export', '--events', '--store', store]);
  await child.wrote('"n":1');
  child.process.stdout?.destroy();
  expect(await child.ended).toBe(1);
  expect(child.stderr).toBe('collector-queue: the export is not complete: nobody reads it any more (EPIPE)\n');
});

test('an export to a full disk by redirection says so, and ends with 1', LONG, async () => {
  const store = await closedSpool(50_000);
  const { code, stderr } = await shell('exec "$0" "$@" > /dev/full', ['spool', 'export', '--events', '--store', store]);
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/^collector-queue: the export is not complete: ENOSPC[^\n]*\n$/),
  ]);
});

test('a list of which only the beginning is read is cut short without a word', LONG, async () => {
  const store = await closedSpool(50_000);
  const child = new Child(['spool', 'ls', '--events', '--limit', '50000', '--store', store]);
  await child.wrote('"n":1');
  child.process.stdout?.destroy();
  expect([await child.ended, child.stderr]).toEqual([0, '']);
});
