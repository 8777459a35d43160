import { ok } from 'collector-queue';
import { type EventStore, MemoryEventStore, StoreDiskError, StoreFullError } from 'collector-queue/store';
import { err } from 'neverthrow';
import { describe, expect, test } from 'vitest';
import { settlePromises } from '../../src/testing/manual-clock.ts';
import { gate, isSettled } from '../core/scene.ts';
import { acted, event, ids, idsOf, inputIds, still } from './scene.ts';
import { SlowStore } from './stores.ts';

describe('an event store that takes its time', () => {
  test('gets at most bufferCapacity events at once; more are refused', async () => {
    const adding = gate();
    const eventStore = new SlowStore(async (add) => {
      await adding.promise;
      return add();
    });
    const { emitter, clock } = acted([], { eventStore, bufferCapacity: 3 });
    expect([1, 2, 3, 4].map((id) => emitter.input(event(id)))).toEqual([true, true, true, false]);
    expect((await emitter.store(event(5)))._unsafeUnwrapErr()).toBeInstanceOf(StoreFullError);
    expect(emitter.getMetrics()).toMatchObject({ accepted: 0, refused: 2 });
    adding.open();
    await still({ clock });
    expect(emitter.getMetrics()).toMatchObject({ accepted: 3 });
    expect(emitter.input(event(6))).toBe(true);
  });

  test('makes store wait, and flush, too', async () => {
    const adding = gate();
    const eventStore = new SlowStore(async (add) => {
      await adding.promise;
      return add();
    });
    const { emitter, far } = acted([], { eventStore });
    const storing = emitter.store(event(1));
    emitter.input(event(2));
    const flushing = emitter.flush();
    expect(await isSettled(storing)).toBe(false);
    expect(await isSettled(flushing)).toBe(false);
    adding.open();
    await flushing;
    expect((await storing).isOk()).toBe(true);
    expect(far.batches).toEqual([ids(1, 2)]);
  });

  test('that refuses what input took: the dead letter gets it, and it is counted', async () => {
    const refusal = new StoreDiskError('no room');
    const letters: unknown[] = [];
    const { emitter, clock } = acted([], {
      eventStore: new SlowStore(async () => err(refusal)),
      deadLetter: (events, reason) => letters.push([idsOf(events), reason]),
    });
    expect(emitter.input(event(1))).toBe(true);
    await still({ clock });
    expect(letters).toEqual([[['1'], refusal]]);
    expect((await emitter.store(event(2)))._unsafeUnwrapErr()).toBe(refusal);
    expect((await emitter.deliver(event(3)))._unsafeUnwrapErr()).toBe(refusal);
    expect(emitter.getMetrics()).toMatchObject({ accepted: 0, dropped: 1, refused: 2 });
  });

  test('that refuses what input took, without a dead letter: it says so', async () => {
    const { emitter, clock, logged } = acted([], {
      eventStore: new SlowStore(async () => err(new StoreDiskError('no room'))),
    });
    inputIds({ emitter }, 1, 5);
    await still({ clock });
    expect(logged.filter(({ level }) => level === 'error')).toMatchObject([
      { fields: { err: { code: 'CQ_STORE_DISK' } } },
    ]);
    expect(emitter.getMetrics()).toMatchObject({ dropped: 5 });
  });

  test('says by its capacity what input may take', async () => {
    const slow = new SlowStore(async (add) => {
      await settlePromises();
      return add();
    });
    const eventStore: EventStore = Object.assign(slow, { capacity: 3 });
    const { emitter } = acted([], { eventStore, otherwise: 500 });
    expect([1, 2, 3, 4].map((id) => emitter.input(event(id)))).toEqual([true, true, true, false]);
  });
});

