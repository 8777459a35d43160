import { getEventListeners } from 'node:events';
import { Collector, type CollectorEvent, ErrorCode, err, ok, Payload, RetryTask } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, isSettled, rejectionOf, started } from '../core/scene.ts';
import { hanging, oneCollector, recorded } from './scene.ts';

function listeners({ signal }: AbortController): number {
  return getEventListeners(signal, 'abort').length;
}

function cancelled(cause: unknown): unknown {
  return expect.objectContaining({ code: ErrorCode.CANCELLED, cause });
}

function errorsOf(event: CollectorEvent): unknown[] | undefined {
  return event.getResult()?.errs();
}

describe('the signal of a send that fires', () => {
  test('before the send has it refused; nothing was accepted', async () => {
    const { queue, publisher, called } = await oneCollector((value) => value);
    const controller = new AbortController();
    controller.abort('early');
    for (const delay of [undefined, 100]) {
      const event = publisher.publish(1, {}, { signal: controller.signal, delay });
      expect(event.status).toBe('settled');
      expect(errorsOf(event)).toEqual([cancelled('early')]);
    }
    expect(queue.getMetrics()).toMatchObject({ offered: 2, accepted: 0, rejected: 2 });
    expect(listeners(controller)).toBe(0);
    await queue.shutDownQueue();
    expect(called).toEqual([]);
  });

  test('while the payload is scheduled cancels it', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value);
    const controller = new AbortController();
    const event = publisher.publish(1, {}, { signal: controller.signal, delay: 100 });
    controller.abort('no');
    expect(errorsOf(event)).toEqual([cancelled('no')]);
    expect(queue.getMetrics()).toMatchObject({ scheduled: 0, settled: 1 });
    await clock.advance(100);
    expect(called).toEqual([]);
    expect(listeners(controller)).toBe(0);
    await queue.shutDownQueue();
  });

  test('while it waits has it never run, and makes room', async () => {
    const { queue, publisher, called } = await oneCollector((value) => value, {}, { maxSize: 1 });
    queue.pause();
    const controller = new AbortController();
    const event = publisher.publish(1, {}, { signal: controller.signal });
    controller.abort('no');
    expect(errorsOf(event)).toEqual([cancelled('no')]);
    expect(publisher.publish(2).status).toBe('waiting');
    queue.resume();
    await queue.shutDownQueue();
    expect(called).toEqual([2]);
    expect(listeners(controller)).toBe(0);
  });

  test('while its task is parked has it never attempted again', async () => {
    const { queue, publisher, clock, called } = await oneCollector(() => err({ retryAfter: 100 }), { retry: 5 });
    const controller = new AbortController();
    const event = publisher.publish(1, {}, { signal: controller.signal });
    await clock.turn();
    expect(event.status).toBe('parked');
    controller.abort('no');
    expect(errorsOf(event)).toEqual([cancelled('no')]);
    expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 1 });
    await clock.advance(1_000);
    expect(called).toHaveLength(1);
    expect(listeners(controller)).toBe(0);
    expect(clock.pendingTimers).toBe(0);
    await queue.shutDownQueue();
  });

  test('while it runs settles it, and fires the signal of each attempt', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process);
    const controller = new AbortController();
    const event = publisher.publish(1, {}, { signal: controller.signal });
    await clock.turn();
    expect(work.attempts[0]?.signal.aborted).toBe(false);
    controller.abort('no');
    expect(errorsOf(event)).toEqual([cancelled('no')]);
    expect(work.attempts[0]?.signal.aborted).toBe(true);
    expect(queue.getMetrics()).toMatchObject({ busy: 1, settled: 1 });
    work.end();
    await queue.shutDownQueue();
    expect(queue.getMetrics()).toMatchObject({ busy: 0, late: 1 });
    expect(listeners(controller)).toBe(0);
  });

  test('after all changes nothing, and nobody listens to it any more', async () => {
    const { queue, publisher } = await oneCollector((value) => value);
    const controller = new AbortController();
    const event = publisher.publish(1, {}, { signal: controller.signal });
    expect(listeners(controller)).toBe(1);
    const list = await event.wait();
    expect(listeners(controller)).toBe(0);
    controller.abort();
    expect(event.getResult()).toBe(list);
    expect(list.first()).toEqual(ok(1));
    await queue.shutDownQueue();
  });

  test('cancels all sends that it was given to, with one listener and no warning from Node', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    const { queue, publisher } = await oneCollector((value) => value);
    queue.pause();
    const controller = new AbortController();
    const payloads = Array.from({ length: 50 }, (_, value) => new Payload(value));
    const events = publisher.sendMany(payloads, { signal: controller.signal });
    expect(listeners(controller)).toBe(1);
    controller.abort();
    expect(events.map(({ status }) => status)).toEqual(payloads.map(() => 'settled'));
    await isSettled(Promise.resolve());
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
    await queue.shutDownQueue();
  });
});

