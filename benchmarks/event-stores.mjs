/** The contestants of the benchmark of event stores: `add(event)` resolves once it is kept, `close()` ends it. */

import { readFileSync } from 'node:fs';

/** More than any load keeps. */
const CAPACITY = 2_000_000;
const MAX_BYTES = 2 ** 31;

export const stores = {
  LevelEventStore: (folder, durability) => openLevelStore(folder, { durability }),

  'classic-level, a put for each': async (folder, durability) => {
    const { ClassicLevel } = await import('classic-level');
    const database = new ClassicLevel(folder);
    await database.open();
    const sync = durability === 'sync';
    let last = 0;
    return {
      add: (event) => database.put(String(++last).padStart(12, '0'), JSON.stringify(event), { sync }),
      close: () => database.close(),
    };
  },

  MemoryEventStore: async () => {
    const { MemoryEventStore } = await import('../dist/store/index.js');
    return new MemoryEventStore({ capacity: CAPACITY });
  },
};

export async function openLevelStore(folder, options) {
  const { LevelEventStore } = await import('../dist/store/index.js');
  const store = new LevelEventStore(folder, { capacity: CAPACITY, maxBytes: MAX_BYTES, ...options });
  await store.open();
  return store;
}

/** Adds so many events, those given over and over; as many at a time as there are adders. */
export async function addAll(store, events, count, adders) {
  let next = 0;
  const adder = async () => {
    while (next < count) {
      const added = await store.add(events[next++ % events.length]);
      // What classic-level refuses it throws.
      if (added?.isErr()) throw added.error;
    }
  };
  await Promise.all(Array.from({ length: adders }, adder));
}

/** Megabytes more than before: of memory in all, of what is no part of a file (on Linux), and of the heap. */
export function residentSince({ rss, heapUsed, anonymous = Number.NaN }) {
  const now = memory();
  return {
    resident: (now.rss - rss) / 1e6,
    anonymous: (now.anonymous - anonymous) / 1e6,
    heap: (now.heapUsed - heapUsed) / 1e6,
  };
}

export function memory() {
  return { ...process.memoryUsage(), anonymous: anonymousBytes() };
}

function anonymousBytes() {
  try {
    const [, kilobytes] = /^RssAnon:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return Number(kilobytes) * 1_024;
  } catch {
    return Number.NaN;
  }
}
