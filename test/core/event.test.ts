import { getEventListeners } from 'node:events';
import {
  type Attempt,
  Collector,
  type CollectorEvent,
  ErrorCode,
  ok,
  Payload,
  WaitTimeoutError,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, giveUp, isSettled, rejectionOf, started } from './scene.ts';

describe('an event', () => {
  test('waits, runs, and is settled for good', async () => {
    const end = gate();
    const { queue, publisher, clock } = await started([new Collector('a', () => end.promise)], { maxConsumers: 1 });
    const first = publisher.publish(1);
    const second = publisher.publish(2);
    expect(first.status).toBe('running');
    expect(second.status).toBe('waiting');
    expect(first.getResult()).toBeUndefined();
    end.open();
    await clock.turn();
    expect(first.status).toBe('settled');
    expect(second.status).toBe('settled');
    expect(first.getResult()?.first()).toEqual(ok(undefined));
    await queue.shutDownQueue();
  });

  test('gives the same list of results each time, however it is asked', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1), new Collector('b', () => 2)]);
    const event = publisher.publish(1);
    const [one, other] = await Promise.all([event.wait(), event.wait()]);
    expect(other).toBe(one);
    expect(event.getResult()).toBe(one);
    expect(await event.wait()).toBe(one);
    expect(await event.wait({ timeout: 1 })).toBe(one);
    await queue.shutDownQueue();
  });

  test('has an id that is made once and is its own', async () => {
    const { queue, publisher } = await started([new Collector('a', (_, __, { eventId }) => eventId)]);
    const [one, other] = publisher.sendMany([new Payload(1), new Payload(2)]);
    const id = one?.id;
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect((await one?.wait())?.first()).toEqual(ok(id));
    expect(one?.id).toBe(id);
    expect(other?.id).not.toBe(id);
    expect((await other?.wait())?.first()).toEqual(ok(other?.id));
    await queue.shutDownQueue();
  });

  test('is not thenable: awaiting a send gives the event', async () => {
    const { queue, publisher, clock } = await started([new Collector('a', () => new Promise(() => undefined))]);
    const event = publisher.publish(1);
    expect('then' in event).toBe(false);
    expect(await event).toBe(event);
    await giveUp({ queue, clock });
  });

  test('that is ignored raises no unhandled rejection, however it ends', async () => {
    const raised: unknown[] = [];
    const listener = (reason: unknown): void => void raised.push(reason);
    process.on('unhandledRejection', listener);
    const collector = new Collector('a', async ({ value }) => {
      if (value === 'fails') throw new Error('ignored');
      return value;
    });
    const { queue, publisher, clock } = await started([collector], { maxConsumers: 1, maxSize: 2 });
    void publisher.publish('fails');
    void publisher.publish('works').wait();
    const cancelled = publisher.publish('waits');
    void cancelled.wait();
    publisher.publish('is refused');
    cancelled.cancel();
    await clock.turn();
    await queue.shutDownQueue();
    publisher.publish('comes late');
    await clock.turn();
    process.off('unhandledRejection', listener);
    expect(raised).toEqual([]);
  });
});

