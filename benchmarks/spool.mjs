/** How fast does the spool daemon acknowledge events as durable, and does a long backlog slow it down or make it grow? */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openLevelStore } from './event-stores.mjs';
import { collectGarbage, scaled } from './loads.mjs';
import { disk, withFolder } from './scratch.mjs';
import { startDaemon } from './spool-daemon.mjs';
import { SPOOLED_BYTES, spooledEvents } from './spool-events.mjs';
import { count, figure } from './wording.mjs';

const daemon = 'daemon';
const sending = 'daemon, sending meanwhile';
const roof = 'LevelEventStore';
const naive = 'append and fsync';

/** By how many events a client has under way at once. */
const loads = {
  many: { title: '1,000 under way in each client', underWay: 1_000, competing: [daemon, sending, roof] },
  one: { title: 'one under way in each client', underWay: 1, competing: [daemon, roof, naive] },
};
const clients = [1, 4, 16];
/** What a SocketEmitter puts in a frame. */
const frame = 100;
const runMs = 4_000;
/** Nobody listens there. */
const AWAY = 'http://127.0.0.1:9';

const stored = 1_000_000;
const SAMPLE_MS = 100;

const rateId = (load, number, contestant) => `${load}/${number}/${contestant}`;
const backlogId = 'backlog';
const loneId = 'lone';
const loneEvents = 100;

export default {
  name: 'spool',
  question: 'How fast does the spool daemon acknowledge events as durable, and does a long backlog harm it?',
  method:
    `Events of ${SPOOLED_BYTES} bytes, in ${disk}. The daemon is \`collector-queue daemon\` with its defaults, on a Unix socket; ` +
    'each client is a process with one SocketEmitter, which calls `store` again as soon as one is acknowledged. The ' +
    'collector is away, so that the daemon only takes events, or answers at once (sending meanwhile). LevelEventStore: the ' +
    `daemon's store alone, in one process, with as many events under way, added in portions of a frame (${frame}), or one by ` +
    'one. Append and fsync: each client appends each event to a file of its own and syncs that, and can have but one ' +
    `under way. After some seconds of the same for warming up, ${count(runMs)} ms are measured. CPU time is that of all ` +
    'processes; the daemon alone in brackets. Backlog: ' +
    `${count(stored)} events are written by another process; then a daemon is started on them, with a collector that answers ` +
    `at once. Its memory is read every ${SAMPLE_MS} ms, from outside; the files were just written, so the operating system ` +
    'has them in memory. A lone event: the daemon has nothing else to do; the next event is sent some tenths of a second after ' +
    'the one before has arrived; the client and the collector are one process, so one clock tells both times.',
  peers: ['classic-level'],

  cases: [
    ...Object.entries(loads).flatMap(([load, { competing }]) =>
      clients.flatMap((number) =>
        competing.map((contestant) => ({
          id: rateId(load, number, contestant),
          ours: contestant !== naive,
          load,
          number,
          contestant,
        })),
      ),
    ),
    { id: backlogId, ours: true },
    { id: loneId, ours: true },
  ],

  measure(what, scale) {
    if (what.id === backlogId) return measureBacklog(scale);
    if (what.id === loneId) return measureLone(scale);
    return what.contestant === roof ? measureStore(what, scale) : measureClients(what, scale);
  },

  report(median) {
    const of = (load, metric) => (contestant) => (number) => median(rateId(load, number, contestant), metric);
    const rates = (load) => ({
      title: `Events acknowledged per second, ${loads[load].title}`,
      rows: rowsOf(load, (contestant, number) => figure(of(load, 'eventsPerS')(contestant)(number))),
    });
    const latencies = (load) => ({
      title: `Milliseconds until an event is acknowledged, ${loads[load].title}: p50 / p99`,
      rows: rowsOf(load, (contestant, number) =>
        ['p50Ms', 'p99Ms'].map((metric) => figure(of(load, metric)(contestant)(number))).join(' / '),
      ),
    });
    const cpu = (load) => ({
      title: `CPU time per event, µs, ${loads[load].title}`,
      rows: rowsOf(load, (contestant, number) => {
        const own = of(load, 'daemonUs')(contestant)(number);
        const all = figure(of(load, 'cpuUs')(contestant)(number));
        return Number.isFinite(own) ? `${all} (${figure(own)})` : all;
      }),
    });
    const columns = ['', ...clients.map((number) => (number === 1 ? '1 client' : `${number} clients`))];
    const tables = Object.keys(loads).flatMap((load) => [rates(load), latencies(load), cpu(load)]);
    const backlog = (metric) => median(backlogId, metric);
    const lone = ['p50Ms', 'p99Ms', 'maxMs'].map((metric) => figure(median(loneId, metric)));
    return {
      tables: [
        ...tables.map((table) => ({ ...table, columns })),
        {
          title: `A daemon that is started on a backlog of ${count(stored)}`,
          columns: ['', 'all', 'the first 10%', 'the last 10%'],
          rows: [
            ['events sent per second', 'drainedPerS', 'firstPerS', 'lastPerS'],
            ['resident memory, MB, the most of it', 'resident', 'firstResident', 'lastResident'],
            ['of it no part of a file, MB', 'anonymous', 'firstAnonymous', 'lastAnonymous'],
          ].map(([what, ...metrics]) => [what, ...metrics.map((metric) => figure(backlog(metric)))]),
        },
        {
          title: 'Delivery while there is no backlog',
          columns: ['', 'p50 / p99 / max'],
          rows: [['a lone event, ms from acknowledgement to the collector', lone.join(' / ')]],
        },
      ],
      checks: checksOf((contestant, number) => of('many', 'eventsPerS')(contestant)(number), median, backlog),
    };
  },
};

