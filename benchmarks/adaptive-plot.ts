/**
 * Draws docs/adaptive.svg: how adaptive scaling finds the capacity of a downstream, and follows it. A real queue, on a
 * clock that is moved by hand, so the same picture comes out each time: `npx tsx benchmarks/adaptive-plot.ts`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Course, runCourse } from './adaptive-course.ts';
import { draw, type Phase, type Point } from './panels.ts';

/** All in seconds. */
const DURATION = 30;

interface Stretch extends Phase {
  readonly capacity: number;
}

const STRETCHES: readonly Stretch[] = [
  { name: 'bears 20', from: 0, to: 10, capacity: 20 },
  { name: 'bears 8', from: 10, to: 20, capacity: 8 },
  { name: 'bears 20', from: 20, to: DURATION, capacity: 20 },
];

const capacityAt = (seconds: number): number => (STRETCHES.findLast(({ from }) => from <= seconds) as Stretch).capacity;

function run(queue: Parameters<typeof runCourse>[0]['queue']): Promise<Course> {
  return runCourse({
    queue,
    duration: DURATION * 1_000,
    change: (time, downstream) => {
      downstream.capacity = capacityAt(time / 1_000);
    },
  });
}

/** The picture, as SVG text. */
export async function drawAdaptive(): Promise<string> {
  const adaptive = await run({ minConsumers: 1, maxConsumers: 100, scaling: 'adaptive' });
  const fixed = await run({ minConsumers: 20, maxConsumers: 20 });
  const points = ({ moments }: Course, metric: 'level' | 'rate' | 'p99', most: number): Point[] =>
    moments
      .filter((moment) => !Number.isNaN(moment[metric]))
      .map((moment) => ({ time: moment.time / 1_000, value: Math.min(most, moment[metric]) }));
  const capacity = adaptive.moments.map(({ time }) => ({ time: time / 1_000, value: capacityAt(time / 1_000 - 0.1) }));
  return draw({
    title: 'How adaptive scaling follows the capacity of a downstream',
    description:
      'Three panels over 30 seconds: consumers against what the downstream bears, calls per second, and the 99th ' +
      'percentile of their latency. The level rises to 20 within three seconds, falls to 8 within one when the downstream ' +
      'degrades, and comes back within four when it recovers. With 20 consumers fixed, calls take over ten times as long ' +
      'while the downstream is degraded, and a third as many are done.',
    seconds: DURATION,
    secondsPerTick: 5,
    phases: STRETCHES,
    panels: [
      {
        title: 'Consumers',
        unit: 'from 1 to 100',
        most: 32,
        ticks: [0, 8, 20, 32],
        lines: [
          { name: 'adaptive', colour: '#d9662b', look: 'line', points: points(adaptive, 'level', 32) },
          { name: 'what the downstream bears', colour: '#768390', look: 'dashed', points: capacity },
        ],
      },
      {
        title: 'Throughput',
        unit: 'calls per second',
        most: 1_250,
        ticks: [0, 400, 1_000],
        lines: [
          { name: '20 fixed', colour: '#768390', look: 'line', points: points(fixed, 'rate', 1_250) },
          { name: 'adaptive', colour: '#388bfd', look: 'line', points: points(adaptive, 'rate', 1_250) },
        ],
      },
      {
        title: 'Latency',
        unit: 'p99 of every 100 ms, in milliseconds',
        most: 400,
        ticks: [0, 100, 200, 300, 400],
        lines: [
          { name: '20 fixed', colour: '#768390', look: 'line', points: points(fixed, 'p99', 400) },
          { name: 'adaptive', colour: '#c2559d', look: 'line', points: points(adaptive, 'p99', 400) },
        ],
      },
    ],
  });
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(join(import.meta.dirname, '..', 'docs', 'adaptive.svg'), await drawAdaptive());
}
