import { Collector, CollectorQueue, Payload } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { bestFixed, type Course, type CourseOptions, runCourse } from '../../benchmarks/adaptive-course.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';

const range = (minConsumers: number, maxConsumers: number) =>
  ({ queue: { minConsumers, maxConsumers, scaling: 'adaptive' as const } }) satisfies Partial<CourseOptions>;

/** The mean number of consumers between two times. */
function meanLevel({ moments }: Course, from: number, to = Number.POSITIVE_INFINITY): number {
  const levels = moments.filter(({ time }) => time > from && time <= to).map(({ level }) => level);
  return levels.reduce((sum, level) => sum + level, 0) / levels.length;
}

/** At least 90 % of the best fixed level's throughput at no more than 1.5 times its p99. */
function expectNear(adaptive: Course, best: Course & { level: number }): void {
  const told = `best fixed level ${best.level}: ${best.rate.toFixed(0)}/s, p99 ${best.p99.toFixed(1)} ms; adaptive ${meanLevel(adaptive, 0).toFixed(1)}: ${adaptive.rate.toFixed(0)}/s, p99 ${adaptive.p99.toFixed(1)} ms`;
  expect(adaptive.rate, told).toBeGreaterThanOrEqual(0.9 * best.rate);
  expect(adaptive.p99, told).toBeLessThanOrEqual(1.5 * best.p99);
}

const around = (knee: number) => [0.5, 0.75, 0.9, 1, 1.05, 1.2, 1.5, 2].map((part) => Math.ceil(knee * part));

describe('a downstream with a knee', () => {
  test.each([
    { knee: 20, seed: 1, steepness: 3 },
    { knee: 20, seed: 2, steepness: 3 },
    { knee: 20, seed: 3, steepness: 2 },
    { knee: 20, seed: 4, steepness: 4 },
    { knee: 20, seed: 5, steepness: 1 },
    { knee: 10, seed: 6, steepness: 3 },
    { knee: 50, seed: 7, steepness: 3 },
    { knee: 120, seed: 8, steepness: 2 },
  ])('of $knee (steepness $steepness) is found, from the start on', async ({ knee, seed, steepness }) => {
    const downstream = { capacity: knee, seed, steepness };
    const options = { ...range(1, 400), downstream, duration: 15_000 };
    const adaptive = await runCourse({ ...options, from: 4_000 });
    expectNear(adaptive, await bestFixed(around(knee), { ...options, duration: 4_000, from: 1_000 }));
    // Not every step is worth waiting for, but the place is found within a few seconds.
    expect(meanLevel(adaptive, 4_000)).toBeGreaterThan(0.85 * knee);
    expect(meanLevel(adaptive, 4_000)).toBeLessThan(1.2 * knee);
  });

  test.each([1, 2, 3])('that degrades and recovers is followed (seed %i)', async (seed) => {
    const change: CourseOptions['change'] = (time, downstream) => {
      downstream.capacity = time >= 10_000 && time < 20_000 ? 8 : 20;
    };
    const options = { ...range(1, 100), downstream: { seed }, duration: 30_000, change };
    const adaptive = await runCourse(options);
    expectNear(adaptive, await bestFixed([8, 10, 12, 14, 16, 18, 20, 22], options));
    for (const [from, to, knee] of [
      [4_000, 10_000, 20],
      [12_000, 20_000, 8],
      [24_000, 30_000, 20],
    ] as const) {
      expect(meanLevel(adaptive, from, to)).toBeGreaterThan(0.85 * knee);
      expect(meanLevel(adaptive, from, to)).toBeLessThan(1.15 * knee);
    }
  });

  test('below the minimum is left alone: the level stays close to the minimum', async () => {
    const course = await runCourse({ ...range(12, 100), downstream: { capacity: 6 }, duration: 15_000 });
    for (const { level } of course.moments) expect(level).toBeGreaterThanOrEqual(12);
    expect(meanLevel(course, 3_000)).toBeLessThan(14);
  });

  test('above the maximum takes all consumers', async () => {
    const course = await runCourse({ ...range(1, 30), downstream: { capacity: 200 }, duration: 10_000 });
    expect(meanLevel(course, 5_000)).toBe(30);
  });

  test('whose calls become slower for other reasons keeps its level', async () => {
    const change: CourseOptions['change'] = (time, downstream) => {
      downstream.base = time < 8_000 ? 20 : 60;
    };
    const course = await runCourse({ ...range(1, 100), duration: 25_000, change });
    expect(meanLevel(course, 14_000)).toBeGreaterThan(17);
    expect(meanLevel(course, 14_000)).toBeLessThan(23);
  });

  test('is found by calls of seconds, in as many of them', async () => {
    const downstream = { base: 3_000, capacity: 12 };
    const course = await runCourse({ ...range(4, 100), downstream, duration: 400_000 });
    expect(meanLevel(course, 150_000)).toBeGreaterThan(10);
    expect(meanLevel(course, 150_000)).toBeLessThan(14);
  });

  test('is found by calls of less than a millisecond', async () => {
    const downstream = { base: 0.5, capacity: 8 };
    const course = await runCourse({ ...range(1, 100), downstream, duration: 3_000 });
    expect(meanLevel(course, 2_000)).toBeGreaterThan(6.8);
    expect(meanLevel(course, 2_000)).toBeLessThan(9.2);
  });
});

