/** What does this library cost on top of BullMQ, against BullMQ used by hand for the same? */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { concurrency } from './contestants-bullmq.mjs';
import { count, figure } from './wording.mjs';

const ours = 'collector-queue, send';
const oursSigned = 'collector-queue, send, signed';
const oursMany = 'collector-queue, sendMany';
const add = 'by hand, add';
const bulk = 'by hand, addBulk';
const finished = 'by hand, add and waitUntilFinished';

/*
 * Processes of the same code differ in their speed for as long as they live, by about a tenth: what counts is the
 * number of processes, so of rounds, not how long each is measured.
 */
const total = 6_000;
const warmUp = 8_000;
/**
 * In which each contestant does its share: long enough that its caches are warm for most of it. Also while they warm up: who
 * was warmed up last, and the others before, would be faster by a tenth.
 */
const turns = 4;
const fanOuts = [1, 3, 10];
const windows = [1, 100, 1_000];
const most = 15;

/** By what is done with a window of sends before the next one. */
const loads = {
  sent: {
    title: 'Sent, while nobody works on it',
    variants: [1],
    competing: [ours, oursMany, oursSigned, add, bulk],
    label: () => '',
  },
  worked: {
    title: 'Sent and worked on, by another process meanwhile',
    variants: fanOuts,
    competing: [ours, oursMany, oursSigned, add, bulk],
    label: (collectors) => (collectors === 1 ? '1 collector' : `${collectors} collectors`),
  },
  awaited: {
    title: 'Sent and the results awaited, so many at a time',
    variants: windows,
    competing: [ours, oursMany, oursSigned, add, bulk, finished],
    label: (window) => `${count(window)} at a time`,
  },
};

/** Whose time over whose is told, and how much more it may be. */
const comparisons = [
  { one: ours, other: add, what: '`send` over `add`', must: most },
  { one: ours, other: finished, what: '`send` over `add` and `waitUntilFinished`', must: most },
  { one: oursMany, other: bulk, what: '`sendMany` over `addBulk`' },
  { one: oursSigned, other: ours, what: '`send`, signed over not signed' },
];

/** Of the jobs that are measured, by how long one takes. Where it is below 1, as many warm up as elsewhere. */
const shareOf = (load, variant) => (load === 'sent' ? 5 : load === 'awaited' && variant === 1 ? 1 / 3 : 1);

const idOf = (load, variant) => `${load}/${variant}`;

export default {
  name: 'bullmq',
  question: 'What does this library cost on top of BullMQ?',
  method:
    `Values of 200 bytes; a process that sends, another one that works with a concurrency of ${concurrency} for each ` +
    'collector and returns a number at once, and a redis-server that writes nothing to disk. By hand: one `Queue` and `Worker` ' +
    'for each collector; the results come by one listener of `QueueEvents` and a map, or by `waitUntilFinished`. All keep ' +
    'finished jobs alike. Sends are in windows of 1,000, each acknowledged before the next begins; where results are awaited, a ' +
    `window is all that is under way. ${count(warmUp)} jobs warm up, ${count(total)} are measured (five times as ` +
    'many of both where they are only sent; a third are measured where one is awaited at a time). ' +
    `All contestants of a column are there at once and take turns, ${turns} each to warm up and ${turns} that are measured, so that a machine that ` +
    'gets slower does so for all. CPU time is that of the two processes per job, without Redis.',
  peers: ['bullmq', 'ioredis'],

  cases: Object.entries(loads).flatMap(([load, { variants, competing }]) =>
    variants.map((variant) => ({ id: idOf(load, variant), ours: true, load, variant, competing })),
  ),

  measure,

  report(median) {
    const tableOf = (load, what, metric) => {
      const { title, variants, competing, label } = loads[load];
      return {
        title: `${title}: ${what}`,
        columns: ['', ...variants.map((variant) => label(variant) || what)],
        rows: competing.map((contestant) => [
          contestant,
          ...variants.map((variant) => figure(median(idOf(load, variant), `${contestant}: ${metric}`))),
        ]),
      };
    };
    return {
      tables: Object.keys(loads).flatMap((load) => [
        tableOf(load, 'jobs per second', 'jobsPerS'),
        tableOf(load, 'µs of CPU per job', 'cpuUs'),
        tableOf(load, 'µs of CPU per job in Redis', 'redisUs'),
      ]),
      checks: checksOf(median),
    };
  },
};

