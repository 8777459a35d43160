import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { InvalidArgumentError, describe as words } from '../../src/core/errors.ts';
import { checkCadence } from '../../src/schedule/cadence.ts';
import {
  type PeriodicCallbacks,
  type PeriodicHandle,
  type PeriodicOptions,
  PeriodicTask,
} from '../../src/schedule/periodic.ts';
import { Timers } from '../../src/schedule/timers.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const BERLIN: PeriodicOptions = { timeZone: 'Europe/Berlin' };
const DONE = { settled: true };

const refuse = (argument: string, expected: string, value: unknown): Error =>
  new InvalidArgumentError(argument, expected, words(value));

interface Setup extends PeriodicOptions, Partial<PeriodicCallbacks> {
  /** The time of day at the start. */
  readonly at?: string;
}

interface Subject {
  readonly clock: ManualClock;
  readonly timers: Timers;
  readonly task: PeriodicTask;
  /** The times of day at which it published. */
  readonly ran: string[];
  /** Each notice with what was missed. */
  readonly told: string[];
  readonly failures: unknown[];
}

/** A task that was started; what it publishes settles at once unless `run` says otherwise. */
function started(cadence: string | number, { at = '2026-01-01T00:00:00Z', ...setup }: Setup = {}): Subject {
  const clock = new ManualClock(0, Date.parse(at));
  const timers = new Timers(clock);
  const ran: string[] = [];
  const told: string[] = [];
  const failures: unknown[] = [];
  const task = new PeriodicTask(timers, clock, checkCadence(cadence, setup.timeZone, clock, refuse), setup, {
    run: () => {
      const publication = setup.run === undefined ? DONE : setup.run();
      if (publication !== undefined) ran.push(time(clock));
      return publication;
    },
    tell: (notice, details) => {
      told.push(`${notice} ${details.missed}`);
      setup.tell?.(notice, details);
    },
    failed: (error) => void failures.push(error),
  });
  task.start();
  return { clock, timers, task, ran, told, failures };
}

function time(clock: ManualClock): string {
  return iso(clock.wall());
}

/** `2026-01-01T00:00:00Z`, with milliseconds only if there are any. */
function iso(wall: number): string {
  return new Date(wall).toISOString().replace('.000Z', 'Z');
}

function counts({ runs, missed }: PeriodicHandle): { runs: number; missed: number } {
  return { runs, missed };
}

