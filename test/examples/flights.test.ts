import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { LifecycleError } from 'collector-queue';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { parseCommandLine } from '../../examples/flights/command-line.ts';
import { type FlightRun, type Progress, runFlights } from '../../examples/flights/pipeline.ts';
import { summary } from '../../examples/flights/summary.ts';
import { archivedLines, countFlights, expectCounts } from './flights-count.ts';

const MAIN = fileURLToPath(new URL('../../examples/flights/main.ts', import.meta.url));
const CHILD_TIMEOUT = 60_000;

let directory: string;
let out: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flights-'));
  out = join(directory, 'archive', 'flights.ndjson');
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** Runs with a signal that nobody fires. */
function run(limit: number, more: Partial<Parameters<typeof runFlights>[0]> = {}): Promise<FlightRun> {
  return runFlights({ limit, out, signal: new AbortController().signal, ...more });
}

/** The delay in a line of the archive, which holds no bad record. */
function delayOf(line: string): number {
  return (JSON.parse(line) as { delay: number }).delay;
}

describe('streaming flights through a queue', () => {
  it('counts what an independent pass over the raw data counts', async () => {
    expectCounts(await run(25_000), countFlights(25_000));
  });

  it('leaves exactly the delivered records on disk', async () => {
    await run(25_000);
    expect(archivedLines(out)).toEqual(countFlights(25_000).lines);
  });

  it('writes the archive anew each time', async () => {
    await run(300);
    await run(200);
    expect(archivedLines(out)).toHaveLength(200);
  });

  it('makes an Err of each bad record, and says in the audit trail which one it was and why', async () => {
    const { parts } = await run(20_000);
    const trail = parts.get('audit')?._unsafeUnwrap();
    expect(trail?.entries.at(-1)).toBe('20005 records were read and dealt with');
    expect(trail?.entries.slice(0, -1).sort()).toEqual([
      'record 12003: statistics: not a number, delay is "late"',
      'record 16004: statistics: not an object, the record is null',
      'record 20005: statistics: out of range, distance is -1',
      'record 4001: statistics: out of range, time is 24.5',
      'record 8002: statistics: missing field, there is no time',
    ]);
    expect(trail?.more).toBe(0);
  });

  it('dispatches the most delayed of those that wait before the others', async () => {
    await run(3_000);
    const raw = countFlights(3_000);
    const archived = readFileSync(out, 'utf8').trimEnd().split('\n');
    expect(archived).toHaveLength(raw.lines.length);
    const positions = (wanted: (delay: number) => boolean): number => {
      const found = archived.flatMap((line, at) => (wanted(delayOf(line)) ? [at] : []));
      return found.reduce((sum, at) => sum + at, 0) / found.length;
    };
    expect(positions((delay) => delay >= 180)).toBeLessThan(positions((delay) => delay < 0));
  });

  it('never has more waiting, nor more consumers, than its bounds', async () => {
    const seen: Progress[] = [];
    const { peakConsumers } = await run(25_000, {
      watch: (look) => {
        const timer = setInterval(() => seen.push(look()), 1);
        return () => clearInterval(timer);
      },
    });
    expect(Math.max(...seen.map(({ backlog }) => backlog))).toBeLessThanOrEqual(1_000);
    expect(Math.max(...seen.map(({ consumers }) => consumers), peakConsumers)).toBeLessThanOrEqual(64);
    expect(peakConsumers).toBeGreaterThan(1);
  });

  it('finishes what was read when it is told to stop, and reports that', async () => {
    const controller = new AbortController();
    const stopped = await run(200_000, {
      signal: controller.signal,
      watch: (look) => {
        const timer = setInterval(() => look().settled > 500 && controller.abort(), 1);
        return () => clearInterval(timer);
      },
    });
    expect(stopped.records).toBeGreaterThan(500);
    expect(stopped.flights).toBeLessThan(200_000);
    expectCounts(stopped, countFlights(stopped.flights));
    expect(archivedLines(out)).toEqual(countFlights(stopped.flights).lines);
  });

  it('rejects with the reason when the archive cannot be opened', async () => {
    await expect(run(100, { out: directory })).rejects.toThrow(LifecycleError);
    await expect(run(100, { out: directory })).rejects.toThrow('EISDIR');
  });

  it.skipIf(!existsSync('/dev/full'))(
    'stops reading when the disk is full, and accounts for what was read',
    async () => {
      const { records, flights, accounts, parts } = await run(200_000, { out: '/dev/full' });
      expect(flights).toBeLessThan(200_000);
      expect(accounts.failure?.message).toContain('ENOSPC');
      const { ok, errors } = accounts.byCollector.get('archive') ?? { ok: 0, errors: new Map<string, number>() };
      expect(ok).toBe(0);
      expect([...errors.values()].reduce((sum, count) => sum + count, 0)).toBe(records);
      expect(parts.get('archive')?._unsafeUnwrap()).toEqual({ lines: 0 });
    },
  );

  it('is summed up for people: counts, times, errors by kind, a chart of the delays', async () => {
    const text = summary(await run(8_000), out);
    expect(text).toMatch(/^8,002 records \(8,000 flights, 2 bad\) in .* per second, at most \d+ consumers$/m);
    expect(text).toMatch(/^ {2}archive +8,002 +0( +[\d.]+ [µm]s){4}$/m);
    expect(text).toMatch(/^ {2}statistics +8,000 +2( +[\d.]+ [µm]s){4}$/m);
    expect(text).toMatch(/^ {2}missing field +1 +statistics$/m);
    expect(text).toMatch(/^ {2}03:00 +░+▒+█+ +100% +11 +142\.6 min$/m);
    expect(text).toContain(`Archive: 8,002 lines in ${out}`);
  });
});

