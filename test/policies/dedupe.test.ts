import { getEventListeners } from 'node:events';
import {
  type AnyCollector,
  CancelledError,
  Collector,
  type Deliver,
  DroppedError,
  err,
  Overflow,
  ok,
  Payload,
  QueueClosedError,
  QueueFullError,
  type ResultList,
  Router,
  type SendOptions,
  WaitTimeoutError,
} from 'collector-queue';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gate, rejectionOf, started, thrownBy } from '../core/scene.ts';
import { hanging, oneCollector, recorded } from './scene.ts';

const ONE: SendOptions = { dedupeKey: 'one' };

describe('a send with the key of one that has not settled', () => {
  test('gets an event of its own, with the same outcome and id; nothing is done for it', async () => {
    const work = hanging();
    const scene = await oneCollector(work.process, {}, { maxConsumers: 9 });
    const { queue, publisher, clock, called } = scene;
    const told = recorded(scene, ['enqueued', 'started', 'finished']);
    const [first, second] = [publisher.publish('x', {}, ONE), publisher.publish('y', {}, ONE)];
    expect(second).not.toBe(first);
    expect(second.id).toBe(first.id);
    await clock.turn();
    expect([first.status, second.status, called]).toEqual(['running', 'running', ['x']]);
    const waiting = Promise.all([first.wait(), second.wait(), second.wait({ timeout: 5 })]);
    work.end(7);
    const lists = await waiting;
    expect(lists.map((list) => list.first())).toEqual([ok(7), ok(7), ok(7)]);
    expect(second.getResult()).toBe(first.getResult());
    expect(told).toHaveLength(3);
    const balance = { offered: 1, accepted: 1, rejected: 0, settled: 1, deduplicated: 1 };
    expect(queue.getMetrics()).toMatchObject(balance);
    await queue.shutDownQueue();
  });

  test('shares a failure, too', async () => {
    const { queue, publisher } = await oneCollector(() => err('no'), {}, { maxConsumers: 9 });
    const events = [publisher.publish(1, {}, ONE), publisher.publish(1, {}, ONE)];
    for (const event of events) expect((await event.wait()).errs()).toEqual(['no']);
    await queue.shutDownQueue();
  });

  test('of another key is no repeat', async () => {
    const { queue, publisher, called } = await oneCollector((value) => value);
    const events = ['a', 'b', '__proto__', 'constructor'].map((key) => publisher.publish(key, {}, { dedupeKey: key }));
    await Promise.all(events.map((event) => event.wait()));
    expect(called).toEqual(['a', 'b', '__proto__', 'constructor']);
    await queue.shutDownQueue();
  });

  test('is a repeat while the first is scheduled, waits, is parked, or tried again', async () => {
    const { queue, publisher, clock, called } = await oneCollector(
      (value, { number }) => (number === 1 ? err({ retryAfter: 100 }) : value),
      { retry: 2 },
    );
    const first = publisher.publish(1, {}, { ...ONE, delay: 100 });
    const statuses: string[] = [];
    const repeats = [publisher.publish(2, {}, ONE)];
    for (const ms of [50, 60, 60]) {
      await clock.advance(ms);
      repeats.push(publisher.publish(2, {}, ONE));
      statuses.push(repeats.at(-1)?.status as string);
    }
    expect(statuses).toEqual(['scheduled', 'parked', 'parked']);
    await clock.advance(100);
    expect(called).toEqual([1, 1]);
    for (const event of [first, ...repeats]) expect(event.getResult()?.oks()).toEqual([1]);
    await queue.shutDownQueue();
  });

  test('iterates over the same results', async () => {
    const [slow, fast] = [gate<number>(), gate<number>()];
    const { queue, publisher } = await started([
      new Collector('slow', () => slow.promise),
      new Collector('fast', () => fast.promise),
    ]);
    publisher.publish(0, {}, ONE);
    const iterator = publisher.publish(0, {}, ONE)[Symbol.asyncIterator]();
    fast.open(1);
    expect((await iterator.next()).value).toEqual(['fast', ok(1)]);
    slow.open(2);
    expect((await iterator.next()).value).toEqual(['slow', ok(2)]);
    expect((await iterator.next()).done).toBe(true);
    await queue.shutDownQueue();
  });
});

