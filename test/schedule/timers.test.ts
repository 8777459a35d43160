import { AsyncLocalStorage } from 'node:async_hooks';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Alarm } from '../../src/schedule/alarm.ts';
import type { Clock, Timer } from '../../src/schedule/clock.ts';
import { Timers } from '../../src/schedule/timers.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { survivors } from '../contracts/garbage.ts';

const numRuns = Number(process.env.FC_RUNS ?? 100);
const YEAR = 365.25 * 24 * 3_600_000;

class TestAlarm extends Alarm {
  readonly #ring: (alarm: TestAlarm) => void;

  constructor(ring: (alarm: TestAlarm) => void = () => undefined) {
    super();
    this.#ring = ring;
  }

  ring(): void {
    this.#ring(this);
  }
}

/** Remembers for how long it was asked to wait, each time. */
class WatchedClock extends ManualClock {
  readonly delays: number[] = [];

  override setTimer(callback: () => void, delay: number): Timer {
    this.delays.push(delay);
    return super.setTimer(callback, delay);
  }
}

interface Scene {
  readonly clock: WatchedClock;
  readonly timers: Timers;
  /** What rang, as `name@time`. */
  readonly log: string[];
  /** An alarm that is set, and writes to the log. */
  set(name: string | number, due: number, then?: (alarm: TestAlarm) => void): TestAlarm;
}

function scene(start = 0): Scene {
  const clock = new WatchedClock(start);
  const timers = new Timers(clock);
  const log: string[] = [];
  const set = (name: string | number, due: number, then?: (alarm: TestAlarm) => void): TestAlarm => {
    const alarm = new TestAlarm(() => {
      log.push(`${name}@${clock.now()}`);
      then?.(alarm);
    });
    timers.set(alarm, due);
    return alarm;
  };
  return { clock, timers, log, set };
}

describe('an alarm', () => {
  test.each([1, 1.5, 63, 64, 4_095.875, 4_096, 262_144, 3_600_000, YEAR, 3 * YEAR + 0.5, 1_000 * YEAR])(
    'that is due after %d ms rings once, then and not before',
    async (due) => {
      const { clock, timers, log, set } = scene();
      set('a', due);
      await clock.advance(due - 0.125);
      expect(log).toEqual([]);
      expect(timers.size).toBe(1);
      await clock.advance(0.125);
      expect(log).toEqual([`a@${due}`]);
      expect(timers.size).toBe(0);
      await clock.advance(10 * due);
      expect(log).toHaveLength(1);
    },
  );

  test.each([0, -1, -YEAR, Number.NEGATIVE_INFINITY])(
    'that is due at %d, now or in the past, rings when the clock fires next, never inside set',
    async (due) => {
      const { clock, log, set } = scene();
      set('a', due);
      expect(log).toEqual([]);
      await clock.advance(0);
      expect(log).toEqual(['a@0']);
    },
  );

  test('does not ring early on a clock that fires early', () => {
    let now = 0;
    let pending: (() => void) | undefined;
    const clock: Clock = {
      now: () => now,
      wall: () => now,
      setTimer: (callback) => {
        pending = callback;
        return { cancel: () => undefined };
      },
      yieldTurn: () => undefined,
    };
    const rings: number[] = [];
    new Timers(clock).set(new TestAlarm(() => rings.push(now)), 10.5);
    for (const time of [9.9, 10.1, 10.4375, 10.5]) {
      expect(rings).toEqual([]);
      now = time;
      const fire = pending;
      pending = undefined;
      fire?.();
    }
    expect(rings).toEqual([10.5]);
    expect(pending).toBeUndefined();
  });

  test('that is set again moves, to a later or an earlier time', async () => {
    const { clock, timers, log, set } = scene();
    const later = set('later', 10);
    const earlier = set('earlier', 5_000);
    timers.set(later, 20);
    timers.set(earlier, 15);
    expect(timers.size).toBe(2);
    await clock.advance(10_000);
    expect(log).toEqual(['earlier@15', 'later@20']);
  });

  test('that is cancelled never rings; cancelling tells whether it was set', async () => {
    const { clock, timers, log, set } = scene();
    expect(timers.cancel(new TestAlarm())).toBe(false);
    const alarm = set('a', 10);
    expect(timers.cancel(alarm)).toBe(true);
    expect(timers.cancel(alarm)).toBe(false);
    const rung = set('b', 20);
    await clock.advance(100);
    expect(timers.cancel(rung)).toBe(false);
    expect(log).toEqual(['b@20']);
  });

  test.each([Number.POSITIVE_INFINITY, Number.MAX_VALUE, Number.NaN])(
    'that is due at %d never rings, but counts and can be cancelled',
    async (due) => {
      const { clock, timers, log, set } = scene();
      const alarm = set('a', due);
      expect(timers.size).toBe(1);
      expect(clock.pendingTimers).toBe(0);
      expect(clock.delays).toEqual([]);
      await clock.advance(1e12);
      expect(log).toEqual([]);
      expect(timers.cancel(alarm)).toBe(true);
      expect(timers.size).toBe(0);
    },
  );

  test('works on a clock that begins below zero', async () => {
    const { clock, log, set } = scene(-1_000.5);
    set('a', -1_000.25);
    set('b', -0.5);
    set('c', 5_000.125);
    await clock.advance(10_000);
    expect(log).toEqual(['a@-1000.25', 'b@-0.5', 'c@5000.125']);
  });
});

