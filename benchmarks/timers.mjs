/** What does a delay cost that is set and cancelled, how much memory does it take, and how late does it ring? */

import { isOurs } from './contestants.mjs';
import { collectGarbage, randomNumbers, scaled } from './loads.mjs';
import { figure } from './wording.mjs';

const competing = ['collector-queue', 'collector-queue, scheduled payloads', 'setTimeout'];
const shortest = 60_000;
const longest = 3_600_000;
const spread = 2_000;

const holdId = (contestant) => `hold/${contestant}`;
const latenessId = (contestant) => `lateness/${contestant}`;

/** `set(ring, delay)` gives what `cancel` takes. */
const makers = {
  'collector-queue': async () => {
    const [{ Timers }, { Alarm }, { systemClock }] = await Promise.all([
      import('../dist/schedule/timers.js'),
      import('../dist/schedule/alarm.js'),
      import('../dist/schedule/clock.js'),
    ]);
    class Delay extends Alarm {
      constructor(onRing) {
        super();
        this.onRing = onRing;
      }

      ring() {
        this.onRing();
      }
    }
    const timers = new Timers(systemClock);
    return {
      set(onRing, delay) {
        const alarm = new Delay(onRing);
        timers.set(alarm, systemClock.now() + delay);
        return alarm;
      },
      cancel: (alarm) => timers.cancel(alarm),
      close: () => timers.stop(),
    };
  },

  'collector-queue, scheduled payloads': async () => {
    const { Collector, CollectorQueue, Payload } = await import('../dist/index.js');
    const queue = new CollectorQueue([new Collector('ring', (payload) => payload.value())]);
    await queue.initQueue();
    const publisher = queue.getPublisher();
    return {
      set: (onRing, delay) => publisher.send(new Payload(onRing, { keys: 'ring' }), { delay }),
      cancel: (event) => event.cancel(),
      close: () => queue.shutDownQueue(),
    };
  },

  setTimeout: async () => ({
    set: (onRing, delay) => setTimeout(onRing, delay),
    cancel: (timeout) => clearTimeout(timeout),
    close() {},
  }),
};

export default {
  name: 'timers',
  question: 'What does a delay cost, and how late does it ring?',
  method:
    'The timers that hold all delays of a queue, and whole payloads that are sent with a `delay`, against a `setTimeout` ' +
    'for each delay; delays are whole milliseconds, ' +
    'each from the time at which it is set. Hold: 1,000,000 delays, at random between a minute and an hour, are set ' +
    'one after the other; the heap is measured after garbage collection; then they are cancelled in the same order. ' +
    'Lateness: 10,000 delays, at random within 2 s, ring; how long after its due time each does, by `performance.now()`.',

  cases: ['hold', 'lateness'].flatMap((kind) =>
    competing.map((contestant) => ({ id: `${kind}/${contestant}`, ours: isOurs(contestant), kind, contestant })),
  ),

  async measure({ kind, contestant }, scale) {
    const delays = await makers[contestant]();
    const metrics = await (kind === 'hold' ? measureHold(delays, scale) : measureLateness(delays, scale));
    await delays.close();
    return metrics;
  },

  report(median) {
    const hold = (contestant, metric) => median(holdId(contestant), metric);
    const lateness = (contestant, metric) => median(latenessId(contestant), metric);
    const tables = [
      {
        title: '1,000,000 delays of up to an hour, for each',
        columns: ['', 'set, ns', 'cancel, ns', 'bytes of heap', 'bytes left once cancelled'],
        rows: competing.map((contestant) => [
          contestant,
          ...['setNs', 'cancelNs', 'bytes', 'bytesLeft'].map((metric) => figure(hold(contestant, metric))),
        ]),
      },
      {
        title: '10,000 delays within 2 s: ms after the due time',
        columns: ['', 'earliest', 'p50', 'p99', 'latest'],
        rows: competing.map((contestant) => [
          contestant,
          ...['earliestMs', 'p50Ms', 'p99Ms', 'latestMs'].map((metric) => figure(lateness(contestant, metric))),
        ]),
      },
    ];
    const against = (metric) => hold('setTimeout', metric) / hold('collector-queue', metric);
    const checks = [
      ['setting a delay: against setTimeout', 'setNs'],
      ['cancelling a delay: against clearTimeout', 'cancelNs'],
      ['memory of a delay: against setTimeout', 'bytes'],
    ].map(([what, metric]) => ({ what, reached: against(metric), unit: '×', bound: 'at least', must: 1 }));
    const early = {
      what: 'the earliest of 10,000 delays, after its due time',
      reached: lateness('collector-queue', 'earliestMs'),
      unit: 'ms',
      bound: 'at least',
      must: 0,
    };
    return { tables, checks: [...checks, early] };
  },
};

async function measureHold(delays, scale) {
  for (let pass = 0; pass < 3; pass++) {
    const { kept } = setAll(delays, randomNumbers(100_000));
    cancelAll(delays, kept);
    await collectGarbage();
  }
  const random = randomNumbers(scaled(1_000_000, scale));
  const count = random.length;
  await collectGarbage();
  const before = process.memoryUsage().heapUsed;

  let { kept, took } = setAll(delays, random);
  await collectGarbage();
  // The array of what is kept does not count.
  const waiting = process.memoryUsage().heapUsed - count * 8;
  const cancelling = cancelAll(delays, kept);
  kept = undefined;
  await collectGarbage();
  const after = process.memoryUsage().heapUsed;
  return {
    setNs: (took * 1e6) / count,
    cancelNs: (cancelling * 1e6) / count,
    bytes: (waiting - before) / count,
    bytesLeft: (after - before) / count,
  };
}

function setAll(delays, random) {
  const kept = new Array(random.length).fill(undefined);
  const start = performance.now();
  for (let index = 0; index < random.length; index++) {
    kept[index] = delays.set(tooEarly, shortest + Math.round((random[index] / 1_000_000) * (longest - shortest)));
  }
  return { kept, took: performance.now() - start };
}

function cancelAll(delays, kept) {
  const start = performance.now();
  for (let index = 0; index < kept.length; index++) delays.cancel(kept[index]);
  return performance.now() - start;
}

function tooEarly() {
  throw new Error('a delay that was cancelled, or of a minute at least, has rung');
}

async function measureLateness(delays, scale) {
  await ringAll(delays, 2_000, spread / 10);
  await collectGarbage();
  const late = await ringAll(delays, scaled(10_000, scale), spread);
  late.sort();
  return {
    earliestMs: late[0],
    p50Ms: late[Math.floor(late.length * 0.5)],
    p99Ms: late[Math.floor(late.length * 0.99)],
    latestMs: late.at(-1),
  };
}

/** How late each rang, in milliseconds. They are set before the first is due. */
function ringAll(delays, count, within) {
  return new Promise((resolve) => {
    const late = new Float64Array(count);
    let rung = 0;
    for (const random of randomNumbers(count)) {
      const delay = 100 + Math.round((random / 1_000_000) * within);
      const due = performance.now() + delay;
      delays.set(() => {
        late[rung++] = performance.now() - due;
        if (rung === count) resolve(late);
      }, delay);
    }
  });
}