describe('the window', () => {
  test('begins with the acceptance of the first, and outlasts its end', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value);
    const windowed = { ...ONE, dedupeWindow: 1_000 };
    await publisher.publish(1, {}, windowed).wait();
    await clock.advance(999);
    const repeat = publisher.publish(2, {}, windowed);
    expect([repeat.status, repeat.getResult()?.oks()]).toEqual(['settled', [1]]);
    expect((await repeat.wait()).oks()).toEqual([1]);
    expect(repeat.cancel()).toBe(false);
    await clock.advance(1);
    expect((await publisher.publish(3, {}, windowed).wait()).oks()).toEqual([3]);
    expect(called).toEqual([1, 3]);
    await queue.shutDownQueue();
  });

  test('of the first counts, not that of the repeat', async () => {
    const { queue, publisher, clock } = await oneCollector((value) => value);
    await publisher.publish(1, {}, { ...ONE, dedupeWindow: 100 }).wait();
    expect((await publisher.publish(2, {}, { ...ONE, dedupeWindow: 9_999 }).wait()).oks()).toEqual([1]);
    await clock.advance(100);
    expect((await publisher.publish(3, {}, ONE).wait()).oks()).toEqual([3]);
    await queue.shutDownQueue();
  });

  test('is none by default: what has settled has no repeats', async () => {
    const { queue, publisher, called } = await oneCollector((value) => value);
    await publisher.publish(1, {}, ONE).wait();
    await publisher.publish(2, {}, ONE).wait();
    expect(called).toEqual([1, 2]);
    await queue.shutDownQueue();
  });

  test('keeps no key for longer than it must, and no timer but one', async () => {
    const { queue, publisher, clock } = await oneCollector((value) => value, {}, { maxDedupeKeys: 100 });
    for (let round = 0; round < 3; round++) {
      const events = Array.from({ length: 100 }, (_, at) =>
        publisher.publish(at, {}, { dedupeKey: `${round}-${at}`, dedupeWindow: 500 }),
      );
      await Promise.all(events.map((event) => event.wait()));
      expect(events.every((event) => event.getResult()?.isOk())).toBe(true);
      await clock.advance(2_000);
    }
    expect(queue.getMetrics()).toMatchObject({ accepted: 300, rejected: 0 });
    await publisher.publish(1, {}, { ...ONE, dedupeWindow: 500 }).wait();
    await queue.shutDownQueue();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('to cancel a repeat', () => {
  test('detaches it: the others, and the work, go on', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process);
    const [first, second, third] = [1, 2, 3].map(() => publisher.publish('x', {}, ONE));
    await clock.turn();
    for (const event of [second, first]) {
      const waiting = event?.wait();
      expect(event?.cancel('enough')).toBe(true);
      expect(event?.cancel()).toBe(false);
      expect(event?.status).toBe('settled');
      const [error] = (await waiting)?.errs() ?? [];
      expect(error).toBeInstanceOf(CancelledError);
      expect(error).toMatchObject({ cause: 'enough' });
      expect(event?.getResult()?.delivered).toBe(1);
    }
    expect(work.attempts[0]?.signal.aborted).toBe(false);
    work.end('done');
    expect((await third?.wait())?.oks()).toEqual(['done']);
    expect(second?.getResult()?.errs()).toEqual([expect.any(CancelledError)]);
    expect(queue.getMetrics()).toMatchObject({ cancelled: 0, settled: 1 });
    await queue.shutDownQueue();
  });

  test('ends the work once nobody is left, and frees the key', async () => {
    const work = hanging();
    const { queue, publisher, clock, called } = await oneCollector(work.process, {}, { maxConsumers: 9 });
    const windowed = { ...ONE, dedupeWindow: 1_000 };
    const [first, second] = [publisher.publish(1, {}, windowed), publisher.publish(1, {}, windowed)];
    await clock.turn();
    first.cancel();
    second.cancel('the last');
    expect(work.attempts[0]?.signal.aborted).toBe(true);
    expect(queue.getMetrics()).toMatchObject({ cancelled: 1, settled: 1 });
    const third = publisher.publish(2, {}, windowed);
    await clock.turn();
    expect(called).toEqual([1, 2]);
    work.end();
    work.end('fresh');
    expect((await third.wait()).oks()).toEqual(['fresh']);
    await queue.shutDownQueue();
  });

  test('keeps the results that are there', async () => {
    const slow = gate();
    const { queue, publisher, clock } = await started([
      new Collector('slow', () => slow.promise),
      new Collector('fast', () => 1),
    ]);
    publisher.publish(0, {}, ONE);
    const repeat = publisher.publish(0, {}, ONE);
    const entries: unknown[] = [];
    const iterated = (async () => {
      for await (const entry of repeat) entries.push(entry);
    })();
    await clock.turn();
    repeat.cancel();
    await iterated;
    expect(repeat.getResult()?.get('fast')).toEqual(ok(1));
    expect(repeat.getResult()?.get('slow')).toEqual(err(expect.any(CancelledError)));
    expect(entries).toEqual([
      ['fast', ok(1)],
      ['slow', err(expect.any(CancelledError))],
    ]);
    slow.open();
    await queue.shutDownQueue();
  });

  test('keeps those that a router with full control has', async () => {
    const slow = gate();
    class OneByOne extends Router {
      select(): readonly AnyCollector[] {
        return [...this.collectors.values()];
      }

      override async handleEvent(_: Payload, deliver: Deliver): Promise<ResultList> {
        const lists = await Promise.all(
          this.select()
            .toReversed()
            .map((collector) => deliver([collector])),
        );
        return lists[0] as ResultList;
      }
    }
    const { queue, publisher, clock } = await started(
      [new Collector('slow', () => slow.promise), new Collector('fast', () => 1)],
      { router: OneByOne },
    );
    publisher.publish(0, {}, ONE);
    const repeat = publisher.publish(0, {}, ONE);
    await clock.turn();
    repeat.cancel();
    expect(repeat.getResult()?.keys()).toEqual(['slow', 'fast']);
    expect(repeat.getResult()?.get('fast')).toEqual(ok(1));
    slow.open();
    await queue.shutDownQueue();
  });

  test('lets go of its signal at once, and not only when the others have their results', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process);
    const { signal } = new AbortController();
    const listeners = (): number => getEventListeners(signal, 'abort').length;
    const first = publisher.publish(1, {}, ONE);
    const [second, third] = [1, 2].map(() => publisher.publish(1, {}, { ...ONE, signal }));
    await clock.turn();
    // However many sends share a signal, it has one listener.
    expect(listeners()).toBe(1);
    second?.cancel();
    expect(listeners()).toBe(1);
    third?.cancel();
    expect([listeners(), first.status]).toEqual([0, 'running']);
    const last = publisher.publish(1, {}, { ...ONE, signal });
    expect(listeners()).toBe(1);
    work.end('done');
    expect((await last.wait()).first()).toEqual(ok('done'));
    expect(listeners()).toBe(0);
    await queue.shutDownQueue();
  });

  test('is what its own signal does', async () => {
    const work = hanging();
    const { queue, publisher } = await oneCollector(work.process);
    const [one, other] = [new AbortController(), new AbortController()];
    const first = publisher.publish(1, {}, { ...ONE, signal: one.signal });
    const second = publisher.publish(1, {}, { ...ONE, signal: other.signal });
    one.abort('mine');
    expect(first.getResult()?.errs()).toMatchObject([{ cause: 'mine' }]);
    expect(second.status).toBe('running');
    const aborted = publisher.publish(1, {}, { ...ONE, signal: AbortSignal.abort('before') });
    expect(aborted.getResult()?.errs()).toMatchObject([{ cause: 'before' }]);
    await Promise.resolve();
    work.end(5);
    expect((await second.wait()).oks()).toEqual([5]);
    other.abort();
    expect(second.getResult()?.oks()).toEqual([5]);
    await queue.shutDownQueue();
  });
});

