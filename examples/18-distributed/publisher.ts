/**
 * A publisher process: `publisher.ts <Redis URL> <prefix>`. It has no collectors: what there is, the workers have announced.
 */
import { BullMQCollectorQueue } from 'collector-queue/bullmq';
import { run } from './shop.ts';

const [connection, prefix] = process.argv.slice(2) as [string, string];
const queue = new BullMQCollectorQueue([], { connection, prefix, role: 'publisher' });
const lines = await queue.run(run);
process.send?.(lines);
process.disconnect();
