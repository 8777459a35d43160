/** What does a payload cost from its sending to its result, against other in-process queues? */

import { contestants, isOurs } from './contestants.mjs';
import { atOnce, awaitedWindows, collectGarbage, drainedWindows, gatheredWindows, scaled } from './loads.mjs';
import { figure } from './wording.mjs';

const loads = {
  'at-once': { title: '1,000,000 sends at once, then drained', run: atOnce, warmUp: 100_000 },
  drained: { title: 'windows of 1,000 sends, each drained', run: drainedWindows, warmUp: 200_000 },
  awaited: { title: 'windows of 1,000 sends, each result awaited', run: awaitedWindows, warmUp: 200_000 },
  gathered: { title: 'windows of 1,000 sends, all awaited by Promise.all', run: gatheredWindows, warmUp: 200_000 },
};
const concurrencies = [1, 16, 256, 1_000];
const competing = [
  'collector-queue',
  'collector-queue, custom router',
  'fastq, callback',
  'fastq.promise',
  'p-queue',
  'p-limit',
  'async.queue',
];

/** What is asked for: how many times as fast as a peer. */
const askedOfAwaited = [
  { peer: 'fastq.promise', must: 0.85, aim: 1.25 },
  { peer: 'p-queue', must: 3.5, aim: 4.3 },
  { peer: 'fastq.promise', contestant: 'collector-queue, custom router', must: 0.6, aim: 0.85 },
];
const asked = [
  { load: 'at-once', peer: 'fastq.promise', must: 2, aim: 5.5 },
  { load: 'at-once', peer: 'p-queue', must: 4, aim: 7.5 },
  { load: 'at-once', peer: 'fastq, callback', must: 0.6, aim: 1 },
  { load: 'drained', peer: 'fastq.promise', must: 1, aim: 1.6 },
  { load: 'drained', peer: 'p-queue', must: 4, aim: 6.5 },
  ...askedOfAwaited.map((one) => ({ load: 'awaited', ...one })),
  ...askedOfAwaited.map((one) => ({ load: 'gathered', ...one })),
];

const idOf = (load, concurrency, contestant) => `${load}/${concurrency}/${contestant}`;

export default {
  name: 'throughput',
  question: 'What does a payload cost, from its sending to its result?',
  method:
    'Nanoseconds per payload; concurrency is the number of consumers. Each process warms up with a smaller load of ' +
    'the same kind, then measures 1,000,000 payloads.',

  cases: Object.keys(loads).flatMap((load) =>
    concurrencies.flatMap((concurrency) =>
      competing.map((contestant) => ({
        id: idOf(load, concurrency, contestant),
        ours: isOurs(contestant),
        load,
        concurrency,
        contestant,
      })),
    ),
  ),

  async measure({ load, concurrency, contestant }, scale) {
    const { run, warmUp } = loads[load];
    const queue = await contestants[contestant]({ concurrency });
    for (let pass = 0; pass < 2; pass++) await run(queue, warmUp);
    await collectGarbage();
    // A forced collection also throws optimised code and a grown heap away; no service lives with that at each start.
    await run(queue, warmUp);
    const ns = await run(queue, scaled(1_000_000, scale));
    await queue.close();
    return { ns };
  },

  report(median) {
    const ns = (...parts) => median(idOf(...parts), 'ns');
    const tables = Object.entries(loads).map(([load, { title }]) => ({
      title: `${title}: ns per payload`,
      columns: ['', ...concurrencies.map((concurrency) => `concurrency ${figure(concurrency)}`)],
      rows: competing.map((contestant) => [
        contestant,
        ...concurrencies.map((concurrency) => figure(ns(load, concurrency, contestant))),
      ]),
    }));
    const checks = asked.flatMap(({ load, peer, contestant = 'collector-queue', must, aim }) =>
      concurrencies.map((concurrency) => ({
        what: `${loads[load].title}, concurrency ${figure(concurrency)}: ${contestant} against ${peer}`,
        reached: ns(load, concurrency, peer) / ns(load, concurrency, contestant),
        unit: '×',
        bound: 'at least',
        must,
        aim,
      })),
    );
    return { tables, checks };
  },
};
