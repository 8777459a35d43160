import { getEventListeners } from 'node:events';
import { Collector, type CollectorEvent, ErrorCode, ok, Payload } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { isSettled, rejectionOf, type Scene, started } from './scene.ts';

/** One consumer whose payloads end one by one, and room for one more. */
async function narrow(): Promise<Scene & { readonly begun: unknown[]; readonly end: () => Promise<void> }> {
  const begun: unknown[] = [];
  const ends: (() => void)[] = [];
  const collector = new Collector('a', ({ value }) => {
    begun.push(value);
    return new Promise<void>((resolve) => ends.push(resolve));
  });
  const scene = await started([collector], { maxConsumers: 1, maxSize: 1 });
  const end = async (): Promise<void> => {
    await scene.clock.turn();
    ends.shift()?.();
    await scene.clock.turn();
  };
  return { ...scene, begun, end };
}

describe('sending', () => {
  test('is synchronous and runs no processor: an idle consumer is claimed at once and starts in a microtask', async () => {
    const called: unknown[] = [];
    const { queue, publisher } = await started([new Collector('a', ({ value }) => void called.push(value))]);
    const event = publisher.send(new Payload(1));
    expect(called).toEqual([]);
    expect(event.status).toBe('running');
    expect(queue.getMetrics()).toMatchObject({ busy: 1, qsize: 0, inFlight: 1 });
    await Promise.resolve();
    await Promise.resolve();
    expect(called).toEqual([1]);
    await queue.shutDownQueue();
  });

  test('many sends them in their order, and gives their events in that order', async () => {
    const called: unknown[] = [];
    const { queue, publisher } = await started([new Collector('a', ({ value }) => called.push(value))], {
      maxConsumers: 1,
    });
    const payloads = new Set([1, 2, 3].map((value) => new Payload(value)));
    const events = publisher.sendMany(payloads);
    expect(events).toHaveLength(3);
    const results = await Promise.all(events.map((event) => event.wait()));
    expect(called).toEqual([1, 2, 3]);
    expect(results.map((list) => list.first())).toEqual([ok(1), ok(2), ok(3)]);
    expect(publisher.sendMany([])).toEqual([]);
    await queue.shutDownQueue();
  });

  test('one payload twice makes two events of it', async () => {
    const { queue, publisher } = await started([new Collector('a', ({ value }) => value)]);
    const payload = new Payload('same');
    const [one, other] = [publisher.send(payload), publisher.send(payload)];
    expect(one).not.toBe(other);
    expect((await one.wait()).first()).toEqual(ok('same'));
    expect((await other.wait()).first()).toEqual(ok('same'));
    await queue.shutDownQueue();
  });

  test('a value makes a payload of it, with the options', async () => {
    const seen: Payload[] = [];
    const collector = new Collector('a', (payload) => void seen.push(payload), { topics: 't' });
    const { queue, publisher } = await started([collector]);
    await publisher.publish('value', { topics: 't', priority: 3 }).wait();
    expect(seen[0]).toBeInstanceOf(Payload);
    expect(seen[0]).toMatchObject({ value: 'value', topics: ['t'], priority: 3 });
    await queue.shutDownQueue();
  });

  test.each([1, 3])('from inside a processor is safe with %s consumers', async (maxConsumers) => {
    const seen: number[] = [];
    const events: CollectorEvent[] = [];
    const collector: Collector = new Collector('a', ({ value }) => {
      seen.push(value);
      if (value < 50) events.push(publisher.publish(value + 1));
    });
    const { queue, publisher } = await started([collector], { maxConsumers });
    void publisher.publish(1);
    await queue.onIdle();
    expect(seen).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
    expect(events.every(({ status }) => status === 'settled')).toBe(true);
    await queue.shutDownQueue();
  });

  test('to a queue that shuts down settles as Err at once, and is counted as rejected', async () => {
    const { queue, publisher, end } = await narrow();
    const running = publisher.publish('running');
    const closing = queue.shutDownQueue();
    const late = publisher.publish('late');
    expect(late.status).toBe('settled');
    expect(late.getResult()?.delivered).toBe(0);
    expect(late.getResult()?.first()._unsafeUnwrapErr()).toMatchObject({
      code: ErrorCode.QUEUE_CLOSED,
      retryable: false,
    });
    await end();
    await closing;
    expect((await running.wait()).isOk()).toBe(true);
    expect(queue.getMetrics()).toMatchObject({ offered: 2, accepted: 1, rejected: 1, settled: 1 });
  });
});

