/** A worker process: `worker.ts <Redis URL> <prefix>`. Says when it is ready; ends when it is told to. */
import { BullMQCollectorQueue } from 'collector-queue/bullmq';
import { collectors } from './shop.ts';

const [connection, prefix] = process.argv.slice(2) as [string, string];
const queue = new BullMQCollectorQueue(collectors, { connection, prefix, role: 'worker', concurrency: 4 });
await queue.initQueue();
process.once('message', async () => {
  await queue.shutDownQueue();
  process.disconnect();
});
process.send?.('ready');