describe('nobody listens any more to the signal of a send', () => {
  test.each([
    ['that was refused', { maxSize: 0 }],
    ['that was dropped', { maxSize: 0, overflow: 'dropOldest' as const }],
  ])('%s', async (_, options) => {
    const { queue, publisher } = await oneCollector((value) => value, {}, options);
    queue.pause();
    const controller = new AbortController();
    const event = publisher.publish(1, {}, { signal: controller.signal });
    expect(event.status).toBe('settled');
    expect(listeners(controller)).toBe(0);
    await queue.shutDownQueue();
  });

  test.each([
    ['was cancelled', (event: CollectorEvent) => event.cancel()],
    ['was cleared', (_: CollectorEvent, clear: () => void) => clear()],
  ])('that %s', async (_, end) => {
    const { queue, publisher } = await oneCollector((value) => value);
    queue.pause();
    const controller = new AbortController();
    const event = publisher.publish(1, {}, { signal: controller.signal });
    end(event, () => queue.clear());
    expect(event.status).toBe('settled');
    expect(listeners(controller)).toBe(0);
    await queue.shutDownQueue();
  });

  test('that was given up at a shutdown', async () => {
    const { queue, publisher, clock } = await oneCollector((value) => value);
    const controller = new AbortController();
    void publisher.publish(1, {}, { signal: controller.signal, delay: 100 });
    const closing = queue.shutDownQueue({ drain: false });
    await clock.turn();
    await closing;
    expect(listeners(controller)).toBe(0);
  });
});

describe('the signal of sendWhenReady', () => {
  test('that fires while it waits for room rejects with its reason; nothing was offered', async () => {
    const end = gate();
    const { queue, publisher, clock, called } = await oneCollector(() => end.promise, {}, { maxSize: 0 });
    void publisher.publish('first');
    await clock.turn();
    const controller = new AbortController();
    const sending = publisher.sendWhenReady(new Payload('second'), { signal: controller.signal });
    controller.abort('enough');
    expect(await rejectionOf(sending)).toBe('enough');
    expect(queue.getMetrics().offered).toBe(1);
    expect(listeners(controller)).toBe(0);
    end.open();
    await queue.shutDownQueue();
    expect(called).toEqual(['first']);
  });

  test('that fires once it was accepted cancels the event', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, {}, { maxSize: 0 });
    void publisher.publish('first');
    await clock.turn();
    const controller = new AbortController();
    const sending = publisher.sendWhenReady(new Payload('second'), { signal: controller.signal });
    work.end();
    const event = await sending;
    expect(event.status).toBe('running');
    controller.abort('late');
    expect(errorsOf(event)).toEqual([cancelled('late')]);
    expect(listeners(controller)).toBe(0);
    await clock.turn();
    work.end();
    await queue.shutDownQueue();
  });
});

