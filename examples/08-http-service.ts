/**
 * A queue in a node:http service. A request becomes a payload, its result the answer; a full queue is a 503 for the
 * load balancer. On SIGTERM the service takes no more, answers what is in flight, and the process ends by itself.
 *
 *     curl -d '{"celsius": 21.5}' localhost:8080/readings
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { Collector, CollectorQueue, err, ok, Payload, QueueClosedError, QueueFullError } from 'collector-queue';

const DATABASE_LATENCY = Number(process.env.DATABASE_LATENCY ?? 20);

const readings = new Collector('readings', async ({ value }: Payload<unknown>) => {
  const celsius = (value as { celsius?: unknown } | null)?.celsius;
  if (typeof celsius !== 'number') return err('celsius must be a number');
  await delay(DATABASE_LATENCY);
  return ok({ fahrenheit: celsius * 1.8 + 32 });
});
const queue = new CollectorQueue([readings], { maxConsumers: 2, maxSize: 2 });
const publisher = queue.getPublisher();

async function answer(request: IncomingMessage, response: ServerResponse): Promise<[status: number, body: unknown]> {
  if (request.method === 'GET' && request.url === '/metrics') return [200, queue.getMetrics()];
  if (request.method !== 'POST' || request.url !== '/readings') return [404, { error: 'not found' }];
  const value: unknown = await json(request).catch(() => undefined);
  const event = publisher.send(new Payload(value, { keys: 'readings' }));
  // For a client that hung up nothing is started any more; when all is done, this does nothing.
  response.once('close', () => event.cancel('the client is gone'));
  return (await event.wait()).first().match<[number, unknown]>(
    (body) => [200, body],
    (error) => {
      if (typeof error === 'string') return [422, { error }];
      const busy = error instanceof QueueFullError || error instanceof QueueClosedError;
      return [busy ? 503 : 500, { error: error.code }];
    },
  );
}

const server = createServer((request, response) => {
  answer(request, response)
    .then(([status, body]) => {
      if (status === 503) response.setHeader('retry-after', '1');
      if (!server.listening) response.setHeader('connection', 'close'); // not kept for another request
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    })
    .catch((error: Error) => response.destroy(error));
});

async function shutDown(): Promise<void> {
  console.log('finishing what was accepted');
  const closed = once(server.close(), 'close');
  await queue.shutDownQueue({ timeout: 5_000 }); // by then every event has settled, so every request has its answer
  setTimeout(() => server.closeAllConnections(), 500).unref(); // a client that sends no request, or never ends it
  await closed;
  console.log(`settled ${queue.getMetrics().settled} of ${queue.getMetrics().accepted} accepted`);
}

await queue.initQueue();
process.once('SIGTERM', () => void shutDown()); // once: a second SIGTERM ends the process at once
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

/* Output:
listening on http://127.0.0.1:8080
finishing what was accepted
settled 5 of 5 accepted
*/
