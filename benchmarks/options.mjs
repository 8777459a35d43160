/** What does an option cost that is switched on, against the plain queue? */

import { AsyncLocalStorage } from 'node:async_hooks';
import { contestants, work } from './contestants.mjs';
import { atOnce, awaitedWindows, collectGarbage, drainedWindows, scaled } from './loads.mjs';
import { figure } from './wording.mjs';

const concurrency = 16;
const loads = {
  'at-once': { title: '1,000,000 at once', run: atOnce },
  drained: { title: 'windows, drained', run: drainedWindows },
  awaited: { title: 'windows, awaited', run: awaitedWindows },
};

const plain = 'plain';
/** The queue's options, how to prepare it, and whether the load runs inside an AsyncLocalStorage. */
const variants = {
  [plain]: {},
  'asyncContext: true': { options: { asyncContext: true } },
  'plain, senders in an AsyncLocalStorage': { inStorage: true },
  'asyncContext: true, senders in an AsyncLocalStorage': { options: { asyncContext: true }, inStorage: true },
  'one listener, on `finished`': {
    options: {
      prepare: (queue) => {
        queue.events.on('finished', () => {
          heard++;
        });
      },
    },
    check: () => {
      if (heard === 0) throw new Error('the listener heard nothing');
    },
  },
  'maxSize: 2,000,000': { options: { maxSize: 2_000_000 } },
  'minConsumers = maxConsumers': { options: { minConsumers: concurrency } },
  'a processor that returns its value, no promise': { options: { task: returnAtOnce } },
};

let heard = 0;

const idOf = (load, variant) => `${load}/${variant}`;

export default {
  name: 'options',
  question: 'What does an option cost that is switched on?',
  method: 'Nanoseconds per payload at concurrency 16, with the loads of throughput; in brackets against plain.',

  cases: Object.keys(loads).flatMap((load) =>
    Object.keys(variants).map((variant) => ({ id: idOf(load, variant), ours: true, load, variant })),
  ),

  async measure({ load, variant }, scale) {
    const { options = {}, inStorage = false, check = () => {} } = variants[variant];
    const queue = await contestants['collector-queue']({ concurrency, ...options });
    const { run } = loads[load];
    const storage = new AsyncLocalStorage();
    const measured = (count) => (inStorage ? storage.run({ sender: 1 }, run, queue, count) : run(queue, count));
    for (let pass = 0; pass < 3; pass++) await measured(100_000);
    await collectGarbage();
    const ns = await measured(scaled(1_000_000, scale));
    await queue.close();
    check();
    return { ns };
  },

  report(median) {
    const ns = (load, variant) => median(idOf(load, variant), 'ns');
    const cell = (load, variant) => {
      const against = ns(load, variant) / ns(load, plain);
      const isCompared = variant !== plain && Number.isFinite(against);
      return figure(ns(load, variant)) + (isCompared ? ` (${figure(against, '×')})` : '');
    };
    const tables = [
      {
        title: 'Options: ns per payload (against plain)',
        columns: ['', ...Object.values(loads).map(({ title }) => title)],
        rows: Object.keys(variants).map((variant) => [
          variant,
          ...Object.keys(loads).map((load) => cell(load, variant)),
        ]),
      },
    ];
    return { tables, checks: [] };
  },
};

function returnAtOnce(value) {
  work.done++;
  return value;
}
