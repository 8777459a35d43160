import { json, ndjson, passthrough, snowplow } from 'collector-queue/http';
import { MemoryEventStore } from 'collector-queue/store';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acted, event, ids, inputAll, inputIds, still, wired } from './scene.ts';
import { eventsOf } from './server.ts';

const numRuns = Number(process.env.FC_RUNS);

describe('a batch', () => {
  test('leaves when there are batchSize events, 10 by default, without waiting', async () => {
    const { emitter, clock, far } = acted();
    inputIds({ emitter }, 1, 9);
    await clock.turn();
    expect(far.requests).toEqual([]);
    inputIds({ emitter }, 10);
    await clock.turn();
    expect(far.batches).toEqual([ids(1, 10)]);
  });

  test('never has more than batchSize events, even when the store holds more', async () => {
    const server = await wired([], { batchSize: 3 });
    inputIds(server, 1, 11);
    await server.emitter.flush();
    expect(server.server.requests.map((request) => eventsOf(request).length)).toEqual([3, 3, 3, 2]);
    expect(server.server.events.map(({ eid }) => eid)).toEqual(ids(1, 11));
  });

  test('never has more than batchSize events, even when a store hands out more than it was asked for', async () => {
    class Generous extends MemoryEventStore {
      override take(): ReturnType<MemoryEventStore['take']> {
        return super.take({ count: 100 });
      }
    }
    const { emitter, far } = acted([], { batchSize: 3, eventStore: new Generous() });
    inputIds({ emitter }, 1, 8);
    await emitter.flush();
    expect(far.batches).toEqual([ids(1, 3), ids(4, 6), ids(7, 8)]);
  });

  test('of GET is one event, whatever the batchSize; that says how many must wait', async () => {
    const { emitter, clock, far } = acted([], { method: 'get', batchSize: 3 });
    inputIds({ emitter }, 1, 2);
    await clock.turn();
    expect(far.batches).toEqual([]);
    inputIds({ emitter }, 3);
    await clock.turn();
    expect(far.batches).toEqual([['1'], ['2'], ['3']]);
  });

  test('of GET leaves at once by default', async () => {
    const { emitter, clock, far } = acted([], { method: 'get' });
    inputIds({ emitter }, 1);
    await clock.turn();
    expect(far.requests).toMatchObject([{ method: 'GET' }]);
  });

  test('leaves as soon as its events are byteLimit bytes on the wire', async () => {
    const size = JSON.stringify({ ...event(1), stm: '1700000000000' }).length;
    const { emitter, clock, far } = acted([], { byteLimit: 88 + 3 * size + 2, batchSize: 100 });
    inputIds({ emitter }, 1, 2);
    await clock.turn();
    expect(far.requests).toEqual([]);
    inputIds({ emitter }, 3);
    await clock.turn();
    expect(far.batches).toEqual([ids(1, 3)]);
  });

  test('of GET leaves by its bytes, too', async () => {
    const { emitter, clock, far } = acted([], { method: 'get', byteLimit: 120, batchSize: 100 });
    inputIds({ emitter }, 1);
    await clock.turn();
    expect(far.requests).toEqual([]);
    inputIds({ emitter }, 2, 3);
    await clock.turn();
    expect(far.batches).toEqual([['1'], ['2'], ['3']]);
  });
});

