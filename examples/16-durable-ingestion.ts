/**
 * HTTP ingestion that keeps its word: Fastify → CollectorQueue → HttpEmitter, which keeps its events on disk. A 202 says
 * that the disk has the event. It is delivered then, at least once, whatever happens: the collector is down, this process
 * is killed, the power fails. To try it by hand, after `npm ci`, take three terminals:
 *
 *     # 1: a collector, which prints what it gets. Ctrl-C, and it is dead.
 *     node -e 'http.createServer((q, s) => q.on("end", () => s.end()).pipe(process.stdout)).listen(9090)'
 *
 *     # 2: the ingestion. It says its process id, for `kill -9`. Ctrl-C stops it cleanly.
 *     node --import tsx examples/16-durable-ingestion.ts
 *
 *     # 3: an event, and how many wait.
 *     curl -i localhost:8080/events -H 'content-type: application/json' -d '{"name": "paid", "cents": 1000}'
 *     curl localhost:8080/metrics
 *
 * Stop 1, post some, kill 2, start 2 and 1 again: everything that got a 202 arrives.
 */
import { randomUUID } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CollectorQueue } from 'collector-queue';
import type { EmitterEvent } from 'collector-queue/emitter';
import { HttpEmitter, json } from 'collector-queue/http';
import { LevelEventStore } from 'collector-queue/store';
import Fastify from 'fastify';

const { COLLECTOR = 'http://localhost:9090', PORT = '8080' } = process.env;
const STORE = process.env.STORE ?? join(tmpdir(), 'ingested-events'); // /var/lib/… in earnest

const store = new LevelEventStore(STORE, { capacity: 1_000_000, maxBytes: 500_000_000, durability: 'sync' });
const emitter = new HttpEmitter(COLLECTOR, {
  eventStore: store,
  codec: json(),
  batchSize: 100,
  concurrency: 2,
  maxRetryDelay: 10_000,
  deadLetter: (events, reason) => {
    const lines = events.map((event) => `${JSON.stringify({ reason: reason.message, event })}\n`);
    return appendFile(`${STORE}.refused.ndjson`, lines.join('')); // until this is done, they stay in the store
  },
});
const queue = new CollectorQueue([emitter.toCollector('collector', { topics: 'events', ack: 'stored' })], {
  maxSize: 10_000,
});
const publisher = queue.getPublisher();

const app = Fastify();
const schema = { body: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } } };

app.post<{ Body: EmitterEvent }>('/events', { schema }, async ({ body }, reply) => {
  // The id lets the collector see what comes twice: the events that were under way when this process was killed.
  const event = { ...body, id: randomUUID(), receivedAt: new Date().toISOString() };
  const result = (await publisher.publish(event, { topics: 'events' }).wait()).first();
  if (result.isOk()) return reply.code(202).send({ id: event.id });
  const { code } = result.error as { code?: string }; // CQ_STORE_FULL, CQ_STORE_DISK, CQ_QUEUE_FULL, …
  return reply.code(503).header('retry-after', '5').send({ error: code });
});
app.get('/metrics', () => emitter.getMetrics());

/** Answers what is in flight, sends what can be sent, and leaves the rest for the next start. */
async function shutDown(): Promise<void> {
  await app.close();
  await queue.shutDownQueue(); // closes the emitter
  console.log(`${store.size} events stay in the store`);
  await store.close();
}

await queue.initQueue(); // opens the store: what an earlier process left in it leaves now
process.once('SIGTERM', () => void shutDown()).once('SIGINT', () => void shutDown());
const url = await app.listen({ port: Number(PORT), host: '127.0.0.1' });
console.log(`process ${process.pid} listens on ${url}, ${store.size} events wait`);

/* Output:
process 4711 listens on http://127.0.0.1:8080, 0 events wait
1 events stay in the store
*/