describe('alarms that ring in one firing', () => {
  test('do so in order of their due times, equal ones in the order of setting', async () => {
    const { clock, log, set } = scene();
    for (const [at, due] of [7.5, 7.25, 7.5, 300_000, 3, 70, 7, -5, 70, -9].entries()) set(at, due);
    clock.consume(YEAR);
    await clock.advance(0);
    expect(log.map((entry) => Number(entry.split('@')[0]))).toEqual([9, 7, 4, 6, 1, 0, 2, 5, 8, 3]);
    expect(new Set(log.map((entry) => entry.split('@')[1]))).toEqual(new Set([`${YEAR}`]));
  });

  test('keep the order of setting whether they were set long before or just now', async () => {
    const { clock, log, set } = scene();
    const due = 300_000;
    for (const time of [0, 200_000, 262_144, 299_000, 299_999, 300_000]) {
      await clock.advance(time - clock.now());
      set(`set at ${time}`, due);
    }
    await clock.advance(0);
    const times = [0, 200_000, 262_144, 299_000, 299_999, 300_000];
    expect(log).toEqual(times.map((time) => `set at ${time}@300000`));
  });

  test('need no walk through the time that a suspended machine has slept', async () => {
    const { clock, log, set } = scene();
    for (let years = 10; years > 0; years--) set(years, years * YEAR);
    const armed = clock.delays.length;
    clock.consume(20 * YEAR);
    await clock.advance(0);
    expect(log.map((entry) => entry.split('@')[0])).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10']);
    expect(clock.delays.length).toBe(armed);
  });

  test('are at most 10,000; others have their turn, then the rest follow in order', async () => {
    const { clock, timers } = scene();
    const rung: number[] = [];
    const byTurn: number[] = [0];
    const fractions = [0.75, 0.25, 0.5];
    const dues = Array.from({ length: 25_000 }, (_, at) => 100 + (at % 3) + (fractions[at % 3] as number));
    for (const due of dues) timers.set(new TestAlarm((alarm) => rung.push(alarm.due)), due);
    clock.consume(1_000);
    const watch = (): void => {
      byTurn.push(rung.length);
      if (rung.length < dues.length) clock.setTimer(watch, 0);
    };
    clock.setTimer(watch, 0);
    await clock.advance(0);
    for (const [turn, count] of byTurn.slice(1).entries())
      expect(count - (byTurn[turn] as number)).toBeLessThan(10_001);
    expect(byTurn.length).toBeLessThan(10);
    expect(rung).toEqual(dues.toSorted((a, b) => a - b));
    expect(clock.now()).toBe(1_000);
  });

  test('keep their order too if some are set while so many are moved about that it takes several firings', async () => {
    const { clock, timers } = scene();
    const rung: number[] = [];
    const alarms = Array.from({ length: 35_000 }, (_, at) => new TestAlarm(() => rung.push(at)));
    const due = 300_000;
    for (const alarm of alarms.slice(0, 25_000)) timers.set(alarm, due);
    let next = 25_000;
    const late: number[] = [];
    /** In every firing at the beginning of a slot of a level, and between two of them. */
    const meddle = (): void => {
      for (let i = 0; i < 100; i++) timers.set(alarms[next++] as TestAlarm, due);
      timers.set(new TestAlarm((alarm) => late.push(alarm.due)), clock.now() - 1);
      timers.cancel(alarms[next - 50] as TestAlarm);
    };
    const cancelled = new Set<number>();
    for (const at of [262_144, 299_008, 299_968]) {
      for (let times = 0; times < 3; times++) {
        clock.setTimer(() => {
          meddle();
          cancelled.add(next - 50);
          clock.setTimer(() => {
            meddle();
            cancelled.add(next - 50);
          }, 0);
        }, at);
      }
    }
    await clock.advance(due - 1);
    expect(rung).toEqual([]);
    expect(late).toHaveLength(18);
    await clock.advance(1);
    expect(rung).toEqual(Array.from({ length: next }, (_, at) => at).filter((at) => !cancelled.has(at)));
    expect(timers.size).toBe(0);
  });

  test('more than 128 within one millisecond: none early, none later than its end', async () => {
    const { clock, timers } = scene();
    const rung: { due: number; at: number }[] = [];
    for (let at = 0; at < 1_000; at++) {
      timers.set(new TestAlarm((alarm) => rung.push({ due: alarm.due, at: clock.now() })), 50 + ((at * 37) % 64) / 64);
    }
    for (let step = 0; step < 4 * 60; step++) await clock.advance(0.25);
    expect(rung).toHaveLength(1_000);
    for (const { due, at } of rung) {
      expect(at).toBeGreaterThanOrEqual(due);
      expect(at).toBeLessThanOrEqual(51);
    }
    const later = rung.filter(({ at }, index) => index > 0 && at < (rung[index - 1]?.at as number));
    expect(later).toEqual([]);
  });
});