describe('waiting for an event', () => {
  test('within a time limit ends with the limit, and the event goes on', async () => {
    const end = gate<string>();
    const { queue, publisher, clock } = await started([new Collector('a', () => end.promise)]);
    const event = publisher.publish(1);
    await clock.turn();
    const before = clock.pendingTimers;
    const waiting = rejectionOf(event.wait({ timeout: 100 }));
    expect(clock.pendingTimers).toBe(before + 1);
    await clock.advance(99);
    expect(await isSettled(waiting)).toBe(false);
    await clock.advance(1);
    const error = (await waiting) as WaitTimeoutError;
    expect(error).toBeInstanceOf(WaitTimeoutError);
    expect(error).toMatchObject({ code: ErrorCode.WAIT_TIMEOUT, retryable: true });
    expect(error.message).toBe('the event did not settle within 100 ms');
    expect(event.status).toBe('running');
    end.open('late');
    expect((await event.wait({ timeout: 100 })).first()).toEqual(ok('late'));
    await queue.shutDownQueue();
    expect(clock.pendingTimers).toBe(0);
  });

  test('that ends in time leaves neither a timer nor a listener behind', async () => {
    const end = gate();
    const { queue, publisher, clock } = await started([new Collector('a', () => end.promise)]);
    const event = publisher.publish(1);
    await clock.turn();
    const before = clock.pendingTimers;
    const { signal } = new AbortController();
    const waiting = event.wait({ timeout: 100, signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    end.open();
    await waiting;
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(clock.pendingTimers).toBe(before);
    await queue.shutDownQueue();
  });

  test('ends with the reason of its signal, and leaves nothing behind either', async () => {
    const end = gate();
    const { queue, publisher, clock } = await started([new Collector('a', () => end.promise)]);
    const event = publisher.publish(1);
    await clock.turn();
    const before = clock.pendingTimers;
    const controller = new AbortController();
    const reason = { why: 'the client left' };
    const waiting = rejectionOf(event.wait({ timeout: 100, signal: controller.signal }));
    controller.abort(reason);
    expect(await waiting).toBe(reason);
    expect(clock.pendingTimers).toBe(before);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    expect(await rejectionOf(event.wait({ signal: controller.signal }))).toBe(reason);
    expect(event.status).toBe('running');
    end.open();
    await queue.shutDownQueue();
  });

  test('does not look at its limits once the event has settled', async () => {
    const { queue, publisher, clock } = await started([new Collector('a', () => 1)]);
    const event = publisher.publish(1);
    await event.wait();
    const before = clock.pendingTimers;
    expect((await event.wait({ signal: AbortSignal.abort() })).isOk()).toBe(true);
    expect((await event.wait({ timeout: 0 })).isOk()).toBe(true);
    expect((await event.wait({})).isOk()).toBe(true);
    expect(clock.pendingTimers).toBe(before);
    await queue.shutDownQueue();
  });
});

describe('cancelling an event', () => {
  test('that waits settles it at once; it never runs, and the next one moves up', async () => {
    const end = gate();
    const called: unknown[] = [];
    const collector = new Collector('a', ({ value }) => {
      called.push(value);
      return end.promise;
    });
    const { queue, publisher, clock } = await started([collector], { maxConsumers: 1 });
    const [, second, third] = [1, 2, 3].map((value) => publisher.publish(value)) as CollectorEvent[];
    expect(second?.cancel('not needed')).toBe(true);
    expect(second?.status).toBe('settled');
    const results = second?.getResult();
    expect(results?.delivered).toBe(0);
    expect(results?.keys()).toEqual([]);
    expect(results?.first()._unsafeUnwrapErr()).toMatchObject({
      code: ErrorCode.CANCELLED,
      retryable: false,
      cause: 'not needed',
    });
    expect(queue.getMetrics()).toMatchObject({ qsize: 1, cancelled: 1, settled: 1 });
    end.open();
    await third?.wait();
    expect(called).toEqual([1, 3]);
    await clock.turn();
    await queue.shutDownQueue();
  });

  test('that is claimed but has not started keeps it from starting', async () => {
    const called: unknown[] = [];
    const { queue, publisher, clock } = await started([new Collector('a', ({ value }) => void called.push(value))]);
    const event = publisher.publish(1);
    expect(event.status).toBe('running');
    event.cancel();
    await clock.turn();
    expect(called).toEqual([]);
    expect(queue.getMetrics()).toMatchObject({ busy: 0, settled: 1, inFlight: 0 });
    await queue.shutDownQueue();
  });

  test('that runs keeps what is done, gives the rest an Err, and keeps the consumer busy until the work ends', async () => {
    const end = gate<string>();
    const signals: AbortSignal[] = [];
    const collectors = [
      new Collector('done', () => 'done'),
      new Collector('slow', (_, __, attempt: Attempt) => {
        signals.push(attempt.signal);
        return end.promise;
      }),
    ];
    const { queue, publisher, clock } = await started(collectors, { maxConsumers: 1 });
    const event = publisher.publish(1);
    const next = publisher.publish(2);
    await clock.turn();
    expect(event.cancel()).toBe(true);
    const results = event.getResult();
    expect(results?.get('done')).toEqual(ok('done'));
    expect(results?.get('slow')?._unsafeUnwrapErr()).toMatchObject({ code: ErrorCode.CANCELLED, cause: undefined });
    expect(results?.delivered).toBe(2);
    expect(signals[0]?.aborted).toBe(true);
    expect(next.status).toBe('waiting');
    expect(queue.getMetrics()).toMatchObject({ busy: 1, inFlight: 0, late: 0 });
    end.open('late');
    await clock.turn();
    expect(event.getResult()).toBe(results);
    expect(queue.getMetrics().late).toBe(1);
    expect(next.status).toBe('settled');
    await queue.shutDownQueue();
  });

  test('wakes everybody who waits for it', async () => {
    const { queue, publisher, clock } = await started([new Collector('a', () => new Promise(() => undefined))]);
    const event = publisher.publish(1);
    await clock.turn();
    const waiting = [event.wait(), event.wait({ timeout: 1000 })];
    event.cancel();
    for (const results of await Promise.all(waiting)) expect(results).toBe(event.getResult());
    await giveUp({ queue, clock });
  });

  test('that has settled does nothing', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 'done')]);
    const event = publisher.publish(1);
    const results = await event.wait();
    expect(event.cancel()).toBe(false);
    expect(event.cancel()).toBe(false);
    expect(event.getResult()).toBe(results);
    expect(results.isOk()).toBe(true);
    expect(queue.getMetrics().cancelled).toBe(0);
    await queue.shutDownQueue();
  });

  test('from inside its own processor keeps the collectors after it from being called', async () => {
    const called: string[] = [];
    const events: CollectorEvent[] = [];
    const collectors = [
      new Collector('first', () => 1),
      new Collector('cancels', () => events[0]?.cancel('from within')),
      new Collector('never', () => called.push('never')),
    ];
    const { queue, publisher, clock } = await started(collectors);
    events.push(publisher.publish(1));
    await clock.turn();
    const results = events[0]?.getResult();
    expect(called).toEqual([]);
    expect(results?.get('first')).toEqual(ok(1));
    expect(results?.get('cancels')?._unsafeUnwrapErr()).toMatchObject({ code: ErrorCode.CANCELLED });
    expect(results?.get('never')?._unsafeUnwrapErr()).toMatchObject({ code: ErrorCode.CANCELLED });
    expect(queue.getMetrics()).toMatchObject({ busy: 0, settled: 1, late: 1 });
    await queue.shutDownQueue();
  });
});

