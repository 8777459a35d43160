import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AdaptiveLevel, type ServiceSample } from '../../src/pool/adaptive-level.ts';

const kinds = [{}, {}, {}];

/** Any number at all. */
const wild = fc.oneof(
  fc.constantFrom(
    0,
    -0,
    1,
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.MAX_VALUE,
    1e-300,
  ),
  fc.double(),
);

const wildSample: fc.Arbitrary<ServiceSample> = fc.record({
  kind: fc.constantFrom(...kinds),
  startedAt: wild,
  endedAt: wild,
  failed: fc.boolean(),
  busy: wild,
  waiting: wild,
});

/** Calls as they come, of any length, on a clock that does not go back. */
const calls = fc.array(
  fc.record({
    pause: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 500, noNaN: true })),
    time: fc.oneof(
      fc.constant(0),
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      fc.double({ min: 1, max: 50, noNaN: true }),
    ),
    kind: fc.constantFrom(...kinds),
    failed: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.boolean() }),
    busy: fc.nat({ max: 200 }),
    waiting: fc.nat({ max: 3 }),
  }),
  { maxLength: 400 },
);

const ranges = fc
  .tuple(fc.integer({ min: 1, max: 50 }), fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 100_000 })))
  .map(([minConsumers, more]) => ({ minConsumers, maxConsumers: minConsumers + more }));

const numRuns = Number(process.env.FC_RUNS);

function expectWithin(
  level: AdaptiveLevel,
  { minConsumers, maxConsumers }: { minConsumers: number; maxConsumers: number },
) {
  if (!Number.isInteger(level.value)) throw new Error(`${level.value} is no whole number`);
  if (level.value < minConsumers || level.value > maxConsumers) {
    throw new Error(`${level.value} is not from ${minConsumers} to ${maxConsumers}`);
  }
}

describe('the level', () => {
  test('is a whole number within its range, whatever comes', () => {
    fc.assert(
      fc.property(ranges, fc.array(wildSample, { maxLength: 300 }), (range, samples) => {
        const level = new AdaptiveLevel(range);
        expectWithin(level, range);
        for (const sample of samples) {
          level.sample(sample);
          expectWithin(level, range);
        }
      }),
      { numRuns },
    );
  });

  test('is a whole number within its range for calls of any length, and recovers from all of them', () => {
    fc.assert(
      fc.property(ranges, calls, (range, course) => {
        const level = new AdaptiveLevel(range);
        let now = 0;
        for (const { pause, time, ...sample } of course) {
          now += pause;
          level.sample({ ...sample, startedAt: now - time, endedAt: now });
          expectWithin(level, range);
        }
        // Calm calls that end one by one, each on a busy pool: sooner or later the level rises to where it can.
        const most = Math.min(range.maxConsumers, 60);
        for (let at = 0; at < 60_000 && level.value < most; at++) {
          now += 10;
          level.sample({
            kind: kinds[0] as object,
            startedAt: now - 10,
            endedAt: now,
            failed: false,
            busy: level.value,
            waiting: 1,
          });
        }
        expect(level.value).toBeGreaterThanOrEqual(most);
      }),
      { numRuns: Math.min(numRuns, 200) },
    );
  });

  test('does the same for the same calls', () => {
    fc.assert(
      fc.property(ranges, calls, (range, course) => {
        const run = () => {
          const level = new AdaptiveLevel(range);
          let now = 0;
          return course.map(({ pause, time, ...sample }) => {
            now += pause;
            level.sample({ ...sample, startedAt: now - time, endedAt: now });
            return level.value;
          });
        };
        expect(run()).toEqual(run());
      }),
      { numRuns },
    );
  });
});

interface CallOptions {
  readonly time?: number;
  readonly failed?: boolean;
  readonly waiting?: number;
  readonly busy?: number;
  readonly count?: number;
  readonly kind?: object;
}

/** A level, and calls on a clock that they move: each ends one millisecond after the other. */
function scene(minConsumers: number, maxConsumers: number) {
  const level = new AdaptiveLevel({ minConsumers, maxConsumers });
  let now = 0;
  return {
    level,
    call({
      time = 20,
      failed = false,
      waiting = 1,
      busy,
      count = 1,
      kind = kinds[0] as object,
    }: CallOptions = {}): void {
      for (let at = 0; at < count; at++) {
        now++;
        level.sample({ kind, startedAt: now - time, endedAt: now, failed, busy: busy ?? level.value, waiting });
      }
    },
    /** Calls until the level has moved, or so many. */
    callUntilMoved(options: CallOptions = {}, most = 3_000): number {
      const before = level.value;
      for (let at = 0; at < most && level.value === before; at++) this.call(options);
      return level.value;
    },
  };
}