describe('errors', () => {
  test('of every call let the level fall to the minimum within seconds, and it stays there', async () => {
    const course = await runCourse({ ...range(2, 100), duration: 20_000, fails: () => true });
    expect(meanLevel(course, 0)).toBe(2);
    let broken = false;
    const breaking = await runCourse({
      ...range(2, 100),
      duration: 20_000,
      change: (time) => {
        broken = time >= 8_000;
      },
      fails: () => broken,
    });
    expect(meanLevel(breaking, 4_000, 8_000)).toBeGreaterThan(17);
    expect(meanLevel(breaking, 10_000)).toBe(2);
  });

  test('of calls beyond a limit keep the level near it, although no call takes longer', async () => {
    const fails: CourseOptions['fails'] = ({ inFlight }) => inFlight > 20;
    const course = await runCourse({ ...range(1, 100), downstream: { capacity: 1_000 }, duration: 20_000, fails });
    expect(meanLevel(course, 5_000)).toBeGreaterThan(14);
    expect(meanLevel(course, 5_000)).toBeLessThan(28);
  });

  test('of one call in twenty are for reasons of their own', async () => {
    let calls = 0;
    const course = await runCourse({ ...range(1, 100), duration: 12_000, fails: () => ++calls % 20 === 0 });
    expect(meanLevel(course, 5_000)).toBeGreaterThan(17);
  });

  test('are time limits too', async () => {
    const { clock, queue, level } = await hanging({ minConsumers: 2, maxConsumers: 500 }, { timeout: 50 });
    await clock.advance(500);
    const before = level();
    expect(before).toBeGreaterThan(8);
    queue.hang = true;
    await clock.advance(3_000);
    // What was left behind keeps its consumers, beside the level, which has fallen to the minimum.
    const { abandoned } = queue.collectorQueue.getMetrics();
    expect(abandoned).toBeGreaterThan(before);
    expect(level() - abandoned).toBeLessThanOrEqual(3);
    queue.letGo();
    queue.hang = false;
    await clock.advance(200);
    expect(level()).toBeLessThan(before);
    await clock.advance(4_000);
    expect(level()).toBeGreaterThan(before);
    await queue.end();
  });
});

async function closed(queue: CollectorQueue, clock: ManualClock): Promise<void> {
  const shutDown = queue.shutDownQueue({ drain: false });
  await clock.advance(100_000);
  await shutDown;
}

/** A queue of calls that take 10 ms each, until they hang. */
async function hanging(limits: { minConsumers: number; maxConsumers: number }, options: { timeout: number }) {
  const clock = new ManualClock();
  const held: (() => void)[] = [];
  const scene = {
    hang: false,
    letGo: () => {
      for (const release of held.splice(0)) release();
    },
    end: () => {
      scene.letGo();
      return closed(collectorQueue, clock);
    },
    get collectorQueue() {
      return collectorQueue;
    },
  };
  const work = new Collector(
    'work',
    () =>
      new Promise<void>((done) => {
        if (scene.hang) held.push(done);
        else clock.setTimer(done, 10);
      }),
    options,
  );
  const collectorQueue = new CollectorQueue([work], { ...limits, scaling: 'adaptive', clock });
  await collectorQueue.initQueue();
  for (let at = 0; at < 200_000; at++) collectorQueue.getPublisher().send(new Payload(at));
  return { clock, queue: scene, level: () => collectorQueue.consumerCount };
}

describe('a load', () => {
  test('lighter than the knee is served as it comes, and raises the level no further than it needs', async () => {
    const course = await runCourse({ ...range(1, 100), duration: 20_000, load: () => 400 });
    // 400 a second × 20 ms are 8 at a time.
    const settled = course.moments.filter(({ time }) => time > 6_000);
    expect(meanLevel(course, 6_000)).toBeLessThan(45);
    expect(course.rate).toBeGreaterThan(380);
    for (const { waiting } of settled) expect(waiting).toBeLessThan(60);
  });

  test('that comes in bursts is borne as one that goes on', async () => {
    const load = (time: number) => (time % 2_000 < 1_000 ? 900 : 50);
    const course = await runCourse({ ...range(1, 100), duration: 20_000, load });
    expect(course.rate).toBeGreaterThan(460);
    const settled = course.moments.filter(({ time }) => time > 6_000);
    for (const { level } of settled) expect(level).toBeLessThan(30);
  });

  test('that ends lets the consumers go after the idle timeout, and the clock rest', async () => {
    const clock = new ManualClock();
    const work = new Collector('work', () => new Promise<void>((done) => void clock.setTimer(done, 20)));
    const queue = new CollectorQueue([work], { minConsumers: 2, maxConsumers: 50, scaling: 'adaptive', clock });
    await queue.initQueue();
    const scaled: [number, number][] = [];
    queue.events.on('scaled', ({ from, to }) => void scaled.push([from, to]));
    for (let at = 0; at < 3_000; at++) queue.getPublisher().send(new Payload(at));
    await clock.advance(10_000);
    expect(queue.getMetrics()).toMatchObject({ settled: 3_000, busy: 0 });
    await clock.advance(100_000);
    expect(queue.consumerCount).toBe(2);
    expect(clock.pendingTimers).toBe(0);
    expect(Math.max(...scaled.map(([, to]) => to))).toBeGreaterThan(8);
    for (const [at, [from]] of scaled.entries()) expect(from).toBe(scaled[at - 1]?.[1] ?? 2);
    await queue.shutDownQueue();
  });
});