function rowsOf(load, cell) {
  return loads[load].competing.map((contestant) => [contestant, ...clients.map((number) => cell(contestant, number))]);
}

function checksOf(rate, median, backlog) {
  const naiveRate = (number) => median(rateId('one', number, naive), 'eventsPerS');
  return [
    ...[daemon, sending].flatMap((contestant) =>
      clients.map((number) => ({
        what: `${contestant}, ${number} with 1,000 under way: share of what its store alone does`,
        reached: (100 * rate(contestant, number)) / rate(roof, number),
        unit: '%',
        bound: 'at least',
        must: contestant === daemon && number === 16 ? 60 : undefined,
      })),
    ),
    ...clients.map((number) => ({
      what: `daemon, ${number} with 1,000 under way: against appending and syncing each event`,
      reached: rate(daemon, number) / naiveRate(number),
      unit: '×',
      bound: 'at least',
    })),
    {
      what: 'a lone event, from acknowledgement to the collector, the slowest',
      reached: median(loneId, 'maxMs'),
      unit: 'ms',
      bound: 'at most',
      must: 1_000,
    },
    {
      what: `resident memory of a daemon with a backlog of ${count(stored)}`,
      reached: backlog('resident'),
      unit: 'MB',
      bound: 'at most',
      must: 256,
    },
    {
      what: 'its growth, from the first tenth to the last',
      reached: backlog('lastResident') - backlog('firstResident'),
      unit: 'MB',
      bound: 'at most',
      must: 32,
    },
    {
      what: 'its speed in the last tenth against the first',
      reached: backlog('lastPerS') / backlog('firstPerS'),
      unit: '×',
      bound: 'at least',
      must: 0.8,
      aim: 1,
    },
  ];
}

function measureClients({ load, number, contestant }, scale) {
  const { underWay } = loads[load];
  return withFolder(async (folder) => {
    if (contestant === naive)
      return measured(await startClients('files', join(folder, 'events'), number, underWay), scale);
    const collector = contestant === sending ? await startCollector('counting', Number.MAX_SAFE_INTEGER) : undefined;
    const spool = await startDaemon({ folder, endpoint: collector?.endpoint ?? AWAY });
    const processes = await startClients('spool', spool.socket, number, underWay);
    const before = await spool.metrics();
    const cpu = spool.cpuUs();
    const outcome = await measured(processes, scale, () => spool.cpuUs() - cpu);
    const after = await spool.metrics();
    await spool.kill();
    collector?.stop();
    // The others may have been acknowledged a little before the time or after it.
    const spooled = after.acknowledged - before.acknowledged;
    const counted = outcome.eventsPerS * outcome.seconds;
    if (spooled < counted) throw new Error(`the daemon has acknowledged ${spooled} events, the clients say ${counted}`);
    return outcome;
  });
}