describe('a lone event', () => {
  test('leaves after a second by default', async () => {
    const { emitter, clock, far } = acted();
    inputIds({ emitter }, 1);
    await clock.advance(999);
    expect(far.requests).toEqual([]);
    await clock.advance(1);
    expect(far.batches).toEqual([['1']]);
  });

  test('leaves after flushInterval, and so does the next', async () => {
    const { emitter, clock, far } = acted([], { flushInterval: 200 });
    inputIds({ emitter }, 1);
    await clock.advance(200);
    await clock.advance(5_000);
    inputIds({ emitter }, 2);
    await clock.advance(199);
    expect(far.batches).toEqual([['1']]);
    await clock.advance(1);
    expect(far.batches).toEqual([['1'], ['2']]);
  });

  test('never waits longer because others come after it', async () => {
    const { emitter, clock, far } = acted();
    for (let id = 1; id <= 5; id++) {
      inputIds({ emitter }, id);
      await clock.advance(250);
    }
    expect(far.batches).toEqual([ids(1, 4)]);
  });

  test('waits for ever with flushInterval: false, until there are enough or a flush', async () => {
    const { emitter, clock, far } = acted([], { flushInterval: false, batchSize: 2 });
    inputIds({ emitter }, 1);
    await clock.advance(1e9);
    expect(far.requests).toEqual([]);
    inputIds({ emitter }, 2, 3);
    await clock.advance(1e9);
    expect(far.batches).toEqual([ids(1, 2)]);
    await emitter.flush();
    expect(far.batches).toEqual([ids(1, 2), ['3']]);
  });

  test('of a store that others filled leaves by itself', async () => {
    const eventStore = new MemoryEventStore();
    eventStore.addNow(event(1));
    const { clock, far } = acted([], { eventStore });
    await clock.advance(1_000);
    expect(far.batches).toEqual([['1']]);
  });

  test('of a store that others filled leaves at open, too', async () => {
    const eventStore = new MemoryEventStore();
    eventStore.addNow(event(1));
    const { emitter, clock, far } = acted([], { eventStore, flushInterval: false });
    await emitter.open();
    await clock.turn();
    expect(far.batches).toEqual([['1']]);
  });
});

describe('the flush timer', () => {
  test('is replaced by setFlushTimer, for what waits already, too', async () => {
    const { emitter, clock, far } = acted([], { flushInterval: 60_000 });
    inputIds({ emitter }, 1);
    emitter.setFlushTimer(100);
    await clock.advance(100);
    inputIds({ emitter }, 2);
    await clock.advance(100);
    expect(far.batches).toEqual([['1'], ['2']]);
  });

  test('is set by setFlushTimer where there was none', async () => {
    const { emitter, clock, far } = acted([], { flushInterval: false });
    inputIds({ emitter }, 1);
    emitter.setFlushTimer(100);
    await clock.advance(100);
    expect(far.batches).toEqual([['1']]);
  });

  test('is stopped by cancelFlushTimer, and can be set again', async () => {
    const { emitter, clock, far } = acted();
    inputIds({ emitter }, 1);
    emitter.cancelFlushTimer();
    inputIds({ emitter }, 2);
    await clock.advance(1e6);
    expect(far.requests).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
    emitter.setFlushTimer(50);
    await clock.advance(50);
    expect(far.batches).toEqual([ids(1, 2)]);
  });

  test('set before a store was opened does not make the emitter forget what that holds', async () => {
    class Shut extends MemoryEventStore {
      #isOpen = false;
      override get size(): number {
        return this.#isOpen ? super.size : 0;
      }
      async open(): Promise<void> {
        this.#isOpen = true;
      }
    }
    const eventStore = new Shut();
    eventStore.addNow(event(1));
    const { emitter, clock, far } = acted([], { eventStore });
    emitter.setFlushTimer(300);
    await clock.advance(300);
    expect(far.batches).toEqual([['1']]);
  });

  test('of an idle emitter does not run', async () => {
    const { emitter, clock, far } = acted();
    emitter.setFlushTimer(10);
    expect(clock.pendingTimers).toBe(0);
    inputIds({ emitter }, 1);
    await clock.advance(10);
    expect(clock.pendingTimers).toBe(0);
    expect(far.batches).toEqual([['1']]);
  });

  test('set on a closed emitter counts once it is open again', async () => {
    const { emitter, clock, far } = acted();
    await emitter.close();
    emitter.setFlushTimer(10);
    expect(clock.pendingTimers).toBe(0);
    await emitter.open();
    inputIds({ emitter }, 1);
    await clock.advance(10);
    expect(far.batches).toEqual([['1']]);
  });
});

