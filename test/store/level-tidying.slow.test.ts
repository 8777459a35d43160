import { join } from 'node:path';
import { LevelEventStore } from 'collector-queue/store';
import { expect, test } from 'vitest';
import { scratchFolder } from './scene.ts';
import { drain, fill, onDisk } from './tidying.ts';

const scratch = scratchFolder();

test('filling and draining again and again takes no more of the disk than once', { timeout: 300_000 }, async () => {
  const store = new LevelEventStore(join(scratch, 'rounds'), { durability: 'os', maxBytes: 60e6 });
  const sizes: number[] = [];
  for (let round = 0; round < 14; round++) {
    await fill(store, 50e6);
    await drain(store);
    sizes.push(onDisk(store));
  }
  expect(Math.max(...sizes)).toBeLessThan(100e6);
  while (onDisk(store) > 1e6) await new Promise((resolve) => setTimeout(resolve, 20));
  await store.close();
});

test('room is given back while some is left, and that is what is left', async () => {
  const store = new LevelEventStore(join(scratch, 'some'), { durability: 'os' });
  await fill(store, 40e6);
  for (let acked = 0; acked < 3_600; acked += 400) {
    await store.ack((await store.take({ count: 400 })).map(({ id }) => id));
  }
  await store.close();
  expect(store.size).toBe(400);
  expect(onDisk(store)).toBeLessThan(12e6);
});
