import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LoadMeter } from '../../src/pool/load-meter.ts';

const WARM_UP = 3_000;
const WINDOW = 60_000;
const NOTHING = { load: 0, serviceTime: 0, waitTime: 0, arrivalRate: 0, departureRate: 0 };

/** The window moves in steps of a second: that much of it may be off. */
const STEP = 1_000 / WINDOW;

/** Samples as a busy pool does, ten times a second, and reads at the end. */
function run(meter: LoadMeter, from: number, to: number, perSecond: number, busy: number, consumers = 10) {
  for (let now = from; now <= to; now += 100) {
    const total = Math.round(((now - from) / 1_000) * perSecond);
    meter.sample(now, { busy, consumers, accepted: total, settled: total });
  }
  return meter.averages(to);
}

describe('a load meter', () => {
  test('says nothing during the first three seconds', () => {
    const meter = new LoadMeter(0);
    meter.served(5);
    meter.waited(6);
    expect(run(meter, 0, WARM_UP - 100, 50, 5)).toEqual(NOTHING);
    meter.sample(WARM_UP, { busy: 5, consumers: 10, accepted: 150, settled: 150 });
    const averages = meter.averages(WARM_UP);
    expect(averages.serviceTime).toBe(5);
    expect(averages.waitTime).toBe(6);
    expect(averages.load).toBeCloseTo(0.5);
    expect(averages.arrivalRate).toBeCloseTo(50);
    expect(averages.departureRate).toBeCloseTo(50);
  });

  test('counts its first three seconds from where its clock stood', () => {
    const start = 1e9 + 250;
    const meter = new LoadMeter(start);
    meter.served(5);
    expect(meter.averages(start + WARM_UP - 1)).toEqual(NOTHING);
    expect(meter.averages(start + WARM_UP).serviceTime).toBe(5);
  });

  test('has no means, no load and no rates before it has seen anything', () => {
    expect(new LoadMeter(0).averages(WARM_UP)).toEqual(NOTHING);
  });

  test('counts no load while there are no consumers', () => {
    const meter = new LoadMeter(0);
    expect(run(meter, 0, 10_000, 0, 0, 0).load).toBe(0);
  });

  test.each([5_000, 30_000, 60_000, 90_000, 600_000])('knows the rate of a steady load after %d ms', (lived) => {
    const { arrivalRate, departureRate, load } = run(new LoadMeter(0), 0, lived, 200, 8);
    expect(Math.abs(arrivalRate - 200)).toBeLessThanOrEqual(200 * STEP);
    expect(departureRate).toBe(arrivalRate);
    expect(load).toBeCloseTo(0.8);
  });

  test('forgets what is older than a minute', () => {
    const meter = new LoadMeter(0);
    run(meter, 0, 10_000, 100, 10);
    expect(meter.averages(10_000).arrivalRate).toBeCloseTo(100);
    const idle = { busy: 0, consumers: 10, accepted: 1_000, settled: 1_000 };
    for (let now = 10_100; now <= 60_000; now += 100) meter.sample(now, idle);
    expect(meter.averages(60_000).arrivalRate).toBeGreaterThan(15);
    for (let now = 60_100; now <= 72_000; now += 100) meter.sample(now, idle);
    expect(meter.averages(72_000)).toMatchObject({ arrivalRate: 0, departureRate: 0, load: 0 });
  });

  test.each([61_000, 120_000, 1e9])('forgets everything in a gap of %d ms', (gap) => {
    const meter = new LoadMeter(0);
    run(meter, 0, 10_000, 100, 10);
    meter.sample(10_000, { busy: 0, consumers: 10, accepted: 1_000, settled: 1_000 });
    expect(meter.averages(10_000 + gap)).toMatchObject({ arrivalRate: 0, departureRate: 0, load: 0 });
  });

  test('gives the totals that were added in a gap to its end', () => {
    const meter = new LoadMeter(0);
    meter.sample(0, { busy: 0, consumers: 1, accepted: 0, settled: 0 });
    meter.sample(600_000, { busy: 0, consumers: 1, accepted: 60, settled: 30 });
    expect(meter.averages(600_000)).toMatchObject({ arrivalRate: 1, departureRate: 0.5 });
  });

  test('counts the time since the last sample with the level found then', () => {
    const meter = new LoadMeter(0);
    const gauge = { consumers: 10, accepted: 0, settled: 0 };
    meter.sample(0, { ...gauge, busy: 10 });
    meter.sample(1_000, { ...gauge, busy: 0 });
    meter.sample(4_000, { ...gauge, busy: 10 });
    expect(meter.averages(4_000).load).toBeCloseTo(1 / 4);
  });

  test('counts a rest where it was, and not where it ended', () => {
    const meter = new LoadMeter(0);
    const gauge = { consumers: 10, accepted: 0, settled: 0 };
    meter.sample(0, { ...gauge, busy: 0 });
    for (let now = 60_000; now <= 90_000; now += 100) meter.sample(now, { ...gauge, busy: 10 });
    expect(Math.abs(meter.averages(90_000).load - 0.5)).toBeLessThanOrEqual(2 * STEP);
  });

  test('averages the load over the last minute, however far its samples are apart', () => {
    const sample = fc.record({
      after: fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 1, max: 200_000 })),
      busy: fc.integer({ min: 0, max: 10 }),
    });
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 100 }), (samples) => {
        const meter = new LoadMeter(0);
        const levels: { from: number; load: number }[] = [{ from: 0, load: 0 }];
        let now = 0;
        for (const { after, busy } of samples) {
          now += after;
          meter.sample(now, { busy, consumers: 10, accepted: 0, settled: 0 });
          levels.push({ from: now, load: busy / 10 });
        }
        if (now < WARM_UP) return;
        const begin = Math.max(0, now - WINDOW);
        let loadTime = 0;
        for (const [i, { from, load }] of levels.entries()) {
          const until = levels[i + 1]?.from ?? now;
          loadTime += Math.max(0, until - Math.max(from, begin)) * load;
        }
        const expected = loadTime / (now - begin);
        // Below a minute nothing has left the window; later a step may be missing, and another straddle its edge.
        const tolerance = now < WINDOW - 1_000 ? 1e-9 : 3 * STEP;
        expect(Math.abs(meter.averages(now).load - expected)).toBeLessThanOrEqual(tolerance);
      }),
      { numRuns: Number(process.env.FC_RUNS) },
    );
  });

  test('averages the last 1,000 measured times', () => {
    const times = fc.array(fc.double({ min: 0, max: 1e5, noNaN: true }), { maxLength: 2_500, size: 'max' });
    fc.assert(
      fc.property(times, times, (served, waited) => {
        const meter = new LoadMeter(0);
        for (const duration of served) meter.served(duration);
        for (const duration of waited) meter.waited(duration);
        const { serviceTime, waitTime } = meter.averages(WARM_UP);
        expect(serviceTime).toBeCloseTo(mean(served.slice(-1_000)), 3);
        expect(waitTime).toBeCloseTo(mean(waited.slice(-1_000)), 3);
      }),
      { numRuns: Math.ceil(Number(process.env.FC_RUNS) / 10) },
    );
  });

  test('never reports a negative mean, whatever rounding leaves', () => {
    const meter = new LoadMeter(0);
    for (let i = 0; i < 1_000; i++) meter.served(1e5 + 1 / 3);
    for (let i = 0; i < 1_000; i++) meter.served(0);
    const { serviceTime } = meter.averages(WARM_UP);
    expect(serviceTime).toBeGreaterThanOrEqual(0);
    expect(serviceTime).toBeLessThan(1e-6);
  });
});

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
