/** A worker that may be killed at any time: `worker.ts <socket> <folder>`. Says when it begins; ends when it is told to. */
import { fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { SocketEmitter } from 'collector-queue/socket';

/** Requests at a time. */
const REQUESTS = 20;

const [socket, folder] = process.argv.slice(2) as [string, string];
const issued = openSync(join(folder, `${process.pid}.issued`), 'a');
const acknowledged = openSync(join(folder, `${process.pid}.acknowledged`), 'a');
const emitter = new SocketEmitter({ path: socket });
let isOver = false;
let count = 0;
/** Ids to be written; nobody else knows of them yet. */
let fresh: string[] = [];

/** One request after the other, each of which makes an event and answers once that is safe. */
async function serve(): Promise<void> {
  while (!isOver) {
    const eid = `${process.pid}-${++count}`;
    writeSync(issued, `${eid}\n`);
    const stored = await emitter.store({ e: 'pv', p: 'srv', tv: 'shop-1.0', eid, url: `/products/${count}` });
    if (stored.isOk()) await log(eid);
  }
}

/** Those that come within a turn share a sync. */
async function log(eid: string): Promise<void> {
  fresh.push(eid);
  await turn();
  if (fresh.length === 0) return;
  writeSync(acknowledged, `${fresh.join('\n')}\n`);
  fresh = [];
  fsyncSync(acknowledged);
}

process.once('message', () => {
  isOver = true;
});
process.send?.('at work');
await Promise.all(Array.from({ length: REQUESTS }, serve));
await emitter.close();
process.disconnect();
