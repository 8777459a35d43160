/**
 * Events over HTTP to two systems. Analytics takes everything, in batches, and is down at first. Billing takes one order a
 * request and refuses what it does not like; that goes to a dead letter. A third joins while the queue runs.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { CollectorQueue } from 'collector-queue';
import type { EmitterEvent } from 'collector-queue/emitter';
import { HttpEmitter, json, ndjson } from 'collector-queue/http';

// The servers, all in one here.
const taken: string[] = [];
let outages = 2;
const server = createServer(async (request, response) => {
  const body = await text(request);
  const isDown = request.url === '/analytics' && outages-- > 0;
  const isRefused = request.url === '/billing' && !body.includes('"cents"');
  if (!isDown && !isRefused) taken.push(`${request.url} ${body.trimEnd().replaceAll('\n', ' ⏎ ')}`);
  response.writeHead(isDown ? 503 : isRefused ? 422 : 200).end();
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const failures: string[] = [];
const analytics = new HttpEmitter(`${base}/analytics`, {
  codec: ndjson(),
  batchSize: 4,
  flushInterval: 30_000, // an event waits no longer than this for its batch to fill; a second is the default
  maxRetryDelay: 20, // a minute is the default
  onFailure: (_sent, events, { status, attempt, willRetry }) => {
    failures.push(`${events.length} events, attempt ${attempt}: ${status}, again: ${willRetry}`);
  },
});

const unpaid: EmitterEvent[] = [];
const billing = new HttpEmitter(`${base}/billing`, {
  codec: json(),
  batchSize: 1, // it refuses a whole request, so there is one event in each
  deadLetter: (events) => unpaid.push(...events),
});

const queue = new CollectorQueue([
  analytics.toCollector('analytics', { topics: ['orders', 'visits'] }), // Ok: the emitter holds the event
  billing.toCollector('billing', { topics: 'orders', ack: 'delivered' }), // Ok: billing has taken it
]);

await queue.run(async (publisher) => {
  for (const order of [{ order: 'A-1', cents: 1_000 }, { order: 'A-2' }]) {
    const results = await publisher.publish(order, { topics: 'orders' }).wait();
    for (const [at, result] of [...results].entries()) {
      console.log(`${order.order}, ${results.keys()[at]}: ${result.match(() => 'ok', String)}`);
    }
  }
  await publisher.publish({ page: '/prices' }, { topics: 'visits' }).wait();

  const audit = new HttpEmitter(`${base}/audit`, { codec: json() });
  await queue.addCollector(audit.toCollector('audit', { topics: '#' }));
  await publisher.publish({ page: '/imprint' }, { topics: 'visits' }).wait();
  await queue.removeCollector('audit'); // closes the emitter, which sends what it holds

  while (analytics.getMetrics().sent < 4) await new Promise((done) => setTimeout(done, 5));
}); // closes the other two

for (const failure of failures) console.log(`analytics failed: ${failure}`);
for (const request of taken) console.log(request);
console.log('unpaid:', unpaid);
server.close();

/* Output:
A-1, analytics: ok
A-1, billing: ok
A-2, analytics: ok
A-2, billing: HttpStatusError: the server answered 422
analytics failed: 4 events, attempt 1: 503, again: true
analytics failed: 4 events, attempt 2: 503, again: true
/billing [{"order":"A-1","cents":1000}]
/audit [{"page":"/imprint"}]
/analytics {"order":"A-1","cents":1000} ⏎ {"order":"A-2"} ⏎ {"page":"/prices"} ⏎ {"page":"/imprint"}
unpaid: [ { order: 'A-2' } ]
*/
