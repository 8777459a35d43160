/** What does delivery to many collectors cost, and what does finding the right one among many? */

import { work } from './contestants.mjs';
import { collectGarbage, cost, scaled } from './loads.mjs';
import { figure } from './wording.mjs';

const concurrency = 16;
const fanOuts = [1, 10, 100];
const routedTo = 1_000;

/** The broadcasters: `deliver(value)` gives a promise of all results, and `sumOf(results)` reads each. */
const broadcasters = {
  'collector-queue': async (fanOut) => {
    const { queue, publisher, Payload } = await openQueue(names('collector', fanOut).map((key) => ({ key })));
    return {
      deliver: (value) => publisher.send(new Payload(value)).wait(),
      sumOf: (results) => {
        let sum = 0;
        for (const result of results) sum += result.unwrapOr(Number.NaN);
        return sum;
      },
      close: () => queue.shutDownQueue(),
    };
  },

  'Promise.all over p-queue': async (fanOut) => {
    const { default: PQueue } = await import('p-queue');
    const queue = new PQueue({ concurrency: concurrency * fanOut });
    const handlers = makeHandlers(fanOut);
    return {
      deliver: (value) => Promise.all(handlers.map((handler) => queue.add(() => handler(value)))),
      sumOf: sumOfArray,
      close: () => {},
    };
  },

  'Promise.all': async (fanOut) => {
    const handlers = makeHandlers(fanOut);
    return {
      deliver: (value) => Promise.all(handlers.map((handler) => handler(value))),
      sumOf: sumOfArray,
      close: () => {},
    };
  },
};

/** The ways to one of 1,000 collectors: how each collector is declared, and what a payload says. */
const routes = {
  'by key': {
    collector: (number) => ({ key: `collector-${number}` }),
    payload: (number) => ({ keys: [`collector-${number}`] }),
  },
  'by topic': {
    collector: (number) => ({ key: `collector-${number}`, topics: [`sensor/${number}`] }),
    payload: (number) => ({ topics: [`sensor/${number}`] }),
  },
  'by topic, beside 10 patterns': {
    collector: (number) => ({
      key: `collector-${number}`,
      topics: number < 10 ? [`sensor/${number}`, `other/${number}/#`] : [`sensor/${number}`],
    }),
    payload: (number) => ({ topics: [`sensor/${number}`] }),
  },
  'by 1,000 patterns': {
    collector: (number) => ({ key: `collector-${number}`, topics: [`sensor/${number}/+`] }),
    payload: (number) => ({ topics: [`sensor/${number}/temperature`] }),
  },
};

const broadcastId = (fanOut, contestant) => `broadcast/${fanOut}/${contestant}`;
const routeId = (route) => `route/${route}`;

export default {
  name: 'broadcast',
  question: 'What does delivery to many collectors cost, and what does finding one among many?',
  method:
    'Nanoseconds per task (one payload for one collector). Broadcast: windows of 1,000 tasks, every result awaited and ' +
    'read; 16 payloads at a time in collector-queue, as many tasks at a time in p-queue, no limit with `Promise.all` ' +
    'alone. Routing: a queue of 1,000 collectors, windows of 1,000 payloads, one for each collector, drained.',

  cases: [
    ...fanOuts.flatMap((fanOut) =>
      Object.keys(broadcasters).map((contestant) => ({
        id: broadcastId(fanOut, contestant),
        ours: contestant === 'collector-queue',
        contestant,
        fanOut,
      })),
    ),
    ...Object.keys(routes).map((route) => ({ id: routeId(route), ours: true, route })),
  ],

  measure: (what, scale) => (what.route ? measureRoute(what, scale) : measureBroadcast(what, scale)),

  report(median) {
    const broadcast = (fanOut, contestant = 'collector-queue') => median(broadcastId(fanOut, contestant), 'ns');
    const route = (name) => median(routeId(name), 'ns');
    const tables = [
      {
        title: 'Broadcast, every result awaited: ns per task',
        columns: ['', ...fanOuts.map((fanOut) => `to ${fanOut}`)],
        rows: Object.keys(broadcasters).map((contestant) => [
          contestant,
          ...fanOuts.map((fanOut) => figure(broadcast(fanOut, contestant))),
        ]),
      },
      {
        title: 'Routing to one of 1,000 collectors, drained: ns per payload',
        columns: ['', 'ns', 'to routing by key'],
        rows: Object.keys(routes).map((name) => [
          name,
          figure(route(name)),
          figure(route(name) / route('by key'), '×'),
        ]),
      },
    ];
    const checks = [
      ...[10, 100].map((fanOut) => ({
        what: `broadcast to ${fanOut}: cost of a task to its cost at 1`,
        reached: broadcast(fanOut) / broadcast(1),
        unit: '×',
        bound: 'at most',
        must: 1,
      })),
      ...[10, 100].map((fanOut) => ({
        what: `broadcast to ${fanOut}: cost of a task to that of Promise.all over p-queue`,
        reached: broadcast(fanOut) / broadcast(fanOut, 'Promise.all over p-queue'),
        unit: '×',
        bound: 'at most',
        must: 1,
      })),
      ...[10, 100].map((fanOut) => ({
        what: `broadcast to ${fanOut}: cost of a task to that of Promise.all alone`,
        reached: broadcast(fanOut) / broadcast(fanOut, 'Promise.all'),
        unit: '×',
        bound: 'at most',
        aim: 1,
      })),
      {
        what: 'routing by topic among 1,000 topics: cost to that by key',
        reached: route('by topic') / route('by key'),
        unit: '×',
        bound: 'at most',
        must: 1.3,
      },
      ...['by topic, beside 10 patterns', 'by 1,000 patterns'].map((name) => ({
        what: `routing ${name}: cost to that by key`,
        reached: route(name) / route('by key'),
        unit: '×',
        bound: 'at most',
      })),
    ];
    return { tables, checks };
  },
};

