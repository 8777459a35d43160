/**
 * AsyncLocalStorage through the queue. With `asyncContext: true` a processor runs in the context of whoever sent the
 * payload, so a request's id is in every line it logs. Without, in the context in which the queue was initialised,
 * never in that of some other sender; that is the default because a context for each payload has its price.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate } from 'node:timers/promises';
import { Collector, CollectorQueue, type Payload } from 'collector-queue';

const requestId = new AsyncLocalStorage<string>();

/** A logger that knows which request it logs for. */
const log = (text: string) => console.log(`[${requestId.getStore() ?? 'no request'}] ${text}`);

const mails = () =>
  new Collector('mails', async ({ value }: Payload<string>) => {
    await setImmediate();
    log(`mail to ${value}`);
  });

for (const asyncContext of [true, false]) {
  console.log(`asyncContext: ${asyncContext}`);
  // One consumer works for every sender in turn.
  const queue = new CollectorQueue([mails()], { asyncContext, maxConsumers: 1 });
  await requestId.run('start-up', () => queue.initQueue());
  const publisher = queue.getPublisher();

  const handle = (id: string, address: string) =>
    requestId.run(id, async () => {
      await publisher.publish(address).wait();
      // The sender goes on in its own context, either way.
      log('answered');
    });
  await Promise.all([handle('request-1', 'ada@example.org'), handle('request-2', 'bob@example.org')]);
  await queue.shutDownQueue();
}

/* Output:
asyncContext: true
[request-1] mail to ada@example.org
[request-1] answered
[request-2] mail to bob@example.org
[request-2] answered
asyncContext: false
[start-up] mail to ada@example.org
[request-1] answered
[start-up] mail to bob@example.org
[request-2] answered
*/
