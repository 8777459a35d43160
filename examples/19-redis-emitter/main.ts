/**
 * Events over a list in Redis: one part of an application pushes them, another takes them off and sends them on over HTTP.
 * Redis is killed in between, and comes back; what it had acknowledged arrives. Queue events are heard beside it.
 *
 *     node --import tsx examples/19-redis-emitter/main.ts
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json as readJson } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { CollectorQueue } from 'collector-queue';
import { HttpEmitter, json } from 'collector-queue/http';
import { listenQueueEvents, publishQueueEvents, RedisEmitter, RedisForwarder } from 'collector-queue/redis';
import { startRedis } from '../../scripts/redis-process.ts';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const redis = await startRedis({ aof: true }); // appendfsync always: what is acknowledged is on disk

// The other end: a server that notes what it gets.
const arrived = new Set<number>();
const server = createServer(async (request, response) => {
  for (const { id } of (await readJson(request)) as { id: number }[]) arrived.add(id);
  response.end();
}).listen(0, '127.0.0.1');
await once(server, 'listening');

// Another process, in earnest: from the list to the server.
const { port } = server.address() as AddressInfo;
const http = new HttpEmitter(`http://127.0.0.1:${port}`, { codec: json(), batchSize: 50 });
const forwarder = new RedisForwarder(redis.url, http, { maxRetryDelay: 200, logger: quiet });
await forwarder.start();

// A third one: watches the queue.
const events = listenQueueEvents(redis.url, { filter: ['finished'], logger: quiet });
await events.listening();

// The application: a collector whose results are `Ok` once Redis has acknowledged the event.
const emitter = new RedisEmitter(redis.url, { maxRetryDelay: 200, logger: quiet });
const queue = new CollectorQueue([emitter.toCollector('redis', { ack: 'delivered' })], { maxConsumers: 100 });
const published = publishQueueEvents(queue, redis.url, { origin: 'the shop', logger: quiet });
await queue.initQueue();
const publisher = queue.getPublisher();

const first = await publisher.publish({ id: 0 }).wait();
const { value } = await events.next();
console.log(
  `event 0 is ${first.isOk() ? 'in Redis' : 'lost'}; heard of ${value?.task} in ${value?.origin}: ${value?.status}`,
);

const sent = Array.from({ length: 99 }, (_, at) => publisher.publish({ id: at + 1 }).wait());
await redis.kill();
console.log('Redis is dead');
await sleep(200);
await redis.restart();
console.log('Redis is back');
const results = await Promise.all(sent);
console.log(`${results.filter((list) => list.isOk()).length} of ${results.length} are in Redis`);

while (arrived.size < 100) await sleep(10);
console.log(`${arrived.size} of 100 have arrived`);

await events.return();
await published.close();
await queue.shutDownQueue(); // closes the emitter
console.log('left behind:', (await forwarder.stop()).returned);
await http.close();
server.close();
await redis.stop();

/* Output:
event 0 is in Redis; heard of redis in the shop: finished
Redis is dead
Redis is back
99 of 99 are in Redis
100 of 100 have arrived
left behind: 0
*/
