/** What does it cost to keep events on disk, and does a long backlog slow it down? */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addAll, memory, openLevelStore, residentSince, stores } from './event-stores.mjs';
import { collectGarbage, scaled } from './loads.mjs';
import { disk, withFolder } from './scratch.mjs';
import { EVENT_BYTES, trackedEvents } from './tracked-events.mjs';
import { count, figure } from './wording.mjs';

const [ours, put, inMemory] = Object.keys(stores);
const isOurs = (store) => store !== put;

/** By the number of adders, how many events are added in all. */
const durabilities = {
  sync: {
    title: 'acknowledged once the disk has them',
    totals: { 1: 5_000, 16: 20_000, 256: 100_000 },
    competing: [ours, put],
  },
  os: {
    title: 'acknowledged once the operating system has them',
    totals: { 1: 40_000, 16: 100_000, 256: 200_000 },
    competing: [ours, put],
  },
  none: {
    title: 'in memory',
    totals: { 1: 1_000_000, 16: 1_000_000, 256: 1_000_000 },
    competing: [inMemory],
  },
};
const adders = Object.keys(durabilities.sync.totals);
const warmUpTotal = 30_000;

const stored = 1_000_000;
const portion = 100;

const addId = (durability, adding, store) => `add/${durability}/${adding}/${store}`;
const backlogId = (store) => `backlog/${store}`;

export default {
  name: 'store',
  question: 'What does it cost to keep events on disk, and does a long backlog slow it down?',
  method:
    `Events of ${EVENT_BYTES} bytes, in ${disk}. Adding: that many adders, each of which adds its next event once its last ` +
    'one is acknowledged; without a store of ours each event is one `put` of its JSON into classic-level, by as many at ' +
    `a time. Backlog: ${count(stored)} events are written by another process; a new one opens the store and drains it, ` +
    `by taking ${portion} and acknowledging them, over and over. Memory after garbage collection, against what it was ` +
    'before the store was opened; the files were just written, so the operating system has them in memory.',
  peers: ['classic-level'],

  cases: [
    ...Object.entries(durabilities).flatMap(([durability, { competing }]) =>
      adders.flatMap((adding) =>
        competing.map((store) => ({
          id: addId(durability, adding, store),
          ours: isOurs(store),
          durability,
          adding: Number(adding),
          store,
        })),
      ),
    ),
    ...[ours, inMemory].map((store) => ({ id: backlogId(store), ours: true, backlog: true, store })),
  ],

  measure(what, scale) {
    if (!what.backlog) return measureAdding(what, scale);
    return what.store === ours ? measureDisk(scale) : measureMemory(scale);
  },

  report(median) {
    const adding = (durability, number, store) => median(addId(durability, number, store), 'addsPerS');
    const backlog = (store, metric) => median(backlogId(store), metric);
    const tables = [
      ...Object.entries(durabilities).map(([durability, { title, competing }]) => ({
        title: `Events added per second, ${title}`,
        columns: ['', ...adders.map((number) => (number === '1' ? '1 adder' : `${number} adders`))],
        rows: competing.map((store) => [store, ...adders.map((number) => figure(adding(durability, number, store)))]),
      })),
      {
        title: `A backlog of ${count(stored)}: events drained per second`,
        columns: ['', 'all', 'the first 10%', 'the last 10%'],
        rows: [ours, inMemory].map((store) => [
          store,
          ...['drainedPerS', 'firstPerS', 'lastPerS'].map((metric) => figure(backlog(store, metric))),
        ]),
      },
      {
        title: `A LevelEventStore with ${count(stored)} events`,
        columns: ['', 'ms', 'resident, MB', 'of it no part of a file, MB', 'heap, MB'],
        rows: [
          ['written', 'fillMs', 'fillResident'],
          ['opened again', 'openMs', 'openResident', 'openAnonymous', 'openHeap'],
          ['half drained', undefined, 'halfResident', 'halfAnonymous', 'halfHeap'],
        ].map(([what, ...metrics]) => [what, ...[0, 1, 2, 3].map((at) => figure(backlog(ours, metrics[at])))]),
      },
    ];
    return { tables, checks: checksOf(adding, backlog) };
  },
};

function checksOf(adding, backlog) {
  return [
    ...adders.map((number) => ({
      what: `added and synced, ${number === '1' ? '1 adder' : `${number} adders`}: against a synced put for each`,
      reached: adding('sync', number, ours) / adding('sync', number, put),
      unit: '×',
      bound: 'at least',
      must: number === '256' ? 5 : undefined,
    })),
    {
      what: `draining ${count(stored)}: speed of the last 10% against the first 10%`,
      reached: backlog(ours, 'lastPerS') / backlog(ours, 'firstPerS'),
      unit: '×',
      bound: 'at least',
      must: 0.8,
      aim: 1,
    },
    {
      what: `heap that ${count(stored)} stored events take up in a store opened again`,
      reached: backlog(ours, 'openHeap'),
      unit: 'MB',
      bound: 'at most',
      must: 10,
    },
  ];
}