describe('calls that take no longer', () => {
  test('double the level until the first overload, window by window', () => {
    const { callUntilMoved, call, level } = scene(2, 100);
    const at = { level, call, callUntilMoved };
    expect([0, 1, 2, 3].map(() => at.callUntilMoved())).toEqual([4, 8, 16, 32]);
  });

  test('raise nothing if nothing waits', () => {
    const quiet = scene(2, 100);
    quiet.call({ waiting: 0, count: 5_000 });
    expect(quiet.level.value).toBe(2);
  });

  test('are not believed before a window is over: neither few, nor within too short a time', () => {
    const early = scene(2, 100);
    early.call({ count: 90 });
    expect(early.level.value).toBe(2);
    early.call({ count: 20 });
    expect(early.level.value).toBe(4);
  });

  test('of one kind raise the level also if those of another take longer', () => {
    const mixed = scene(2, 1_000);
    for (let at = 0; at < 40 && mixed.level.value < 200; at++) {
      mixed.call({ time: 5, count: 300 });
      mixed.call({ time: 100, kind: kinds[1] as object, count: 300 });
    }
    expect(mixed.level.value).toBeGreaterThan(200);
  });
});

describe('calls that take longer', () => {
  const risen = () => {
    const at = scene(2, 100);
    while (at.level.value < 32) at.callUntilMoved();
    return at;
  };

  test('after a step take the level below where it was, and then back to there', () => {
    const at = risen();
    expect(at.callUntilMoved({ time: 40 })).toBe(13);
    expect(at.callUntilMoved()).toBe(16);
    expect(at.callUntilMoved()).toBe(17);
    // The step was as small as can be: now it stays for ten windows.
    expect(at.callUntilMoved({ time: 25 })).toBe(13);
    expect(at.callUntilMoved()).toBe(16);
    at.call({ count: 900 });
    expect(at.level.value).toBe(16);
    expect(at.callUntilMoved()).toBe(17);
  });

  test('by more than a step can explain lower it in proportion, up to a half', () => {
    const at = risen();
    at.callUntilMoved();
    expect(at.level.value).toBe(64);
    expect(at.callUntilMoved({ time: 20 * 100 })).toBe(32);
    expect(at.callUntilMoved({ time: 20 * 1.25 }, 6_000)).toBe(25);
  });

  test('lower nothing if most consumers are idle', () => {
    const at = risen();
    at.call({ time: 80, busy: 5, waiting: 0, count: 3_000 });
    expect(at.level.value).toBe(32);
  });

  test('by a little are no overload', () => {
    const at = risen();
    at.call({ time: 21, count: 60 });
    expect(at.callUntilMoved({ time: 21 })).toBe(64);
  });

  test('and do not get quicker by lowering are taken for the usual ones, and the level comes back', () => {
    const at = risen();
    at.callUntilMoved({ time: 2_000 });
    const lowest: number[] = [];
    for (let window = 0; window < 40; window++) {
      at.call({ time: 2_000, count: 1_000 });
      lowest.push(at.level.value);
    }
    expect(Math.min(...lowest)).toBeLessThan(16);
    // It was not lowered to the minimum, where it would have been believed at once.
    expect(Math.min(...lowest)).toBeGreaterThan(4);
    expect(at.level.value).toBeGreaterThanOrEqual(32);
  });

  test('at the minimum are taken for the usual ones at once', () => {
    const at = scene(5, 100);
    at.call({ time: 20, waiting: 0, count: 1_000 });
    at.call({ time: 200, waiting: 0, count: 3_000 });
    expect(at.callUntilMoved({ time: 200 })).toBe(10);
  });
});

describe('errors', () => {
  test('lower the level by half of their part', () => {
    const at = scene(2, 200);
    while (at.level.value < 128) at.callUntilMoved();
    expect(at.callUntilMoved({ failed: true })).toBe(64);
    const before = at.level.value;
    for (let call = 0; call < 2_000 && at.level.value === before; call++) at.call({ failed: call % 2 === 0 });
    expect(at.level.value).toBeLessThanOrEqual(Math.ceil(before * 0.76));
    expect(at.level.value).toBeGreaterThanOrEqual(Math.floor(before * 0.73));
  });

  test('lower it to the minimum and no further', () => {
    const at = scene(3, 200);
    while (at.level.value < 128) at.callUntilMoved();
    at.call({ failed: true, count: 5_000 });
    expect(at.level.value).toBe(3);
  });

  test('of less than a tenth of the calls lower nothing', () => {
    const at = scene(2, 64);
    for (let call = 0; call < 6_000; call++) at.call({ failed: call % 15 === 0 });
    expect(at.level.value).toBe(64);
  });

  test('that come quickly are not taken for quick calls', () => {
    const at = scene(2, 64);
    for (let call = 0; call < 3_000; call++) at.call(call % 15 === 0 ? { failed: true, time: 0 } : {});
    // The base is still that of calls that end well: none of them has become slower.
    for (let call = 0; call < 300; call++) at.call();
    expect(at.level.value).toBe(64);
  });
});