describe('the level', () => {
  test('starts at the minimum, and never lets more run than it says', async () => {
    const clock = new ManualClock();
    let running = 0;
    const most: number[] = [];
    const work = new Collector('work', async () => {
      running++;
      most.push(running);
      await new Promise<void>((done) => void clock.setTimer(done, 20));
      running--;
    });
    const queue = new CollectorQueue([work], { minConsumers: 3, maxConsumers: 20, scaling: 'adaptive', clock });
    await queue.initQueue();
    for (let at = 0; at < 5_000; at++) queue.getPublisher().send(new Payload(at));
    await clock.turn();
    expect(running).toBe(3);
    for (let step = 0; step < 300; step++) {
      await clock.advance(10);
      const { busy, consumers } = queue.getMetrics();
      expect(busy).toBeLessThanOrEqual(consumers);
      expect(consumers).toBeLessThanOrEqual(20);
    }
    expect(Math.max(...most)).toBe(20);
    await closed(queue, clock);
  });

  test('leaves the consumers of what was cancelled out, while its work goes on', async () => {
    const ends: (() => void)[] = [];
    const clock = new ManualClock();
    const work = new Collector('work', ({ value }) =>
      value === 'hangs' ? new Promise<void>((resolve) => ends.push(resolve)) : value,
    );
    const options = { minConsumers: 1, maxConsumers: 4, scaling: 'adaptive', clock } as const;
    const queue = new CollectorQueue([work], options);
    await queue.initQueue();
    const publisher = queue.getPublisher();
    for (let round = 1; round <= 3; round++) {
      const hangs = publisher.publish('hangs');
      await clock.advance(100);
      hangs.cancel();
      const event = publisher.publish(round);
      await clock.advance(100);
      expect(event.getResult()?.oks()).toEqual([round]);
      expect(queue.health().live).toBe(true);
    }
    publisher.publish('hangs').cancel();
    // With all consumers that there may be at what nobody waits for, health says so.
    const last = publisher.publish('hangs');
    await clock.advance(200);
    last.cancel();
    expect([queue.consumerCount, queue.health().live]).toEqual([4, false]);
    for (const end of ends) end();
    await clock.advance(2_000);
    expect(queue.consumerCount).toBe(1);
    await queue.shutDownQueue();
  });

  test('stays while the queue is paused, and nothing is taken then', async () => {
    const { clock, queue, level } = await hanging({ minConsumers: 2, maxConsumers: 50 }, { timeout: 1_000 });
    await clock.advance(2_000);
    const before = level();
    queue.collectorQueue.pause();
    await clock.advance(500);
    const settled = queue.collectorQueue.getMetrics().settled;
    expect(queue.collectorQueue.getMetrics().busy).toBe(0);
    await clock.advance(500);
    expect(queue.collectorQueue.getMetrics().settled).toBe(settled);
    queue.collectorQueue.resume();
    await clock.turn();
    expect(queue.collectorQueue.getMetrics().busy).toBeGreaterThanOrEqual(Math.min(before, 50) * 0.8);
    await queue.end();
  });

  test('does not mistake a mix of quick and slow collectors for a queue', async () => {
    const clock = new ManualClock();
    const takes = (time: number) => () => new Promise<void>((done) => void clock.setTimer(done, time));
    const collectors = [
      new Collector('quick', takes(5), { topics: ['quick'] }),
      new Collector('slow', takes(80), { topics: ['slow'] }),
    ];
    const queue = new CollectorQueue(collectors, { maxConsumers: 30, scaling: 'adaptive', clock });
    await queue.initQueue();
    for (let at = 0; at < 60_000; at++) {
      // Stretches of one kind or the other, of some hundred payloads.
      const slow = Math.floor(at / 300) % 2 === 1;
      queue.getPublisher().send(new Payload(at, { topics: [slow ? 'slow' : 'quick'] }));
    }
    await clock.advance(8_000);
    const levels: number[] = [];
    for (let step = 0; step < 100; step++) {
      await clock.advance(100);
      levels.push(queue.consumerCount);
    }
    expect(Math.min(...levels)).toBeGreaterThan(20);
    await closed(queue, clock);
  });
});
