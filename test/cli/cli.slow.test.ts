import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { LevelEventStore } from 'collector-queue/store';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CollectorDouble } from '../socket/collector-double.ts';
import { numbers, running } from '../socket/daemon-scene.ts';
import { folder, some, until } from '../socket/scene.ts';
import { Child, cli } from './child.ts';

/** A spool that no daemon has open, with events and dead letters. */
async function closedSpool(): Promise<string> {
  const path = join(folder(), 'spool');
  const events = new LevelEventStore(join(path, 'events'));
  await events.addAll(some(12));
  await events.close();
  const letters = new LevelEventStore(join(path, 'dead-letters'));
  await letters.addAll([1, 2, 3].map((n) => ({ event: { n, text: '€' }, reason: 'HTTP 400', status: 400 })) as never);
  await letters.close();
  return path;
}

function lines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('the command', () => {
  test('tells its version, and how it is used', { timeout: 30_000 }, async () => {
    const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));
    expect(await cli(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
    const overview = await cli([]);
    for (const name of ['daemon', 'spool', 'send', '--help', '--version']) expect(overview.stdout).toContain(name);
    expect(overview.code).toBe(0);
    const [daemonHelp, spoolHelp, sendHelp] = await Promise.all(
      ['daemon', 'spool', 'send'].map((name) => cli([name, '--help'])),
    );
    expect([daemonHelp?.code, spoolHelp?.code, sendHelp?.code]).toEqual([0, 0, 0]);
    expect(daemonHelp?.stdout).toContain('--shutdown-timeout');
    expect(spoolHelp?.stdout).toContain('redrive');
    expect(sendHelp?.stdout).toContain('--socket');
  });

  test('says in one line what is wrong with what was typed, and ends with 2', { timeout: 30_000 }, async () => {
    const store = join(folder(), 'none');
    const wrong: [string[], RegExp][] = [
      [['demon'], /no command 'demon'/],
      [['toString'], /no command 'toString'/],
      [['daemon', '--store', store], /--listen and --endpoint are missing/],
      [['daemon', '--store', store, '--endpoint', 'x', '--listen', 'here'], /listen\[0\] must be unix:/],
      [['spool'], /spool needs one of ls, tail, export, redrive, verify, stats/],
      [['spool', 'ls'], /--store or --socket is missing/],
      [['spool', 'ls', '--store', store], /there is no spool/],
      [['spool', 'ls', '--socket', '/x', '--limit', '0'], /--limit must be a whole number/],
      [['spool', 'ls', '--port', '99999'], /--port must be/],
      [['spool', 'redrive', '--socket', '/x'], /either --all or --id/],
      [['send', 'a', 'b', '--socket', '/x'], /one file/],
      [['send', 'a'], /--socket or --port is missing/],
    ];
    const runs = await Promise.all(wrong.map(([args]) => cli(args)));
    for (const [at, { code, stdout, stderr }] of runs.entries()) {
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^collector-queue: [^\n]+\n$/);
      expect(stderr).toMatch(wrong[at]?.[1] as RegExp);
    }
    expect(existsSync(store)).toBe(false);
  });
});

