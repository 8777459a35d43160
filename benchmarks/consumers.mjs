/** With real waiting in the processor: how close do the consumers come to bare loops? */

import { contestants, isOurs, work } from './contestants.mjs';
import { collectGarbage, cost, scaled } from './loads.mjs';
import { figure } from './wording.mjs';

const concurrency = 100;
const backlog = 1_000;
const bareLoops = '100 bare loops';
const competing = ['collector-queue', bareLoops, 'fastq, callback', 'fastq.promise', 'p-queue'];

export default {
  name: 'consumers',
  question: 'A processor of 1 ms at 100 consumers: how much of what 100 bare loops do?',
  method:
    'Tasks per millisecond. The processor awaits `setTimeout` of 1 ms. 1,000 are sent to begin with, and each that is ' +
    'done sends another, until 100,000 are done. A bare loop awaits the same function again and again; 100 of them ' +
    'share the count.',

  cases: competing.map((contestant) => ({ id: contestant, ours: isOurs(contestant), contestant })),

  async measure({ contestant }, scale) {
    const run = contestant === bareLoops ? runBareLoops : await runOf(contestant);
    await run(20_000);
    await collectGarbage();
    const ns = await run(scaled(100_000, scale));
    return { tasksPerMs: 1e6 / ns };
  },

  report(median) {
    const rate = (contestant) => median(contestant, 'tasksPerMs');
    const share = (contestant) => (100 * rate(contestant)) / rate(bareLoops);
    const tables = [
      {
        title: 'A processor of 1 ms, 100 at a time',
        columns: ['', 'tasks per ms', 'of the bare loops'],
        rows: competing.map((contestant) => [contestant, figure(rate(contestant)), figure(share(contestant), '%')]),
      },
    ];
    const checks = [
      {
        what: 'a processor of 1 ms at 100 consumers: share of what 100 bare loops do',
        reached: share('collector-queue'),
        unit: '%',
        bound: 'at least',
        must: 93,
      },
    ];
    return { tables, checks };
  },
};

/** The processor: it waits a millisecond, then does what keeps the work coming. */
const waiting = (andThen) => async () => {
  await new Promise((resolve) => {
    setTimeout(resolve, 1);
  });
  work.done++;
  andThen();
};

function runBareLoops(count) {
  const task = waiting(() => {});
  let left = count;
  const loop = async () => {
    while (left-- > 0) await task();
  };
  return cost(count, () => Promise.all(Array.from({ length: concurrency }, loop)));
}

async function runOf(contestant) {
  let left = 0;
  const sendNext = () => {
    if (left-- > 0) queue.send(left);
  };
  const queue = await contestants[contestant]({ concurrency, task: waiting(sendNext) });
  return (count) =>
    cost(count, async () => {
      left = count;
      for (let sent = 0; sent < backlog; sent++) sendNext();
      await queue.idle();
    });
}
