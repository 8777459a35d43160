/**
 * One life of a process with a store, which usually ends by SIGKILL. It adds events and notes each that was acknowledged, or
 * forwards what the store holds, or both.
 */
import { fdatasyncSync, openSync, writeSync } from 'node:fs';
import { HttpEmitter, json } from 'collector-queue/http';
import { LevelEventStore } from 'collector-queue/store';
import { type Errand, eventOf } from './errand.ts';

const errand = JSON.parse(process.argv[2] as string) as Errand;
const store = new LevelEventStore(errand.path, { capacity: 10_000_000 });

/** Writes down at once what was acknowledged, so that little time is left to be killed in between; synced a little later. */
class Notes {
  readonly #file = openSync(errand.notes, 'a');
  #isSynced = true;

  add(id: number): void {
    writeSync(this.#file, `${id}\n`);
    if (this.#isSynced) setImmediate(() => this.#sync());
    this.#isSynced = false;
  }

  #sync(): void {
    this.#isSynced = true;
    fdatasyncSync(this.#file);
  }
}

let isWorking = false;

/** The first event was acknowledged, or delivered. */
function working(): void {
  if (!isWorking) process.send?.('working');
  isWorking = true;
}

async function addAll(): Promise<void> {
  const notes = new Notes();
  let next = errand.from;
  const adder = async (): Promise<void> => {
    while (next < errand.from + errand.count) {
      const id = next++;
      const added = await store.add(eventOf(id));
      if (added.isErr()) throw added.error;
      notes.add(id);
      working();
    }
  };
  await Promise.all(Array.from({ length: errand.adders }, adder));
}

async function forwardAll(): Promise<void> {
  const emitter = new HttpEmitter(`http://127.0.0.1:${errand.port}`, {
    eventStore: store,
    codec: json(),
    batchSize: 50,
    concurrency: 4,
    onSuccess: working,
  });
  await emitter.open?.();
  do await emitter.flush();
  while (store.size > 0);
  await emitter.close();
}

process.send?.('opening');
await Promise.all([errand.role === 'forward' ? undefined : addAll(), errand.role === 'add' ? undefined : forwardAll()]);
await store.close();
working();
// Whoever meant to kill it shall not be too late.
if (errand.killed) setInterval(() => undefined, 60_000);
else process.disconnect();
