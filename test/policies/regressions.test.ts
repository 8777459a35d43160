import {
  Collector,
  CollectorQueue,
  type DeadLetter,
  ExpiredError,
  err,
  Payload,
  type PolicyTask,
  RetryTask,
  Router,
  type TaskPolicy,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, rejectionOf, started } from '../core/scene.ts';

const never = (): Promise<never> => new Promise(() => undefined);

describe('a queue all of whose consumers are kept by work that was left behind', () => {
  test('is saturated, whatever maxAbandoned is, and tells so', async () => {
    const deaf = new Collector('deaf', never, { timeout: 10, retry: { attempts: 2, base: 0 } });
    const { queue, publisher, clock } = await started([deaf], { maxConsumers: 1 });
    const told: number[] = [];
    queue.events.on('saturated', ({ abandoned }) => told.push(abandoned));
    publisher.publish(1);
    await clock.advance(20);
    expect(told).toEqual([1]);
    expect(queue.isSaturated).toBe(true);
    const closing = queue.shutDownQueue({ drain: false, timeout: 5 });
    await clock.advance(5);
    await closing;
  });
});

test('a task that is resumed before its time leaves no timer behind', async () => {
  let parked: PolicyTask | undefined;
  const policy: TaskPolicy = {
    after(task) {
      parked = task;
      return 'settle';
    },
  };
  let attempts = 0;
  const busy = new Collector('a', () => (++attempts === 1 ? err({ retryAfter: 60_000 }) : 'done'), {
    retry: 2,
    policies: [policy],
  });
  const { queue, publisher, clock } = await started([busy]);
  const event = publisher.publish(1);
  await clock.turn();
  parked?.resume();
  await clock.turn();
  expect(event.getResult()?.isOk()).toBe(true);
  await queue.shutDownQueue();
  expect(clock.pendingTimers).toBe(0);
});

describe('a dead letter', () => {
  test('is not wrapped in letters without end by a router that hands it to everybody', async () => {
    class Everybody extends Router {
      select() {
        return [...this.collectors.values()];
      }
    }
    let letters = 0;
    const collectors = [
      new Collector('a', () => err('no'), { deadLetter: 'dead' }),
      new Collector('dead', () => void letters++),
    ];
    const { queue, publisher } = await started(collectors, { router: Everybody });
    queue.events.on('error-enqueueing', () => undefined);
    publisher.publish(1);
    await queue.onIdle();
    expect(letters).toBe(2);
    await queue.shutDownQueue();
  });

  test('that a function is still writing is waited for by a shutdown that does not drain', async () => {
    const written = gate();
    const failing = new Collector('a', () => err('no'), { deadLetter: () => written.promise });
    const { queue, publisher, clock } = await started([failing]);
    publisher.publish(1);
    await clock.turn();
    let closed = false;
    const closing = queue.shutDownQueue({ drain: false }).then(() => {
      closed = true;
    });
    await clock.turn();
    expect(closed).toBe(false);
    written.open();
    await closing;
  });

  test('is made of an error of another queue, whatever its class', async () => {
    const letters: DeadLetter[] = [];
    const relay = new Collector('a', () => err(new ExpiredError('elsewhere')), {
      deadLetter: (letter) => letters.push(letter),
    });
    await new CollectorQueue([relay]).run((publisher) => publisher.publish(1).wait());
    expect(letters).toHaveLength(1);
  });

  test('of a collector that is gone is not redriven', async () => {
    const letters: DeadLetter[] = [];
    const collectors = [
      new Collector('a', () => err('no'), { deadLetter: (letter) => letters.push(letter) }),
      new Collector('b', () => 1),
    ];
    const { queue, publisher } = await started(collectors);
    await publisher.publish(1, { keys: 'a' }).wait();
    await queue.removeCollector('a');
    expect(() => queue.redrive(letters)).toThrow('redrive: letters[0].collectorKey must be the key of a collector');
    await queue.shutDownQueue();
  });
});

test('signals of attempts that are over are let go: a cancel fires that of the last attempt alone', async () => {
  const signals: AbortSignal[] = [];
  const polls = new Collector('a', (_payload, _context, attempt) => {
    signals.push(attempt.signal);
    return attempt.number < 3 ? new RetryTask() : never();
  });
  const { queue, publisher, clock } = await started([polls]);
  const event = publisher.publish(1);
  await clock.advance(5);
  event.cancel();
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, true]);
  const closing = queue.shutDownQueue({ timeout: 5 });
  await clock.advance(5);
  await closing;
});

test('what was deferred is told before what a listener of it causes', async () => {
  const { queue, publisher } = await started([new Collector('a', () => 1)], {});
  queue.pause();
  const told: string[] = [];
  const [a, b] = [publisher.send(new Payload('a')), publisher.send(new Payload('b'))];
  queue.events.on('enqueued', ({ id }) => {
    told.push(`enqueued ${id}`);
    if (id === c.id) d.cancel();
  });
  queue.events.on('revoked', ({ id }) => told.push(`revoked ${id}`));
  const [c, d] = [publisher.send(new Payload('c')), publisher.send(new Payload('d'))];
  await Promise.resolve();
  expect(told).toEqual([`enqueued ${c.id}`, `enqueued ${d.id}`, `revoked ${d.id}`]);
  expect([a.status, b.status]).toEqual(['waiting', 'waiting']);
  await queue.shutDownQueue();
});

test('a retryIf that answers with a promise fails the task, and its rejection is nobody else’s business', async () => {
  const retry = { attempts: 2, retryIf: (async () => Promise.reject(new Error('late'))) as never };
  const event = await new CollectorQueue([new Collector('a', () => err('no'), { retry })]).run((publisher) =>
    publisher.publish(1).wait(),
  );
  expect(String(event.errs()[0])).toContain('retryIf must answer at once');
});

test('sendWhenReady with a delay does not wait for room', async () => {
  const { queue, publisher, clock } = await started([new Collector('a', never)], { maxConsumers: 1, maxSize: 0 });
  publisher.publish('busy');
  const event = await publisher.sendWhenReady(new Payload('later'), { delay: 1_000 });
  expect(event.status).toBe('scheduled');
  const fired = publisher.sendWhenReady(new Payload('late'), { delay: 5, signal: AbortSignal.abort('no') });
  expect(await rejectionOf(fired)).toBe('no');
  const closing = queue.shutDownQueue({ drain: false, timeout: 5 });
  await clock.advance(5);
  await closing;
});