describe('while alarms ring', () => {
  test('one may cancel or move others that are due with it', async () => {
    const { clock, timers, log, set } = scene();
    set('first', 5, () => {
      expect(timers.size).toBe(3);
      expect(timers.cancel(cancelled)).toBe(true);
      expect(timers.cancel(cancelled)).toBe(false);
      timers.set(moved, 50);
    });
    const cancelled = set('cancelled', 5);
    const moved = set('moved', 5);
    set('last', 5);
    await clock.advance(100);
    expect(log).toEqual(['first@5', 'last@5', 'moved@50']);
  });

  test('what is set for now rings in a later firing, in the same advance', async () => {
    const { clock, timers, log, set } = scene();
    let rounds = 0;
    set('again', 5, (alarm) => {
      if (++rounds < 5) timers.set(alarm, rounds % 2 === 0 ? clock.now() : Number.NEGATIVE_INFINITY);
    });
    set('other', 5, () => log.push(`rounds: ${rounds}`));
    await clock.advance(5);
    expect(log).toEqual(['again@5', 'other@5', 'rounds: 1', 'again@5', 'again@5', 'again@5', 'again@5']);
    expect(clock.pendingTimers).toBe(0);
  });

  test('an alarm that sets itself for ever rings once in each firing', () => {
    const { clock, timers, set } = scene();
    let rings = 0;
    let fire: () => void = () => undefined;
    clock.setTimer = (callback) => {
      fire = callback;
      return { cancel: () => undefined };
    };
    set('a', 0, (alarm) => {
      rings++;
      timers.set(alarm, 0);
    });
    for (let firing = 1; firing <= 3; firing++) {
      fire();
      expect(rings).toBe(firing);
    }
  });

  test('one that takes long delays no other by a firing for nothing', async () => {
    const { clock, log, set } = scene();
    set('slow', 5, () => clock.consume(100));
    set('meanwhile', 50);
    set('later', 200);
    await clock.advance(200);
    expect(log).toEqual(['slow@5', 'meanwhile@105', 'later@200']);
  });

  test('one that throws, against its contract, does not silence the others', async () => {
    const { clock, timers, log, set } = scene();
    set('a', 5, () => {
      throw new Error('broken');
    });
    set('b', 5);
    set('c', 500);
    await expect(clock.advance(5)).rejects.toThrow('broken');
    expect(timers.size).toBe(2);
    await clock.advance(500);
    expect(log).toEqual(['a@5', 'b@5', 'c@500']);
    expect(clock.pendingTimers).toBe(0);
  });

  test('timers may be stopped', async () => {
    const { clock, timers, log, set } = scene();
    set('a', 5, (alarm) => {
      timers.stop();
      timers.set(alarm, 10);
    });
    set('b', 5);
    set('c', 6);
    await clock.advance(100);
    set('after', 150);
    await clock.advance(100);
    expect(log).toEqual(['a@5']);
    expect(timers.size).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('the timer of the clock', () => {
  test('is one, however many alarms there are, and is armed anew only for an earlier time', async () => {
    const { clock, timers, set } = scene();
    expect(clock.pendingTimers).toBe(0);
    set('a', 50);
    for (let at = 0; at < 1_000; at++) set(at, 50 + at * 977);
    expect(clock.pendingTimers).toBe(1);
    expect(clock.delays).toEqual([50]);
    set('earlier', 20);
    expect(clock.pendingTimers).toBe(1);
    expect(clock.delays).toEqual([50, 20]);
    while (timers.size > 0) {
      await clock.advance(10_000);
      expect(clock.pendingTimers).toBe(timers.size > 0 ? 1 : 0);
    }
  });

  test('fires ahead for what is far off, a few times, so that a crowd is in its place when it is due', async () => {
    const { clock, timers } = scene();
    let rings = 0;
    const alarms = Array.from({ length: 10_000 }, () => new TestAlarm(() => rings++));
    for (const alarm of alarms) timers.set(alarm, 300_000.5);
    await clock.advance(300_000);
    expect(clock.delays.filter((delay) => delay > 0)).toEqual([262_144, 36_864, 960, 32, 1]);
    const armed = clock.delays.length;
    await clock.advance(0.5);
    expect(rings).toBe(0);
    await clock.advance(0.5);
    expect(rings).toBe(10_000);
    expect(clock.delays.length).toBe(armed);
  });

  test('is armed once after a firing, whatever is set meanwhile', async () => {
    const { clock, timers, log, set } = scene();
    set('a', 10, () => {
      for (const due of [50, 40, 30, 20, 25]) set(due, due);
      timers.cancel(set('cancelled', 15));
      expect(clock.pendingTimers).toBe(0);
    });
    await clock.advance(10);
    expect(clock.delays).toEqual([10, 5]);
    await clock.advance(90);
    expect(log).toEqual(['a@10', '20@20', '25@25', '30@30', '40@40', '50@50']);
  });

  test('is not put off by alarms that keep coming overdue', () => {
    const { clock, set } = scene(1_000);
    for (let at = 0; at < 100; at++) set(at, 999 - at);
    expect(clock.delays).toEqual([0]);
  });

  test('stays when an alarm is cancelled, and fires for nothing', async () => {
    const { clock, timers, log, set } = scene();
    const alarm = set('a', 10);
    set('b', 60);
    timers.cancel(alarm);
    expect(clock.delays).toEqual([10]);
    await clock.advance(100);
    expect(log).toEqual(['b@60']);
    expect(clock.delays).toEqual([10, 50]);
  });

  test('is disarmed once nothing is set that will ring', async () => {
    const { clock, timers, log, set } = scene();
    const [a, b] = [set('a', 10), set('b', 5_000)];
    set('never', Number.POSITIVE_INFINITY);
    timers.cancel(a);
    expect(clock.pendingTimers).toBe(1);
    timers.cancel(b);
    expect(clock.pendingTimers).toBe(0);
    timers.set(a, 20);
    expect(clock.pendingTimers).toBe(1);
    timers.set(a, Number.POSITIVE_INFINITY);
    expect(clock.pendingTimers).toBe(0);
    expect(timers.size).toBe(2);
    timers.set(b, 30);
    await clock.advance(30);
    expect(log).toEqual(['b@30']);
    expect(clock.pendingTimers).toBe(0);
  });

  test('that had nothing to do for long is exact again for the next alarm', async () => {
    const { clock, log, set } = scene();
    set('first', 10);
    await clock.advance(YEAR);
    clock.delays.length = 0;
    set('second', YEAR + 10);
    expect(clock.delays).toEqual([10]);
    set('far', 2 * YEAR);
    await clock.advance(YEAR / 2);
    clock.delays.length = 0;
    set('third', 1.5 * YEAR + 10);
    expect(clock.delays).toEqual([10]);
    await clock.advance(10);
    expect(log).toEqual(['first@10', `second@${YEAR + 10}`, `third@${1.5 * YEAR + 10}`]);
  });
});

describe('stopped timers', () => {
  test('have let go of everything, and ignore what is set', async () => {
    const { clock, timers, log, set } = scene();
    const alarms = [0, 10, 100_000, 3 * YEAR, Number.POSITIVE_INFINITY].map((due) => set(due, due));
    timers.stop();
    expect(timers.size).toBe(0);
    expect(clock.pendingTimers).toBe(0);
    for (const alarm of alarms) expect(timers.cancel(alarm)).toBe(false);
    timers.set(alarms[0] as TestAlarm, 10);
    timers.stop();
    expect(timers.size).toBe(0);
    await clock.advance(5 * YEAR);
    expect(log).toEqual([]);
    const others = new Timers(clock);
    for (const alarm of alarms) others.set(alarm, clock.now() + 10);
    await clock.advance(10);
    expect(log).toHaveLength(alarms.length);
  });
});

describe('a million alarms', () => {
  test('can be set, moved and cancelled', { timeout: 60_000 }, () => {
    const { clock, timers } = scene();
    const alarms = Array.from({ length: 1_000_000 }, () => new TestAlarm());
    for (const [at, alarm] of alarms.entries()) timers.set(alarm, (at * 7_919) % 3_600_000);
    for (const [at, alarm] of alarms.entries()) timers.set(alarm, (at * 104_729) % 3_600_000);
    expect(timers.size).toBe(1_000_000);
    expect(clock.pendingTimers).toBe(1);
    expect(alarms.every((alarm) => timers.cancel(alarm))).toBe(true);
    expect(timers.size).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('the memory', () => {
  function fill(timers: Timers, then: (alarms: TestAlarm[]) => void): WeakRef<object>[] {
    const alarms = Array.from({ length: 1_000 }, () => new TestAlarm());
    for (const [at, alarm] of alarms.entries()) timers.set(alarm, at < 10 ? Number.POSITIVE_INFINITY : at * at);
    then(alarms);
    return alarms.map((alarm) => new WeakRef(alarm));
  }

  test('of an alarm is free once it was cancelled, although its neighbours wait', async () => {
    const { timers } = scene();
    const references = fill(timers, (alarms) => {
      for (const [at, alarm] of alarms.entries()) if (at % 3 > 0) timers.cancel(alarm);
    });
    expect(await survivors(references)).toBe(timers.size);
    expect(timers.size).toBe(334);
  });

  test('of an alarm is free once it has rung', async () => {
    const { clock, timers } = scene();
    const references = fill(timers, () => undefined);
    await clock.advance(1_000_000);
    expect(await survivors(references)).toBe(10);
    expect(timers.size).toBe(10);
  });

  test('of all is free once the timers were stopped', async () => {
    const { timers } = scene();
    const references = fill(timers, () => undefined);
    timers.stop();
    expect(await survivors(references)).toBe(0);
    expect(timers.size).toBe(0);
  });
});

/** What is done to the timers, by a test or by an alarm that rings. Delays are from the time at which it is done. */
type Act =
  | { readonly kind: 'set'; readonly which: number; readonly delay: number }
  | { readonly kind: 'cancel'; readonly which: number };

interface Passing {
  readonly kind: 'advance' | 'jump';
  readonly duration: number;
}

/** What timers should do, with an array and no thought of speed. */
class Model {
  readonly log: string[] = [];
  now: number;
  waiting: { which: number; due: number }[] = [];
  readonly #acts: (Act | undefined)[];

  constructor(now: number, acts: readonly (Act | undefined)[]) {
    this.now = now;
    this.#acts = [...acts];
  }

  do(act: Act): void {
    this.waiting = this.waiting.filter(({ which }) => which !== act.which);
    if (act.kind === 'set') this.waiting.push({ which: act.which, due: this.now + act.delay });
  }

  advance(duration: number): void {
    const end = this.now + duration;
    for (let first = this.#first(); first <= end; first = this.#first()) {
      this.now = Math.max(this.now, first);
      this.#fire();
    }
    this.now = Math.max(this.now, end);
  }

  #first(): number {
    return this.waiting.reduce((first, { due }) => Math.min(first, due), Number.POSITIVE_INFINITY);
  }

  #fire(): void {
    const due = this.waiting.filter((entry) => entry.due <= this.now).sort((a, b) => a.due - b.due);
    for (const entry of due) {
      if (!this.waiting.includes(entry)) continue;
      this.waiting.splice(this.waiting.indexOf(entry), 1);
      this.log.push(`${entry.which}@${this.now}`);
      const act = this.#acts.shift();
      if (act !== undefined) this.do(act);
    }
  }
}

class System {
  readonly log: string[] = [];
  readonly clock: ManualClock;
  readonly timers: Timers;
  readonly #acts: (Act | undefined)[];
  readonly #alarms: TestAlarm[];

  constructor(now: number, acts: readonly (Act | undefined)[]) {
    this.clock = new ManualClock(now);
    this.timers = new Timers(this.clock);
    this.#acts = [...acts];
    this.#alarms = Array.from({ length: ALARMS }, (_, which) => new TestAlarm(() => this.#rang(which)));
  }

  do(act: Act): void {
    const alarm = this.#alarms[act.which] as TestAlarm;
    if (act.kind === 'set') this.timers.set(alarm, this.clock.now() + act.delay);
    else this.timers.cancel(alarm);
  }

  #rang(which: number): void {
    this.log.push(`${which}@${this.clock.now()}`);
    const act = this.#acts.shift();
    if (act !== undefined) this.do(act);
  }
}

const ALARMS = 12;

/** Multiples of an eighth, so that sums are exact; around the borders of slots of all levels, and everywhere between. */
const eighths = (most: number): fc.Arbitrary<number> => fc.nat({ max: most * 8 }).map((value) => value / 8);
const borders = fc
  .tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: -3, max: 3 }))
  .map(([level, times, off]) => times * 64 ** level + off / 2);
const durations = fc.oneof(
  { weight: 4, arbitrary: eighths(10) },
  { weight: 4, arbitrary: eighths(200) },
  { weight: 2, arbitrary: fc.nat({ max: 10_000 }) },
  { weight: 2, arbitrary: borders },
  { weight: 1, arbitrary: fc.nat({ max: 100_000_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 300 }).map((years) => years * YEAR) },
);
const delays = fc.oneof(
  { weight: 12, arbitrary: durations },
  { weight: 2, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: eighths(100).map((past) => -past) },
  { weight: 1, arbitrary: fc.constant(Number.POSITIVE_INFINITY) },
);
const which = fc.nat({ max: ALARMS - 1 });
const set: fc.Arbitrary<Act> = fc.record({ kind: fc.constant('set' as const), which, delay: delays });
const cancel: fc.Arbitrary<Act> = fc.record({ kind: fc.constant('cancel' as const), which });
const step: fc.Arbitrary<Act | Passing> = fc.oneof(
  { weight: 8, arbitrary: set },
  { weight: 2, arbitrary: cancel },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('advance' as const), duration: durations }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('jump' as const), duration: durations }) },
);
const acts = fc.array(fc.option(fc.oneof({ weight: 3, arbitrary: set }, cancel), { nil: undefined }), {
  maxLength: 30,
  size: 'max',
});
const starts = fc.constantFrom(0, 0.375, 12_345.625, -5.25, -4_096, 2 ** 32 - 1, YEAR);