async function measureBroadcast({ contestant, fanOut }, scale) {
  const broadcaster = await broadcasters[contestant](fanOut);
  const perWindow = 1_000 / fanOut;
  const run = (tasks) =>
    cost(tasks, async () => {
      let sum = 0;
      for (let done = 0; done < tasks; done += 1_000) {
        const pending = [];
        for (let value = 1; value <= perWindow; value++) pending.push(broadcaster.deliver(value));
        for (const results of await Promise.all(pending)) sum += broadcaster.sumOf(results);
      }
      const expected = ((perWindow * (perWindow + 1)) / 2) * fanOut * (tasks / 1_000);
      if (sum !== expected) throw new Error(`the results sum up to ${sum}, not to ${expected}`);
    });
  for (let pass = 0; pass < 3; pass++) await run(200_000);
  await collectGarbage();
  const ns = await run(scaled(1_000_000, scale));
  await broadcaster.close();
  return { ns };
}

async function measureRoute({ route }, scale) {
  const { collector, payload } = routes[route];
  const numbers = Array.from({ length: routedTo }, (_, number) => number);
  const { queue, publisher, Payload } = await openQueue(numbers.map(collector));
  // The names are there before, as an application's are; the options of a payload are made for each.
  const [kind] = Object.keys(payload(0));
  const targets = numbers.map((number) => payload(number)[kind][0]);
  const send =
    kind === 'keys'
      ? (value) => publisher.send(new Payload(value, { keys: [targets[value]] }))
      : (value) => publisher.send(new Payload(value, { topics: [targets[value]] }));
  const run = (count) =>
    cost(count, async () => {
      for (let sent = 0; sent < count; sent += routedTo) {
        for (let value = 0; value < routedTo; value++) send(value);
        await queue.onIdle();
      }
    });
  for (let pass = 0; pass < 3; pass++) await run(200_000);
  await collectGarbage();
  const ns = await run(scaled(1_000_000, scale));
  await queue.shutDownQueue();
  return { ns };
}

async function openQueue(declared) {
  const { Collector, CollectorQueue, Payload } = await import('../dist/index.js');
  const collectors = declared.map(({ key, topics }) =>
    topics ? new Collector(key, processPayload, { topics }) : new Collector(key, processPayload),
  );
  const queue = new CollectorQueue(collectors, { maxConsumers: concurrency });
  await queue.initQueue();
  return { queue, publisher: queue.getPublisher(), Payload };
}

async function processPayload(payload) {
  work.done++;
  return payload.value;
}

function makeHandlers(howMany) {
  return Array.from({ length: howMany }, () => async (value) => {
    work.done++;
    return value;
  });
}

function sumOfArray(values) {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

function names(stem, howMany) {
  return Array.from({ length: howMany }, (_, number) => `${stem}-${number}`);
}