describe('what did not run to its end', () => {
  const windowed = { ...ONE, dedupeWindow: 1_000 };

  test('because it was refused, is sent by the next', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, {}, { maxSize: 0 });
    const busy = publisher.publish('busy');
    const refused = publisher.publish(1, {}, windowed);
    expect(refused.getResult()?.errs()).toEqual([expect.any(QueueFullError)]);
    await clock.turn();
    work.end();
    await busy.wait();
    await clock.turn();
    const again = publisher.publish(1, {}, windowed);
    await clock.turn();
    work.end('now');
    expect((await again.wait()).oks()).toEqual(['now']);
    expect(queue.getMetrics()).toMatchObject({ rejected: 1, deduplicated: 0 });
    await queue.shutDownQueue();
  });

  test('because it was dropped, is sent by the next; those that shared it are told', async () => {
    const work = hanging();
    const { queue, publisher, clock, called } = await oneCollector(
      work.process,
      {},
      { maxSize: 1, overflow: Overflow.DROP_OLDEST },
    );
    publisher.publish('busy');
    await clock.turn();
    const events = [publisher.publish(1, {}, windowed), publisher.publish(1, {}, windowed)];
    publisher.publish('newer');
    for (const event of events) expect(event.getResult()?.errs()).toEqual([expect.any(DroppedError)]);
    publisher.publish('again', {}, windowed);
    for (let at = 0; at < 3; at++) {
      work.end();
      await clock.turn();
    }
    expect(called).toEqual(['busy', 'again']);
    await queue.shutDownQueue();
  });

  test('because it was cleared, is sent by the next', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value);
    queue.pause();
    const repeat = [publisher.publish(1, {}, windowed), publisher.publish(1, {}, windowed)][1];
    expect(queue.clear()).toBe(1);
    expect(repeat?.getResult()?.errs()).toHaveLength(1);
    publisher.publish(2, {}, windowed);
    queue.resume();
    await clock.turn();
    expect(called).toEqual([2]);
    await queue.shutDownQueue();
  });

  test('nothing is shared with a queue that closes, or its next run', async () => {
    const work = hanging();
    const { queue, publisher, clock, called } = await oneCollector(work.process);
    const first = publisher.publish(1, {}, windowed);
    await clock.turn();
    const closing = queue.shutDownQueue();
    const late = publisher.publish(1, {}, windowed);
    expect(late.getResult()?.errs()).toEqual([expect.any(QueueClosedError)]);
    work.end('done');
    await closing;
    expect(first.getResult()?.oks()).toEqual(['done']);
    await queue.initQueue();
    publisher.publish(2, {}, windowed);
    await clock.turn();
    expect(called).toEqual([1, 2]);
    work.end();
    await queue.shutDownQueue();
  });
});

