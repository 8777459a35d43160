/**
 * Workers that are killed, and events that survive them: a cluster whose workers hand their events to a spool daemon through
 * a SocketEmitter, while they are killed at random, in the middle of their work, and replaced. Each worker writes the ids that
 * it makes into a file, and the ids for which `store` said `Ok` into another, which it syncs. In the end the files are held
 * against what the collector got: everything that was acknowledged must have been delivered.
 *
 *     node --import tsx examples/17-spool/main.ts [--seconds 10] [--workers 4] [--kill-every 500]
 *
 * The exit code is 1 if an acknowledged event was lost.
 */
import { fork } from 'node:child_process';
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startCollector } from './collector.ts';
import { describeTally, tallyOf } from './tally.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    workers: { type: 'string', default: '4' },
    'kill-every': { type: 'string', default: '500' },
  },
});
const [seconds, places, killEvery] = [values.seconds, values.workers, values['kill-every']].map(Number) as [
  number,
  number,
  number,
];

const folder = mkdtempSync(join(tmpdir(), 'spool-'));
const socket = join(folder, 'daemon.sock');
const collector = await startCollector();

// In earnest: collector-queue daemon --listen unix:… --store … --endpoint …, under systemd.
const daemon = fork(join(import.meta.dirname, 'daemon.ts'), [socket, join(folder, 'spool'), collector.url]);
await once(daemon, 'message');

cluster.setupPrimary({ exec: join(import.meta.dirname, 'worker.ts'), args: [socket, folder] });
/** Those that are at work; one that has only been forked does nothing yet. */
const working = new Set<Worker>();
let isOver = false;

/** Keeps a place filled, until it is over. Resolves once its last worker has ended. */
async function fill(): Promise<void> {
  while (!isOver) {
    const worker = cluster.fork();
    // One that has only just been forked does not hear yet; so it is told when it says that it begins.
    worker.once('message', () => (isOver ? worker.send('stop') : working.add(worker)));
    await once(worker, 'exit');
    working.delete(worker);
  }
}

const filled = Promise.all(Array.from({ length: places }, fill));
while (working.size < places) await delay(50);
const end = Date.now() + seconds * 1_000;
let kills = 0;
while (Date.now() < end) {
  await delay(Math.random() * 2 * killEvery);
  const victim = [...working][Math.floor(Math.random() * working.size)];
  if (victim === undefined) continue;
  working.delete(victim);
  victim.process.kill('SIGKILL');
  kills++;
}
isOver = true;
for (const worker of working) worker.send('stop');
await filled;

daemon.send('stop'); // it sends what it holds, then ends
await once(daemon, 'exit');
await collector.stop();

const tally = tallyOf(folder, collector.times);
console.log(`${places} workers, ${kills} of them killed and replaced`);
console.log(describeTally(tally));
rmSync(folder, { recursive: true });
process.exitCode = tally.lost === 0 ? 0 : 1;
