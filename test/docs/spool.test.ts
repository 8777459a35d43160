import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { prometheusText, SocketEmitter, SpoolDaemon, type SpoolMetrics } from 'collector-queue/socket';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readDaemonConfig } from '../../src/cli/daemon-config.ts';
import { defaultsOf, namesIn, namesKnown, rowsUnder, withoutMarks } from './tables.ts';

const root = resolve(import.meta.dirname, '../..');
const SPOOL = 'docs/SPOOL.md';

/** The names of flags in a cell, without their dashes. */
const flagsIn = (cell = ''): string[] => [...cell.matchAll(/`--([\w-]+)`/g)].map((flag) => flag[1] as string);

describe('the table of options of a SocketEmitter', () => {
  const rows = rowsUnder(SPOOL, 'option of a SocketEmitter');

  test('lists those that there are, each once', () => {
    const known = namesKnown((unknown) => new SocketEmitter(unknown as { path: string }));
    expect(rows.flatMap(([names]) => namesIn(names)).sort()).toEqual(known);
  });

  test('has the defaults that the code has', () => {
    const defaults = defaultsOf('src/socket/client/options.ts', 'SocketEmitterOptions');
    const said = rows.flatMap(([names, value = '']) => namesIn(names).map((name) => [name, withoutMarks(value)]));
    expect(defaults.length).toBeGreaterThan(0);
    expect(Object.fromEntries(said)).toMatchObject(Object.fromEntries(defaults));
  });

  test('stands beside one of all metrics', () => {
    const listed = rowsUnder(SPOOL, 'metric of a SocketEmitter').flatMap(([names]) => namesIn(names));
    expect(listed.sort()).toEqual(Object.keys(new SocketEmitter({ path: '/nowhere' }).getMetrics()).sort());
  });
});

describe('the table of options of the daemon', () => {
  const rows = rowsUnder(SPOOL, 'option of the daemon');

  test('lists the flags that there are', async () => {
    const { daemon } = await import('../../src/cli/daemon.ts');
    const usage = [...daemon.usage.matchAll(/--([a-z][\w-]*)/g)].map((flag) => flag[1] as string);
    expect(rows.flatMap(([flags]) => flagsIn(flags)).sort()).toEqual([...new Set(usage)].sort());
  });

  test('lists the settings of the file, but for those that are named beside it', () => {
    const listed = rows.flatMap(([, names]) => namesIn(names));
    const beside = ['headers', 'customRetryCodes', 'rateLimit', 'compression', 'anonymous'];
    expect([...listed, ...beside].sort()).toEqual(settingsKnown());
    const page = readFileSync(join(root, SPOOL), 'utf8');
    for (const name of beside) expect(page).toContain(`\`${name}\``);
  });

  test('has the defaults that the code has', () => {
    const defaults = defaultsOf('src/socket/options.ts', 'SpoolDaemonOptions')
      .filter(([name]) => name !== 'socketMode')
      .map(([name, value]) => [name, value.replaceAll("'", '').replace(/, .*/, '')]);
    const said = rows.map(([, names, value = '']) => [namesIn(names)[0], withoutMarks(value)]);
    expect(defaults.length).toBeGreaterThan(10);
    expect(Object.fromEntries(said)).toMatchObject(Object.fromEntries(defaults));
    const { options, shutdownTimeout } = readDaemonConfig(
      ['--listen', 'unix:/a', '--store', 's', '--endpoint', 'e'],
      {},
    );
    expect(Object.fromEntries(said).shutdownTimeout).toBe(String(shutdownTimeout));
    expect(new SpoolDaemon(options)).toBeInstanceOf(SpoolDaemon);
  });
});

test('the table of metrics lists the names of Prometheus and those of /health', () => {
  const zeros = new Proxy({}, { get: () => 0 }) as SpoolMetrics;
  const names = [...prometheusText(zeros).matchAll(/^collector_queue_spool_(\w+) /gm)].map((found) => found[1]);
  const rows = rowsUnder(SPOOL, 'name');
  expect(rows.map(([name]) => namesIn(name)[0]).sort()).toEqual(names.sort());
  const fields = rows.flatMap(([, field]) => namesIn(field));
  for (const field of fields) expect(fieldsOfMetrics()).toContain(field);
  expect(new Set(fields).size).toBe(names.length);
});

test('the options of spool and send are all named', async () => {
  const page = readFileSync(join(root, SPOOL), 'utf8');
  const commands = [(await import('../../src/cli/spool.ts')).spool, (await import('../../src/cli/send.ts')).send];
  for (const { usage } of commands) {
    for (const [flag] of usage.matchAll(/--[a-z][\w-]*/g)) expect(page).toContain(`\`${flag}\``);
  }
});

/** What the refusal of an unknown setting lists. */
function settingsKnown(): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'cq-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'daemon.json');
  writeFileSync(file, '{"unheardOf":1}');
  try {
    readDaemonConfig(['--config', file], {});
  } catch (error) {
    return ((error as Error).message.split('there are ')[1] ?? '').split(', ').sort();
  }
  throw new Error('an unknown setting was not refused');
}

function fieldsOfMetrics(): string[] {
  const file = readFileSync(join(root, 'src/socket/metrics.ts'), 'utf8');
  const [, members = ''] = /interface SpoolMetrics \{(.*?)\n\}/s.exec(file) ?? [];
  return [...members.matchAll(/readonly (\w+):/g)].map((found) => found[1] as string);
}
