/** How much memory does a waiting payload take, and is it given back? */

import { contestants, isOurs } from './contestants.mjs';
import { atOnce, collectGarbage, scaled } from './loads.mjs';
import { figure } from './wording.mjs';

const concurrency = 16;
const queueTypes = ['FIFO', 'LIFO', 'PRIORITY'];
const competing = [
  ...queueTypes.map((queueType) => ({ id: `collector-queue, ${queueType}`, contestant: 'collector-queue', queueType })),
  { id: 'fastq, callback', contestant: 'fastq, callback' },
  { id: 'fastq.promise', contestant: 'fastq.promise' },
  { id: 'p-queue', contestant: 'p-queue' },
];

export default {
  name: 'memory',
  question: 'How much memory does a waiting payload take, and is it given back?',
  method:
    'Used heap after garbage collection, against what it was before, in a queue that is warmed up: with 1,000,000 ' +
    'waiting in a paused queue, the sender keeping what `send` returned (the event, or the promise); and again after ' +
    'these are drained and let go. PRIORITY with one priority.',

  cases: competing.map((what) => ({ ...what, ours: isOurs(what.contestant) })),

  async measure({ contestant, queueType }, scale) {
    const count = scaled(1_000_000, scale);
    const options = isOurs(contestant) ? { queueType: (await import('../dist/index.js')).QueueType[queueType] } : {};
    const queue = await contestants[contestant]({ concurrency, ...options });
    for (let pass = 0; pass < 3; pass++) await atOnce(queue, 10_000);
    let kept = new Array(count).fill(undefined);
    const room = count * 8;
    await collectGarbage();
    const before = process.memoryUsage().heapUsed;

    queue.pause();
    for (let index = 0; index < count; index++) kept[index] = queue.send(index);
    await collectGarbage();
    const waiting = process.memoryUsage().heapUsed;

    const idle = queue.idle();
    queue.resume();
    await idle;
    kept = undefined;
    await collectGarbage();
    const after = process.memoryUsage().heapUsed;
    await queue.close();
    return {
      bytesPerWaiting: (waiting - before) / count,
      // The array of what was kept is gone by now; it was there before.
      bytesKeptPerPayload: (after + room - before) / count,
    };
  },

  report(median) {
    const tables = [
      {
        title: '1,000,000 payloads: bytes of heap for each',
        columns: ['', 'while they wait', 'left after the drain'],
        rows: competing.map(({ id }) => [
          id,
          figure(median(id, 'bytesPerWaiting')),
          figure(median(id, 'bytesKeptPerPayload')),
        ]),
      },
    ];
    const checks = queueTypes.flatMap((queueType) => [
      {
        what: `memory of a waiting payload with its event, ${queueType}`,
        reached: median(`collector-queue, ${queueType}`, 'bytesPerWaiting'),
        unit: 'B',
        bound: 'at most',
        must: 300,
        aim: 210,
      },
      {
        what: `memory left per payload after the drain, ${queueType}`,
        reached: median(`collector-queue, ${queueType}`, 'bytesKeptPerPayload'),
        unit: 'B',
        bound: 'at most',
        must: 1,
        aim: 0.1,
      },
    ]);
    return { tables, checks };
  },
};