describe('the signal of a collector that fires', () => {
  test('refuses its tasks from then on, and leaves other collectors alone', async () => {
    const controller = new AbortController();
    const called: string[] = [];
    const collectors = [
      new Collector('a', () => called.push('a'), { signal: controller.signal }),
      new Collector('b', () => called.push('b')),
    ];
    const { queue, publisher } = await started(collectors);
    await publisher.publish(1).wait();
    controller.abort('closed');
    const results = await publisher.publish(2).wait();
    expect(results.get('a')?._unsafeUnwrapErr()).toEqual(cancelled('closed'));
    expect(results.get('b')?.isOk()).toBe(true);
    expect(called).toEqual(['a', 'b', 'b']);
    expect(listeners(controller)).toBe(0);
    await queue.shutDownQueue();
  });

  test('gives up its tasks that run; their work keeps its consumer', async () => {
    const controller = new AbortController();
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { signal: controller.signal, retry: 5 });
    const event = publisher.publish(1);
    await clock.turn();
    controller.abort('closed');
    expect(errorsOf(event)).toEqual([cancelled('closed')]);
    expect(work.attempts[0]?.signal.aborted).toBe(true);
    expect(queue.getMetrics()).toMatchObject({ busy: 1, settled: 1 });
    work.end();
    await clock.turn();
    expect(queue.getMetrics()).toMatchObject({ busy: 0, late: 1 });
    expect(listeners(controller)).toBe(0);
    await queue.shutDownQueue();
  });

  test.each([
    ['wait for another attempt', { retry: 5 }],
    ['wait for their time', { delay: 500 }],
  ])('settles its tasks that %s', async (_, options) => {
    const controller = new AbortController();
    const { queue, publisher, clock } = await oneCollector(() => err({ retryAfter: 500 }), {
      ...options,
      signal: controller.signal,
    });
    const event = publisher.publish(1);
    await clock.turn();
    expect(event.status).toBe('parked');
    controller.abort('closed');
    await clock.advance(500);
    expect(errorsOf(event)).toEqual([cancelled('closed')]);
    expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 1, busy: 0 });
    expect(listeners(controller)).toBe(0);
    await queue.shutDownQueue();
  });

  test('from inside its own processor gives up that attempt', async () => {
    const controller = new AbortController();
    const end = gate();
    const { queue, publisher, clock } = await oneCollector(
      async () => {
        controller.abort('myself');
        await end.promise;
      },
      { signal: controller.signal },
    );
    const event = publisher.publish(1);
    await clock.turn();
    expect(errorsOf(event)).toEqual([cancelled('myself')]);
    end.open();
    await queue.shutDownQueue();
    expect(listeners(controller)).toBe(0);
  });

  test('from inside the processor of a sibling keeps the consumer for what goes on', async () => {
    const controller = new AbortController();
    const work = hanging();
    const collectors = [
      new Collector('a', ({ value }, _, attempt) => work.process(value, attempt), { signal: controller.signal }),
      new Collector('b', ({ value }) => value === 1 && controller.abort()),
    ];
    const { queue, publisher, clock } = await started(collectors, { maxConsumers: 1 });
    const event = publisher.publish(1);
    const next = publisher.publish(2);
    await clock.turn();
    expect(event.status).toBe('settled');
    expect(next.status).toBe('waiting');
    expect(queue.getMetrics()).toMatchObject({ busy: 1, abandoned: 1 });
    work.end();
    await queue.shutDownQueue();
    expect(queue.getMetrics()).toMatchObject({ busy: 0, abandoned: 0, settled: 2 });
  });
});

describe('nobody listens any more to the signal of a collector', () => {
  const CANCELLED_BY = ['expired', 'scheduled', 'retrying', 'parked', 'started', 'locked'] as const;

  test('whose tasks are done, one by one or together', async () => {
    const controller = new AbortController();
    const { queue, publisher, clock } = await oneCollector((value) => value, { signal: controller.signal });
    for (let i = 0; i < 3; i++) void publisher.publish(i);
    await clock.turn();
    expect(listeners(controller)).toBe(0);
    await queue.shutDownQueue();
  });

  test.each(CANCELLED_BY)('when a listener of "%s" has cancelled the event of its task', async (name) => {
    const controller = new AbortController();
    const options = {
      expired: { ttl: 0 },
      scheduled: { delay: 100 },
      retrying: { retry: 5 },
      parked: { retry: 5 },
      started: {},
      locked: { lock: 'one' },
    }[name];
    const end = gate();
    const { queue, publisher, clock } = await oneCollector(
      (value) => (value === 'first' ? end.promise : err('no')),
      { signal: controller.signal, ...options },
      { maxConsumers: 2 },
    );
    const first = name === 'locked' ? publisher.publish('first') : undefined;
    const event = publisher.publish(1);
    const cancel = ({ id }: { id: string }): void => {
      if (id === event.id) event.cancel();
    };
    queue.events.on(name, cancel);
    await clock.advance(10_000);
    expect(errorsOf(event)).toEqual([cancelled(undefined)]);
    end.open();
    await first?.wait();
    expect(listeners(controller)).toBe(0);
    expect(queue.getMetrics()).toMatchObject({ parked: 0, busy: 0 });
    expect(await queue.removeCollector('a')).toBe(true);
    await queue.shutDownQueue();
  });

  test('once a shutdown has given its tasks up', async () => {
    const controller = new AbortController();
    const { queue, publisher, clock } = await oneCollector(() => new RetryTask({ delay: 1_000 }), {
      signal: controller.signal,
    });
    void publisher.publish(1);
    await clock.turn();
    expect(listeners(controller)).toBe(1);
    const closing = queue.shutDownQueue({ drain: false });
    await clock.turn();
    await closing;
    expect(listeners(controller)).toBe(0);
  });
});

test('a send that is cancelled by its signal is told as revoked', async () => {
  const scene = await oneCollector((value) => value);
  const told = recorded(scene, ['revoked', 'finished', 'error-task']);
  const controller = new AbortController();
  const { id } = scene.publisher.publish(1, {}, { signal: controller.signal, delay: 100 });
  controller.abort('no');
  expect(told).toEqual([expect.objectContaining({ status: 'revoked', id, task: undefined, error: cancelled('no') })]);
  await scene.queue.shutDownQueue();
});
