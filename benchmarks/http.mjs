/** How many events leave over HTTP in a second, and how much memory do they take while the server is down? */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { isOurs } from './contestants.mjs';
import { emitters } from './emitters.mjs';
import { collectGarbage } from './loads.mjs';
import { EVENT_BYTES, trackedEvents } from './tracked-events.mjs';
import { count, figure } from './wording.mjs';

const peer = 'Snowplow tracker';
/** By the size of the batch, how many events are measured. */
const sizes = { 1: 6_000, 10: 30_000, 100: 100_000, 500: 150_000 };

/** How much is offered at once: a batch, or many; always whole batches. */
const loads = {
  single: {
    title: 'one batch at a time, each awaited',
    windowOf: (size) => size,
    competing: ['collector-queue', peer],
  },
  backlog: {
    title: 'windows of 5,000 events (1,000 in batches of 1), each drained',
    windowOf: (size) => (size === 1 ? 1_000 : 5_000),
    competing: ['collector-queue', 'collector-queue, concurrency 4', peer],
  },
};

const outages = {
  refused: 'connections refused',
  silent: 'connections accepted, never answered',
};
const overflows = ['dropNewest', 'dropOldest'];
const capacity = 10_000;
const offered = 100_000;

const rateId = (load, size, contestant) => `${load}/${size}/${contestant}`;
const outageId = (outage, overflow) => `down/${outage}/${overflow}`;

export default {
  name: 'http',
  question: 'How many events leave over HTTP in a second, and what do they take up while the server is down?',
  method:
    `Events of ${EVENT_BYTES} bytes, built beforehand by the Node Snowplow tracker, are sent by POST to a local ` +
    'node:http server in a process of its own, which answers `ok` at once and afterwards checks that each event came ' +
    'exactly once. Rates are of elapsed time, from the first event that is offered to the last answer; CPU time is that ' +
    'of the sending process alone. One batch at a time: as many events as a batch has are offered in one turn, and the ' +
    'next when they were sent. Windows: 5,000 events (1,000 in batches of 1) are offered in one turn, and the next when ' +
    'all were sent. Down: ' +
    `after ${count(capacity)} and after ${count(offered)} offered events of which 10,000 can be held, memory after ` +
    'garbage collection against what it was before the emitter was made; 100 events are offered every millisecond, ' +
    'a request may take 100 ms and the back-off is at most 100 ms, so that many attempts fail meanwhile.',
  peers: ['@snowplow/node-tracker'],

  cases: [
    ...Object.entries(loads).flatMap(([load, { competing }]) =>
      Object.keys(sizes).flatMap((size) =>
        competing.map((contestant) => ({
          id: rateId(load, size, contestant),
          ours: isOurs(contestant),
          load,
          size: Number(size),
          contestant,
        })),
      ),
    ),
    ...Object.keys(outages).flatMap((outage) =>
      overflows.map((overflow) => ({ id: outageId(outage, overflow), ours: true, outage, overflow })),
    ),
  ],

  measure: (what, scale) => (what.outage ? measureOutage(what, scale) : measureRate(what, scale)),

  report(median) {
    const against = (load, size) =>
      median(rateId(load, size, 'collector-queue'), 'eventsPerS') / median(rateId(load, size, peer), 'eventsPerS');
    return {
      tables: [...Object.keys(loads).flatMap((load) => tablesOf(load, median)), outageTable(median)],
      checks: [
        ...Object.entries(loads).flatMap(([load, { title }]) =>
          Object.keys(sizes).map((size) => ({
            what: `${title}, batches of ${size}: events per second against the ${peer}`,
            reached: against(load, size),
            unit: '×',
            bound: 'at least',
            must: 1,
            aim: 2,
          })),
        ),
        ...Object.entries(outages).flatMap(([outage, title]) =>
          overflows.flatMap((overflow) => growthChecks(outageId(outage, overflow), `${title}, ${overflow}`, median)),
        ),
      ],
    };
  },
};

function tablesOf(load, median) {
  const { title, competing } = loads[load];
  const table = (what, metric) => ({
    title: `${title}: ${what}`,
    columns: ['', ...Object.keys(sizes).map((size) => `batches of ${size}`)],
    rows: competing.map((contestant) => [
      contestant,
      ...Object.keys(sizes).map((size) => figure(median(rateId(load, size, contestant), metric))),
    ]),
  });
  return [
    table('events per second', 'eventsPerS'),
    table('requests per second', 'requestsPerS'),
    table('events of a request, on average', 'batch'),
    table('CPU time of the sender per event, µs', 'cpuUs'),
  ];
}

