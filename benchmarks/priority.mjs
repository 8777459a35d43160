/** What do the orders other than FIFO cost, and how does the cost of priorities grow with what waits? */

import { contestants, isOurs } from './contestants.mjs';
import { atOnce, collectGarbage, cost, drainedWindows, randomNumbers, scaled } from './loads.mjs';
import { count, figure } from './wording.mjs';

const concurrency = 16;
const backlogs = [1_000, 10_000, 100_000, 1_000_000];
const competing = ['collector-queue', 'async.priorityQueue', 'p-queue'];
/** p-queue inserts in time proportional to what waits: a million would take the better part of an hour. */
const isFeasible = (contestant, backlog) => contestant !== 'p-queue' || backlog <= 100_000;

const orders = ['FIFO', 'LIFO'];
const orderLoads = {
  'at-once': { title: '1,000,000 sends at once, then drained', run: atOnce },
  drained: { title: 'windows of 1,000 sends, each drained', run: drainedWindows },
};

const priorityId = (backlog, contestant) => `priority/${backlog}/${contestant}`;
const orderId = (load, order) => `order/${load}/${order}`;

export default {
  name: 'priority',
  question: 'What do priorities cost, with 1,000 to 1,000,000 waiting? Does LIFO cost what FIFO costs?',
  method:
    'Nanoseconds per payload at concurrency 16. Priorities: as many as the row says are sent at once with random ' +
    'priorities, then drained, over and over until at least 500,000 are done (p-queue: 100,000). LIFO and FIFO as in ' +
    'throughput.',

  cases: [
    ...backlogs.flatMap((backlog) =>
      competing
        .filter((contestant) => isFeasible(contestant, backlog))
        .map((contestant) => ({
          id: priorityId(backlog, contestant),
          ours: isOurs(contestant),
          contestant,
          backlog,
        })),
    ),
    ...Object.keys(orderLoads).flatMap((load) =>
      orders.map((order) => ({ id: orderId(load, order), ours: true, load, order })),
    ),
  ],

  measure: (what, scale) => (what.order ? measureOrder(what, scale) : measurePriority(what, scale)),

  report(median) {
    const priority = (backlog, contestant) => median(priorityId(backlog, contestant), 'ns');
    const order = (load, name) => median(orderId(load, name), 'ns');
    const tables = [
      {
        title: 'Random priorities: ns per payload',
        columns: ['', ...backlogs.map((backlog) => `${count(backlog)} waiting`)],
        rows: competing.map((contestant) => [
          contestant,
          ...backlogs.map((backlog) => figure(priority(backlog, contestant))),
        ]),
      },
      {
        title: 'collector-queue, LIFO and FIFO: ns per payload',
        columns: ['', ...orders],
        rows: Object.entries(orderLoads).map(([load, { title }]) => [
          title,
          ...orders.map((name) => figure(order(load, name))),
        ]),
      },
    ];
    const growth = (from, to) => priority(to, 'collector-queue') / priority(from, 'collector-queue');
    const checks = [
      ...backlogs.map((backlog) => ({
        what: `random priorities, ${count(backlog)} waiting: against async.priorityQueue`,
        reached: priority(backlog, 'async.priorityQueue') / priority(backlog, 'collector-queue'),
        unit: '×',
        bound: 'at least',
        must: 0.9,
        aim: 1.2,
      })),
      {
        what: 'random priorities, 100,000 waiting: against p-queue',
        reached: priority(100_000, 'p-queue') / priority(100_000, 'collector-queue'),
        unit: '×',
        bound: 'at least',
        must: 5,
        aim: 20,
      },
      {
        what: 'random priorities: cost with 1,000,000 waiting to cost with 100,000 waiting',
        reached: growth(100_000, 1_000_000),
        unit: '×',
        bound: 'at most',
        must: 1.5,
      },
      {
        what: 'random priorities: cost with 100,000 waiting to cost with 10,000 waiting (log n: 1.25×)',
        reached: growth(10_000, 100_000),
        unit: '×',
        bound: 'at most',
      },
      {
        what: 'random priorities: cost with 10,000 waiting to cost with 1,000 waiting (log n: 1.33×)',
        reached: growth(1_000, 10_000),
        unit: '×',
        bound: 'at most',
      },
      // The same cost, give or take what two runs of one thing differ by.
      ...Object.entries(orderLoads).map(([load, { title }]) => ({
        what: `${title}: cost of LIFO to cost of FIFO`,
        reached: order(load, 'LIFO') / order(load, 'FIFO'),
        unit: '×',
        bound: 'at most',
        must: 1.1,
        aim: 1,
      })),
    ];
    return { tables, checks };
  },
};

async function measurePriority({ contestant, backlog }, scale) {
  const waiting = scaled(backlog, backlog === 1_000 ? 1 : scale);
  const bursts = (total) => Math.ceil((total * scale) / waiting);
  const queue = await contestants[contestant]({
    concurrency,
    ...(isOurs(contestant) && { queueType: (await import('../dist/index.js')).QueueType.PRIORITY }),
  });
  const priorities = randomNumbers(waiting);
  const some = priorities.slice(0, 10_000);
  await burstsOf(queue, some, 200_000 / some.length);
  await collectGarbage();
  const ns = await burstsOf(queue, priorities, bursts(contestant === 'p-queue' ? 100_000 : 500_000));
  await queue.close();
  return { ns };
}

/** As many bursts as said, each with one send for each of these priorities. */
function burstsOf(queue, priorities, bursts) {
  return cost(bursts * priorities.length, async () => {
    for (let burst = 0; burst < bursts; burst++) {
      for (let value = 0; value < priorities.length; value++) queue.send(value, priorities[value]);
      await queue.idle();
    }
  });
}

async function measureOrder({ load, order }, scale) {
  const { QueueType } = await import('../dist/index.js');
  const queue = await contestants['collector-queue']({ concurrency, queueType: QueueType[order] });
  const { run } = orderLoads[load];
  for (let pass = 0; pass < 3; pass++) await run(queue, 100_000);
  await collectGarbage();
  const ns = await run(queue, scaled(1_000_000, scale));
  await queue.close();
  return { ns };
}