/** The error that a wrong cadence or time zone is refused with. */
function refused(cadence: unknown, timeZone?: unknown): InvalidArgumentError {
  try {
    checkCadence(cadence, timeZone, new ManualClock(0, Date.parse('2026-01-01T00:00:00Z')), refuse);
  } catch (error) {
    if (error instanceof InvalidArgumentError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('an interval', () => {
  test('is due after each multiple of it, not at once', async () => {
    const { clock, ran, task, told } = started(10 * SECOND);
    expect(task.nextRun).toEqual(new Date('2026-01-01T00:00:10Z'));
    expect(task.lastRun).toBeUndefined();
    await clock.advance(35 * SECOND);
    expect(ran).toEqual(['2026-01-01T00:00:10Z', '2026-01-01T00:00:20Z', '2026-01-01T00:00:30Z']);
    expect(told).toEqual(['checking 0', 'scheduling 0', 'checking 0', 'scheduling 0', 'checking 0', 'scheduling 0']);
    expect(task.lastRun).toEqual(new Date('2026-01-01T00:00:30Z'));
    expect(task.nextRun).toEqual(new Date('2026-01-01T00:00:40Z'));
    expect(counts(task)).toEqual({ runs: 3, missed: 0 });
  });

  test('does not drift, however late each run is', async () => {
    const { clock, ran, task } = started(10 * SECOND);
    for (let i = 0; i < 5; i++) {
      await clock.advance(9 * SECOND);
      clock.consume(4 * SECOND);
      await clock.advance(0);
      await clock.advance(7 * SECOND);
    }
    expect(ran.slice(0, 4)).toEqual([
      '2026-01-01T00:00:13Z',
      '2026-01-01T00:00:20Z',
      '2026-01-01T00:00:33Z',
      '2026-01-01T00:00:40Z',
    ]);
    expect(counts(task)).toEqual({ runs: 10, missed: 0 });
  });

  test('of a fraction of a millisecond more does not drift either', async () => {
    const { clock, task } = started(1_000.1);
    await clock.advance(1_000.1 * 1_000 + 1);
    expect(counts(task)).toEqual({ runs: 1_000, missed: 0 });
  });

  test('goes by durations: a jump of the wall clock changes nothing but the date', async () => {
    const { clock, ran, task } = started(MINUTE);
    await clock.advance(90 * SECOND);
    clock.setWall(Date.parse('2020-01-01T00:00:00Z'));
    expect(task.nextRun).toEqual(new Date('2020-01-01T00:00:30Z'));
    await clock.advance(30 * SECOND);
    expect(ran).toEqual(['2026-01-01T00:01:00Z', '2020-01-01T00:00:30Z']);
    expect(task.missed).toBe(0);
  });

  test('that ends beyond the last date has no next run to tell', () => {
    const { task } = started(Number.MAX_VALUE);
    expect(task.nextRun).toBeUndefined();
  });

  test('runs or misses each due time once, whenever the process is busy', async () => {
    const pauses = fc.array(fc.record({ busy: fc.nat(5_000), idle: fc.nat(2_000) }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 4, max: 4_000 }), pauses, async (quarters, spans) => {
        const interval = quarters / 4;
        const { clock, task } = started(interval);
        for (const { busy, idle } of spans) {
          clock.consume(busy);
          await clock.advance(idle);
        }
        await clock.advance(1);
        const due = Math.floor(clock.now() / interval);
        expect(due - (task.runs + task.missed)).toBeLessThanOrEqual(Math.ceil(1 / interval));
        expect(task.runs + task.missed).toBeLessThanOrEqual(due);
      }),
      { numRuns: Math.min(50, Number(process.env.FC_RUNS)) },
    );
  });
});

describe('a cron expression', () => {
  test('is due at its dates, not at the moment it starts', async () => {
    const { clock, ran, task } = started('*/15 * * * *', { at: '2026-01-01T00:15:00Z', timeZone: 'UTC' });
    expect(task.nextRun).toEqual(new Date('2026-01-01T00:30:00Z'));
    await clock.advance(40 * MINUTE);
    expect(ran).toEqual(['2026-01-01T00:30:00Z', '2026-01-01T00:45:00Z']);
  });

  test('may name seconds and years', async () => {
    const seconds = started('*/20 * * * * *', { timeZone: 'UTC' });
    await seconds.clock.advance(MINUTE);
    expect(seconds.ran).toEqual(['2026-01-01T00:00:20Z', '2026-01-01T00:00:40Z', '2026-01-01T00:01:00Z']);
    const years = started('0 0 12 1 1 * 2030', { timeZone: 'UTC' });
    expect(years.task.nextRun).toEqual(new Date('2030-01-01T12:00:00Z'));
  });

  test('is read in the time zone of the machine unless it names one', () => {
    const { task } = started('30 2 * * *', { at: new Date(2026, 0, 5, 3).toISOString() });
    expect(task.nextRun).toEqual(new Date(2026, 0, 6, 2, 30));
    const berlin = started('30 2 * * *', { at: '2026-01-05T12:00:00Z', ...BERLIN });
    expect(berlin.task.nextRun).toEqual(new Date('2026-01-06T01:30:00Z'));
  });

  test('never comes early, when the wall clock lags behind the timer', async () => {
    const { clock, ran } = started('* * * * *', { timeZone: 'UTC' });
    await clock.advance(30 * SECOND);
    clock.setWall(clock.wall() - 5);
    await clock.advance(40 * SECOND);
    expect(ran).toEqual(['2026-01-01T00:01:00Z']);
  });

  test('that has no date any more ends, without a timer', async () => {
    const { clock, ran, task, timers } = started('0 0 0 2 1 * 2026', { timeZone: 'UTC' });
    await clock.advance(2 * DAY);
    expect(ran).toEqual(['2026-01-02T00:00:00Z']);
    expect(task.nextRun).toBeUndefined();
    expect(timers.size).toBe(0);
    task.rest();
    task.start();
    expect(timers.size).toBe(0);
  });

  test('of once a year is looked at every minute', async () => {
    const { clock, ran, task, timers } = started('@yearly', { at: '2026-03-01T00:00:30Z', timeZone: 'UTC' });
    const set = vi.spyOn(timers, 'set');
    expect(task.nextRun).toEqual(new Date('2027-01-01T00:00:00Z'));
    await clock.advance(HOUR);
    expect(set.mock.calls.map(([, due]) => due)).toEqual(Array.from({ length: 60 }, (_, i) => (i + 2) * MINUTE));
    expect(timers.size).toBe(1);
    clock.consume(305 * DAY + 22 * HOUR);
    await clock.advance(2 * HOUR);
    expect(ran).toEqual(['2027-01-01T00:00:00Z']);
    expect(task.nextRun).toEqual(new Date('2028-01-01T00:00:00Z'));
    expect(task.missed).toBe(0);
  });
});

describe('when the clocks go forward (Berlin, 29 March 2026, 2:00 becomes 3:00)', () => {
  test('a time that is left out comes at the end of the gap', async () => {
    const { clock, ran } = started('30 2 * * *', { at: '2026-03-28T00:00:00Z', ...BERLIN });
    await clock.advance(3 * DAY);
    expect(ran).toEqual(['2026-03-28T01:30:00Z', '2026-03-29T01:00:00Z', '2026-03-30T00:30:00Z']);
  });

  test('several times that are left out come as one', async () => {
    const { clock, ran, task } = started('15,45 2,12 * * *', { at: '2026-03-29T00:00:00Z', ...BERLIN });
    await clock.advance(12 * HOUR);
    expect(ran).toEqual(['2026-03-29T01:00:00Z', '2026-03-29T10:15:00Z', '2026-03-29T10:45:00Z']);
    expect(task.missed).toBe(0);
  });

  test('a step goes on over the gap', async () => {
    const { clock, ran } = started('*/30 * * * *', { at: '2026-03-29T00:15:00Z', ...BERLIN });
    await clock.advance(2 * HOUR);
    expect(ran).toEqual([
      '2026-03-29T00:30:00Z',
      '2026-03-29T01:00:00Z',
      '2026-03-29T01:30:00Z',
      '2026-03-29T02:00:00Z',
    ]);
  });
});

describe('when the clocks go back (Berlin, 25 October 2026, 3:00 becomes 2:00)', () => {
  test('a time that is repeated comes the first time only', async () => {
    const { clock, ran } = started('30 2,14 * * *', { at: '2026-10-24T22:00:00Z', ...BERLIN });
    await clock.advance(28 * HOUR);
    expect(ran).toEqual(['2026-10-25T00:30:00Z', '2026-10-25T13:30:00Z', '2026-10-26T01:30:00Z']);
  });

  test('a step goes on through both passes of the hour', async () => {
    const { clock, ran } = started('*/30 * * * *', { at: '2026-10-25T00:15:00Z', ...BERLIN });
    await clock.advance(2 * HOUR);
    expect(ran).toEqual([
      '2026-10-25T00:30:00Z',
      '2026-10-25T01:00:00Z',
      '2026-10-25T01:30:00Z',
      '2026-10-25T02:00:00Z',
    ]);
  });

  test('what starts in the second pass is due later than now', () => {
    const step = started('*/30 * * * *', { at: '2026-10-25T01:10:00Z', ...BERLIN });
    expect(step.task.nextRun).toEqual(new Date('2026-10-25T01:30:00Z'));
    const named = started('30 2 * * *', { at: '2026-10-25T01:10:00Z', ...BERLIN });
    expect(named.task.nextRun).toEqual(new Date('2026-10-26T01:30:00Z'));
  });
});

describe('a previous publication that has not settled', () => {
  test('lets the due times be missed until it has', async () => {
    const publication = { settled: false };
    const { clock, ran, task, told } = started(10 * SECOND, { run: () => publication });
    await clock.advance(35 * SECOND);
    expect(ran).toEqual(['2026-01-01T00:00:10Z']);
    expect(counts(task)).toEqual({ runs: 1, missed: 2 });
    publication.settled = true;
    await clock.advance(10 * SECOND);
    expect(ran).toEqual(['2026-01-01T00:00:10Z', '2026-01-01T00:00:40Z']);
    expect(counts(task)).toEqual({ runs: 2, missed: 2 });
    expect(told).toEqual(['checking 0', 'scheduling 0', 'checking 0', 'checking 1', 'checking 2', 'scheduling 2']);
    await clock.advance(10 * SECOND);
    expect(told.slice(-2)).toEqual(['checking 0', 'scheduling 0']);
  });

  test('does not matter if overlap is allowed', async () => {
    const { clock, task } = started(10 * SECOND, { overlap: true, run: () => ({ settled: false }) });
    await clock.advance(35 * SECOND);
    expect(counts(task)).toEqual({ runs: 3, missed: 0 });
  });

  test('is remembered while the task rests', async () => {
    const { clock, task } = started(10 * SECOND, { run: () => ({ settled: false }) });
    await clock.advance(10 * SECOND);
    task.rest();
    task.start();
    await clock.advance(10 * SECOND);
    expect(counts(task)).toEqual({ runs: 1, missed: 1 });
  });
});

describe('due times that pass together', () => {
  test('are one run of an interval, and the others missed', async () => {
    const { clock, ran, task, told } = started(10 * SECOND);
    clock.consume(47 * SECOND);
    await clock.advance(0);
    expect(ran).toEqual(['2026-01-01T00:00:47Z']);
    expect(told).toEqual(['checking 3', 'scheduling 3']);
    expect(counts(task)).toEqual({ runs: 1, missed: 3 });
    expect(task.nextRun).toEqual(new Date('2026-01-01T00:00:50Z'));
  });

  test('are one run of a cron, and the others missed', async () => {
    const { clock, ran, task } = started('* * * * *', { timeZone: 'UTC' });
    clock.consume(5 * MINUTE + SECOND);
    await clock.advance(0);
    expect(ran).toEqual(['2026-01-01T00:05:01Z']);
    expect(counts(task)).toEqual({ runs: 1, missed: 4 });
    expect(task.nextRun).toEqual(new Date('2026-01-01T00:06:00Z'));
  });

  test('are counted up to a limit, and never run later', async () => {
    const { clock, ran, task } = started('* * * * * *', { timeZone: 'UTC' });
    clock.consume(DAY);
    await clock.advance(0);
    expect(counts(task)).toEqual({ runs: 1, missed: 999 });
    await clock.advance(2 * SECOND);
    expect(ran).toEqual(['2026-01-02T00:00:00Z', '2026-01-02T00:00:01Z', '2026-01-02T00:00:02Z']);
  });

  test('are counted exactly below that limit', async () => {
    const { clock, task } = started('* * * * * *', { timeZone: 'UTC' });
    clock.consume(1_000 * SECOND);
    await clock.advance(0);
    expect(counts(task)).toEqual({ runs: 1, missed: 999 });
    clock.consume(999 * SECOND);
    await clock.advance(0);
    expect(counts(task)).toEqual({ runs: 2, missed: 1_997 });
  });

  test('are all missed while the previous publication has not settled', async () => {
    const { clock, task } = started(10 * SECOND, { run: () => ({ settled: false }) });
    await clock.advance(10 * SECOND);
    clock.consume(30 * SECOND);
    await clock.advance(0);
    expect(counts(task)).toEqual({ runs: 1, missed: 3 });
  });
});

describe('a wall clock that jumps', () => {
  test('forward lets a cron that it passed over run within a minute, once', async () => {
    const { clock, ran, task } = started('0 * * * *', { timeZone: 'UTC' });
    await clock.advance(10 * SECOND);
    clock.setWall(Date.parse('2026-01-01T03:20:00Z'));
    await clock.advance(MINUTE);
    expect(ran).toEqual(['2026-01-01T03:20:50Z']);
    expect(counts(task)).toEqual({ runs: 1, missed: 2 });
    expect(task.nextRun).toEqual(new Date('2026-01-01T04:00:00Z'));
  });

  test('back repeats no date of a cron, and leaves none out', async () => {
    const { clock, ran } = started('0 * * * *', { at: '2026-01-01T09:30:00Z', timeZone: 'UTC' });
    await clock.advance(40 * MINUTE);
    clock.setWall(Date.parse('2026-01-01T07:50:00Z'));
    await clock.advance(3 * HOUR + 20 * MINUTE);
    expect(ran).toEqual(['2026-01-01T10:00:00Z', '2026-01-01T11:00:00Z']);
  });

  test('back lets dates come that had not come yet', async () => {
    const { clock, ran } = started('0 * * * *', { at: '2026-01-01T09:30:00Z', timeZone: 'UTC' });
    await clock.advance(10 * SECOND);
    clock.setWall(Date.parse('2026-01-01T07:50:00Z'));
    await clock.advance(2 * HOUR + 20 * MINUTE);
    expect(ran).toEqual(['2026-01-01T08:00:00Z', '2026-01-01T09:00:00Z', '2026-01-01T10:00:00Z']);
  });

  test('back while the task rests repeats no date either', async () => {
    const { clock, ran, task } = started('0 * * * *', { at: '2026-01-01T09:30:00Z', timeZone: 'UTC' });
    await clock.advance(40 * MINUTE);
    task.rest();
    clock.setWall(Date.parse('2026-01-01T09:59:59Z'));
    task.start();
    expect(task.nextRun).toEqual(new Date('2026-01-01T11:00:00Z'));
    await clock.advance(30 * MINUTE);
    expect(ran).toEqual(['2026-01-01T10:00:00Z']);
  });

  test('back by more than a day was wrong before: a cron starts anew', async () => {
    const { clock, ran } = started('0 * * * *', { at: '2036-01-01T09:59:00Z', timeZone: 'UTC' });
    await clock.advance(2 * MINUTE);
    clock.setWall(Date.parse('2026-01-01T09:58:00Z'));
    await clock.advance(3 * MINUTE);
    expect(ran).toEqual(['2036-01-01T10:00:00Z', '2026-01-01T10:00:00Z']);
  });

  test('however it does within a day, never lets a date of a cron come twice', async () => {
    const steps = fc.array(
      fc.record({ jump: fc.integer({ min: -300, max: 300 }), pass: fc.nat(30), busy: fc.boolean() }),
      { maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const { clock, ran } = started('*/7 * * * *', { at: '2026-01-01T12:00:00Z', timeZone: 'UTC' });
        for (const { jump, pass, busy } of all) {
          const wall = clock.wall() + jump * MINUTE;
          clock.setWall(
            Math.min(Math.max(wall, Date.parse('2026-01-01T06:00:00Z')), Date.parse('2026-01-02T00:00:00Z')),
          );
          if (busy) clock.consume(pass * MINUTE);
          else await clock.advance(pass * MINUTE);
        }
        await clock.advance(MINUTE);
        // The date that a run is for: the last at or before it.
        const dates = ran.map((at) => Date.parse(at) - (((Date.parse(at) / MINUTE) % 60) % 7) * MINUTE);
        expect(dates).toEqual([...new Set(dates)].sort((a, b) => a - b));
      }),
      { numRuns: Math.min(50, Number(process.env.FC_RUNS)) },
    );
  });
});

