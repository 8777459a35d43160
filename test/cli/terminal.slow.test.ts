import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CollectorDouble } from '../socket/collector-double.ts';
import { running } from '../socket/daemon-scene.ts';
import { LineClient } from '../socket/line-client.ts';
import { folder, some, until } from '../socket/scene.ts';
import { Terminal } from './terminal.ts';

const LONG = { timeout: 60_000 };
const STATUS = /^in (\d+|–)\/s │ out (\d+|–)\/s │ waiting \d+ │ oldest \d+\.\d s │ \d+ connections/;
const LOGGED = /^\d\d:\d\d:\d\d /;

async function daemon(columns: number, ...more: string[]) {
  const collector = await CollectorDouble.started();
  const [store, socket] = [join(folder(), 'spool'), join(folder(), 'd.sock')];
  const args = ['--store', store, '--listen', `unix:${socket}`, '--endpoint', collector.url, '--max-retry-delay', '50'];
  const terminal = Terminal.run(columns, ['daemon', ...args, ...more]);
  await terminal.shows(/listening at/);
  const client = await LineClient.connected({ path: socket });
  onTestFinished(() => client.end());
  return { terminal, collector, client };
}

/** A number in the line as it was drawn last. */
function last({ drawn }: Terminal, what: RegExp): number {
  return Number(what.exec(drawn.at(-1) ?? '')?.[1]);
}

describe('the status line of the daemon', () => {
  test('shows rates, backlog and oldest age, stays below the log, and is gone at the end', LONG, async () => {
    const { terminal, collector, client } = await daemon(100);
    await terminal.shows(() => STATUS.test(terminal.rows.at(-1) ?? ''));
    await client.ask(some(500));
    await terminal.shows(() => terminal.drawn.some((line) => Number(/^in (\d+)\/s/.exec(line)?.[1]) > 100));
    await terminal.shows(() => terminal.drawn.some((line) => Number(/out (\d+)\/s/.exec(line)?.[1]) > 100));
    collector.answer = () => 503;
    await client.ask(some(7, 500));
    await terminal.shows(() => last(terminal, /waiting (\d+)/) === 7 && last(terminal, /oldest ([\d.]+) s/) >= 1);
    // Each failed request is logged above the line.
    for (const row of terminal.rows.slice(0, -1)) expect(row).toMatch(/^\d\d:\d\d:\d\d |^\S/);
    expect(terminal.rows.filter((row) => row.includes('│'))).toHaveLength(1);
    expect(terminal.rows.at(-1)).toMatch(STATUS);
    collector.answer = () => 200;
    await terminal.shows(() => last(terminal, /waiting (\d+)/) === 0);
    terminal.tell('signal TERM');
    expect(await terminal.ended).toBe(0);
    expect(terminal.rows.filter((row) => row.includes('│'))).toEqual([]);
    expect(terminal.rows.at(-1)).toMatch(/^\d\d:\d\d:\d\d stopped; everything was sent remaining=0$/);
    expect(terminal.shown.endsWith('\n')).toBe(true);
  });

  test('is cut where the terminal is narrow, so that nothing of it is left behind', LONG, async () => {
    const { terminal, client } = await daemon(30);
    await client.ask(some(50));
    await terminal.shows(() => terminal.drawn.length > 3);
    const lines = terminal.drawn.filter((line) => line.includes('│'));
    for (const line of lines) expect([line.length < 30, line.endsWith('…')]).toEqual([true, true]);
    expect(terminal.rows.filter((row) => row.includes('│'))).toHaveLength(1);
    const before = terminal.drawn.length;
    terminal.tell('columns 100');
    await terminal.shows(() => terminal.drawn.slice(before).some((line) => STATUS.test(line)));
    terminal.tell('signal INT');
    expect(await terminal.ended).toBe(0);
  });

  test('is gone when a second signal ends the process at once', LONG, async () => {
    const { terminal, collector, client } = await daemon(100, '--shutdown-timeout', '60000');
    collector.answer = () => 'hang';
    await client.ask({ n: 1 });
    await terminal.shows(() => STATUS.test(terminal.rows.at(-1) ?? ''));
    terminal.tell('signal TERM');
    await terminal.shows(/stopping/);
    terminal.tell('signal TERM');
    expect(await terminal.ended).toBe(1);
    for (const row of terminal.rows) expect(row).toMatch(LOGGED);
  });

  test('does not take the daemon along when the terminal goes', LONG, async () => {
    const { terminal, client } = await daemon(100);
    terminal.tell('hangup');
    expect(await terminal.ended).toBe(0);
    const pid = Number(terminal.shown.trimEnd().split('\n').at(-1));
    onTestFinished(() => void process.kill(pid, 'SIGKILL'));
    // It goes on to write its line, to nobody.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(await client.ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
  });
});

describe('the progress bar of send', () => {
  function file(count: number): string {
    const path = join(folder(), 'events.ndjson');
    writeFileSync(
      path,
      some(count)
        .map((event) => JSON.stringify(event))
        .join('\n'),
    );
    return path;
  }

  test.each([
    [100, /^\[#+ *\] \d+ % {2}\d+ events$/],
    [24, /^(\[#* *\] )?\d+ % {2}\d+ events$/],
  ])('on %i columns shows how far it is, and is gone at the end', LONG, async (columns, bar) => {
    const { socket } = await running();
    const terminal = Terminal.run(columns, ['send', file(100_000), '--socket', socket]);
    expect(await terminal.ended).toBe(0);
    const drawn = terminal.drawn.slice(0, -1);
    expect(drawn.length).toBeGreaterThan(2);
    for (const line of drawn) expect(line.length).toBeLessThan(columns);
    expect(drawn.at(-1)).toMatch(bar);
    const shares = drawn.map((line) => Number(/(\d+) %/.exec(line)?.[1]));
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(terminal.rows.join('')).toMatch(
      /^100000 events acknowledged in [\d.]+ s, \d+ a second, 0 not acknowledged$/,
    );
  });

  test('counts what comes from standard input, and tells above it of a daemon that is away', LONG, async () => {
    const away = join(folder(), 'none.sock');
    const terminal = Terminal.run(100, ['send', '--socket', away, '--timeout', '3000'], file(3));
    await terminal.shows(/trying again: there is no socket/);
    await terminal.shows(() => terminal.drawn.includes('0 events'));
    expect(await terminal.ended).toBe(1);
    expect(terminal.rows.filter((row) => row.startsWith('0 events'))).toHaveLength(1);
  });

  test('is gone when it is interrupted, and what was acknowledged is told', LONG, async () => {
    const { socket, daemon } = await running();
    const terminal = Terminal.run(100, ['send', file(400_000), '--socket', socket]);
    await terminal.shows(() => terminal.drawn.length > 3);
    terminal.tell('signal INT');
    expect(await terminal.ended).toBe(130);
    const [, acknowledged] = /(\d+) events acknowledged in .* not acknowledged$/.exec(terminal.rows.at(-1) ?? '') ?? [];
    expect(Number(acknowledged)).toBeGreaterThan(0);
    expect(terminal.rows.some((row) => row.includes('%'))).toBe(false);
    await until(async () => (await daemon.getMetrics()).acknowledged >= Number(acknowledged));
  });
});
