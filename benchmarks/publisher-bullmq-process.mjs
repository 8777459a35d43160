/**
 * The sending side of the benchmark of BullMQ, to be forked: `publisher-bullmq-process.mjs <contestant> <url> <keys>`. Says
 * `ready`; asked with `{ send, window, awaited }`, it answers once so many values were sent, a window at a time, or their
 * results are there, with the processor time that it has used.
 */
import { startPublisher } from './contestants-bullmq.mjs';

const VALUE_BYTES = 200;

// Whoever wanted it has ended, however that came.
process.on('disconnect', () => process.exit());

const [contestant, url, keys] = process.argv.slice(2);
const publisher = await startPublisher(contestant, url, keys.split(','));
let sent = 0;
process.on('message', async ({ send, window, awaited }) => {
  for (const until = sent + send; sent < until; ) {
    const values = valuesFrom(sent, Math.min(window, until - sent));
    if (awaited) check(values, await publisher.askAll(values));
    else await publisher.sendAll(values);
    sent += values.length;
  }
  const { user, system } = process.cpuUsage();
  process.send({ sent, cpuUs: user + system });
});
process.send('ready');

function valuesFrom(first, length) {
  return Array.from({ length }, (_, at) => ({ id: first + at, text: 'x'.repeat(VALUE_BYTES - 20) }));
}

function check(values, results) {
  for (const [at, { id }] of values.entries()) {
    if (results[at] !== id && results[at] !== String(id)) throw new Error(`the result of ${id} is ${results[at]}`);
  }
}
