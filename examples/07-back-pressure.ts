/**
 * Back-pressure: a bound on what may wait, and what a producer can do about it. It can take the refusal, it can wait for
 * room, or it can watch the backlog. The queue as a whole can be paused, resumed and cleared.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Collector, CollectorQueue, Overflow, Payload, QueueFullError } from 'collector-queue';

const stored: number[] = [];
const store = new Collector('store', async ({ value }: Payload<number>) => {
  await delay(2);
  stored.push(value);
});
const payloads = (n: number) => Array.from({ length: n }, (_, at) => new Payload(at));

// A refusal is an Err, at once: tell the client to come back, count it, spool it.
const bounded = new CollectorQueue([store], { maxConsumers: 2, maxSize: 4 });
await bounded.run(async (publisher) => {
  const events = publisher.sendMany(payloads(10));
  const full = events.flatMap((event) => event.getResult()?.errs() ?? []);
  console.log(`10 sent, 2 running, 4 waiting, ${full.filter((e) => e instanceof QueueFullError).length} refused`);
  console.log(`worth another try: ${full.every((error) => error.retryable)}`);
  await bounded.onIdle();

  // Waiting for room: never more than the bound in memory, nothing refused, first come first served.
  stored.length = 0;
  let most = 0;
  for (const payload of payloads(20)) {
    await publisher.sendWhenReady(payload, { signal: AbortSignal.timeout(10_000) });
    most = Math.max(most, bounded.getMetrics().qsize);
  }
  await bounded.onIdle();
  console.log(`${stored.length} of 20 stored, at most ${most} waited`);
});

// Where only what is new counts, the longest-waiting makes way.
const newest = new CollectorQueue([store], { maxConsumers: 1, maxSize: 2, overflow: Overflow.DROP_OLDEST });
stored.length = 0;
await newest.run((publisher) => void publisher.sendMany(payloads(6)));
console.log(`kept: ${stored.join(', ')}`);

// No bound, but a producer that reads on only while the backlog is short.
const watched = new CollectorQueue([store], { maxConsumers: 1 });
await watched.run(async (publisher) => {
  publisher.sendMany(payloads(10));
  await watched.onSizeLessThan(5);
  console.log(`${watched.getMetrics().qsize} wait: time to read on`);

  // Something behind the queue is down: what is sent meanwhile waits, or is taken out for good.
  watched.pause();
  const meanwhile = publisher.publish(99);
  console.log(`paused, ${watched.clear()} taken out: ${(await meanwhile.wait()).errs()[0]?.code}`);
  watched.resume();
});

/* Output:
10 sent, 2 running, 4 waiting, 4 refused
worth another try: true
20 of 20 stored, at most 4 waited
kept: 0, 4, 5
4 wait: time to read on
paused, 5 taken out: CQ_CLEARED
*/