describe('a run', () => {
  test('that throws is reported and counted as missed, and the next due time comes', async () => {
    const problem = new Error('no');
    let broken = true;
    const { clock, ran, task, told, failures } = started(10 * SECOND, {
      run: () => {
        if (broken) throw problem;
        return DONE;
      },
    });
    await clock.advance(10 * SECOND);
    expect(failures).toEqual([problem]);
    expect(counts(task)).toEqual({ runs: 0, missed: 1 });
    expect(task.lastRun).toBeUndefined();
    broken = false;
    await clock.advance(10 * SECOND);
    expect(ran).toEqual(['2026-01-01T00:00:20Z']);
    expect(told).toEqual(['checking 0', 'checking 1', 'scheduling 1']);
    expect(failures).toEqual([problem]);
  });

  test('that publishes nothing is counted as missed', async () => {
    const { clock, task, told } = started(10 * SECOND, { run: () => undefined });
    await clock.advance(20 * SECOND);
    expect(counts(task)).toEqual({ runs: 0, missed: 2 });
    expect(told).toEqual(['checking 0', 'checking 1']);
  });
});

describe('a periodic task', () => {
  test('does nothing until it is started', async () => {
    const clock = new ManualClock();
    const timers = new Timers(clock);
    const run = vi.fn(() => DONE);
    const callbacks = { run, tell: () => undefined, failed: () => undefined };
    const task = new PeriodicTask(timers, clock, checkCadence(SECOND, undefined, clock, refuse), {}, callbacks);
    expect(timers.size).toBe(0);
    expect(task.nextRun).toBeUndefined();
    await clock.advance(MINUTE);
    expect(run).not.toHaveBeenCalled();
    task.start();
    task.start();
    expect(timers.size).toBe(1);
    await clock.advance(SECOND);
    expect(run).toHaveBeenCalledOnce();
  });

  test('that was stopped never runs again, however often it is stopped or started', async () => {
    const { clock, ran, task, timers } = started(10 * SECOND);
    await clock.advance(10 * SECOND);
    task.stop();
    task.stop();
    task[Symbol.dispose]();
    task.start();
    task.rest();
    task.start();
    expect(timers.size).toBe(0);
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(MINUTE);
    expect(ran).toHaveLength(1);
    expect(task.nextRun).toBeUndefined();
    expect(task.lastRun).toEqual(new Date('2026-01-01T00:00:10Z'));
    expect(counts(task)).toEqual({ runs: 1, missed: 0 });
  });

  test('rests and starts again: an interval anew, and with nothing missed', async () => {
    const { clock, ran, task, timers } = started(10 * SECOND);
    await clock.advance(14 * SECOND);
    task.rest();
    task.rest();
    expect(timers.size).toBe(0);
    expect(task.nextRun).toBeUndefined();
    await clock.advance(MINUTE);
    task.start();
    expect(task.nextRun).toEqual(new Date('2026-01-01T00:01:24Z'));
    await clock.advance(10 * SECOND);
    expect(ran).toEqual(['2026-01-01T00:00:10Z', '2026-01-01T00:01:24Z']);
    expect(counts(task)).toEqual({ runs: 2, missed: 0 });
  });

  test('rests and starts again: a cron at its next date, with nothing missed', async () => {
    const { clock, ran, task } = started('* * * * *', { timeZone: 'UTC' });
    await clock.advance(MINUTE);
    task.rest();
    await clock.advance(10 * MINUTE + SECOND);
    task.start();
    await clock.advance(MINUTE);
    expect(ran).toEqual(['2026-01-01T00:01:00Z', '2026-01-01T00:12:00Z']);
    expect(task.missed).toBe(0);
  });

  test('that is stopped when it is told of a due time does not run', async () => {
    const subject: Subject = started(10 * SECOND, { tell: () => subject.task.stop() });
    await subject.clock.advance(MINUTE);
    expect(subject.told).toEqual(['checking 0']);
    expect(counts(subject.task)).toEqual({ runs: 0, missed: 0 });
    expect(subject.timers.size).toBe(0);
  });

  test('that stops itself in its run has run once', async () => {
    const subject: Subject = started('* * * * *', {
      run: () => {
        subject.task.stop();
        return DONE;
      },
    });
    await subject.clock.advance(10 * MINUTE);
    expect(subject.told).toEqual(['checking 0', 'scheduling 0']);
    expect(subject.task.runs).toBe(1);
    expect(subject.timers.size).toBe(0);
  });

  test('that is started anew in its run has one alarm, an interval from then', async () => {
    const subject: Subject = started(10 * SECOND, {
      run: () => {
        subject.task.rest();
        subject.task.start();
        return DONE;
      },
    });
    await subject.clock.advance(10 * SECOND);
    expect(subject.timers.size).toBe(1);
    await subject.clock.advance(10 * SECOND);
    expect(subject.ran).toEqual(['2026-01-01T00:00:10Z', '2026-01-01T00:00:20Z']);
  });
});

