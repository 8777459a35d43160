/** Does adaptive scaling find how many calls at a time a downstream bears, without being told? */

import { Downstream, quantile } from './downstream.mjs';
import { count, figure } from './wording.mjs';

const KNEE = 20;
const DEGRADED = 8;
const BACKLOG = 500;

/** Fixed numbers of consumers, and the adaptive one, which may have 1 to 100. */
const levels = [8, 12, 16, 18, 20, 24, 32];
const adaptive = 'adaptive';
const contestants = [...levels, adaptive];

const scenes = {
  knee: { title: `a knee at ${KNEE}`, seconds: 5, changes: false },
  changing: { title: `a knee at ${KNEE}, then at ${DEGRADED}, then at ${KNEE}`, seconds: 24, changes: true },
};

const metricOf = (contestant, metric) => `${contestant} ${metric}`;

/** The fixed level with the most throughput, of those that were measured. */
const bestOf = (scene, median) =>
  levels.reduce((best, level) =>
    median(scene, metricOf(level, 'callsPerS')) > median(scene, metricOf(best, 'callsPerS')) ? level : best,
  );

const costs = { off: "'littles-law'", on: "'adaptive'" };

export default {
  name: 'adaptive',
  question: 'How near does adaptive scaling come to the best fixed number of consumers, without being told it?',
  method:
    `A simulated downstream takes 20 ms ± 20 % for a call while at most ${KNEE} are under way, and beyond that the cube of ` +
    'the overload as much, so that at 30 a call takes more than three times as long. There are always payloads that wait. ' +
    `Measured for ${scenes.knee.seconds} s after ${scenes.knee.seconds / 2} s of the same; the second downstream for ` +
    `${scenes.changing.seconds} s from a cold start, in three stretches of the same length, of which the middle one bears only ` +
    `${DEGRADED}. All numbers of consumers are measured at the same time in one process, each on a downstream of its own. Fixed: minConsumers = maxConsumers. Adaptive: 1 to 100, \`scaling: 'adaptive'\`. What it costs: ` +
    'nanoseconds per payload at 16 consumers with a processor that returns at once, 1,000 at a time, each window drained.',

  cases: [
    ...Object.keys(scenes).map((scene) => ({ id: scene, ours: true, kind: 'scene', scene })),
    ...Object.keys(costs).map((scaling) => ({ id: `cost/${scaling}`, ours: true, kind: 'cost', scaling })),
  ],

  measure: (what, scale) => (what.kind === 'cost' ? measureCost(what, scale) : measureScene(what, scale)),

  report(median) {
    const tables = Object.entries(scenes).map(([scene, { title }]) => ({
      title: `A downstream with ${title}`,
      columns: ['consumers', 'calls per second', 'p50, ms', 'p99, ms', 'consumers on average'],
      rows: contestants.map((contestant) => [
        `${contestant}`,
        ...['callsPerS', 'p50ms', 'p99ms', 'meanLevel'].map((metric) =>
          figure(median(scene, metricOf(contestant, metric))),
        ),
      ]),
    }));
    tables.push({
      title: 'What it costs: ns per payload',
      columns: ['', 'ns'],
      rows: Object.entries(costs).map(([scaling, name]) => [name, figure(median(`cost/${scaling}`, 'ns'))]),
    });
    const checks = Object.entries(scenes).flatMap(([scene, { title }]) => {
      const best = bestOf(scene, median);
      const share = (metric) => median(scene, metricOf(adaptive, metric)) / median(scene, metricOf(best, metric));
      return [
        {
          what: `${title}: throughput against that of the best fixed level (${best})`,
          reached: 100 * share('callsPerS'),
          unit: '%',
          bound: 'at least',
          must: 90,
        },
        {
          what: `${title}: p99 against that of the same`,
          reached: share('p99ms'),
          unit: '×',
          bound: 'at most',
          must: 1.5,
        },
      ];
    });
    for (const [metric, what] of [
      ['settledDownMs', 'falls'],
      ['settledUpMs', 'recovers'],
    ])
      checks.push({
        what: `when its capacity ${what}, time until the level is within 20 % of it`,
        reached: median('changing', metricOf(adaptive, metric)),
        unit: 'ms',
        bound: 'at most',
        must: 3_000,
      });
    return { tables, checks };
  },
};

