/**
 * Draws docs/autoscaler.svg: how the consumers of a queue follow a bursty load. A real queue, on a clock that is moved by
 * hand, so the same picture comes out each time: `npx tsx benchmarks/autoscaler-plot.ts`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Collector, CollectorQueue, Payload } from 'collector-queue';
import { LOAD_MARGIN } from '../src/pool/autoscaler.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { draw, type Phase, type Point } from './panels.ts';

/** All in milliseconds. */
const DURATION = 100_000;
const SAMPLE = 200;
const STEP = 10;
const SERVICE_TIME = 80;

const MIN_CONSUMERS = 2;
const MAX_CONSUMERS = 60;

interface Stretch extends Phase {
  /** Payloads per second, so many seconds after its beginning. */
  readonly rate: (seconds: number) => number;
}

const LOAD: readonly Stretch[] = [
  { name: 'quiet', from: 0, to: 8, rate: () => 20 },
  { name: 'burst', from: 8, to: 11, rate: () => 1_000 },
  { name: 'quiet', from: 11, to: 22, rate: () => 20 },
  { name: 'ramp', from: 22, to: 40, rate: (seconds) => 20 + seconds * 30 },
  { name: 'silence', from: 40, to: 100, rate: () => 0 },
];

interface Course {
  readonly arrivals: Point[];
  readonly consumers: Point[];
  readonly busy: Point[];
  readonly steady: Point[];
  readonly waiting: Point[];
}

/** Sends the load to a queue, and writes down what it does. */
async function runLoad(): Promise<Course> {
  const clock = new ManualClock();
  const work = new Collector('work', () => new Promise<void>((done) => void clock.setTimer(done, SERVICE_TIME)));
  const queue = new CollectorQueue([work], { minConsumers: MIN_CONSUMERS, maxConsumers: MAX_CONSUMERS, clock });
  const course: Course = { arrivals: [], consumers: [], busy: [], steady: [], waiting: [] };
  await queue.initQueue();
  const publisher = queue.getPublisher();
  let [owed, sent, sentThen] = [0, 0, 0];
  for (let now = 0; now <= DURATION; now += STEP) {
    const stretch = LOAD.findLast(({ from }) => from * 1_000 <= now) as Stretch;
    const sampled = now % SAMPLE === 0;
    const time = now / 1_000;
    if (sampled && now > 0) {
      course.arrivals.push({ time: time - SAMPLE / 1_000, value: ((sent - sentThen) * 1_000) / SAMPLE });
      sentThen = sent;
    }
    for (owed += (stretch.rate(time - stretch.from) * STEP) / 1_000; owed >= 1; owed--) {
      publisher.send(new Payload(sent++));
    }
    if (sampled) {
      const { consumers, busy, qsize, wip } = queue.getMetrics();
      course.consumers.push({ time, value: consumers });
      course.busy.push({ time, value: busy });
      course.steady.push({ time, value: wip * (1 + LOAD_MARGIN) });
      course.waiting.push({ time, value: qsize });
    }
    await clock.advance(STEP);
  }
  const closed = queue.shutDownQueue();
  await clock.advance(SERVICE_TIME);
  await closed;
  return course;
}

/** The picture, as SVG text. */
export async function drawAutoscaler(): Promise<string> {
  const course = await runLoad();
  return draw({
    title: 'How the consumers follow the load',
    description:
      'Three panels over 100 seconds: payloads that arrive per second, consumers alive and busy, and payloads that wait. ' +
      'A burst is answered at once with all 60 consumers, a ramp with one after the other; afterwards they fall back to ' +
      'the minimum of 2.',
    seconds: DURATION / 1_000,
    secondsPerTick: 10,
    phases: LOAD,
    panels: [
      {
        title: 'Arrivals',
        unit: 'payloads per second',
        most: 1_000,
        ticks: [0, 250, 500, 750, 1_000],
        lines: [{ name: 'arrivals', colour: '#388bfd', look: 'line', points: course.arrivals }],
      },
      {
        title: 'Consumers',
        unit: `from ${MIN_CONSUMERS} to ${MAX_CONSUMERS}`,
        most: MAX_CONSUMERS,
        ticks: [0, 20, 40, MAX_CONSUMERS],
        lines: [
          { name: 'busy', colour: '#e0823d', look: 'area', points: course.busy },
          { name: 'alive', colour: '#d9662b', look: 'line', points: course.consumers },
          { name: "the last minute's need", colour: '#768390', look: 'dashed', points: course.steady },
        ],
      },
      {
        title: 'Waiting',
        unit: 'payloads',
        most: 900,
        ticks: [0, 300, 600, 900],
        lines: [{ name: 'waiting', colour: '#c2559d', look: 'line', points: course.waiting }],
      },
    ],
  });
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(join(import.meta.dirname, '..', 'docs', 'autoscaler.svg'), await drawAutoscaler());
}
