/**
 * The same collectors in one process and in four. The application in shop.ts runs on a CollectorQueue, then on a
 * BullMQCollectorQueue with two worker processes and a publisher process, and says the same both times.
 *
 *     node --import tsx examples/18-distributed/main.ts
 *
 * It starts a redis-server for itself, which has to be installed, or takes the Redis that REDIS_URL names. The exit code is
 * 1 if the two differ.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { CollectorQueue } from 'collector-queue';
import { someRedis } from '../../scripts/redis-process.ts';
import { collectors, run } from './shop.ts';

const inProcess = await new CollectorQueue(collectors).run(run);
console.log(['In one process', ...inProcess].join('\n'));

const redis = await someRedis();
const program = (name: string) => fork(join(import.meta.dirname, name), [redis.url, `shop-${process.pid}`]);
const workers = [program('worker.ts'), program('worker.ts')];
await Promise.all(workers.map((worker) => once(worker, 'message')));
const publisher = program('publisher.ts');
const [distributed] = (await once(publisher, 'message')) as [string[]];
console.log(['In four processes', ...distributed].join('\n'));

const ended = Promise.all(workers.map((worker) => once(worker, 'exit')));
for (const worker of workers) worker.send('stop'); // they finish what they have
await ended;
await redis.stop();

const same = inProcess.join() === distributed.join();
console.log(same ? 'They are the same.' : 'They differ.');
process.exitCode = same ? 0 : 1;

/* Output:
In one process
a small order:
  invoice: 15
  warehouse: "3 packed"
  mail: "shop@example.com wrote about A-1, at attempt 2"
a large order:
  invoice: 100
  warehouse: failed {"missing":15}
  mail: "shop@example.com wrote about A-2, at attempt 2"
a returned order:
  warehouse: "3 packed"
an invoice again:
  invoice: 100
what nobody wants:
  nobody
In four processes
a small order:
  invoice: 15
  warehouse: "3 packed"
  mail: "shop@example.com wrote about A-1, at attempt 2"
a large order:
  invoice: 100
  warehouse: failed {"missing":15}
  mail: "shop@example.com wrote about A-2, at attempt 2"
a returned order:
  warehouse: "3 packed"
an invoice again:
  invoice: 100
what nobody wants:
  nobody
They are the same.
*/
