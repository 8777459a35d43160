/**
 * The contestants, each used in the way that its own documentation shows, behind one small shape:
 *
 * - `send(value, priority)` hands the value in and returns what the library returns for it
 * - `result(value)` does the same and returns a promise of the result; `read(result)` gives the plain value
 * - `handle(value)` does the same and returns what the library gives to await later; `outcome(handle)` is its promise
 * - `idle()` resolves once all that was sent is done
 * - `pause()` and `resume()`, where the library has them
 * - `close()` ends it
 *
 * All do the same work, `task`: by default an async function that counts and returns its value at once.
 */

/** How many tasks were done; a load compares it with what it has sent. */
export const work = { done: 0 };

async function settleAtOnce(value) {
  work.done++;
  return value;
}

const asIs = (value) => value;
const nothing = () => {};

/** A library that gives a promise of the plain result. */
const ofPromises = (queue) => ({ ...queue, handle: queue.result, outcome: asIs, read: asIs });

export const contestants = {
  'collector-queue': (options) => ours(options),

  'collector-queue, custom router': async (options) => {
    const { Router } = await import('../dist/index.js');
    class ToTheOnlyOne extends Router {
      select() {
        return [this.collectors.get('k')];
      }

      async handleEvent(payload, deliver) {
        return deliver(this.select(payload));
      }
    }
    return ours({ ...options, router: ToTheOnlyOne });
  },

  'fastq, callback': async ({ concurrency, task = settleAtOnce }) => {
    const { default: fastq } = await import('fastq');
    const worker = (value, done) => {
      task(value).then((result) => done(null, result), done);
    };
    const queue = fastq(worker, concurrency);
    return ofPromises({
      send: (value) => queue.push(value, nothing),
      result: (value) =>
        new Promise((resolve, reject) => {
          queue.push(value, (error, result) => (error ? reject(error) : resolve(result)));
        }),
      idle: () =>
        new Promise((resolve) => {
          queue.drain = resolve;
        }),
      pause: () => queue.pause(),
      resume: () => queue.resume(),
      close: nothing,
    });
  },

  'fastq.promise': async ({ concurrency, task = settleAtOnce }) => {
    const { default: fastq } = await import('fastq');
    const queue = fastq.promise(task, concurrency);
    return ofPromises({
      send: (value) => queue.push(value),
      result: (value) => queue.push(value),
      idle: () => queue.drained(),
      pause: () => queue.pause(),
      resume: () => queue.resume(),
      close: nothing,
    });
  },

  'p-queue': async ({ concurrency, task = settleAtOnce }) => {
    const { default: PQueue } = await import('p-queue');
    const queue = new PQueue({ concurrency });
    return ofPromises({
      // The highest number comes first there.
      send: (value, priority) =>
        priority === undefined ? queue.add(() => task(value)) : queue.add(() => task(value), { priority: -priority }),
      result: (value) => queue.add(() => task(value)),
      idle: () => queue.onIdle(),
      pause: () => queue.pause(),
      resume: () => queue.start(),
      close: nothing,
    });
  },

  'p-limit': async ({ concurrency, task = settleAtOnce }) => {
    const { default: pLimit } = await import('p-limit');
    const limit = pLimit(concurrency);
    let sent = [];
    return ofPromises({
      send: (value) => sent.push(limit(task, value)),
      result: (value) => limit(task, value),
      // It has no other way to tell that all is done.
      idle: async () => {
        await Promise.all(sent);
        sent = [];
      },
      close: nothing,
    });
  },

  'async.queue': async ({ concurrency, task = settleAtOnce }) => {
    const { default: async } = await import('async');
    const queue = async.queue(task, concurrency);
    return ofPromises({
      // With a callback it makes no promise for the task.
      send: (value) => queue.push(value, nothing),
      result: (value) => queue.pushAsync(value),
      idle: () => queue.drain(),
      pause: () => queue.pause(),
      resume: () => queue.resume(),
      close: nothing,
    });
  },

  'async.priorityQueue': async ({ concurrency, task = settleAtOnce }) => {
    const { default: async } = await import('async');
    const queue = async.priorityQueue(task, concurrency);
    return ofPromises({
      send: (value, priority) => queue.push(value, priority, nothing),
      result: (value) => queue.pushAsync(value),
      idle: () => queue.drain(),
      close: nothing,
    });
  },
};

/**
 * This library with one collector, by key. `prepare` gets the queue before it is initialised; the other options are
 * those of the queue.
 */
async function ours({ concurrency, task = settleAtOnce, prepare = nothing, ...options }) {
  const { Collector, CollectorQueue, Payload } = await import('../dist/index.js');
  const collector = new Collector('k', (payload) => task(payload.value));
  const queue = new CollectorQueue([collector], { maxConsumers: concurrency, ...options });
  prepare(queue);
  await queue.initQueue();
  const publisher = queue.getPublisher();
  return {
    send: (value, priority) =>
      publisher.send(
        priority === undefined ? new Payload(value, { keys: ['k'] }) : new Payload(value, { keys: ['k'], priority }),
      ),
    result: (value) => publisher.send(new Payload(value, { keys: ['k'] })).wait(),
    handle: (value) => publisher.send(new Payload(value, { keys: ['k'] })),
    outcome: (event) => event.wait(),
    read: (results) => results.first().unwrapOr(undefined),
    idle: () => queue.onIdle(),
    pause: () => queue.pause(),
    resume: () => queue.resume(),
    close: () => queue.shutDownQueue(),
  };
}

/** Whether a contestant is this library. */
export const isOurs = (contestant) => contestant.startsWith('collector-queue');
