/** How long does a single send take on an idle queue, and how long does a drain keep the event loop from others? */

import { contestants, isOurs } from './contestants.mjs';
import { atOnce, awaitedWindows, collectGarbage, scaled } from './loads.mjs';
import { figure } from './wording.mjs';

const concurrency = 16;
const single = ['collector-queue', 'fastq, callback', 'fastq.promise', 'p-queue', 'p-limit', 'async.queue'];
const draining = ['collector-queue', 'fastq, callback', 'fastq.promise', 'p-queue', 'async.queue'];

const singleId = (contestant) => `single/${contestant}`;
const gapId = (contestant) => `gap/${contestant}`;

export default {
  name: 'latency',
  question: 'How long does a single send take, and does a long drain let the event loop go on?',
  method:
    'Single: on an idle queue at concurrency 16 one value is sent and its result awaited, 200,000 times, each timed ' +
    '(reading the clock is included, some 35 ns). Gap: 500,000 are sent to a paused queue at concurrency 16; from its ' +
    'resumption to the end a chain of `setImmediate` measures the longest time between two turns of the event loop, ' +
    'garbage collection included.',

  cases: [
    ...single.map((contestant) => ({ id: singleId(contestant), ours: isOurs(contestant), kind: 'single', contestant })),
    ...draining.map((contestant) => ({ id: gapId(contestant), ours: isOurs(contestant), kind: 'gap', contestant })),
  ],

  async measure({ kind, contestant }, scale) {
    const queue = await contestants[contestant]({ concurrency });
    const metrics = await (kind === 'single' ? measureSingle(queue, scale) : measureGap(queue, scale));
    await queue.close();
    return metrics;
  },

  report(median) {
    const tables = [
      {
        title: 'A single send on an idle queue, its result awaited: µs',
        columns: ['', 'p50', 'p99'],
        rows: single.map((contestant) => [
          contestant,
          figure(median(singleId(contestant), 'p50us')),
          figure(median(singleId(contestant), 'p99us')),
        ]),
      },
      {
        title: '500,000 waiting payloads drain: ms',
        columns: ['', 'longest gap of the event loop', 'whole drain'],
        rows: draining.map((contestant) => [
          contestant,
          figure(median(gapId(contestant), 'longestGapMs')),
          figure(median(gapId(contestant), 'drainMs')),
        ]),
      },
    ];
    const checks = [
      {
        what: 'single send on an idle queue, its result awaited, p50',
        reached: median(singleId('collector-queue'), 'p50us'),
        unit: 'µs',
        bound: 'at most',
        must: 2,
      },
      {
        what: 'longest gap of the event loop while 500,000 drain',
        reached: median(gapId('collector-queue'), 'longestGapMs'),
        unit: 'ms',
        bound: 'at most',
        must: 25,
      },
    ];
    return { tables, checks };
  },
};

async function measureSingle(queue, scale) {
  await awaitedWindows(queue, 200_000);
  await singleSends(queue, 50_000);
  await collectGarbage();
  const took = await singleSends(queue, scaled(200_000, scale));
  took.sort();
  return { p50us: took[Math.floor(took.length * 0.5)], p99us: took[Math.floor(took.length * 0.99)] };
}

/** Microseconds of each send, one after the other. */
async function singleSends(queue, count) {
  const took = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    await queue.result(index);
    took[index] = (performance.now() - start) * 1e3;
    // Now and then the event loop turns, as it would between real sends.
    if (index % 100 === 0) await new Promise(setImmediate);
  }
  return took;
}

async function measureGap(queue, scale) {
  for (let pass = 0; pass < 3; pass++) await atOnce(queue, 100_000);
  queue.pause();
  for (let value = 0; value < scaled(500_000, scale); value++) queue.send(value);
  await collectGarbage();

  const probe = startProbe();
  await new Promise(setImmediate);
  const start = performance.now();
  const idle = queue.idle();
  queue.resume();
  await idle;
  const drainMs = performance.now() - start;
  return { longestGapMs: await probe.stop(), drainMs };
}

/** Watches the turns of the event loop; `stop` waits for one more and tells the longest time between two. */
function startProbe() {
  let longest = 0;
  let last = performance.now();
  let stopped;
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (stopped) stopped(longest);
    else setImmediate(turn);
  };
  setImmediate(turn);
  return {
    stop: () =>
      new Promise((resolve) => {
        stopped = resolve;
      }),
  };
}
