/** A queue that calls a downstream, on a clock that is moved by hand. */
import { Collector, CollectorQueue, err, Payload, type QueueOptions } from 'collector-queue';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { Downstream, quantile } from './downstream.mjs';

export interface CourseOptions {
  readonly queue: Omit<QueueOptions, 'clock'>;
  readonly downstream?: ConstructorParameters<typeof Downstream>[0];
  /** Milliseconds. */
  readonly duration: number;
  /** From when on throughput and latency count. */
  readonly from?: number;
  /** Called before each step, with the milliseconds so far; may change the downstream. */
  readonly change?: (time: number, downstream: Downstream) => void;
  /** Payloads per second; without it there are always some that wait. */
  readonly load?: (time: number) => number;
  /** Whether a call fails. */
  readonly fails?: (downstream: Downstream) => boolean;
}

export interface Moment {
  readonly time: number;
  /** Consumers alive. */
  readonly level: number;
  readonly waiting: number;
  /** Calls per second, since the moment before. */
  readonly rate: number;
  /** Of the calls since the moment before, in milliseconds; NaN if there were none. */
  readonly p99: number;
}

export interface Course {
  readonly rate: number;
  readonly p99: number;
  readonly moments: readonly Moment[];
}

const STEP = 100;
const BACKLOG = 500;

export async function runCourse(options: CourseOptions): Promise<Course> {
  const { duration, from = 0, change, load, fails = () => false } = options;
  const clock = new ManualClock();
  const downstream = new Downstream(options.downstream);
  const latencies: number[] = [];
  let recent: number[] = [];
  const work = new Collector('work', async () => {
    const time = downstream.begin();
    await new Promise<void>((done) => void clock.setTimer(done, time));
    const failed = fails(downstream);
    downstream.end();
    if (!failed) {
      recent.push(time);
      if (clock.now() >= from) latencies.push(time);
    }
    if (load === undefined && clock.now() < duration) publisher.publish(0);
    return failed ? err('overloaded') : undefined;
  });
  const queue = new CollectorQueue([work], { ...options.queue, clock });
  await queue.initQueue();
  const publisher = queue.getPublisher();
  const moments: Moment[] = [];
  let owed = load === undefined ? BACKLOG : 0;
  for (let time = 0; time < duration; time += STEP) {
    change?.(time, downstream);
    for (owed += ((load?.(time) ?? 0) * STEP) / 1_000; owed >= 1; owed--) publisher.send(new Payload(0));
    recent = [];
    await clock.advance(STEP);
    const { consumers, qsize } = queue.getMetrics();
    const rate = (recent.length * 1_000) / STEP;
    moments.push({ time: time + STEP, level: consumers, waiting: qsize, rate, p99: quantile(recent, 0.99) });
  }
  const closed = queue.shutDownQueue({ drain: false });
  await clock.advance(100_000);
  await closed;
  return { rate: (latencies.length * 1_000) / (duration - from), p99: quantile(latencies, 0.99), moments };
}

/** The fixed level with the highest throughput. */
export async function bestFixed(
  levels: readonly number[],
  options: CourseOptions,
): Promise<Course & { level: number }> {
  let best: (Course & { level: number }) | undefined;
  for (const level of levels) {
    const queue = { ...options.queue, minConsumers: level, maxConsumers: level, scaling: 'littles-law' as const };
    const course = await runCourse({ ...options, queue });
    if (best === undefined || course.rate > best.rate) best = { ...course, level };
  }
  return best as Course & { level: number };
}
