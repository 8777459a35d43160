import { MemoryEventStore } from 'collector-queue/store';
import { describe, expect, test } from 'vitest';
import { gate, isSettled, thrownBy } from '../core/scene.ts';
import { acted, event, ids, idsOf, inputIds, still, wired } from './scene.ts';
import { neverAnswers, retryAfter } from './server.ts';
import { SlowStore } from './stores.ts';

const never = new Promise<never>(() => undefined);

describe('close', () => {
  test('flushes, and says that nothing is left', async () => {
    const { emitter, far, clock } = acted();
    inputIds({ emitter }, 1, 25);
    expect(await emitter.close()).toEqual({ undelivered: 0 });
    expect(far.batches.flat()).toEqual(ids(1, 25));
    expect(clock.pendingTimers).toBe(0);
  });

  test('of an emitter that never did anything resolves', async () => {
    const { emitter, clock } = acted();
    expect(await emitter.close()).toEqual({ undelivered: 0 });
    expect(clock.pendingTimers).toBe(0);
  });

  test('is idempotent: every call shares one outcome', async () => {
    const { emitter, far } = acted();
    inputIds({ emitter }, 1);
    const first = emitter.close();
    const second = emitter.close({ timeout: 5 });
    expect(second).toBe(first);
    await first;
    expect(await emitter.close()).toEqual({ undelivered: 0 });
    expect(far.requests).toHaveLength(1);
  });

  test('ends within its timeout against a server that never answers', async () => {
    const scene = await wired([neverAnswers]);
    inputIds(scene, 1, 3);
    const closing = scene.emitter.close({ timeout: 500 });
    await scene.server.received(1);
    await scene.clock.advance(499);
    expect(await isSettled(closing)).toBe(false);
    await scene.clock.advance(1);
    expect(await closing).toEqual({ undelivered: 3 });
    await scene.server.disconnected(await scene.server.received(1));
  });

  test('has ten seconds by default', async () => {
    const { emitter, clock } = acted([never]);
    inputIds({ emitter }, 1);
    const closing = emitter.close();
    await clock.advance(9_999);
    expect(await isSettled(closing)).toBe(false);
    await clock.advance(1);
    expect(await closing).toEqual({ undelivered: 1 });
    expect(clock.pendingTimers).toBe(0);
  });

  test('with timeout: 0 tries nothing more, and with Infinity waits as long as a request may', async () => {
    const { emitter, clock } = acted([never]);
    inputIds({ emitter }, 1);
    const closing = emitter.close({ timeout: Number.POSITIVE_INFINITY });
    await clock.advance(29_999);
    expect(await isSettled(closing)).toBe(false);
    await clock.advance(1);
    expect(await closing).toEqual({ undelivered: 1 });
    const hurried = acted([never]);
    inputIds(hurried, 1);
    const hurrying = hurried.emitter.close({ timeout: 0 });
    await hurried.clock.advance(0);
    expect(await hurrying).toEqual({ undelivered: 1 });
  });

  test('does not wait for a back-off: it tries once, at once', async () => {
    const scene = await wired([], { otherwise: retryAfter(503, '3600') });
    inputIds(scene, 1, 10);
    await scene.attempts(1);
    await still(scene);
    expect(await scene.emitter.close()).toEqual({ undelivered: 10 });
    expect(scene.server.requests).toHaveLength(2);
  });

  test('gives what memory still held to the dead letter, with the reason, and lets go of it', async () => {
    const letters: unknown[] = [];
    const { emitter } = acted([], {
      otherwise: 500,
      deadLetter: (events, reason) => letters.push([idsOf(events), (reason as { code?: string }).code]),
    });
    inputIds({ emitter }, 1, 25);
    expect(await emitter.close()).toEqual({ undelivered: 25 });
    expect(letters).toEqual([[ids(1, 25), 'CQ_EMITTER_CLOSED']]);
    expect(emitter.getMetrics()).toMatchObject({ deadLettered: 25, size: 0, inFlight: 0 });
  });

  test('says loudly what is lost without a dead letter', async () => {
    const { emitter, logged } = acted([], { otherwise: 500 });
    inputIds({ emitter }, 1, 2);
    await emitter.close();
    expect(logged.at(-1)).toMatchObject({
      level: 'error',
      fields: { source: 'HttpEmitter: sending 2 events, lost for want of a deadLetter,' },
    });
  });

  test.each<[string, () => unknown]>([
    ['rejects', () => Promise.reject(new Error('full'))],
    [
      'throws',
      () => {
        throw new Error('full');
      },
    ],
  ])('resolves although the dead letter %s, and says so', async (_, deadLetter) => {
    const { emitter, logged } = acted([], { otherwise: 500, deadLetter });
    inputIds({ emitter }, 1, 2);
    expect(await emitter.close()).toEqual({ undelivered: 2 });
    expect(logged.at(-1)).toMatchObject({ level: 'error', fields: { err: { message: 'full' } } });
  });

  test('ends although the dead letter hangs', async () => {
    const { emitter, clock, logged } = acted([], { otherwise: 500, deadLetter: () => never });
    inputIds({ emitter }, 1, 2);
    const closing = emitter.close({ timeout: 1_000 });
    await clock.advance(1_000);
    expect(await isSettled(closing)).toBe(true);
    expect(await closing).toEqual({ undelivered: 2 });
    expect(logged.at(-1)).toMatchObject({ level: 'error' });
    expect(clock.pendingTimers).toBe(0);
  });

  test('leaves the dead letter a second, although its own time is over', async () => {
    const done = gate();
    const { emitter, clock, logged } = acted([never], { deadLetter: () => done.promise });
    inputIds({ emitter }, 1, 2);
    const closing = emitter.close({ timeout: 0 });
    await clock.advance(999);
    expect(await isSettled(closing)).toBe(false);
    done.open();
    expect(await closing).toEqual({ undelivered: 2 });
    expect(logged.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('lets the dead letter finish what it does for a refused request, within the time', async () => {
    const done = gate();
    const { emitter, clock } = acted([400], { deadLetter: () => done.promise });
    inputIds({ emitter }, 1, 2);
    const closing = emitter.close();
    await clock.advance(1_000);
    expect(await isSettled(closing)).toBe(false);
    done.open();
    expect(await closing).toEqual({ undelivered: 0 });
  });

  test('keeps a given store open, with what it holds, for the next emitter', async () => {
    const eventStore = new MemoryEventStore();
    const letters: unknown[] = [];
    const { emitter } = acted([], { eventStore, otherwise: 500, deadLetter: (events) => letters.push(events) });
    inputIds({ emitter }, 1, 25);
    expect(await emitter.close()).toEqual({ undelivered: 25 });
    expect(letters).toEqual([]);
    expect(eventStore.size).toBe(25);
    expect(eventStore.addNow(event(26)).isOk()).toBe(true);
    const next = acted([], { eventStore });
    await next.emitter.flush();
    expect(next.far.batches.flat()).toEqual(ids(1, 26));
    expect(eventStore.size).toBe(0);
  });

  test('gives back to a given store what was in flight', async () => {
    const eventStore = new MemoryEventStore();
    const { emitter, clock } = acted([never, never], { eventStore, concurrency: 2, batchSize: 2 });
    inputIds({ emitter }, 1, 10);
    await clock.turn();
    expect(emitter.getMetrics().inFlight).toBeGreaterThanOrEqual(4);
    const closing = emitter.close({ timeout: 0 });
    await clock.advance(0);
    expect(await closing).toEqual({ undelivered: 10 });
    expect(idsOf((await eventStore.take({ count: 100 })).map((one) => one.event))).toEqual(ids(1, 10));
  });

  test('settles every deliver', async () => {
    const { emitter, clock } = acted([never]);
    const waiting = [1, 2, 3].map((id) => emitter.deliver(event(id)));
    await still({ clock });
    const closing = emitter.close({ timeout: 100 });
    await clock.advance(100);
    await closing;
    for (const one of await Promise.all(waiting)) {
      expect(one._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_EMITTER_CLOSED', retryable: false });
    }
  });

  test('waits for events on their way into a slow store, and sends them', async () => {
    const adding = gate();
    const eventStore = new SlowStore(async (add) => {
      await adding.promise;
      return add();
    });
    const { emitter, far, clock } = acted([], { eventStore });
    inputIds({ emitter }, 1, 3);
    const closing = emitter.close();
    await clock.advance(5_000);
    expect(await isSettled(closing)).toBe(false);
    adding.open();
    expect(await closing).toEqual({ undelivered: 0 });
    expect(far.batches).toEqual([ids(1, 3)]);
    expect(clock.pendingTimers).toBe(0);
    expect(eventStore.isClosed).toBe(false);
  });

  test('leaves no timer for an event that the store takes only afterwards', async () => {
    const adding = gate();
    const eventStore = new SlowStore(async (add) => {
      await adding.promise;
      return add();
    });
    const { emitter, clock, far } = acted([], { eventStore });
    inputIds({ emitter }, 1);
    const closing = emitter.close({ timeout: 10 });
    await clock.advance(10);
    await closing;
    adding.open();
    await still({ clock });
    expect(clock.pendingTimers).toBe(0);
    expect(eventStore.size).toBe(1);
    expect(far.requests).toEqual([]);
  });

  test.each(['take', 'ack', 'release'] as const)(
    'ends a second after its time although the store hangs in %s',
    async (method) => {
      const eventStore = new SlowStore();
      eventStore[method] = () => never;
      const { emitter, clock } = acted([], { eventStore, otherwise: method === 'release' ? 500 : 200 });
      inputIds({ emitter }, 1, 30);
      await still({ clock });
      const closing = emitter.close({ timeout: 1_000 });
      await clock.advance(2_000);
      expect(await isSettled(closing)).toBe(true);
      expect(clock.pendingTimers).toBe(0);
    },
  );

  test('refuses a timeout that is none, and stays open', async () => {
    const { emitter } = acted();
    for (const timeout of [-1, Number.NaN, '5', null]) {
      const error = thrownBy(() => emitter.close({ timeout: timeout as number }));
      expect(error).toMatchObject({ argument: 'HttpEmitter.close: timeout' });
    }
    expect(thrownBy(() => emitter.close({ timout: 5 } as object))).toMatchObject({
      message: expect.stringContaining("did you mean 'timeout'?"),
    });
    expect(emitter.input(event(1))).toBe(true);
  });

  test('is what await using does', async () => {
    const scene = acted();
    {
      await using emitter = scene.emitter;
      inputIds({ emitter }, 1);
    }
    expect(scene.far.batches).toEqual([['1']]);
    expect(scene.emitter.input(event(2))).toBe(false);
  });
});

describe('open', () => {
  test('after a close makes the emitter work again', async () => {
    const { emitter, far, clock } = acted();
    for (let round = 1; round <= 3; round++) {
      inputIds({ emitter }, round);
      await emitter.close();
      expect(emitter.input(event('refused'))).toBe(false);
      await emitter.open();
    }
    const delivering = emitter.deliver(event(4));
    await clock.advance(1_000);
    expect((await delivering).isOk()).toBe(true);
    expect(far.batches).toEqual([['1'], ['2'], ['3'], ['4']]);
    expect(emitter.getMetrics()).toMatchObject({ accepted: 4, sent: 4, refused: 3 });
  });

  test('during a close waits for it', async () => {
    const first = gate<number>();
    const { emitter, clock } = acted([first.promise]);
    inputIds({ emitter }, 1);
    const closing = emitter.close();
    const opening = emitter.open();
    await clock.turn();
    expect(emitter.input(event(2))).toBe(false);
    first.open(200);
    await Promise.all([closing, opening]);
    expect(emitter.input(event(2))).toBe(true);
  });

  test('by several callers opens once', async () => {
    const { emitter, far } = acted();
    await emitter.close();
    await Promise.all([emitter.open(), emitter.open()]);
    inputIds({ emitter }, 1, 3);
    await emitter.flush();
    expect(far.batches).toEqual([ids(1, 3)]);
  });

  test('does not remember the back-off of before', async () => {
    const { emitter, clock, far } = acted([], { otherwise: 500, deadLetter: () => undefined });
    inputIds({ emitter }, 1, 10);
    await clock.turn();
    await emitter.close();
    await emitter.open();
    const before = far.requests.length;
    inputIds({ emitter }, 11, 20);
    await clock.turn();
    expect(far.requests).toHaveLength(before + 1);
  });

  test('opens a given store, before anything is taken from it, and rejects as it does', async () => {
    const eventStore = new SlowStore();
    const { emitter } = acted([], { eventStore });
    await emitter.open();
    expect(eventStore.isOpen).toBe(true);
    const broken = new SlowStore();
    broken.open = () => Promise.reject(new Error('locked'));
    const other = acted([], { eventStore: broken });
    await expect(other.emitter.open()).rejects.toThrow('locked');
  });

  test('is not needed: the first event opens the store, and one that fails is tried again later', async () => {
    const eventStore = new SlowStore();
    let fails = 2;
    eventStore.open = async () => {
      if (fails-- > 0) throw new Error('locked');
    };
    const { emitter, clock, far, logged } = acted([], { eventStore });
    inputIds({ emitter }, 1);
    await clock.advance(10_000);
    expect(far.batches).toEqual([['1']]);
    expect(logged.filter(({ level }) => level === 'error')).toHaveLength(2);
  });
});