function checksOf(median) {
  return Object.entries(loads).flatMap(([load, { variants, label }]) =>
    variants.flatMap((variant) =>
      comparisons.map(({ one, other, what, must }) => ({
        what: [load, label(variant), `time of ${what}`].filter(Boolean).join(', '),
        reached: 100 * (median(idOf(load, variant), timeOver(one, other)) - 1),
        unit: '%',
        bound: 'at most',
        must,
      })),
    ),
  );
}

const timeOver = (one, other) => `time of ${one} / ${other}`;

async function measure({ load, variant, competing }, scale) {
  const keys = Array.from({ length: load === 'worked' ? variant : 1 }, (_, at) => `collector-${at}`);
  const contestants = await Promise.all(competing.map((contestant) => started(contestant, load, keys)));
  const ask = { window: load === 'awaited' ? variant : 1_000, awaited: load === 'awaited' };
  const share = shareOf(load, variant);
  /** For each turn. */
  const valuesOf = (jobs) => Math.max(1, Math.round(jobs / turns / keys.length));
  const inTurns = async (values) => {
    const seconds = competing.map(() => 0);
    for (let turn = 0; turn < turns; turn++) {
      for (const at of rotated(competing.keys(), turn)) {
        seconds[at] += await contestants[at].run({ ...ask, send: values });
      }
    }
    return seconds;
  };

  await inTurns(valuesOf(Math.max(1, share) * warmUp));
  const before = await Promise.all(contestants.map(({ used }) => used()));
  const values = valuesOf(share * scale * total);
  const seconds = await inTurns(values);
  const after = await Promise.all(contestants.map(({ used }) => used()));
  for (const { stop } of contestants) stop();

  const jobs = turns * values * keys.length;
  const metrics = {};
  for (const [at, contestant] of competing.entries()) {
    metrics[`${contestant}: jobsPerS`] = jobs / seconds[at];
    metrics[`${contestant}: cpuUs`] = (after[at].own - before[at].own) / jobs;
    metrics[`${contestant}: redisUs`] = (after[at].redis - before[at].redis) / jobs;
  }
  for (const { one, other } of comparisons) {
    const [first, second] = [seconds[competing.indexOf(one)], seconds[competing.indexOf(other)]];
    if (first !== undefined && second !== undefined) metrics[timeOver(one, other)] = first / second;
  }
  return metrics;
}

/** So that nobody always comes after the same. */
function rotated(all, by) {
  const list = [...all];
  const first = by % list.length;
  return [...list.slice(first), ...list.slice(0, first)];
}

/** A contestant's own processes: Redis, one that sends, and one that works if somebody does. */
async function started(contestant, load, keys) {
  const redis = forked('started-redis-process.mjs', [], ['--import', 'tsx']);
  const { url } = await told(redis);
  const args = [contestant, url, keys.join(',')];
  const worker = load === 'sent' ? undefined : forked('worker-bullmq-process.mjs', args);
  if (worker !== undefined) await told(worker);
  const publisher = forked('publisher-bullmq-process.mjs', args);
  await told(publisher);
  const cpuUs = { worker: 0, publisher: 0 };
  return {
    /** Seconds that it took until all was done. */
    async run(ask) {
      const start = performance.now();
      publisher.send(ask);
      const { sent, cpuUs: publisherUs } = await told(publisher);
      cpuUs.publisher = publisherUs;
      if (worker !== undefined) cpuUs.worker = await workedOff(worker, sent * keys.length);
      return (performance.now() - start) / 1_000;
    },
    /** Processor time until the end of the last run, in microseconds. */
    async used() {
      redis.send('cpu');
      return { own: cpuUs.worker + cpuUs.publisher, redis: (await told(redis)).cpuUs };
    },
    stop() {
      for (const child of [publisher, worker, redis]) child?.disconnect();
    },
  };
}

/** Resolves to the processor time of a worker once it has done so many jobs in all. */
async function workedOff(worker, jobs) {
  worker.send({ until: jobs });
  const { done, cpuUs } = await told(worker);
  if (done !== jobs) throw new Error(`${done} jobs were done, not ${jobs}`);
  return cpuUs;
}

function forked(name, args, execArgv = []) {
  return fork(fileURLToPath(new URL(`./${name}`, import.meta.url)), args, { execArgv });
}

/** What a process says next; rejects if it ends instead. */
async function told(child) {
  const over = new AbortController();
  try {
    return await Promise.race([
      once(child, 'message', { signal: over.signal }).then(([message]) => message),
      once(child, 'exit', { signal: over.signal }).then(([code, signal]) => {
        throw new Error(`a process ended with ${code ?? signal}`);
      }),
    ]);
  } finally {
    over.abort();
  }
}