describe('waiting for room', () => {
  test('is over at once where there is room', async () => {
    const { queue, publisher, end } = await narrow();
    await publisher.ready();
    const event = await publisher.sendWhenReady(new Payload('first'));
    expect(event.status).toBe('running');
    await publisher.ready();
    const waiting = await publisher.sendWhenReady(new Payload('second'));
    expect(waiting.status).toBe('waiting');
    await end();
    await end();
    await queue.shutDownQueue();
  });

  test('is first come, first served, and nobody overtakes', async () => {
    const { queue, publisher, clock, begun, end } = await narrow();
    publisher.sendMany(['running', 'waiting'].map((value) => new Payload(value)));
    const sends = ['x', 'y', 'z'].map((value) => publisher.sendWhenReady(new Payload(value)));
    await clock.turn();
    expect(queue.getMetrics()).toMatchObject({ offered: 2, accepted: 2 });
    await end();
    expect(await isSettled(sends[0] as Promise<unknown>)).toBe(true);
    expect(await isSettled(sends[1] as Promise<unknown>)).toBe(false);
    expect(publisher.publish('pushy').getResult()?.isOk()).toBe(false);
    for (let i = 0; i < 4; i++) await end();
    expect(begun).toEqual(['running', 'waiting', 'x', 'y', 'z']);
    for (const event of await Promise.all(sends)) expect((await event.wait()).isOk()).toBe(true);
    expect(queue.getMetrics()).toMatchObject({ offered: 6, accepted: 5, rejected: 1, settled: 5 });
    await queue.shutDownQueue();
  });

  test('for news of it takes none: whoever was told may find it taken', async () => {
    const { queue, publisher, end } = await narrow();
    publisher.sendMany(['running', 'waiting'].map((value) => new Payload(value)));
    const told = [publisher.ready(), publisher.ready()];
    expect(await isSettled(told[0] as Promise<void>)).toBe(false);
    await end();
    await Promise.all(told);
    expect(publisher.publish('one').status).toBe('waiting');
    expect(publisher.publish('other').status).toBe('settled');
    await end();
    await end();
    await queue.shutDownQueue();
  });

  test('ends with the reason of the signal; nothing was offered, and no listener is left', async () => {
    const { queue, publisher, clock, begun, end } = await narrow();
    publisher.sendMany(['running', 'waiting'].map((value) => new Payload(value)));
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = publisher.sendWhenReady(new Payload('aborted'), { signal });
    const after = publisher.sendWhenReady(new Payload('after'));
    await clock.turn();
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    const reason = new Error('the client left');
    controller.abort(reason);
    expect(await rejectionOf(aborted)).toBe(reason);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(queue.getMetrics()).toMatchObject({ offered: 2, accepted: 2, rejected: 0 });
    await end();
    await end();
    await end();
    expect((await (await after).wait()).isOk()).toBe(true);
    expect(begun).toEqual(['running', 'waiting', 'after']);
    await queue.shutDownQueue();
  });

  test('does not begin with a signal that has fired, even if there is room', async () => {
    const { queue, publisher } = await narrow();
    const sent = publisher.sendWhenReady(new Payload(1), { signal: AbortSignal.abort('no') });
    expect(await rejectionOf(sent)).toBe('no');
    expect(queue.getMetrics().offered).toBe(0);
    await queue.shutDownQueue();
  });

  test('goes on listening to the signal, which cancels the event, until it has settled', async () => {
    const { queue, publisher, clock, end } = await narrow();
    publisher.sendMany(['running', 'waiting'].map((value) => new Payload(value)));
    const controller = new AbortController();
    const sent = publisher.sendWhenReady(new Payload('sent'), { signal: controller.signal });
    await clock.turn();
    await end();
    const event = await sent;
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    controller.abort('enough');
    expect(event.status).toBe('settled');
    expect(event.getResult()?.errs()[0]).toMatchObject({ code: 'CQ_CANCELLED', cause: 'enough' });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    await end();
    await queue.shutDownQueue();
  });

  test('ends at a shutdown: what would be sent is refused, and news of room come', async () => {
    const { queue, publisher, clock, end } = await narrow();
    publisher.sendMany(['running', 'waiting'].map((value) => new Payload(value)));
    const { signal } = new AbortController();
    const sent = publisher.sendWhenReady(new Payload('late'), { signal });
    const told = publisher.ready();
    await clock.turn();
    const closing = queue.shutDownQueue();
    const event = await sent;
    await told;
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(event.getResult()?.errs()).toMatchObject([{ code: ErrorCode.QUEUE_CLOSED }]);
    await end();
    await end();
    await closing;
    expect(queue.getMetrics()).toMatchObject({ offered: 3, accepted: 2, rejected: 1 });
    const later = await publisher.sendWhenReady(new Payload('later'));
    expect(later.getResult()?.errs()).toMatchObject([{ code: ErrorCode.QUEUE_CLOSED }]);
    await publisher.ready();
  });

  test('ends when the queue is cleared, and when what waits is cancelled', async () => {
    const { queue, publisher, end } = await narrow();
    void publisher.publish('running');
    const waiting = publisher.publish('waiting');
    const first = publisher.sendWhenReady(new Payload('first'));
    expect(await isSettled(first)).toBe(false);
    waiting.cancel();
    expect((await first).status).toBe('waiting');
    const second = publisher.sendWhenReady(new Payload('second'));
    expect(await isSettled(second)).toBe(false);
    expect(queue.clear()).toBe(1);
    expect((await second).status).toBe('waiting');
    await end();
    await end();
    await queue.shutDownQueue();
  });

  test('ends in a paused queue only when it is resumed', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1)], { maxSize: 0 });
    queue.pause();
    const sent = publisher.sendWhenReady(new Payload(1));
    expect(await isSettled(sent)).toBe(false);
    queue.resume();
    expect((await (await sent).wait()).first()).toEqual(ok(1));
    await queue.shutDownQueue();
  });
});