function outageTable(median) {
  const metrics = ['heapFull', 'heapOver', 'rssFull', 'rssOver'];
  return {
    title: `The server is down, ${count(capacity)} events can be held: MB more than before`,
    columns: [
      '',
      ...['heap', 'resident'].flatMap((kind) =>
        [capacity, offered].map((events) => `${kind}, ${count(events)} offered`),
      ),
    ],
    rows: Object.entries(outages).flatMap(([outage, title]) =>
      overflows.map((overflow) => [
        `${title}, ${overflow}`,
        ...metrics.map((metric) => figure(median(outageId(outage, overflow), metric))),
      ]),
    ),
  };
}

/** What is offered above the capacity must leave no trace; resident memory moves a little by itself. */
function growthChecks(id, title, median) {
  const growth = (kind, must) => ({
    what: `${title}: growth of ${kind === 'heap' ? 'the heap' : 'resident memory'} from ${count(capacity)} to ${count(offered)} offered`,
    reached: median(id, `${kind}Over`) - median(id, `${kind}Full`),
    unit: 'MB',
    bound: 'at most',
    must,
  });
  return [growth('heap', 1), growth('rss', 10)];
}

async function measureRate({ load, size, contestant }, scale) {
  const collector = await startCollector('answering');
  const emitter = await emitters[contestant]({ port: collector.port, batchSize: size });
  const window = loads[load].windowOf(size);
  const whole = (events) => Math.max(1, Math.round(events / window)) * window;
  const warmUp = trackedEvents(whole(sizes[size] / 5));
  for (let pass = 0; pass < 2; pass++) await offerAll(emitter, warmUp, window);
  await collector.tally();
  const events = trackedEvents(whole(sizes[size] * scale));
  await collectGarbage();

  const cpu = process.cpuUsage();
  const start = performance.now();
  await offerAll(emitter, events, window);
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);

  const { requests, ids } = await collector.tally();
  checkArrival(events, ids);
  await emitter.close();
  collector.stop();
  return {
    eventsPerS: events.length / seconds,
    requestsPerS: requests / seconds,
    batch: events.length / requests,
    cpuUs: (user + system) / events.length,
  };
}

async function offerAll(emitter, events, window) {
  for (let at = 0; at < events.length; at += window) await emitter.offer(events.slice(at, at + window));
}

/** Each event must have come exactly once. */
function checkArrival(events, ids) {
  const missing = new Set(events.map(({ eid }) => eid));
  for (const id of ids) {
    if (!missing.delete(id)) throw new Error(`the event ${id} came twice, or nobody sent it`);
  }
  if (missing.size > 0) throw new Error(`${missing.size} of ${events.length} events did not come`);
}

async function measureOutage({ outage, overflow }, scale) {
  const { HttpEmitter } = await import('../dist/http/index.js');
  const server = outage === 'silent' ? await startCollector('silent') : { port: await closedPort(), stop() {} };
  const templates = trackedEvents(1_000).map((event) => JSON.stringify(event));
  const start = () =>
    new HttpEmitter(`http://127.0.0.1:${server.port}`, {
      overflow,
      requestTimeout: 100,
      maxRetryDelay: 100,
      logger: { info() {}, warn() {}, error() {} },
    });
  const warmUp = start();
  await offerSlowly(warmUp, templates, 2 * capacity);
  await warmUp.close({ timeout: 0 });
  await collectGarbage();
  const before = process.memoryUsage();

  const emitter = start();
  await offerSlowly(emitter, templates, capacity);
  const full = await growthSince(before);
  await offerSlowly(emitter, templates, Math.max(capacity, Math.round(offered * scale)) - capacity);
  const over = await growthSince(before);
  const { size, failedRequests } = emitter.getMetrics();
  if (size !== capacity || failedRequests === 0) throw new Error(`it holds ${size}, and ${failedRequests} have failed`);
  await emitter.close({ timeout: 0 });
  server.stop();
  return { heapFull: full.heap, heapOver: over.heap, rssFull: full.rss, rssOver: over.rss, failedRequests };
}

/** A hundred every millisecond, so that requests have time to fail. */
async function offerSlowly(emitter, templates, total) {
  for (let at = 0; at < total; at++) {
    // Each with strings of its own.
    emitter.input(JSON.parse(templates[at % templates.length]));
    if (at % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

async function growthSince(before) {
  await collectGarbage();
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: (heapUsed - before.heapUsed) / 1e6, rss: (rss - before.rss) / 1e6 };
}

/** A collector in a process of its own; that ends with this one. */
async function startCollector(mode) {
  const file = fileURLToPath(new URL('./collector-process.mjs', import.meta.url));
  const server = fork(file, [mode], { execArgv: [] });
  const [{ port }] = await once(server, 'message');
  return {
    port,
    async tally() {
      server.send('tally');
      const [tally] = await once(server, 'message');
      return tally;
    },
    stop: () => server.disconnect(),
  };
}

/** A port at which nobody listens. */
async function closedPort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