const SAMPLES = ['a', 'é', '€', '😀', '\ud800', '"', '\\', '\n', '\u2028', '&', ' ', '%'];
const text = fc.string({ unit: fc.constantFrom(...SAMPLES), maxLength: 60 });

describe('byteLimit', () => {
  test.each([
    ['snowplow', snowplow(), 'post'],
    ['passthrough', passthrough(), 'post'],
    ['json', json(), 'post'],
    ['ndjson', ndjson(), 'post'],
  ] as const)('is never exceeded by the body of a %s request, unless by one event alone', async (_, codec, method) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 1_000 }),
        async (texts, byteLimit) => {
          const { emitter, far } = acted([], { codec, method, byteLimit, batchSize: 7 });
          inputAll(
            { emitter },
            texts.map((page, at) => ({ ...event(at), page })),
          );
          await emitter.flush();
          const counts: number[] = [];
          const pages: string[] = [];
          for (const { body } of far.requests) {
            const sent = parse(codec.contentType, body);
            counts.push(sent.length);
            pages.push(...sent.map(({ page = '' }) => page));
            if (sent.length > 1) expect(Buffer.byteLength(body)).toBeLessThanOrEqual(byteLimit);
          }
          expect(Math.max(...counts)).toBeLessThanOrEqual(7);
          expect(pages).toEqual(texts);
          expect(emitter.getMetrics().size).toBe(0);
        },
      ),
      { numRuns: Math.ceil(numRuns / 4) },
    );
  });

  test('counts what the server gets: the envelope, stm, and every byte of every character', async () => {
    const limit = 1_000;
    const scene = await wired([], { byteLimit: limit, batchSize: 1_000, flushInterval: false });
    const pages = ['ß', '漢字', '😀😀', 'plain', '"quoted"', '\u0000'];
    inputAll(
      scene,
      Array.from({ length: 200 }, (_, at) => ({ ...event(at), page: (pages[at % 6] as string).repeat(at % 7) })),
    );
    await scene.emitter.flush();
    const { requests } = scene.server;
    expect(scene.server.events).toHaveLength(200);
    for (const { raw } of requests) expect(raw.length).toBeLessThanOrEqual(limit);
    // And they are not half empty, either: with one event more, each but the last would have been too large.
    const largest = Math.max(
      ...requests.flatMap((one) => eventsOf(one).map((sent) => JSON.stringify(sent).length * 3)),
    );
    for (const { raw } of requests.slice(0, -1)) expect(raw.length).toBeGreaterThan(limit - largest);
  });

  test('lets an event that alone is larger leave alone, in its turn', async () => {
    const { emitter, far } = acted([], { byteLimit: 300, batchSize: 10 });
    const large = { ...event('large'), page: 'x'.repeat(1_000) };
    inputAll({ emitter }, [event(1), large, event(2), large, event(3)]);
    await emitter.flush();
    expect(far.batches.flat()).toEqual(['1', 'large', '2', 'large', '3']);
    expect(far.batches.filter((batch) => batch.includes('large'))).toEqual([['large'], ['large']]);
  });

  test('keeps the order of events at concurrency 1, although what did not fit comes after', async () => {
    const { emitter, far } = acted([], { byteLimit: 500, batchSize: 6 });
    inputIds({ emitter }, 1, 60);
    await emitter.flush();
    expect(far.batches.flat()).toEqual(ids(1, 60));
  });

  test('does not make one event leave early because others were sent before it', async () => {
    const { emitter, clock, far } = acted([], { byteLimit: 800, batchSize: 4 });
    for (let round = 0; round < 20; round++) {
      inputIds({ emitter }, round * 4 + 1, round * 4 + 4);
      await still({ clock });
    }
    inputIds({ emitter }, 81);
    await still({ clock });
    expect(far.batches.every((batch) => batch.length === 4)).toBe(true);
    expect(far.batches).toHaveLength(20);
  });
});

function parse(contentType: string, body: string): { page?: string }[] {
  if (contentType === 'application/x-ndjson') {
    return body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  }
  const parsed = JSON.parse(body);
  return Array.isArray(parsed) ? parsed : parsed.data;
}