/** Lets them all run at once, and sums up. */
async function measured(processes, scale, daemonCpu = () => Number.NaN) {
  const milliseconds = Math.max(500, runMs * scale);
  const outcomes = await Promise.all(processes.map((client) => client.run(milliseconds)));
  const daemonTime = daemonCpu();
  for (const client of processes) client.stop();
  const acknowledged = sum(outcomes.map((outcome) => outcome.acknowledged));
  const latencies = outcomes.flatMap((outcome) => outcome.latencies);
  const cpu = sum(outcomes.map(({ cpuUs }) => cpuUs));
  return {
    ...ratesOf(acknowledged, milliseconds, latencies),
    cpuUs: (cpu + (Number.isNaN(daemonTime) ? 0 : daemonTime)) / acknowledged,
    ...(Number.isNaN(daemonTime) ? {} : { daemonUs: daemonTime / acknowledged }),
  };
}

/** The same without a daemon, a socket or clients: so much the store can do. */
function measureStore({ load, number }, scale) {
  const { underWay } = loads[load];
  const portion = Math.min(frame, underWay);
  const events = spooledEvents(10_000);
  const portions = Array.from({ length: events.length / portion }, (_, at) =>
    events.slice(at * portion, (at + 1) * portion),
  );
  return withFolder(async (folder) => {
    const store = await openLevelStore(join(folder, 'measured'), { capacity: 10_000_000 });
    const adders = (number * underWay) / portion;
    await addFor(store, portions, adders, 3_000);
    await collectGarbage();
    const cpu = process.cpuUsage();
    const milliseconds = Math.max(500, runMs * scale);
    const { acknowledged, latencies } = await addFor(store, portions, adders, milliseconds);
    const { user, system } = process.cpuUsage(cpu);
    await store.close();
    return { ...ratesOf(acknowledged, milliseconds, latencies), cpuUs: (user + system) / acknowledged };
  });
}

async function addFor(store, portions, adders, milliseconds) {
  const end = performance.now() + milliseconds;
  const latencies = [];
  let acknowledged = 0;
  let next = 0;
  const adder = async () => {
    for (let begun = performance.now(); begun < end; ) {
      const portion = portions[next++ % portions.length];
      const added = await store.addAll(portion);
      if (added.isErr()) throw added.error;
      const now = performance.now();
      if (now <= end) {
        acknowledged += portion.length;
        latencies.push(now - begun);
      }
      begun = now;
    }
  };
  await Promise.all(Array.from({ length: adders }, adder));
  return { acknowledged, latencies };
}

function ratesOf(acknowledged, milliseconds, latencies) {
  if (acknowledged === 0) throw new Error('nothing was acknowledged');
  const sorted = Float64Array.from(latencies).sort();
  const quantile = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  const seconds = milliseconds / 1_000;
  return { eventsPerS: acknowledged / seconds, p50Ms: quantile(0.5), p99Ms: quantile(0.99), seconds };
}

function measureBacklog(scale) {
  const total = scaled(stored, scale);
  return withFolder(async (folder) => {
    await fill(join(folder, 'spool', 'events'), total);
    const collector = await startCollector('counting', total);
    const spool = await startDaemon({ folder, endpoint: collector.endpoint });
    const samples = [];
    const sampling = setInterval(() => samples.push({ at: Date.now(), ...spool.resident() }), SAMPLE_MS);
    const [start, first, beforeLast, end] = await collector.done;
    clearInterval(sampling);
    const { stored: left } = await emptied(spool);
    const counted = await collector.counted();
    await spool.kill();
    collector.stop();
    if (left !== 0 || counted !== total) throw new Error(`${counted} of ${total} events came, ${left} are left`);
    const most = (metric, from, to) =>
      Math.max(...samples.filter(({ at }) => at >= from && at <= to).map((sample) => sample[metric]));
    return {
      drainedPerS: (total * 1_000) / (end - start),
      firstPerS: (total * 100) / (first - start),
      lastPerS: (total * 100) / (end - beforeLast),
      resident: most('resident', 0, end),
      firstResident: most('resident', 0, first),
      lastResident: most('resident', beforeLast, end),
      anonymous: most('anonymous', 0, end),
      firstAnonymous: most('anonymous', 0, first),
      lastAnonymous: most('anonymous', beforeLast, end),
    };
  });
}

