import { InvalidArgumentError } from 'collector-queue';
import { EmitterClosedError, type EmitterEvent } from 'collector-queue/emitter';
import { type Codec, json, ndjson, passthrough, snowplow } from 'collector-queue/http';
import { MemoryEventStore, StoreFullError } from 'collector-queue/store';
import { describe, expect, test } from 'vitest';
import { gate, thrownBy } from '../core/scene.ts';
import { acted, event, events, ids, inputIds } from './scene.ts';

function cycle(): EmitterEvent {
  const event: Record<string, unknown> = { e: 'pv' };
  event.self = { again: event };
  return event;
}

describe('input', () => {
  test('takes an event, says so at once, and sends nothing in the same turn', async () => {
    const { emitter, far, clock } = acted([], { batchSize: 1 });
    expect(emitter.input(event(1))).toBe(true);
    expect(far.requests).toEqual([]);
    await clock.turn();
    expect(far.batches).toEqual([['1']]);
  });

  test('refuses what comes when the buffer is full, and takes more once there is room', async () => {
    const { emitter, clock, far } = acted([], { bufferCapacity: 3, batchSize: 3 });
    expect(events(1, 5).map((one) => emitter.input(one))).toEqual([true, true, true, false, false]);
    expect(emitter.getMetrics()).toMatchObject({ accepted: 3, refused: 2, size: 3 });
    await clock.turn();
    expect(emitter.input(event(6))).toBe(true);
    await emitter.flush();
    expect(far.batches.flat()).toEqual(['1', '2', '3', '6']);
  });

  test('counts what is in flight towards the capacity', async () => {
    const { emitter, clock } = acted([new Promise<never>(() => undefined)], { bufferCapacity: 2, batchSize: 2 });
    inputIds({ emitter }, 1, 2);
    await clock.turn();
    expect(emitter.getMetrics()).toMatchObject({ inFlight: 2, size: 2 });
    expect(emitter.input(event(3))).toBe(false);
  });

  test('refuses events once the emitter is closed', async () => {
    const { emitter } = acted();
    const closing = emitter.close();
    expect(emitter.input(event(1))).toBe(false);
    await closing;
    expect(emitter.input(event(1))).toBe(false);
    expect(emitter.getMetrics()).toMatchObject({ accepted: 0, refused: 2 });
  });

  test('keeps two equal events apart: both are sent, and sent again after a failure', async () => {
    const { emitter, far } = acted([500], { batchSize: 2 });
    const twice = event('same');
    emitter.input(twice);
    emitter.input(twice);
    await emitter.flush();
    await emitter.flush();
    expect(far.batches).toEqual([
      ['same', 'same'],
      ['same', 'same'],
    ]);
    expect(emitter.getMetrics()).toMatchObject({ size: 0, sent: 2 });
  });
});

describe('store', () => {
  test('is Ok with the id of the event once the store holds it', async () => {
    const eventStore = new MemoryEventStore();
    const { emitter } = acted([], { eventStore, flushInterval: false });
    const stored = await emitter.store(event(1));
    const again = await emitter.store(event(1));
    expect(stored.isOk() && again.isOk()).toBe(true);
    expect(stored._unsafeUnwrap()).not.toEqual(again._unsafeUnwrap());
  });

  test('is an Err at once if the buffer is full or the emitter closed, and does not wait for room', async () => {
    const { emitter } = acted([], { bufferCapacity: 1, flushInterval: false, batchSize: 1, otherwise: 500 });
    await emitter.store(event(1));
    expect((await emitter.store(event(2)))._unsafeUnwrapErr()).toBeInstanceOf(StoreFullError);
    await emitter.close();
    expect((await emitter.store(event(2)))._unsafeUnwrapErr()).toBeInstanceOf(EmitterClosedError);
    expect(emitter.getMetrics()).toMatchObject({ accepted: 1, refused: 2 });
  });
});

const CODECS: readonly (readonly [string, Codec])[] = [
  ['snowplow', snowplow()],
  ['json', json()],
  ['ndjson', ndjson()],
  ['passthrough', passthrough()],
];

describe.each(CODECS)('a value that %s cannot carry', (_, codec) => {
  test.each<[string, unknown, string]>([
    ['a BigInt', { e: 'pv', n: 1n }, 'event.n'],
    ['a cycle', cycle(), 'event.self.again'],
    ['a function', { f: () => 1 }, 'event.f'],
    ['a symbol', { s: Symbol('s') }, 'event.s'],
    ['NaN', { n: Number.NaN }, 'event.n'],
    ['a BigInt in a list', { a: [0, { b: 1n }] }, 'event.a[1].b'],
    ['no event', 'pv', 'event'],
  ])(
    '%s: input throws a TypeError with its path, store is an Err with it, and nothing is kept',
    async (_, bad, path) => {
      const { emitter, far } = acted([], { codec });
      const thrown = thrownBy(() => emitter.input(bad as EmitterEvent));
      const refused = (await emitter.store(bad as EmitterEvent))._unsafeUnwrapErr();
      const undelivered = (await emitter.deliver(bad as EmitterEvent))._unsafeUnwrapErr();
      for (const error of [thrown, refused, undelivered]) {
        expect(error).toBeInstanceOf(InvalidArgumentError);
        expect(error).toBeInstanceOf(TypeError);
        expect(error).toMatchObject({ argument: `HttpEmitter: ${path}` });
      }
      await emitter.close();
      expect(far.requests).toEqual([]);
      expect(emitter.getMetrics()).toMatchObject({ accepted: 0, size: 0 });
    },
  );
});

test('what happens to an event after input or store changes nothing of what is sent', async () => {
  const { emitter, far } = acted([500], { codec: json() });
  const given = { list: [1], object: { a: 1 }, text: 'a', gone: 'not yet' } as Record<string, unknown>;
  emitter.input(given);
  await emitter.store(given);
  const before = structuredClone(given);
  (given.list as number[]).push(2);
  (given.object as { a: number }).a = 2;
  given.text = 'b';
  delete given.gone;
  given.more = 1n;
  await emitter.flush();
  await emitter.flush();
  expect(far.requests.map(({ body }) => JSON.parse(body))).toEqual([
    [before, before],
    [before, before],
  ]);
});

test('input during the flight of a batch survives it, whether that succeeds or fails', async () => {
  for (const status of [200, 500]) {
    const first = gate<number>();
    const { emitter, clock, far } = acted([first.promise], { batchSize: 3 });
    inputIds({ emitter }, 1, 3);
    await clock.turn();
    expect(far.batches).toEqual([['1', '2', '3']]);
    inputIds({ emitter }, 4, 5);
    first.open(status);
    await clock.turn();
    await emitter.flush();
    await emitter.flush();
    const sent = status === 200 ? far.batches : far.batches.slice(1);
    expect(sent.flat()).toEqual(ids(1, 5));
    expect(emitter.getMetrics()).toMatchObject({ sent: 5, size: 0 });
  }
});
