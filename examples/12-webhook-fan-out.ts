/**
 * Webhooks: what happens is told to several receivers over HTTP, each at its own pace. One is healthy, one is busy and
 * says when to come back, one hangs, one is gone. A collector per receiver tries again where that may help; what failed
 * for good goes to a collector of dead letters.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Collector, CollectorQueue, type DeadLetter, err, ok, type Payload } from 'collector-queue';

interface OrderPaid {
  readonly order: string;
  readonly cents: number;
}

/** An answer that is no success. The queue believes what it says about itself. */
class WebhookError extends Error {
  readonly retryable: boolean;
  /** When to come back; undefined leaves it to the back-off. */
  readonly retryAfter: Date | number | undefined;

  constructor({ status, headers }: Response) {
    super(`answered ${status}`);
    this.retryable = status === 408 || status === 429 || status >= 500;
    const after = headers.get('retry-after');
    if (after !== null) this.retryAfter = /^\d+$/.test(after) ? Number(after) * 1_000 : new Date(after);
  }
}

/** Posts what it takes to a receiver. */
function webhook(name: string, url: string) {
  return new Collector(
    name,
    async ({ value }: Payload<OrderPaid>, _context, { eventId, signal }) => {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': eventId }, // the same at each attempt
        body: JSON.stringify(value),
        redirect: 'manual', // a redirected POST becomes a GET without a body
        signal,
      });
      await response.arrayBuffer(); // read to its end, the connection is used again
      return response.ok ? ok(response.status) : err(new WebhookError(response));
    },
    {
      topics: 'orders/paid',
      timeout: 1_500,
      retry: { attempts: 4, base: 20, cap: 5_000 },
      deadLetter: 'dead-letters',
    },
  );
}

const letters: string[] = [];
const deadLetters = new Collector('dead-letters', ({ value: letter }: Payload<DeadLetter<OrderPaid>>) => {
  const { value, collectorKey, attempts, error } = letter;
  letters.push(`${value.order} for ${collectorKey}, attempts: ${attempts}, ${(error as Error).message}`);
});

// The receivers, all in one server here. They are troubled by the first post of each order only, but for one.
const visits = new Map<string, number>();
const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const visit = `${request.url} ${(JSON.parse(body) as OrderPaid).order}`;
  const first = !visits.has(visit);
  visits.set(visit, (visits.get(visit) ?? 0) + 1);
  if (request.url === '/gone') response.writeHead(410).end();
  else if (request.url === '/busy' && first) response.writeHead(503, { 'retry-after': '1' }).end();
  else if (request.url === '/hanging' && first) await delay(60_000, undefined, { ref: false });
  else response.writeHead(204).end();
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const receivers = ['healthy', 'busy', 'hanging', 'gone'].map((name) => webhook(name, `${base}/${name}`));
const queue = new CollectorQueue([...receivers, deadLetters], { maxConsumers: 20 });

const waits: number[] = [];
queue.events.on('retrying', ({ task, retryDelay = 0 }) => task === 'busy' && waits.push(retryDelay));
const timeouts = new Set<string>();
queue.events.on('timeout', ({ task }) => timeouts.add(task));

await queue.run(async (publisher) => {
  const orders = ['A-1', 'A-2'].map((order) => ({ order, cents: 1_000 }));
  const events = orders.map((order) => publisher.publish(order, { topics: 'orders/paid' }));
  for (const [at, event] of events.entries()) {
    const results = await event.wait();
    for (const [index, key] of results.keys().entries()) {
      const said = [...results][index]?.match(String, (error: Error) => error.message);
      console.log(`${orders[at]?.order} to ${key}: ${said}, posts: ${visits.get(`/${key} ${orders[at]?.order}`)}`);
    }
  }
});
for (const letter of letters.sort()) console.log(`dead letter: ${letter}`);
console.log(`took too long: ${[...timeouts]}`);
console.log(`came back as late as asked: ${waits.length === 2 && waits.every((wait) => wait > 900)}`);
server.closeAllConnections();
server.close();

/* Output:
A-1 to healthy: 204, posts: 1
A-1 to busy: 204, posts: 2
A-1 to hanging: 204, posts: 2
A-1 to gone: answered 410, posts: 1
A-2 to healthy: 204, posts: 1
A-2 to busy: 204, posts: 2
A-2 to hanging: 204, posts: 2
A-2 to gone: answered 410, posts: 1
dead letter: A-1 for gone, attempts: 1, answered 410
dead letter: A-2 for gone, attempts: 1, answered 410
took too long: hanging
came back as late as asked: true
*/