describe('iterating over an event', () => {
  /** Three collectors that end when they are told to. */
  function three(): { collectors: Collector[]; ends: Record<string, (value: string) => void> } {
    const gates = new Map(['a', 'b', 'c'].map((key) => [key, gate<string>()]));
    return {
      collectors: [...gates].map(([key, { promise }]) => new Collector(key, () => promise)),
      ends: Object.fromEntries([...gates].map(([key, { open }]) => [key, open])),
    };
  }

  async function collect(event: CollectorEvent, into: unknown[] = []): Promise<unknown[]> {
    for await (const entry of event) into.push(entry);
    return into;
  }

  test('gives the results as they come in, and ends when the event has settled', async () => {
    const { collectors, ends } = three();
    const { queue, publisher, clock } = await started(collectors);
    const event = publisher.publish(1);
    const seen: unknown[] = [];
    const iterating = collect(event, seen);
    await clock.turn();
    expect(seen).toEqual([]);
    ends.b?.('B');
    await clock.turn();
    expect(seen).toEqual([['b', ok('B')]]);
    ends.a?.('A');
    ends.c?.('C');
    await iterating;
    expect(seen.slice(1)).toEqual([
      ['a', ok('A')],
      ['c', ok('C')],
    ]);
    await queue.shutDownQueue();
  });

  test('gives several who iterate everything each, also one who comes late', async () => {
    const { collectors, ends } = three();
    const { queue, publisher, clock } = await started(collectors);
    const event = publisher.publish(1);
    const early = collect(event);
    await clock.turn();
    ends.c?.('C');
    await clock.turn();
    ends.b?.('B');
    await clock.turn();
    const late = collect(event);
    ends.a?.('A');
    const order = [
      ['c', ok('C')],
      ['b', ok('B')],
      ['a', ok('A')],
    ];
    expect(await early).toEqual(order);
    expect(await late).toEqual(order);
    expect(await collect(event)).toEqual(order);
    await queue.shutDownQueue();
  });

  test('that begins halfway gives what came before in order of registration', async () => {
    const { collectors, ends } = three();
    const { queue, publisher, clock } = await started(collectors);
    const event = publisher.publish(1);
    await clock.turn();
    ends.c?.('C');
    await clock.turn();
    ends.a?.('A');
    await clock.turn();
    const late = collect(event);
    await clock.turn();
    ends.b?.('B');
    expect(await late).toEqual([
      ['a', ok('A')],
      ['c', ok('C')],
      ['b', ok('B')],
    ]);
    await queue.shutDownQueue();
  });

  test('that begins after the end gives everything in order of registration', async () => {
    const { collectors, ends } = three();
    const { queue, publisher } = await started(collectors);
    const event = publisher.publish(1);
    for (const key of ['c', 'b', 'a']) ends[key]?.(key);
    await event.wait();
    expect((await collect(event)).map((entry) => (entry as [string])[0])).toEqual(['a', 'b', 'c']);
    await queue.shutDownQueue();
  });

  test('works for a single collector, before and after', async () => {
    const { queue, publisher } = await started([new Collector('only', async () => 1)]);
    const event = publisher.publish(1);
    expect(await collect(event)).toEqual([['only', ok(1)]]);
    expect(await collect(event)).toEqual([['only', ok(1)]]);
    await queue.shutDownQueue();
  });

  test('gives each collector that had not ended its Err when the event is cancelled', async () => {
    const { collectors, ends } = three();
    const { queue, publisher, clock } = await started(collectors);
    const event = publisher.publish(1);
    const iterating = collect(event);
    await clock.turn();
    ends.b?.('B');
    await clock.turn();
    event.cancel();
    const entries = (await iterating) as [string, { isOk(): boolean }][];
    expect(entries.map(([key, result]) => [key, result.isOk()])).toEqual([
      ['b', true],
      ['a', false],
      ['c', false],
    ]);
    for (const key of ['a', 'c']) ends[key]?.(key);
    await queue.shutDownQueue();
  });

  test('gives the one result of an event that nobody took, under no key', async () => {
    const { queue, publisher, clock } = await started([new Collector('a', () => new Promise(() => undefined))], {
      maxConsumers: 1,
    });
    const unrouted = publisher.publish(1, { keys: 'nobody' });
    expect(await collect(unrouted)).toEqual([[undefined, ok(undefined)]]);
    void publisher.publish(1);
    const waiting = publisher.publish(2);
    const iterating = collect(waiting);
    waiting.cancel();
    const [[key, result]] = (await iterating) as [[string | undefined, { isErr(): boolean }]];
    expect(key).toBeUndefined();
    expect(result.isErr()).toBe(true);
    await giveUp({ queue, clock });
  });

  test('can be left early, and begun again', async () => {
    const { collectors, ends } = three();
    const { queue, publisher } = await started(collectors);
    const event = publisher.publish(1);
    for (const key of ['a', 'b', 'c']) ends[key]?.(key);
    for await (const [key] of event) {
      expect(key).toBe('a');
      break;
    }
    expect(await collect(event)).toHaveLength(3);
    await queue.shutDownQueue();
  });
});
