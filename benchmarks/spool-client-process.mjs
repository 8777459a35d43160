/**
 * A client for the benchmark of the spool, to be forked: `spool-client-process.mjs <contestant> <path> <under way>`.
 * `spool` stores its events with a SocketEmitter, `files` appends each to a file and syncs that. Says `ready` when it is warm;
 * told how many milliseconds it shall run for, it answers with what was acknowledged meanwhile.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { spooledEvents } from './spool-events.mjs';

/** How often the time of an acknowledgement is noted, where there are very many. */
const STRIDE = 16;
const WARM_UP_MS = 3_000;

// Whoever wanted it has ended, however that came.
process.on('disconnect', () => process.exit());

const [contestant, path, underWay] = process.argv.slice(2);
const events = spooledEvents(5_000);
let next = 0;

const contestants = {
  async spool() {
    const { SocketEmitter } = await import('../dist/socket/index.js');
    const emitter = new SocketEmitter({ path });
    return async (event) => {
      const stored = await emitter.store(event);
      if (stored.isErr()) throw stored.error;
    };
  },
  async files() {
    const file = openSync(`${path}.${process.pid}`, 'a', 0o600);
    process.once('exit', () => closeSync(file));
    return (event) => {
      writeSync(file, `${JSON.stringify(event)}\n`);
      fsyncSync(file);
    };
  },
};

const store = await contestants[contestant]();
await run(WARM_UP_MS);
process.send('ready');
process.once('message', async ({ runMs }) => {
  const cpu = process.cpuUsage();
  const outcome = await run(runMs);
  const { user, system } = process.cpuUsage(cpu);
  process.send({ ...outcome, cpuUs: user + system });
});

/** As many at a time as are to be under way; what is acknowledged when the time is over does not count. */
async function run(milliseconds) {
  const every = Number(underWay) > 1 ? STRIDE : 1;
  const end = performance.now() + milliseconds;
  const latencies = [];
  let acknowledged = 0;
  const one = async () => {
    for (let begun = performance.now(); begun < end; ) {
      await store(events[next++ % events.length]);
      const now = performance.now();
      if (now <= end && ++acknowledged % every === 0) latencies.push(now - begun);
      begun = now;
    }
  };
  await Promise.all(Array.from({ length: Number(underWay) }, one));
  return { acknowledged, latencies };
}