describe('the command line', () => {
  it.each([
    [['--limit', '0'], '--limit must be a whole number of at least 1, but it is "0"'],
    [['--limit', '1.5'], '--limit must be a whole number of at least 1, but it is "1.5"'],
    [['--limit=-3'], '--limit must be a whole number of at least 1, but it is "-3"'],
    [['--limit', 'all'], '--limit must be a whole number of at least 1, but it is "all"'],
    [['--limit'], "Option '--limit <value>' argument missing"],
    [['--out', ''], '--out must name a file, but it is empty'],
    [['--limt', '3'], "Unknown option '--limt'"],
    [['flights.json'], "Unexpected argument 'flights.json'"],
  ])('refuses %j', (args, message) => {
    expect(parseCommandLine(args)._unsafeUnwrapErr()).toContain(message);
  });

  it('reads everything by default, into a folder of its own', () => {
    const { limit, out: archive } = parseCommandLine([])._unsafeUnwrap();
    expect(limit).toBe(Number.POSITIVE_INFINITY);
    expect(archive).toMatch(/examples[\\/]flights[\\/]out[\\/]flights\.ndjson$/);
  });
});

describe('the program', { timeout: CHILD_TIMEOUT }, () => {
  it('prints the summary to its output, progress to its error output, and exits with 0', async () => {
    const program = start('--limit', '5000', '--out', out);
    expect(await program.exit).toEqual({ code: 0, signal: null });
    expect(program.stdout()).toContain('5,001 records (5,000 flights, 1 bad)');
    expect(program.stderr()).toMatch(/^100% {2}5,\d{3} settled, [\d,]+\/s, \d+ consumers, 0 waiting$/m);
    expect(archivedLines(out)).toHaveLength(5_001);
  });

  it('says what is wrong with its arguments, and exits with 2', async () => {
    const program = start('--limit', 'many');
    expect(await program.exit).toEqual({ code: 2, signal: null });
    expect(program.stderr()).toContain('--limit must be a whole number of at least 1, but it is "many"\n\nUsage:');
    expect(program.stdout()).toBe('');
  });

  it('prints its usage when asked for help', async () => {
    const program = start('--help');
    expect(await program.exit).toEqual({ code: 0, signal: null });
    expect(program.stdout()).toMatch(/^Usage: npm start/);
  });

  it('exits with 1 and the reason when the archive cannot be opened', async () => {
    const program = start('--out', directory);
    expect(await program.exit).toEqual({ code: 1, signal: null });
    expect(program.stderr()).toContain('EISDIR');
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('drains, reports and exits with 130 at a %s', async (signal) => {
    const program = start('--out', out);
    await program.stderrMatches(/settled/);
    program.process.kill(signal);
    expect(await program.exit).toEqual({ code: 130, signal: null });
    const [, records = '', flights = ''] = program.stdout().match(/^([\d,]+) records \(([\d,]+) flights/m) ?? [];
    const read = countFlights(Number(flights.replaceAll(',', '')));
    expect(read.flights).toBeLessThan(200_000);
    expect(read.lines).toHaveLength(Number(records.replaceAll(',', '')));
    expect(archivedLines(out)).toEqual(read.lines);
    expect(program.stderr()).toContain('Stopping: what was read is finished');
  });

  it.skipIf(!existsSync('/usr/bin/mkfifo'))('exits at once at a second SIGINT, even when a write hangs', async () => {
    const pipe = join(directory, 'pipe');
    execFileSync('/usr/bin/mkfifo', [pipe]);
    // Somebody who never reads: the pipe can be opened, and hangs once it is full.
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    onTestFinished(() => closeSync(reader));
    expect(statSync(pipe).isFIFO()).toBe(true);
    const program = start('--out', pipe);
    await program.stderrMatches(/, 0\/s, 64 consumers, 1000 waiting/);
    program.process.kill('SIGINT');
    await program.stderrMatches(/Stopping/);
    await sleep(700);
    program.process.kill('SIGINT');
    expect(await program.exit).toEqual({ code: null, signal: 'SIGINT' });
    expect(program.stdout()).toBe('');
  });
});

/** Starts the program, and collects what it says. */
function start(...args: string[]) {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args]);
  const said = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk) => {
    said.stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    said.stderr += chunk;
  });
  return {
    process: child,
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    exit: new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      child.on('close', (code, signal) => resolve({ code, signal }));
    }),
    stderrMatches: (pattern: RegExp) => expect.poll(() => said.stderr, { timeout: CHILD_TIMEOUT }).toMatch(pattern),
  };
}
