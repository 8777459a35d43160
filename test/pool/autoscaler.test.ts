import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LOAD_MARGIN, type LoadSnapshot, targetConsumers } from '../../src/pool/autoscaler.ts';

const limits = fc
  .tuple(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 10_000 }))
  .map(([minConsumers, more]) => ({ minConsumers, maxConsumers: minConsumers + more }));

/** Whatever a pool can be in: consumers between the limits, no more of them busy than there are. */
const snapshot: fc.Arbitrary<LoadSnapshot> = limits.chain(({ minConsumers, maxConsumers }) =>
  fc.integer({ min: minConsumers, max: maxConsumers }).chain((consumers) =>
    fc.integer({ min: 0, max: consumers }).chain((busy) =>
      fc.record({
        consumers: fc.constant(consumers),
        busy: fc.constant(busy),
        peakBusy: fc.integer({ min: busy, max: consumers }),
        waiting: fc.oneof(fc.constant(0), fc.nat({ max: 1_000_000 })),
        arrivalRate: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e6, noNaN: true })),
        serviceTime: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e6, noNaN: true })),
        minConsumers: fc.constant(minConsumers),
        maxConsumers: fc.constant(maxConsumers),
      }),
    ),
  ),
);

function holds(property: (load: LoadSnapshot) => void): void {
  fc.assert(fc.property(snapshot, property), { numRuns: Number(process.env.FC_RUNS) });
}

const quiet: LoadSnapshot = {
  consumers: 60,
  busy: 0,
  peakBusy: 0,
  waiting: 0,
  arrivalRate: 0,
  serviceTime: 0,
  minConsumers: 2,
  maxConsumers: 100,
};

describe('the autoscaler', () => {
  test('never leaves the limits', () => {
    holds((load) => {
      const target = targetConsumers(load);
      expect(Number.isInteger(target)).toBe(true);
      expect(target).toBeGreaterThanOrEqual(load.minConsumers);
      expect(target).toBeLessThanOrEqual(load.maxConsumers);
    });
  });

  test('never takes a consumer that is busy, or was within the idle timeout', () => {
    holds((load) => {
      expect(targetConsumers(load)).toBeGreaterThanOrEqual(load.busy);
      expect(targetConsumers(load)).toBeGreaterThanOrEqual(load.peakBusy);
    });
  });

  test('gives every waiting payload a consumer at once, up to the maximum', () => {
    holds((load) => {
      const wanted = Math.min(load.maxConsumers, load.busy + load.waiting);
      expect(targetConsumers(load)).toBeGreaterThanOrEqual(wanted);
    });
  });

  test('makes no consumers while nothing waits', () => {
    holds((load) => {
      expect(targetConsumers({ ...load, waiting: 0 })).toBeLessThanOrEqual(load.consumers);
    });
  });

  test('makes no more than what waits can use', () => {
    holds((load) => {
      const enough = Math.max(load.consumers, load.busy + load.waiting);
      expect(targetConsumers(load)).toBeLessThanOrEqual(enough);
    });
  });

  test('keeps no fewer for more load', () => {
    holds((load) => {
      const target = targetConsumers(load);
      expect(targetConsumers({ ...load, waiting: load.waiting + 1 })).toBeGreaterThanOrEqual(target);
      expect(targetConsumers({ ...load, arrivalRate: load.arrivalRate * 2 })).toBeGreaterThanOrEqual(target);
      expect(targetConsumers({ ...load, serviceTime: load.serviceTime * 2 })).toBeGreaterThanOrEqual(target);
    });
  });

  test('depends on the snapshot alone', () => {
    holds((load) => {
      expect(targetConsumers(Object.freeze({ ...load }))).toBe(targetConsumers(load));
    });
  });

  test('is stable: what it decides, it decides again', () => {
    holds((load) => {
      const consumers = targetConsumers(load);
      expect(targetConsumers({ ...load, consumers })).toBe(consumers);
    });
  });

  test("keeps what Little's law asks for, and 15 % more", () => {
    // 100/s × 80 ms keep 8 busy; 9.2 with the margin.
    expect(targetConsumers({ ...quiet, arrivalRate: 100, serviceTime: 80 })).toBe(10);
    expect(targetConsumers({ ...quiet, arrivalRate: 1, serviceTime: 1 })).toBe(2);
    holds((load) => {
      const steady = (load.arrivalRate * load.serviceTime * (1 + LOAD_MARGIN)) / 1_000;
      const target = targetConsumers(load);
      expect(target).toBeGreaterThanOrEqual(Math.min(load.consumers, Math.floor(steady)));
    });
    expect(LOAD_MARGIN).toBe(0.15);
  });

  test('falls to the minimum when nothing is measured, busy or waiting', () => {
    expect(targetConsumers(quiet)).toBe(2);
  });
});

describe('the autoscaler, by a clock alone', () => {
  const TICK = 100;
  const IDLE_TIMEOUT = 1_000;
  const SERVICE_TIME = 80;
  const [minConsumers, maxConsumers] = [2, 60];

  /** A pool in numbers: so much work comes per tick, a consumer does its share of it, the rest waits. */
  function simulate(arrivalsAt: (time: number) => number, duration: number) {
    const peaks: number[] = [];
    const history: { time: number; consumers: number; busy: number; waiting: number }[] = [];
    let consumers = minConsumers;
    let waiting = 0;
    for (let time = 0; time < duration; time += TICK) {
      const arrivals = arrivalsAt(time);
      waiting += (arrivals * TICK) / 1_000;
      const capacity = (maxConsumers * TICK) / SERVICE_TIME;
      const done = Math.min(waiting, capacity);
      const busy = Math.ceil((done * SERVICE_TIME) / TICK);
      waiting -= done;
      consumers = Math.max(consumers, busy);
      peaks.push(busy);
      consumers = targetConsumers({
        consumers,
        busy,
        peakBusy: Math.max(...peaks.slice(-IDLE_TIMEOUT / TICK)),
        waiting: Math.ceil(waiting),
        arrivalRate: arrivals,
        serviceTime: SERVICE_TIME,
        minConsumers,
        maxConsumers,
      });
      history.push({ time, consumers, busy, waiting });
    }
    return history;
  }

  test('a burst is answered within one look, and let go one idle timeout after it', () => {
    const history = simulate((time) => (time >= 5_000 && time < 8_000 ? 700 : 20), 20_000);
    const at = (time: number) => history.find((entry) => entry.time === time)?.consumers;
    expect(at(4_900)).toBe(2);
    expect(at(5_000)).toBe(56);
    expect(at(7_900)).toBe(56);
    expect(at(8_000 + IDLE_TIMEOUT - 2 * TICK)).toBe(56);
    expect(at(8_000 + IDLE_TIMEOUT)).toBe(2);
  });

  test('more than all consumers can do keeps all of them until it is done', () => {
    const history = simulate((time) => (time < 2_000 ? 3_000 : 0), 20_000);
    for (const { consumers, waiting } of history) if (waiting > 0) expect(consumers).toBe(maxConsumers);
    expect(history.at(-1)).toMatchObject({ consumers: minConsumers, waiting: 0 });
  });

  test('a wave shorter than the idle timeout does not make it waver', () => {
    const history = simulate((time) => (time % 600 < 300 ? 400 : 100), 20_000);
    const counts = new Set(history.slice(10).map(({ consumers }) => consumers));
    expect([...counts]).toEqual([32]);
  });
});
