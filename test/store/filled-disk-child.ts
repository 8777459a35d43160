/** A store that fills its disk by itself, is drained, and takes events again. Its argument is a folder on a small disk. */
import { ok, deepStrictEqual as same } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { LevelEventStore } from 'collector-queue/store';
import { ManualClock } from '../../src/testing/manual-clock.ts';

const disk = process.argv[2] as string;
const clock = new ManualClock();
const logger = { info: (): void => undefined, warn: (): void => undefined, error: (): void => undefined };
const path = join(disk, 'store');
const options = { clock, logger, durability: 'os' } as const;
let store = new LevelEventStore(path, options);
await store.open();
let next = 0;

/** Cannot be compressed. */
async function addSome(count: number): Promise<number> {
  const texts = Array.from({ length: count }, () => randomBytes(15_000).toString('base64'));
  const results = await Promise.all(texts.map((text) => store.add({ n: next++, text })));
  for (const result of results) if (result.isErr()) same(result.error.code, 'CQ_STORE_DISK');
  return results.filter((result) => result.isOk()).length;
}

/** Until nothing was accepted for so many rounds. */
async function fill(): Promise<number> {
  let accepted = 0;
  for (let refused = 0; refused < 5; await clock.advance(1_000)) {
    const some = await addSome(20);
    accepted += some;
    refused = some === 0 ? refused + 1 : 0;
  }
  return accepted;
}

/** As an emitter would. */
async function drain(upTo = Number.POSITIVE_INFINITY): Promise<number> {
  let delivered = 0;
  while (delivered < upTo) {
    const events = await store.take({ count: 100 });
    if (events.length === 0) break;
    await store.ack(events.map(({ id }) => id));
    delivered += events.length;
    await clock.advance(100);
  }
  return delivered;
}

/** Within so many seconds; as many real milliseconds are given to what is done in the background. */
async function acceptsWithin(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    if ((await addSome(1)) === 1) return;
    await clock.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('accepts nothing any more');
}

async function restart(): Promise<void> {
  await store.close();
  store = new LevelEventStore(path, options);
  await store.open();
}

const accepted: number[] = [];
for (let round = 0; round < 2; round++) {
  accepted.push(await fill());
  const before = store.size;
  if (round === 0) await restart();
  same(store.size, before);
  ok((await drain()) >= before);
  same(store.size, 0);
  if (round === 1) await restart();
  await acceptsWithin(20);
  await drain();
}
// Partly drained, it takes events again as well.
await fill();
const left = store.size;
const free = (): number => Math.round((statfsSync(disk).bavail * statfsSync(disk).bsize) / (1 << 20));
await drain(Math.ceil(left * 0.8));
await acceptsWithin(20);
await store.close();
console.log(`accepted ${accepted.join(', ')}; ${free()} MiB free`);
