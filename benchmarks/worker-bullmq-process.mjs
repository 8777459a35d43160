/**
 * The working side of the benchmark of BullMQ, to be forked: `worker-bullmq-process.mjs <contestant> <url> <keys>`. Says
 * `ready`; asked with `{ until: n }`, it answers once n jobs were done in all, with the processor time that it has used.
 */
import { startWorker } from './contestants-bullmq.mjs';

// Whoever wanted it has ended, however that came.
process.on('disconnect', () => process.exit());

const [contestant, url, keys] = process.argv.slice(2);
let done = 0;
let until = Number.POSITIVE_INFINITY;
await startWorker(contestant, url, keys.split(','), () => {
  done++;
  tell();
});
process.on('message', (asked) => {
  until = asked.until;
  tell();
});
process.send('ready');

function tell() {
  if (done < until) return;
  until = Number.POSITIVE_INFINITY;
  const { user, system } = process.cpuUsage();
  process.send({ done, cpuUs: user + system });
}