describe('looking into a spool', () => {
  test('that no daemon has open', { timeout: 30_000 }, async () => {
    const store = await closedSpool();
    const spool = (...args: string[]) => cli(['spool', ...args, '--store', store]);
    const ls = await spool('ls');
    expect(ls.code).toBe(0);
    expect(ls.stdout.split('\n').slice(0, -1)).toHaveLength(3);
    expect(ls.stdout).toMatch(/^ {7}1 {2}\d{4}-.*Z {2}HTTP 400 {2}\{"n":1,"text":"€"\}$/m);
    expect(lines((await spool('ls', '--events', '--json', '--limit', '2')).stdout)).toMatchObject([
      { id: 1, event: { n: 0 } },
      { id: 2, event: { n: 1 } },
    ]);
    expect(lines((await spool('tail', '--events', '--json')).stdout).map(({ id }) => id)).toEqual(
      some(10, 3).map(({ n }) => n),
    );
    expect(lines((await spool('export')).stdout)).toMatchObject([
      { id: 1, event: { n: 1, text: '€' }, reason: 'HTTP 400', status: 400 },
      { id: 2 },
      { id: 3 },
    ]);
    const out = join(folder(), 'letters.ndjson');
    expect(await spool('export', '--raw', '--out', out)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(lines(readFileSync(out, 'utf8'))).toEqual([1, 2, 3].map((n) => ({ n, text: '€' })));
    const twice = await spool('export', '--raw', '--out', out);
    expect([twice.code, twice.stderr]).toEqual([1, `collector-queue: --out ${out} exists already: it is left alone\n`]);
    expect((await spool('stats')).stdout).toMatch(/^events that wait +12$/m);
    expect(await spool('redrive', '--id', '2', '--id', '3')).toMatchObject({
      code: 0,
      stdout: '2 events are in the spool again\n',
    });
    expect(JSON.parse((await spool('verify', '--json')).stdout)).toEqual({ events: 14, deadLetters: 1, damaged: 0 });
  });

  test('with damaged records ends with 1', { timeout: 30_000 }, async () => {
    const store = await closedSpool();
    const { classicLevel } = await import('../../src/store/classic-level.ts');
    const { eventKey } = await import('../../src/store/level-records.ts');
    const level = await classicLevel().open(join(store, 'events'), false);
    await level.write([{ type: 'put', key: eventKey({ id: 1, bytes: 7 }), value: Buffer.from('damaged') }], true);
    await level.close();
    const { code, stdout, stderr } = await cli(['spool', 'verify', '--store', store]);
    expect([code, stdout, stderr]).toEqual([1, '11 events, 3 dead letters, 1 damaged records\n', '']);
  });

  test('of a running daemon goes through its socket', { timeout: 30_000 }, async () => {
    const { client, collector, socket, store } = await running();
    collector.answer = () => 400;
    const one = await client();
    await one.ask(some(4));
    await until(() => collector.batches.length > 0);
    const spool = (...args: string[]) => cli(['spool', ...args, '--socket', socket]);
    await until(async () => JSON.parse((await spool('stats', '--json')).stdout).deadLetters === 4);
    const locked = await cli(['spool', 'ls', '--store', store]);
    expect([locked.code, locked.stderr]).toEqual([
      2,
      'collector-queue: a daemon has this spool open: name its socket with --socket\n',
    ]);
    expect(lines((await spool('ls', '--json')).stdout)).toHaveLength(4);
    expect((await spool('export', '--raw')).stdout).toBe('{"n":0}\n{"n":1}\n{"n":2}\n{"n":3}\n');
    collector.answer = () => 200;
    expect(await spool('redrive', '--all', '--json')).toMatchObject({ code: 0, stdout: '{"redriven":4}\n' });
    await until(() => collector.taken.length === 4);
    expect((await spool('verify')).stdout).toMatch(/^\d events, 0 dead letters, 0 damaged records\n$/);
  });

  test('follows what comes', { timeout: 30_000 }, async () => {
    const { client, collector, socket } = await running();
    await collector.stop();
    const one = await client();
    await one.ask(some(2));
    const tail = new Child(['spool', 'tail', '--events', '--follow', '--json', '--socket', socket]);
    onTestFinished(async () => void (await tail.kill('SIGKILL')));
    await tail.wrote('"n":1');
    await one.ask({ n: 'new' });
    await tail.wrote('"n":"new"');
    expect(lines(tail.stdout).map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  test('where nobody answers, or somebody else does, is told in one line', { timeout: 30_000 }, async () => {
    const none = await cli(['spool', 'stats', '--socket', join(folder(), 'none.sock')]);
    expect([none.code, none.stderr]).toEqual([
      1,
      expect.stringMatching(/^collector-queue: no daemon answers[^\n]*\n$/),
    ]);
    const other = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await until(() => other.listening);
    const port = String((other.address() as AddressInfo).port);
    const wrong = await cli(['spool', 'stats', '--port', port]);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringMatching(/^collector-queue: [^\n]*\n$/)]);
  });
});

describe('sending', () => {
  test('hands over a file, and says what came of it', { timeout: 30_000 }, async () => {
    const { client, collector, socket } = await running();
    const file = join(folder(), 'events.ndjson');
    writeFileSync(
      file,
      `${some(300)
        .map((event) => JSON.stringify(event))
        .join('\n')}\n[{"n":300},{"n":301}]\r\n\n`,
    );
    const { code, stdout, stderr } = await cli(['send', file, '--socket', socket, '--json']);
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ acknowledged: 302, failed: 0, badLines: 0 });
    await until(() => collector.taken.length === 302);
    expect(new Set(numbers(collector.taken)).size).toBe(302);
    expect((await client()).isClosed).toBe(false);
  });

  test('reads standard input, counts what are no events, and ends with 1 for them', { timeout: 30_000 }, async () => {
    const { collector, socket } = await running();
    const input = '{"n":1}\nno event\n[1]\n{"n":2}';
    const { code, stdout } = await cli(['send', '-', '--socket', socket], { input });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^2 events acknowledged in .* 0 not acknowledged, 2 lines were no events\n$/);
    await until(() => collector.taken.length === 2);
  });

  test('tells of a daemon that is not there, and of a file that is not', { timeout: 30_000 }, async () => {
    const away = join(folder(), 'none.sock');
    const [daemonAway, fileAway] = await Promise.all([
      cli(['send', '--socket', away, '--timeout', '200'], { input: '{"n":1}\n' }),
      cli(['send', join(folder(), 'none'), '--socket', away]),
    ]);
    expect(daemonAway.code).toBe(1);
    expect(daemonAway.stdout).toMatch(/^0 events acknowledged .* 1 not acknowledged\n$/);
    expect(daemonAway.stderr).toMatch(
      /^collector-queue: no connection to unix:.*, trying again: there is no socket.*\ncollector-queue: [^\n]*\n$/,
    );
    expect([fileAway.code, fileAway.stderr]).toEqual([1, expect.stringMatching(/^collector-queue: ENOENT[^\n]*\n$/)]);
  });
});

test('a collector that is down is no reason for operators to wait', { timeout: 30_000 }, async () => {
  const collector = await CollectorDouble.started();
  await collector.stop();
  const store = await closedSpool();
  const child = new Child([
    ...['daemon', '--store', store, '--endpoint', collector.url],
    ...['--listen', `unix:${join(folder(), 'd.sock')}`, '--shutdown-timeout', '100'],
  ]);
  await child.wrote('listening at');
  expect(await child.kill('SIGTERM')).toBe(0);
  expect(child.log.at(-1)).toMatchObject({ message: 'stopped; the rest is safely stored', remaining: 12 });
});
