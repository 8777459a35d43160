import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { LevelEventStore } from 'collector-queue/store';

/** What the events take on disk, dead or alive. Bytes. */
export function onDisk(store: LevelEventStore): number {
  const names = readdirSync(store.path).filter((name) => /\.(ldb|log)$/.test(name));
  return names.reduce((sum, name) => sum + (statSync(join(store.path, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** Cannot be compressed. */
export async function fill(store: LevelEventStore, bytes: number): Promise<void> {
  const each = 10_000;
  for (let added = 0; added < bytes; added += each * 100) {
    const texts = Array.from({ length: 100 }, () => randomBytes((each * 3) / 4).toString('base64'));
    await Promise.all(texts.map(async (text) => (await store.add({ text }))._unsafeUnwrap()));
  }
}

export async function drain(store: LevelEventStore): Promise<void> {
  for (;;) {
    const events = await store.take({ count: 500 });
    if (events.length === 0) return;
    await store.ack(events.map(({ id }) => id));
  }
}