async function measureAdding({ durability, adding, store: name }, scale) {
  const total = scaled(durabilities[durability].totals[adding], scale);
  const events = trackedEvents(10_000);
  return withFolder(async (folder) => {
    // In a database of its own, so that the measured one begins empty; without syncs, which would only take time.
    const warmUp = await stores[name](join(folder, 'warm-up'), 'os');
    await addAll(warmUp, events, warmUpTotal, adding);
    await warmUp.close();
    const store = await stores[name](join(folder, 'measured'), durability);
    await collectGarbage();
    const start = performance.now();
    await addAll(store, events, total, adding);
    const seconds = (performance.now() - start) / 1_000;
    if (isOurs(name) && store.size !== total) throw new Error(`it holds ${store.size} of ${total} events`);
    await store.close();
    return { addsPerS: total / seconds };
  });
}

function measureDisk(scale) {
  const total = scaled(stored, scale);
  return withFolder(async (folder) => {
    const small = join(folder, 'warm-up');
    await fill(small, 20_000);
    const warmUp = await openLevelStore(small);
    await drain(warmUp, 20_000);
    await warmUp.close();
    const large = join(folder, 'measured');
    const filled = await fill(large, total);
    await collectGarbage();
    const before = memory();

    const start = performance.now();
    const store = await openLevelStore(large);
    const openMs = performance.now() - start;
    if (store.size !== total) throw new Error(`it holds ${store.size} of ${total} events`);
    await collectGarbage();
    const opened = residentSince(before);
    const drained = await drain(store, total, async () => residentSince(before));
    await store.close();
    const { half, ...rates } = drained;
    return {
      fillMs: filled.fillMs,
      fillResident: filled.resident,
      openMs,
      openResident: opened.resident,
      openAnonymous: opened.anonymous,
      openHeap: opened.heap,
      halfResident: half.resident,
      halfAnonymous: half.anonymous,
      halfHeap: half.heap,
      ...rates,
    };
  });
}

async function measureMemory(scale) {
  const total = scaled(stored, scale);
  const events = trackedEvents(10_000);
  const warmUp = await stores[inMemory]();
  await addAll(warmUp, events, 20_000, 1_000);
  await drain(warmUp, 20_000);
  const store = await stores[inMemory]();
  await addAll(store, events, total, 1_000);
  await collectGarbage();
  const { half, ...rates } = await drain(store, total);
  return rates;
}

/** Takes all and acknowledges them, in portions. `onHalf` is called in between, and not counted. */
async function drain(store, total, onHalf = async () => undefined) {
  const portions = Math.ceil(total / portion);
  const tenth = Math.floor(portions / 10);
  const marks = [0];
  let half;
  let last = 0;
  let paused = 0;
  for (let done = 1; done <= portions; done++) {
    if (done === 1) marks[0] = performance.now();
    const taken = await store.take({ count: portion });
    for (const { id } of taken) {
      if (id <= last) throw new Error(`${id} was taken after ${last}`);
      last = id;
    }
    await store.ack(taken.map(({ id }) => id));
    if (done === tenth || done === portions - tenth || done === portions) marks.push(performance.now());
    if (done === Math.floor(portions / 2)) {
      const start = performance.now();
      await collectGarbage();
      half = await onHalf();
      paused = performance.now() - start;
    }
  }
  if (store.size !== 0) throw new Error(`${store.size} of ${total} events are left`);
  const [start, first, beforeLast, end] = marks;
  return {
    half,
    drainedPerS: (total * 1_000) / (end - start - paused),
    firstPerS: (tenth * portion * 1_000) / (first - start),
    lastPerS: (tenth * portion * 1_000) / (end - beforeLast),
  };
}

/** Writes a backlog in a process of its own, which tells how that went. */
async function fill(folder, total) {
  const file = fileURLToPath(new URL('./backlog-process.mjs', import.meta.url));
  const filler = fork(file, [folder, String(total)], { execArgv: ['--expose-gc'] });
  const [told] = await Promise.race([
    once(filler, 'message'),
    once(filler, 'exit').then(([code]) => {
      throw new Error(`the process that fills the store ended with ${code}`);
    }),
  ]);
  if (filler.exitCode === null) await once(filler, 'exit');
  return told;
}