test('sendWhenReady of a repeat needs no room; of two that wait for room, one is sent', async () => {
  const work = hanging();
  const { queue, publisher, clock, called } = await oneCollector(work.process, {}, { maxSize: 0 });
  const first = publisher.publish('first', {}, ONE);
  await clock.turn();
  const repeat = await publisher.sendWhenReady(new Payload('repeat'), ONE);
  expect(repeat.id).toBe(first.id);
  const two = { dedupeKey: 'two', dedupeWindow: 1_000 };
  const others = [1, 2].map((value) => publisher.sendWhenReady(new Payload(value), two));
  work.end();
  await clock.turn();
  const one = await others[0];
  work.end('shared');
  const events = [one, await others[1]];
  for (const event of events) expect((await event?.wait())?.oks()).toEqual(['shared']);
  expect(events[1]?.id).toBe(one?.id);
  expect(called).toEqual(['first', 1]);
  await queue.shutDownQueue();
});

test('the limits of a wait end the waiting, not the event', async () => {
  const work = hanging();
  const { queue, publisher, clock } = await oneCollector(work.process);
  const event = publisher.publish(1, {}, ONE);
  const limited = rejectionOf(event.wait({ timeout: 10 }));
  await clock.advance(10);
  expect(await limited).toBeInstanceOf(WaitTimeoutError);
  work.end(3);
  expect((await event.wait()).oks()).toEqual([3]);
  await queue.shutDownQueue();
});

test('one key too many is refused', async () => {
  const work = hanging();
  const { queue, publisher, clock } = await oneCollector(work.process, {}, { maxDedupeKeys: 1, maxConsumers: 9 });
  publisher.publish(1, {}, ONE);
  publisher.publish(1, {}, ONE);
  const refused = publisher.publish(1, {}, { dedupeKey: 'two' });
  const [error] = refused.getResult()?.errs() ?? [];
  expect(error).toBeInstanceOf(QueueFullError);
  expect(String(error)).toContain('1 keys are remembered already (maxDedupeKeys)');
  await clock.turn();
  work.end();
  await queue.shutDownQueue();
});

test('keys that mean nothing any more leave room for others at once', async () => {
  const { queue, publisher, clock, called } = await oneCollector((value) => value, {}, { maxDedupeKeys: 2 });
  await publisher.publish('kept', {}, { dedupeKey: 'kept', dedupeWindow: 5_000 }).wait();
  for (const key of ['a', 'b', 'c']) {
    await publisher.publish(key, {}, { dedupeKey: key }).wait();
    await clock.turn();
  }
  expect(called).toEqual(['kept', 'a', 'b', 'c']);
  publisher.publish('again', {}, { dedupeKey: 'kept' });
  expect(queue.getMetrics()).toMatchObject({ rejected: 0, deduplicated: 1 });
  await queue.shutDownQueue();
});

test('many keys are not looked at for each send that is refused', async () => {
  const many = 3_000;
  const { queue, publisher, clock } = await oneCollector((value) => value, {}, { maxDedupeKeys: many });
  for (let at = 0; at < many; at++) publisher.publish(at, {}, { dedupeKey: `${at}`, dedupeWindow: 1 });
  const refuses = (): boolean => publisher.publish('more', {}, { dedupeKey: 'more' }).status === 'settled';
  expect(refuses()).toBe(true);
  await clock.advance(1);
  expect(refuses()).toBe(true);
  await clock.advance(2);
  expect(refuses()).toBe(false);
  await queue.shutDownQueue();
});