describe('a wrong cadence is refused', () => {
  test.each<[unknown, string]>([
    ['', 'exactly five, six, or seven space separated parts'],
    ['every day', 'exactly five, six, or seven space separated parts'],
    ['61 * * * *', 'Invalid value for minute: 61'],
    ['* * * * MOO', 'illegal characters'],
    ['@reboot', '@reboot is not supported'],
    ['2030-01-01T00:00:00Z', 'which has no colon'],
    ['0 0 30 2 *', 'with a date to come'],
    ['0 0 0 1 1 * 2020', 'with a date to come'],
    [0, 'a finite number of at least 1 millisecond, but it is 0'],
    [0.5, 'but it is 0.5'],
    [-1_000, 'but it is -1000'],
    [Number.NaN, 'but it is NaN'],
    [Number.POSITIVE_INFINITY, 'but it is Infinity'],
    [undefined, 'a cron expression or a number of milliseconds, but it is undefined'],
    [null, 'but it is null'],
    [true, 'but it is true'],
    [new Date(0), 'but it is a Date'],
  ])('%j: %s', (cadence, problem) => {
    const error = refused(cadence);
    expect(error.argument).toBe('cadence');
    expect(error.message).toContain('cadence must be a ');
    expect(error.message).toContain(problem);
  });

  test.each<[unknown, unknown, string]>([
    ['* * * * *', 'Europe/Atlantis', 'Invalid time zone specified: Europe/Atlantis), but it is "Europe/Atlantis"'],
    ['* * * * *', '', 'the name of a time zone'],
    ['* * * * *', 60, 'the name of a time zone, but it is 60'],
    ['* * * * *', null, 'the name of a time zone, but it is null'],
    [1_000, 'Europe/Berlin', 'left out beside a number of milliseconds, but it is "Europe/Berlin"'],
  ])('%j in the time zone %j: %s', (cadence, timeZone, problem) => {
    const error = refused(cadence, timeZone);
    expect(error.argument).toBe('timeZone');
    expect(error.message).toContain(problem);
  });

  test('in few words, however long it is', () => {
    expect(refused(`* * * * ${'MOO '.repeat(1_000)}`).message.length).toBeLessThan(400);
    expect(refused('* *\n* *').message).not.toContain('\n');
  });
});