describe('whatever is set, moved and cancelled, also by alarms that ring,', () => {
  test('alarms ring when and in the order in which a sorted list would let them', { timeout: 300_000 }, () =>
    fc.assert(
      fc.asyncProperty(starts, acts, fc.array(step, { maxLength: 60, size: 'max' }), async (start, plan, steps) => {
        const model = new Model(start, plan);
        const system = new System(start, plan);
        const rest: Passing = { kind: 'advance', duration: 10_000 * YEAR };
        for (const one of [...steps, rest]) {
          if (one.kind === 'set' || one.kind === 'cancel') {
            model.do(one);
            system.do(one);
          } else if (one.kind === 'advance') {
            model.advance(one.duration);
            await system.clock.advance(one.duration);
          } else {
            model.now += one.duration;
            system.clock.consume(one.duration);
          }
          expect(system.log).toEqual(model.log);
          expect(system.timers.size).toBe(model.waiting.length);
          const willRing = model.waiting.some(({ due }) => due < Number.POSITIVE_INFINITY);
          expect(system.clock.pendingTimers).toBe(willRing ? 1 : 0);
        }
      }),
      { numRuns },
    ),
  );
});

test('alarms ring in the async context in which the timers were made', async () => {
  const storage = new AsyncLocalStorage<string>();
  const clock = new ManualClock();
  const timers = storage.run('maker', () => new Timers(clock));
  const contexts: (string | undefined)[] = [];
  class Telling extends Alarm {
    ring(): void {
      contexts.push(storage.getStore());
    }
  }
  storage.run('sender', () => timers.set(new Telling(), 5));
  await storage.run('somebody', () => clock.advance(5));
  expect(contexts).toEqual(['maker']);
});