test('an error that throws when it is looked at harms nobody', async () => {
  const hostile = {
    get code(): string {
      throw new Error('hostile');
    },
  };
  const { queue, publisher, clock, called } = await oneCollector(() => err(hostile));
  const windowed = { ...ONE, dedupeWindow: 500 };
  await publisher.publish(1, {}, windowed).wait();
  expect(publisher.publish(2, {}, windowed).status).toBe('settled');
  await clock.advance(2_000);
  expect(called).toEqual([1]);
  await queue.shutDownQueue();
});

test.each<[unknown, RegExp]>([
  [{ dedupeKey: '' }, /send: dedupeKey must be/],
  [{ dedupeKey: 5 }, /send: dedupeKey must be/],
  [{ dedupeKey: null }, /send: dedupeKey must be/],
  [{ dedupeWindow: 5 }, /send: dedupeWindow must be absent without a dedupeKey/],
  [{ dedupeKey: 'a', dedupeWindow: -1 }, /send: dedupeWindow must be/],
  [{ dedupeKey: 'a', dedupeWindow: Number.POSITIVE_INFINITY }, /send: dedupeWindow must be/],
  [{ dedupeKey: 'a', dedupeWindow: '5' }, /send: dedupeWindow must be/],
])('%j is refused', async (options, message) => {
  const { queue, publisher, called } = await oneCollector((value) => value);
  const error = thrownBy(() => publisher.publish(1, {}, options as SendOptions));
  expect(error).toBeInstanceOf(TypeError);
  expect(String(error)).toMatch(message);
  await queue.shutDownQueue();
  expect(called).toEqual([]);
});

test('a dedupeKey for many at once is refused', async () => {
  const { queue, publisher, called } = await oneCollector((value) => value);
  const error = thrownBy(() => publisher.sendMany([new Payload(1), new Payload(2)], ONE));
  expect(String(error)).toMatch(/sendMany: dedupeKey must be absent: all but the first would be repeats/);
  await queue.shutDownQueue();
  expect(called).toEqual([]);
});

/** What the model knows of the latest send of a key that was no repeat. */
interface Known {
  readonly value: number;
  readonly until: number;
  readonly endsAt: number;
  holders: number;
  given: boolean;
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ does: fc.constant('send' as const), key: fc.nat(3), window: fc.nat(30) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('wait' as const), ms: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('cancel' as const), which: fc.nat(50) }) },
);

test('model: what is a repeat, whom it shares with, and what a cancellation means', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 25 }), async (steps, duration) => {
      const calls: number[] = [];
      const { queue, publisher, clock } = await started(
        [
          new Collector('a', ({ value }) => {
            calls.push(value);
            return new Promise((resolve) => {
              clock.setTimer(() => resolve(value), duration);
            });
          }),
        ],
        { maxConsumers: 100 },
      );
      const latest = new Map<number, Known>();
      const sent: { event: ReturnType<typeof publisher.publish>; known: Known; cancelled: boolean }[] = [];
      const expected: number[] = [];
      let repeats = 0;
      for (const now of steps) {
        if (now.does === 'wait') await clock.advance(now.ms);
        else if (now.does === 'send') {
          const value = sent.length;
          const event = publisher.publish(value, {}, { dedupeKey: `${now.key}`, dedupeWindow: now.window });
          let known = latest.get(now.key);
          const isRepeat =
            known !== undefined && !known.given && (clock.now() < known.endsAt || clock.now() < known.until);
          if (known === undefined || !isRepeat) {
            known = {
              value,
              until: clock.now() + now.window,
              endsAt: clock.now() + duration,
              holders: 0,
              given: false,
            };
            latest.set(now.key, known);
            expected.push(value);
          } else repeats++;
          known.holders++;
          sent.push({ event, known, cancelled: false });
          await clock.turn();
        } else if (sent.length > 0) {
          const one = sent[now.which % sent.length] as (typeof sent)[number];
          const isOver = one.cancelled || clock.now() >= one.known.endsAt;
          expect(one.event.cancel()).toBe(!isOver);
          if (!isOver) {
            one.cancelled = true;
            if (--one.known.holders === 0) one.known.given = true;
          }
        }
        expect(calls).toEqual(expected);
        expect(queue.getMetrics()).toMatchObject({ deduplicated: repeats, accepted: expected.length });
      }
      await clock.advance(duration);
      for (const { event, known, cancelled } of sent) {
        if (cancelled) expect(event.getResult()?.errs()).toEqual([expect.any(CancelledError)]);
        else expect(event.getResult()?.oks()).toEqual([known.value]);
      }
      await queue.shutDownQueue();
    }),
    { numRuns: Number(process.env.FC_RUNS) },
  );
});
