/** What does this library cost on top of BullMQ, against BullMQ used by hand for the same? */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { concurrency, isOurs, startPublisher } from './contestants-bullmq.mjs';
import { collectGarbage, scaled } from './loads.mjs';
import { count, figure } from './wording.mjs';

const ours = 'collector-queue, send';
const oursSigned = 'collector-queue, send, signed';
const oursMany = 'collector-queue, sendMany';
const add = 'by hand, add';
const bulk = 'by hand, addBulk';
const finished = 'by hand, add and waitUntilFinished';

const total = 20_000;
const warmUp = 10_000;
const fanOuts = [1, 3, 10];
const windows = [1, 100, 1_000];
const valueBytes = 200;

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

const idOf = (load, variant, contestant) => `${load}/${variant}/${contestant}`;

export default {
  name: 'bullmq',
  question: 'What does this library cost on top of BullMQ?',
  method:
    `Values of ${valueBytes} bytes; a process that sends, another one that works with a concurrency of ${concurrency} for each ` +
    'collector and returns a number at once, and a redis-server that writes nothing to disk. By hand: one `Queue` and `Worker` ' +
    'for each collector; the results come by one listener of `QueueEvents` and a map, or by `waitUntilFinished`. All keep ' +
    'finished jobs alike. Sends are in windows of 1,000, each acknowledged before the next begins; where results are awaited, a ' +
    `window is all that is under way. ${count(warmUp)} jobs warm up, ${count(total)} are measured (a fifth of both where one is ` +
    'awaited at a time). CPU time is that of the two processes per job, without Redis.',
  peers: ['bullmq', 'ioredis'],

  cases: Object.entries(loads).flatMap(([load, { variants, competing }]) =>
    variants.flatMap((variant) =>
      competing.map((contestant) => ({
        id: idOf(load, variant, contestant),
        ours: isOurs(contestant),
        load,
        variant,
        contestant,
      })),
    ),
  ),

  measure,

  report(median) {
    const of = (load, variant, contestant, metric) => median(idOf(load, variant, contestant), metric);
    const tableOf = (load, what, metric) => {
      const { title, variants, competing, label } = loads[load];
      return {
        title: `${title}: ${what}`,
        columns: ['', ...variants.map((variant) => label(variant) || what)],
        rows: competing.map((contestant) => [
          contestant,
          ...variants.map((variant) => figure(of(load, variant, contestant, metric))),
        ]),
      };
    };
    return {
      tables: Object.keys(loads).flatMap((load) => [
        tableOf(load, 'jobs per second', 'jobsPerS'),
        tableOf(load, 'µs of CPU per job', 'cpuUs'),
        tableOf(load, 'µs of CPU per job in Redis', 'redisUs'),
      ]),
      checks: checksOf(of),
    };
  },
};

function checksOf(of) {
  const overhead = (what, load, variant, [contestant, against], must) => ({
    what,
    reached: 100 * (of(load, variant, against, 'jobsPerS') / of(load, variant, contestant, 'jobsPerS') - 1),
    unit: '%',
    bound: 'at most',
    must,
  });
  return [
    overhead('sent: time of `send` over that of `add`', 'sent', 1, [ours, add], 15),
    overhead('sent: time of `sendMany` over that of `addBulk`', 'sent', 1, [oursMany, bulk]),
    overhead('sent: time that signing adds', 'sent', 1, [oursSigned, ours]),
    ...fanOuts.flatMap((fanOut) => {
      const to = fanOut === 1 ? '1 collector' : `${fanOut} collectors`;
      return [
        overhead(`sent and worked on, ${to}: time over that by hand with \`add\``, 'worked', fanOut, [ours, add], 15),
        overhead(`sent and worked on, ${to}: \`sendMany\` over \`addBulk\``, 'worked', fanOut, [oursMany, bulk]),
      ];
    }),
    overhead('sent and worked on: time that signing adds', 'worked', 1, [oursSigned, ours]),
    ...windows.flatMap((window) => [
      overhead(`awaited, ${count(window)} at a time: time over that by hand`, 'awaited', window, [ours, add], 15),
      overhead(
        `awaited, ${count(window)} at a time: time over \`waitUntilFinished\``,
        'awaited',
        window,
        [ours, finished],
        15,
      ),
    ]),
    overhead('awaited, 1,000 at a time: `sendMany` over `addBulk`', 'awaited', 1_000, [oursMany, bulk]),
    overhead('awaited, 1,000 at a time: time that signing adds', 'awaited', 1_000, [oursSigned, ours]),
  ];
}

async function measure({ load, variant, contestant }, scale) {
  const keys = Array.from({ length: load === 'worked' ? variant : 1 }, (_, at) => `collector-${at}`);
  const redis = forked('started-redis-process.mjs', [], ['--import', 'tsx']);
  const { url } = await told(redis);
  const worker = load === 'sent' ? undefined : await startedWorker(contestant, url, keys);
  const publisher = await startPublisher(contestant, url, keys);
  const run = runner(load, variant, publisher, worker, keys.length);

  const share = load === 'awaited' && variant === 1 ? 1 / 5 : 1;
  await run(share * warmUp);
  await collectGarbage();
  const jobs = Math.round(scaled(share * total, scale) / keys.length) * keys.length;
  const before = { worker: worker?.cpuUs() ?? 0, redis: await redisCpuUs(redis) };
  const own = process.cpuUsage();
  const start = performance.now();
  await run(jobs);
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(own);
  const redisUs = (await redisCpuUs(redis)) - before.redis;
  // Neither side is closed: it ends with the process.
  worker?.stop();
  redis.disconnect();
  setImmediate(() => setTimeout(() => process.exit(), 200));
  return {
    jobsPerS: jobs / seconds,
    cpuUs: (user + system + (worker?.cpuUs() ?? 0) - before.worker) / jobs,
    redisUs: redisUs / jobs,
  };
}

/** Puts so many jobs through, counted over all collectors. */
function runner(load, variant, publisher, worker, collectors) {
  let sent = 0;
  const window = load === 'awaited' ? variant : 1_000;
  return async (jobs) => {
    for (let left = Math.round(jobs / collectors); left > 0; ) {
      const values = valuesFrom(sent, Math.min(window, left));
      if (load === 'awaited') check(values, await publisher.askAll(values));
      else await publisher.sendAll(values);
      sent += values.length;
      left -= values.length;
    }
    await worker?.until(sent * collectors);
  };
}

function valuesFrom(first, length) {
  return Array.from({ length }, (_, at) => ({ id: first + at, text: 'x'.repeat(valueBytes - 20) }));
}

function check(values, results) {
  for (const [at, { id }] of values.entries()) {
    if (results[at] !== id && results[at] !== String(id)) throw new Error(`the result of ${id} is ${results[at]}`);
  }
}

async function startedWorker(contestant, url, keys) {
  const worker = forked('worker-bullmq-process.mjs', [contestant, url, keys.join(',')]);
  await told(worker);
  let cpuUs = 0;
  return {
    /** As of the last `until`. */
    cpuUs: () => cpuUs,
    async until(jobs) {
      worker.send({ until: jobs });
      const answer = await told(worker);
      if (answer.done !== jobs) throw new Error(`${answer.done} jobs were done, not ${jobs}`);
      cpuUs = answer.cpuUs;
    },
    stop: () => worker.disconnect(),
  };
}

async function redisCpuUs(redis) {
  redis.send('cpu');
  return (await told(redis)).cpuUs;
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