describe('an event store that fails', () => {
  const broken = new Error('broken');
  const fails = (): never => {
    throw broken;
  };
  const rejects = (): Promise<never> => Promise.reject(broken);

  test.each([
    ['throws', fails],
    ['rejects', rejects],
  ])('in add, which %s, is an Err, and no unhandled rejection', async (_, add) => {
    const eventStore = new SlowStore();
    eventStore.add = add;
    const letters: unknown[] = [];
    const { emitter, clock } = acted([], { eventStore, deadLetter: (events) => letters.push(...idsOf(events)) });
    expect((await emitter.store(event(1)))._unsafeUnwrapErr()).toBe(broken);
    expect((await emitter.deliver(event(2)))._unsafeUnwrapErr()).toBe(broken);
    expect(emitter.input(event(3))).toBe(true);
    await still({ clock });
    expect(letters).toEqual(['3']);
  });

  test('in addNow is a refusal', async () => {
    const eventStore: EventStore = Object.assign(new SlowStore(), { addNow: fails });
    const { emitter } = acted([], { eventStore });
    expect(emitter.input(event(1))).toBe(false);
    expect((await emitter.store(event(2)))._unsafeUnwrapErr()).toBe(broken);
    expect(emitter.getMetrics()).toMatchObject({ refused: 2, accepted: 0 });
  });

  test.each([
    ['throws', fails],
    ['rejects', rejects],
  ])('in take, which %s, is asked again later, and said', async (_, take) => {
    const eventStore = new SlowStore();
    let times = 3;
    const usual = eventStore.take.bind(eventStore);
    eventStore.take = (limits) => (times-- > 0 ? take() : usual(limits));
    const { emitter, clock, far, logged } = acted([], { eventStore });
    inputIds({ emitter }, 1, 10);
    await clock.advance(60_000);
    expect(far.batches).toEqual([ids(1, 10)]);
    const errors = logged.filter(({ level }) => level === 'error');
    expect(errors).toHaveLength(3);
    expect(errors[0]).toMatchObject({ fields: { source: 'HttpEmitter: take of the event store', err: broken } });
  });

  test.each([
    ['throws', fails],
    ['rejects', rejects],
  ])('in ack, which %s, delivers all the same, and is said', async (_, ack) => {
    const eventStore = new SlowStore();
    eventStore.ack = ack;
    const { emitter, far, told, logged } = acted([], { eventStore });
    inputIds({ emitter }, 1, 20);
    await emitter.flush();
    expect(far.batches.flat()).toEqual(ids(1, 20));
    expect(told).toMatchObject([{ outcome: 'sent' }, { outcome: 'sent' }]);
    expect(logged.filter(({ level }) => level === 'error')).toMatchObject([
      { fields: { source: 'HttpEmitter: ack of the event store', err: broken } },
      { fields: { source: 'HttpEmitter: ack of the event store', err: broken } },
    ]);
    expect(emitter.getMetrics().inFlight).toBe(0);
  });

  test.each([
    ['throws', fails],
    ['rejects', rejects],
  ])('in release, which %s, does not stop the others', async (_, release) => {
    const eventStore = new SlowStore();
    eventStore.release = release;
    const { emitter, far } = acted([500], { eventStore });
    inputIds({ emitter }, 1, 10);
    await emitter.flush();
    inputIds({ emitter }, 11, 20);
    await emitter.flush();
    expect(far.batches).toEqual([ids(1, 10), ids(11, 20)]);
    expect(emitter.getMetrics().inFlight).toBe(0);
  });

  test.each([
    ['too large', () => 1_000_000],
    ['too small', () => 1],
  ])('to tell its size, which is %s, still sends, and flush resolves', async (_, size) => {
    const eventStore = new SlowStore();
    Object.defineProperty(eventStore, 'size', { get: size });
    const { emitter, far, clock } = acted([], { eventStore });
    inputIds({ emitter }, 1, 3);
    await emitter.flush();
    await clock.advance(5_000);
    expect(far.batches.flat()).toEqual(ids(1, 3));
    inputIds({ emitter }, 4, 5);
    await clock.advance(5_000);
    expect(far.batches.flat()).toEqual(ids(1, 5));
  });

  test('to find an event that came while it looked is asked again', async () => {
    const eventStore = new SlowStore();
    const looking = gate();
    const usual = eventStore.take.bind(eventStore);
    let looks = 0;
    eventStore.take = async (limits) => {
      if (looks++ > 0) return usual(limits);
      await looking.promise;
      return [];
    };
    const { emitter, clock, far } = acted([], { eventStore, batchSize: 1, flushInterval: false });
    inputIds({ emitter }, 1);
    await still({ clock });
    inputIds({ emitter }, 2);
    await still({ clock });
    looking.open();
    await still({ clock });
    expect(far.batches).toEqual([['1'], ['2']]);
  });
});

test('two emitters on two stores do not touch one another', async () => {
  const stores = [new MemoryEventStore(), new MemoryEventStore()];
  const scenes = stores.map((eventStore, at) => acted([at === 0 ? 500 : 200], { eventStore }));
  for (const scene of scenes) inputIds(scene, 1, 5);
  await Promise.all(scenes.map(({ emitter }) => emitter.flush()));
  expect(stores.map(({ size }) => size)).toEqual([5, 0]);
});

test('an event store whose add answers before take sees the event loses nothing', async () => {
  const eventStore = new SlowStore();
  const late = gate();
  eventStore.add = async (given) => {
    void late.promise.then(() => eventStore.inner.add(given));
    return ok(0);
  };
  const { emitter, clock, far } = acted([], { eventStore });
  inputIds({ emitter }, 1);
  await clock.advance(1_000);
  late.open();
  await still({ clock });
  await emitter.flush();
  expect(far.batches).toEqual([['1']]);
});
