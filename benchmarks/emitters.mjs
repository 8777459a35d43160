/**
 * The contestants of the HTTP benchmark, each used in the way that its own documentation shows, behind one small shape:
 *
 * - `offer(events)` hands events in, all in one turn, and returns a promise that resolves once they were sent
 * - `close()` ends it
 */

import { createRequire } from 'node:module';
import { EVENT_BYTES } from './tracked-events.mjs';

/** What the tracker counts for a request without events. */
const TRACKER_ENVELOPE = 88;

/** As much as our emitter holds by default, and more than a load has waiting at once. */
const CAPACITY = 10_000;

export const emitters = {
  'collector-queue': (options) => ours(options),

  'collector-queue, concurrency 4': (options) => ours({ ...options, concurrency: 4 }),

  'Snowplow tracker': async ({ port, batchSize }) => {
    // The Node tracker's emitter is that of its core, which it hides.
    const { newEmitter, newInMemoryEventStore } = createRequire(
      createRequire(import.meta.url).resolve('@snowplow/node-tracker'),
    )('@snowplow/tracker-core');
    const emitter = newEmitter({
      endpoint: '127.0.0.1',
      protocol: 'http',
      port,
      eventMethod: 'post',
      bufferSize: batchSize,
      // A request takes events until it has so many bytes: just what a batch of them has.
      maxPostBytes: TRACKER_ENVELOPE + batchSize * EVENT_BYTES,
      eventStore: newInMemoryEventStore({ maxSize: CAPACITY }),
    });
    return {
      async offer(events) {
        const inputs = events.map((event) => emitter.input(event));
        // With this one the buffer was full; its promise is that of the flush.
        await inputs[batchSize - 1];
      },
      close: async () => {},
    };
  },
};

async function ours({ port, batchSize, concurrency = 1 }) {
  const { HttpEmitter } = await import('../dist/http/index.js');
  const emitter = new HttpEmitter(`http://127.0.0.1:${port}`, { batchSize, concurrency });
  return {
    async offer(events) {
      for (const event of events) emitter.input(event);
      await emitter.flush();
    },
    close: () => emitter.close(),
  };
}
