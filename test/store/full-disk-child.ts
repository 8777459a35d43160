/** A store on a disk that is full, and is not any more. Its argument is a folder on a small disk of its own. */
import { ok, deepStrictEqual as same } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LevelEventStore } from 'collector-queue/store';
import { ManualClock } from '../../src/testing/manual-clock.ts';

const disk = process.argv[2] as string;
const ballast = join(disk, 'ballast');
writeFileSync(ballast, Buffer.alloc(6 << 20));

const clock = new ManualClock();
const logger = { info: (): void => undefined, warn: (): void => undefined, error: (): void => undefined };
const path = join(disk, 'store');
const kept = new Set<number>();
let next = 0;
const refusals = new Set<string>();

/** Cannot be compressed. */
async function addSome(store: LevelEventStore, count: number): Promise<number> {
  const numbers = Array.from({ length: count }, () => next++);
  const results = await Promise.all(numbers.map((n) => store.add({ n, text: randomBytes(3_000).toString('base64') })));
  for (const [at, result] of results.entries()) {
    if (result.isOk()) kept.add(numbers[at] as number);
    else refusals.add(result.error.code);
  }
  return results.filter((result) => result.isOk()).length;
}

async function takeAll(store: LevelEventStore): Promise<number[]> {
  const numbers: number[] = [];
  for (;;) {
    const events = await store.take({ count: 20 });
    if (events.length === 0) return numbers;
    numbers.push(...events.map(({ event }) => event.n as number));
  }
}

const store = new LevelEventStore(path, { clock, logger });
await store.open();

// Until it is full, and further while it is.
for (let refused = 0; refused < 20; await clock.advance(500)) refused += (await addSome(store, 3)) === 0 ? 1 : 0;
same([...refusals], ['CQ_STORE_DISK']);
same([store.size, store.dropped], [kept.size, 0]);

// What it holds can be delivered all the same.
const events = await store.take({ count: 10 });
same(events.length, 10);
await store.ack(events.map(({ id }) => id));
for (const { event } of events) ok(kept.delete(event.n as number));
same(store.size, kept.size);

// Started anew while the disk is full, it opens, or says why not.
await store.close();
const full = new LevelEventStore(path, { clock, logger });
const reason = await full.open().then(
  () => 'CQ_STORE_DISK',
  (error) => error.code,
);
same(reason, 'CQ_STORE_DISK');
await addSome(full, 1);
await full.close();

// Somebody makes room while it runs.
const last = new LevelEventStore(path, { clock, logger });
await last.open().catch(() => undefined);
await addSome(last, 1);
rmSync(ballast);
await clock.advance(1_000);
await addSome(last, 1);
await clock.advance(1_000);
same(await addSome(last, 5), 5);
const found = await takeAll(last);
same(
  found,
  [...new Set(found)].sort((a, b) => a - b),
);
const twice = events.map(({ event }) => event.n as number);
// Their deletes could perhaps not be written: those are delivered twice.
same(
  found.filter((n) => !twice.includes(n)),
  [...kept],
);
same(last.size, found.length);
await last.close();
console.log(`kept ${kept.size}, again ${found.length - kept.size}`);
