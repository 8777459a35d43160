import { AsyncLocalStorage } from 'node:async_hooks';
import { Collector, err, Payload, QueueType, Router } from 'collector-queue';
import { createTestKit } from 'collector-queue/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';

const send = (value: unknown, keys?: string) => new Payload(value, keys === undefined ? {} : { keys });

afterEach(() => {
  vi.useRealTimers();
});

describe('an inline send', () => {
  test('has run synchronous processors, and settled, when it returns', async () => {
    await using kit = await createTestKit([
      new Collector('double', ({ value }) => value * 2),
      new Collector('refuse', () => err('no')),
      new Collector('throw', () => {
        throw new Error('broken');
      }),
    ]);
    const event = kit.publisher.publish(4);
    expect(event.status).toBe('settled');
    const list = event.getResult();
    expect(list?.get('double')?.unwrapOr(0)).toBe(8);
    expect(list?.errs()).toMatchObject(['no', { code: 'CQ_PROCESSOR' }]);
  });

  test('has called asynchronous processors when it returns', async () => {
    const called: unknown[] = [];
    await using kit = await createTestKit([
      new Collector('a', async ({ value }) => {
        called.push(value);
        await undefined;
        return value;
      }),
    ]);
    const event = kit.publisher.publish(1);
    expect(called).toEqual([1]);
    expect(event.status).toBe('running');
    await kit.settled();
    expect(event.getResult()?.oks()).toEqual([1]);
  });

  test('is what every way of sending is', async () => {
    const called: unknown[] = [];
    await using kit = await createTestKit([new Collector('a', ({ value }) => called.push(value))]);
    const { publisher } = kit;
    publisher.send(send(1));
    expect(called).toEqual([1]);
    publisher.send(send(2), { timeout: 5 });
    expect(called).toEqual([1, 2]);
    publisher.publish(3);
    publisher.publish(4, {}, { ttl: 5 });
    expect(called).toEqual([1, 2, 3, 4]);
    publisher.sendMany([send(5), send(6)]);
    publisher.sendMany([send(7), send(8)], { ttl: 5 });
    expect(called).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const event = await publisher.sendWhenReady(send(9));
    expect(event.status).toBe('settled');
    await publisher.ready();
    kit.queue.getPublisher().publish(10);
    kit.queue.redrive({ value: 11, collectorKey: 'a', eventId: 'x', error: 1, attempts: 1, failedAt: 1 } as never);
    expect(called.slice(8)).toEqual([9, 10, 11]);
  });

  test('accepts all that are sent together before it starts any', async () => {
    const seen: unknown[] = [];
    await using kit = await createTestKit([new Collector('a', () => void seen.push(kit.queue.getMetrics().accepted))], {
      queue: { maxConsumers: 1 },
    });
    kit.publisher.sendMany([send(1), send(2), send(3)]);
    expect(seen).toEqual([3, 3, 3]);
  });

  test('keeps the order of the queue', async () => {
    const called: unknown[] = [];
    await using kit = await createTestKit([new Collector('a', ({ value }) => called.push(value))], {
      queue: { maxConsumers: 1, queueType: QueueType.PRIORITY },
    });
    kit.publisher.sendMany([5, 3, 4, 1].map((priority) => new Payload(priority, { priority })));
    // The first finds the only consumer idle.
    expect(called).toEqual([5, 1, 3, 4]);
  });

  test('waits for a consumer like any other, and starts nothing in a paused queue', async () => {
    const called: unknown[] = [];
    let end = (): void => undefined;
    await using kit = await createTestKit(
      [
        new Collector('a', ({ value }) => {
          called.push(value);
          return value === 'long' ? new Promise<void>((resolve) => (end = resolve)) : undefined;
        }),
      ],
      { queue: { maxConsumers: 1 } },
    );
    kit.publisher.publish('long');
    const second = kit.publisher.publish('second');
    expect(called).toEqual(['long']);
    expect(second.status).toBe('waiting');
    end();
    await kit.settled();
    expect(called).toEqual(['long', 'second']);
    kit.queue.pause();
    kit.publisher.publish('third');
    expect(called).toEqual(['long', 'second']);
    kit.queue.resume();
    await kit.settled();
    expect(called).toEqual(['long', 'second', 'third']);
  });

  test('starts what waited and what that sends, too', async () => {
    const called: unknown[] = [];
    await using kit = await createTestKit([
      new Collector('a', ({ value }) => {
        called.push(value);
        if (value === 'second') kit.publisher.publish('sent by the second');
      }),
    ]);
    kit.queue.pause();
    kit.publisher.publish('first');
    kit.queue.resume();
    kit.publisher.publish('second');
    expect(called).toEqual(['first', 'second', 'sent by the second']);
  });

  test('within a processor starts what it sent once that has returned, before the outer send does', async () => {
    const steps: string[] = [];
    await using kit = await createTestKit([
      new Collector('outer', () => {
        steps.push('outer begins');
        const inner = kit.publisher.publish(1, { keys: 'inner' });
        steps.push(`outer ends, inner is ${inner.status}`);
      }),
      new Collector('inner', () => void steps.push('inner')),
    ]);
    kit.publisher.publish(0, { keys: 'outer' });
    expect(steps).toEqual(['outer begins', 'outer ends, inner is running', 'inner']);
  });

  test('within a processor that a microtask or a timer started does the same', async () => {
    const steps: string[] = [];
    await using kit = await createTestKit([
      new Collector('outer', () => {
        steps.push('outer begins');
        kit.publisher.publish(1, { keys: 'inner' });
        steps.push('outer ends');
      }),
      new Collector('inner', () => void steps.push('inner')),
    ]);
    kit.publisher.publish(0, { keys: 'outer' }, { delay: 10 });
    await kit.advance(10);
    expect(steps).toEqual(['outer begins', 'outer ends', 'inner']);
  });

  test('after an await of a processor is inline again', async () => {
    const steps: string[] = [];
    await using kit = await createTestKit([
      new Collector('outer', async () => {
        await undefined;
        kit.publisher.publish(1, { keys: 'inner' });
        steps.push('outer ends');
      }),
      new Collector('inner', () => void steps.push('inner')),
    ]);
    kit.publisher.publish(0, { keys: 'outer' });
    await kit.settled();
    expect(steps).toEqual(['inner', 'outer ends']);
  });

  test('in a long chain of processors does not use up the stack', async () => {
    let last = 0;
    await using kit = await createTestKit([
      new Collector('chain', ({ value }) => {
        last = value;
        if (value < 20_000) kit.publisher.publish(value + 1);
      }),
    ]);
    kit.publisher.publish(1);
    expect(last).toBe(20_000);
  });

  test('from listeners and routers harms nobody', async () => {
    const called: unknown[] = [];
    class Sending extends Router {
      select({ value }: Payload) {
        if (value === 'first') kit.publisher.publish('by the router');
        return [...this.collectors.values()];
      }
    }
    await using kit = await createTestKit([new Collector('a', ({ value }) => void called.push(value))], {
      queue: { router: Sending },
    });
    kit.queue.events.once('started', () => void kit.publisher.publish('by a listener'));
    kit.publisher.publish('first');
    await kit.settled();
    expect(called.toSorted()).toEqual(['by a listener', 'by the router', 'first']);
  });

  test('goes on where synchronous work takes longer than consumers may hold the event loop', async () => {
    const called: unknown[] = [];
    await using kit = await createTestKit([
      new Collector('slow', ({ value }) => {
        kit.clock.consume(50);
        return called.push(value);
      }),
    ]);
    for (const value of [1, 2, 3]) {
      kit.publisher.sendMany([send(value), send(value)]);
      expect(called).toHaveLength(2 * value);
    }
    const late = kit.publisher.publish(4, {}, { delay: 5 });
    await kit.runAll();
    kit.expectSettledOk(late);
  });

  test('runs processors in the async context of the queue, not in that of the test', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    await using kit = await createTestKit([new Collector('a', () => seen.push(storage.getStore()))]);
    storage.run('test', () => kit.publisher.publish(1));
    expect(seen).toEqual([undefined]);
  });
});

test('without inline mode, processors start in a microtask', async () => {
  const called: unknown[] = [];
  await using kit = await createTestKit([new Collector('a', ({ value }) => called.push(value))], { inline: false });
  const event = kit.publisher.publish(1);
  expect(called).toEqual([]);
  expect(event.status).toBe('running');
  await Promise.resolve();
  expect(called).toEqual([1]);
});

test('a kit works beside the faked timers of a test runner', async () => {
  vi.useFakeTimers();
  await using kit = await createTestKit([new Collector('a', async ({ value }) => value, { delay: 1000 })]);
  const event = kit.publisher.publish(1);
  await kit.runAll();
  kit.expectSettledOk(event);
  await expect(kit.settled({ timeout: 0 })).resolves.toBeUndefined();
});

test('a queue that is shut down and initialised again is still inline', async () => {
  const called: unknown[] = [];
  await using kit = await createTestKit([new Collector('a', ({ value }) => called.push(value))]);
  await kit.queue.shutDownQueue();
  await kit.settled();
  await kit.queue.initQueue();
  kit.publisher.publish(1);
  expect(called).toEqual([1]);
});