/** One event after the other, each alone. */
function measureLone(scale) {
  return withFolder(async (folder) => {
    const { SocketEmitter } = await import('../dist/socket/index.js');
    let arrive;
    const server = createServer((request, response) => {
      request.resume().on('end', () => {
        response.end('ok');
        arrive?.(performance.now());
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const spool = await startDaemon({ folder, endpoint: `http://127.0.0.1:${server.address().port}` });
    const emitter = new SocketEmitter({ path: spool.socket });
    const latencies = [];
    for (const event of spooledEvents(Math.max(20, Math.round(loneEvents * scale)))) {
      const arrival = new Promise((resolve) => {
        arrive = resolve;
      });
      const stored = await emitter.store(event);
      if (stored.isErr()) throw stored.error;
      const acknowledged = performance.now();
      latencies.push((await arrival) - acknowledged);
      // At no fixed time after the one before, which would hide a timer that runs all the time.
      await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 200));
    }
    await emitter.close();
    await spool.kill();
    server.closeAllConnections();
    server.close();
    // The first finds no connection to the collector yet.
    const sorted = Float64Array.from(latencies.slice(1)).sort();
    const quantile = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    return { p50Ms: quantile(0.5), p99Ms: quantile(0.99), maxMs: Math.max(...latencies) };
  });
}

/** The last events leave the store a moment after the collector has them. */
async function emptied(spool) {
  for (let tries = 0; ; tries++) {
    const metrics = await spool.metrics();
    if (metrics.stored === 0 || tries === 100) return metrics;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function startClients(contestant, path, number, underWay) {
  const file = fileURLToPath(new URL('./spool-client-process.mjs', import.meta.url));
  const processes = Array.from({ length: number }, () =>
    fork(file, [contestant, path, String(underWay)], { execArgv: [] }),
  );
  await Promise.all(processes.map((client) => told(client)));
  return processes.map((client) => ({
    run(milliseconds) {
      client.send({ runMs: milliseconds });
      return told(client);
    },
    stop: () => client.disconnect(),
  }));
}

/** A collector in a process of its own, that ends with this one. */
async function startCollector(mode, total) {
  const file = fileURLToPath(new URL('./collector-process.mjs', import.meta.url));
  const collector = fork(file, [mode, String(total)], { execArgv: [] });
  const { port } = await told(collector);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    done: told(collector).then(
      ({ times }) => times,
      () => [],
    ),
    async counted() {
      collector.send('tally');
      return (await told(collector)).counted;
    },
    stop: () => collector.disconnect(),
  };
}

/** Writes a backlog in a process of its own. */
async function fill(folder, total) {
  mkdirSync(join(folder, '..'), { recursive: true, mode: 0o700 });
  const file = fileURLToPath(new URL('./backlog-process.mjs', import.meta.url));
  const filler = fork(file, [folder, String(total), 'spooled'], { execArgv: ['--expose-gc'] });
  await told(filler);
  if (filler.exitCode === null) await once(filler, 'exit');
}

/** What a process says next; rejects if it ends instead. */
async function told(child) {
  const over = new AbortController();
  try {
    return await Promise.race([
      once(child, 'message', over).then(([message]) => message),
      once(child, 'exit', over).then(([code, signal]) => {
        throw new Error(`a process ended with ${code ?? signal}`);
      }),
    ]);
  } finally {
    over.abort();
  }
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
