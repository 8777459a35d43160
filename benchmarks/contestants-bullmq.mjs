/** BullMQ as one uses it by hand, and through this library: the side that sends and the side that works. */

import { randomUUID } from 'node:crypto';
import { Queue, QueueEvents, Worker } from 'bullmq';
import { BullMQCollectorQueue } from '../dist/bullmq/index.js';
import { Collector, ok, Payload } from '../dist/index.js';

export const concurrency = 16;
const keep = { age: 3_600, count: 1_000 };
const secret = 'as long as a secret has to be, and no better than that';
const prefix = 'bench';

/** Whether it measures this library. */
export const isOurs = (contestant) => contestant.startsWith('collector-queue');

/** Works on the jobs of these keys; calls `onJob` for each. */
export async function startWorker(contestant, url, keys, onJob) {
  if (!isOurs(contestant)) {
    const workers = keys.map(
      (key) =>
        new Worker(
          key,
          async ({ data }) => {
            onJob();
            return data.id;
          },
          { connection: connectionOf(url), prefix, concurrency, removeOnComplete: keep },
        ),
    );
    await Promise.all(workers.map((worker) => worker.waitUntilReady()));
    return;
  }
  const collectors = keys.map(
    (key) =>
      new Collector(key, async ({ value }) => {
        onJob();
        return ok(value.id);
      }),
  );
  await new BullMQCollectorQueue(collectors, { ...optionsOf(contestant, url), role: 'worker' }).initQueue();
}

/**
 * `sendAll(values)` resolves once Redis has acknowledged a job of each value for each key; `askAll(values)` once there are
 * results, to these.
 */
export async function startPublisher(contestant, url, keys) {
  if (isOurs(contestant)) return ourPublisher(contestant, url, keys);
  const queues = keys.map((key) => new Queue(key, { connection: connectionOf(url), prefix }));
  await Promise.all(queues.map((queue) => queue.waitUntilReady()));
  return { sendAll: byHand[contestant].sendAll(queues), askAll: await byHand[contestant].askAll?.(queues[0], url) };
}

const add = (queues) => (values) =>
  Promise.all(values.flatMap((value) => queues.map((queue) => queue.add('job', value))));
const addBulk = (queues) => (values) =>
  Promise.all(queues.map((queue) => queue.addBulk(values.map((data) => ({ name: 'job', data })))));

const byHand = {
  'by hand, add': {
    sendAll: add,
    async askAll(queue, url) {
      const answers = await answersOf(queue, url);
      return (values) =>
        Promise.all(
          values.map((value) => {
            const jobId = randomUUID();
            const answer = answers(jobId);
            return queue.add('job', value, { jobId }).then(() => answer);
          }),
        );
    },
  },
  'by hand, addBulk': {
    sendAll: addBulk,
    async askAll(queue, url) {
      const answers = await answersOf(queue, url);
      return async (values) => {
        const jobs = values.map((data) => ({ name: 'job', data, opts: { jobId: randomUUID() } }));
        const waiting = jobs.map(({ opts }) => answers(opts.jobId));
        await queue.addBulk(jobs);
        return Promise.all(waiting);
      };
    },
  },
  'by hand, add and waitUntilFinished': {
    sendAll: add,
    async askAll(queue, url) {
      const events = new QueueEvents(queue.name, { connection: connectionOf(url), prefix });
      events.setMaxListeners(0);
      await events.waitUntilReady();
      return (values) =>
        Promise.all(values.map(async (value) => (await queue.add('job', value)).waitUntilFinished(events, 60_000)));
    },
  },
};

/** One listener and a map: what one writes who has seen how slow it is otherwise. */
async function answersOf(queue, url) {
  const waiting = new Map();
  // From the beginning: a stream that is read from its end loses what comes before the first reading.
  const events = new QueueEvents(queue.name, { connection: connectionOf(url), prefix, lastEventId: '0' });
  const told = (jobId, settle) => {
    const one = waiting.get(jobId);
    if (one === undefined) return;
    waiting.delete(jobId);
    settle(one);
  };
  events.on('completed', ({ jobId, returnvalue }) => told(jobId, ({ resolve }) => resolve(returnvalue)));
  events.on('failed', ({ jobId, failedReason }) => told(jobId, ({ reject }) => reject(new Error(failedReason))));
  await events.waitUntilReady();
  return (jobId) => new Promise((resolve, reject) => waiting.set(jobId, { resolve, reject }));
}

async function ourPublisher(contestant, url, keys) {
  const elsewhere = () => {
    throw new Error('it runs elsewhere');
  };
  const queue = new BullMQCollectorQueue(
    keys.map((key) => new Collector(key, elsewhere)),
    { ...optionsOf(contestant, url), role: 'publisher' },
  );
  await queue.initQueue();
  const publisher = queue.getPublisher();
  let acknowledged = 0;
  let wanted = Number.POSITIVE_INFINITY;
  let resolve;
  queue.events.on('enqueued', () => {
    if (++acknowledged === wanted) resolve();
  });
  const payloadOf = (value) => new Payload(value, { keys });
  const send = contestant.includes('sendMany')
    ? (values) => publisher.sendMany(values.map(payloadOf))
    : (values) => values.map((value) => publisher.send(payloadOf(value)));
  return {
    sendAll(values) {
      const done = new Promise((settle) => {
        resolve = settle;
      });
      wanted = acknowledged + values.length;
      send(values);
      return done;
    },
    async askAll(values) {
      const lists = await Promise.all(send(values).map((event) => event.wait({ timeout: 60_000 })));
      return lists.map((list) => list.first()._unsafeUnwrap());
    },
  };
}

function optionsOf(contestant, url) {
  return {
    connection: url,
    prefix,
    concurrency,
    keepCompleted: { age: keep.age * 1_000, count: keep.count },
    ...(contestant.includes('signed') ? { secret } : {}),
  };
}

function connectionOf(url) {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port), maxRetriesPerRequest: null };
}