async function measureScene({ scene }, scale) {
  const measured = await Promise.all(contestants.map((contestant) => measureContestant(scene, contestant, scale)));
  return Object.fromEntries(
    measured.flatMap((metrics, at) =>
      Object.entries(metrics).map(([metric, value]) => [metricOf(contestants[at], metric), value]),
    ),
  );
}

async function measureContestant(scene, contestant, scale) {
  const { Collector, CollectorQueue, Payload } = await import('../dist/index.js');
  const { seconds, changes } = scenes[scene];
  const duration = Math.max(2_000, seconds * 1_000 * scale);
  const warmUp = changes ? 0 : duration / 2;
  const downstream = new Downstream({ capacity: KNEE });
  const latencies = [];
  let measuring = !changes;
  let ended = false;
  const work = new Collector('work', async () => {
    const start = performance.now();
    await new Promise((resolve) => {
      setTimeout(resolve, downstream.begin());
    });
    downstream.end();
    if (measuring) latencies.push(performance.now() - start);
    if (!ended) publisher.send(new Payload(0));
  });
  const options =
    contestant === adaptive
      ? { minConsumers: 1, maxConsumers: 100, scaling: 'adaptive' }
      : { minConsumers: contestant, maxConsumers: contestant };
  const queue = new CollectorQueue([work], options);
  await queue.initQueue();
  const publisher = queue.getPublisher();
  for (let sent = 0; sent < BACKLOG; sent++) publisher.send(new Payload(0));
  await passed(warmUp);

  measuring = true;
  latencies.length = 0;
  const watched = watch(queue);
  const start = performance.now();
  for (const capacity of changes ? [KNEE, DEGRADED, KNEE] : [KNEE]) {
    downstream.capacity = capacity;
    watched.capacityIs(capacity);
    await passed(duration / (changes ? 3 : 1));
  }
  const took = performance.now() - start;
  ended = true;
  const { meanLevel, settled } = watched.stop();
  const metrics = {
    callsPerS: (latencies.length * 1_000) / took,
    p50ms: quantile(latencies, 0.5),
    p99ms: quantile(latencies, 0.99),
    meanLevel,
  };
  if (changes && contestant === adaptive)
    [metrics.settledDownMs, metrics.settledUpMs] = settled
      .slice(1)
      // What did not settle took at least the whole stretch.
      .map((ms) => (Number.isNaN(ms) ? duration / 3 : ms));
  await queue.shutDownQueue({ drain: false });
  return metrics;
}

/** Watches the number of consumers, and when it first came near the capacity. */
function watch(queue) {
  const settled = [];
  const seen = [];
  let wanted;
  let since = 0;
  const timer = setInterval(() => {
    const level = queue.consumerCount;
    seen.push(level);
    if (Number.isNaN(settled.at(-1)) && Math.abs(level - wanted) <= wanted * 0.2)
      settled[settled.length - 1] = performance.now() - since;
  }, 10);
  return {
    capacityIs(capacity) {
      wanted = capacity;
      since = performance.now();
      settled.push(Number.NaN);
    },
    stop() {
      clearInterval(timer);
      return { meanLevel: seen.reduce((sum, level) => sum + level, 0) / seen.length, settled };
    },
  };
}

async function measureCost({ scaling }, scale) {
  const { Collector, CollectorQueue, Payload } = await import('../dist/index.js');
  let done = 0;
  const work = new Collector('work', async () => {
    done++;
  });
  const limits = { minConsumers: 16, maxConsumers: 16 };
  const queue = new CollectorQueue([work], scaling === 'on' ? { ...limits, scaling: 'adaptive' } : limits);
  await queue.initQueue();
  const publisher = queue.getPublisher();
  const run = async (payloads) => {
    done = 0;
    const start = performance.now();
    for (let sent = 0; sent < payloads; sent += 1_000) {
      for (let at = 0; at < 1_000; at++) publisher.send(new Payload(at, { keys: ['work'] }));
      await queue.onIdle();
    }
    if (done !== payloads) throw new Error(`${count(done)} of ${count(payloads)} were done`);
    return ((performance.now() - start) * 1e6) / payloads;
  };
  await run(200_000);
  const ns = await run(Math.max(10, Math.round(500 * scale)) * 1_000);
  await queue.shutDownQueue();
  return { ns };
}

const passed = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
