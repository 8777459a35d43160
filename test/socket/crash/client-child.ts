/**
 * One life of a client, which usually ends by SIGKILL: it hands events to the daemon through an emitter, as many at a time as
 * it is given ids, and notes each that was acknowledged.
 */
import { once } from 'node:events';
import { SocketEmitter } from 'collector-queue/socket';
import { LevelEventStore } from 'collector-queue/store';
import { eventOf } from '../../store/crash/errand.ts';
import type { ClientErrand, FromClient, ToClient } from './client-errand.ts';
import { Notes } from './notes.ts';

const { path, name, notes, issued, spill } = JSON.parse(process.argv[2] as string) as ClientErrand;
const acknowledged = new Notes(notes);
const begun = new Notes(issued);

/** Batches that are under way at a time. */
const BATCHES = 4;
const STORE_TIMEOUT = 60_000;

/** That the daemon has lost count of this client shows only here: the events are sent once more, under another name. */
const logger = {
  info: (): void => undefined,
  warn: (message: unknown): void => {
    if (/it goes on as/.test(String(message))) tell({ forgotten: String(message) });
  },
  error: (): void => undefined,
};

const store = spill === undefined ? undefined : new LevelEventStore(spill);
const emitter = new SocketEmitter({
  path,
  client: name,
  maxRetryDelay: 100,
  storeTimeout: STORE_TIMEOUT,
  spill: store,
  logger,
});

/** Whom it belongs to may be gone by now. */
function tell(message: FromClient): void {
  if (process.connected) process.send?.(message, () => undefined);
}

const given: ((ids: readonly number[]) => void)[] = [];
let isEnding = false;

process.on('message', ({ ids }: ToClient) => {
  if (ids === undefined) {
    isEnding = true;
    for (const waiting of given.splice(0)) waiting([]);
  } else given.shift()?.(ids);
});
process.once('disconnect', () => process.exit());

function nextIds(): Promise<readonly number[]> {
  return new Promise((resolve) => {
    given.push(resolve);
    tell({ wants: true });
  });
}

async function work(): Promise<void> {
  while (!isEnding) {
    const ids = await nextIds();
    if (ids.length === 0) continue;
    begun.write(ids);
    await Promise.all(ids.map(storeOne));
  }
}

async function storeOne(id: number): Promise<void> {
  const stored = await emitter.store(eventOf(id));
  if (stored.isErr()) return;
  await acknowledged.add([id]);
  tell({ acked: 1 });
}

await emitter.open();
await Promise.all(Array.from({ length: BATCHES }, work));
await emitter.flush({ timeout: Number.POSITIVE_INFINITY });
await emitter.close();
await store?.close();
acknowledged.close();
process.removeAllListeners('disconnect');
process.disconnect();
if (process.connected) await once(process, 'disconnect');
