import {
  type AnyCollector,
  Collector,
  type DeadLetter,
  type Deliver,
  DeliveryTimeoutError,
  err,
  ok,
  ParkedFullError,
  type Payload,
  type ResultList,
  Router,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { started } from '../core/scene.ts';
import { hanging, oneCollector, recorded } from './scene.ts';

/** Policies that meet. */
describe('a delayed retry', () => {
  test('that comes due while the queue is paused waits for the resume, before what waits', async () => {
    const { queue, publisher, clock, called } = await oneCollector(
      (value, { number }) => (value === 'flaky' && number === 1 ? err({ retryAfter: 100 }) : ok(value)),
      { retry: 2 },
    );
    const flaky = publisher.publish('flaky');
    await clock.turn();
    queue.pause();
    const other = publisher.publish('other');
    await clock.advance(200);
    expect([flaky.status, other.status]).toEqual(['parked', 'waiting']);
    queue.resume();
    await clock.turn();
    expect(called).toEqual(['flaky', 'flaky', 'other']);
    await queue.shutDownQueue();
  });

  test('that is cancelled between its time and its consumer never runs', async () => {
    const work = hanging();
    const { queue, publisher, clock, called } = await oneCollector(
      (value, attempt) => (value === 'flaky' ? err({ retryAfter: 100 }) : work.process(value, attempt)),
      { retry: 2 },
    );
    const flaky = publisher.publish('flaky');
    void publisher.publish('long');
    await clock.advance(150);
    expect(flaky.status).toBe('parked');
    flaky.cancel();
    work.end();
    await clock.advance(1_000);
    expect(called).toEqual(['flaky', 'long']);
    expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 2, busy: 0 });
    await queue.shutDownQueue();
  });

  test('of a removed collector is waited for by the removal', async () => {
    const { queue, publisher, clock } = await oneCollector(
      (_, { number }) => (number === 1 ? err({ retryAfter: 100 }) : ok(number)),
      { retry: 2 },
    );
    const event = publisher.publish(1);
    await clock.turn();
    const removing = queue.removeCollector('a');
    await clock.advance(100);
    expect(await removing).toBe(true);
    expect(event.getResult()?.first()).toEqual(ok(2));
    await queue.shutDownQueue();
  });
});

test('a task that finds its lock taken while maxParked are parked settles as Err(ParkedFullError)', async () => {
  const work = hanging();
  const { queue, publisher, clock } = await oneCollector(
    work.process,
    { lock: 'one' },
    { maxConsumers: 2, maxParked: 0 },
  );
  const [, second] = [publisher.publish(1), publisher.publish(2)];
  await clock.turn();
  expect(second.getResult()?.errs()).toEqual([expect.any(ParkedFullError)]);
  work.end();
  await queue.shutDownQueue();
});

test('an attempt that times out keeps its lock from its own retry until its work ends', async () => {
  const work = hanging();
  const scene = await oneCollector(
    work.process,
    { lock: { name: 'one', delay: 100 }, timeout: 50, retry: { attempts: 2, base: 0 } },
    { maxConsumers: 2 },
  );
  const told = recorded(scene, ['timeout', 'locked', 'started']);
  const event = scene.publisher.publish(1);
  await scene.clock.advance(200);
  expect(told.map(({ status }) => status)).toEqual(['started', 'timeout', 'locked', 'locked']);
  work.end();
  await scene.clock.advance(50);
  work.end('second');
  expect((await event.wait()).first()).toEqual(ok('second'));
  await scene.queue.shutDownQueue();
});

test('a timeout whose retries are exhausted goes to the dead letter once, with the attempts made', async () => {
  const work = hanging();
  const letters: DeadLetter[] = [];
  const { queue, publisher, clock } = await oneCollector(
    work.process,
    { timeout: 50, retry: { attempts: 2, base: 0 }, deadLetter: (letter) => letters.push(letter) },
    { maxConsumers: 2 },
  );
  void publisher.publish(1);
  await clock.advance(100);
  expect(letters).toEqual([expect.objectContaining({ attempts: 2, error: expect.any(DeliveryTimeoutError) })]);
  work.end(err('late'));
  work.end(err('late'));
  await queue.shutDownQueue();
  expect(letters).toHaveLength(1);
});

test('a collector whose signal fires makes no dead letters', async () => {
  const work = hanging();
  const letters: DeadLetter[] = [];
  const controller = new AbortController();
  const { queue, publisher, clock } = await oneCollector(work.process, {
    signal: controller.signal,
    deadLetter: (letter) => letters.push(letter),
  });
  void publisher.publish(1);
  await clock.turn();
  controller.abort();
  work.end();
  await queue.shutDownQueue();
  expect(letters).toEqual([]);
});

test('a lock is not held through a delay, nor by what has expired or is revoked', async () => {
  for (const options of [{ delay: 1_000 }, { ttl: 0 }]) {
    const called: string[] = [];
    const collectors = [
      new Collector('a', () => called.push('a'), { lock: 'one', ...options }),
      new Collector('b', () => called.push('b'), { lock: 'one' }),
    ];
    const { queue, publisher, clock } = await started(collectors);
    void publisher.publish(1);
    await clock.turn();
    expect(called).toEqual(['b']);
    await clock.advance(1_000);
    await queue.shutDownQueue();
  }
});

test('tasks that a router with full control delivers are retried, time out and keep their consumer as well', async () => {
  const work = hanging();
  class Control extends Router {
    override select(): readonly AnyCollector[] {
      return [...this.collectors.values()];
    }
    override async handleEvent(_: Payload, deliver: Deliver): Promise<ResultList> {
      return await deliver(this.select());
    }
  }
  const { queue, publisher, clock } = await oneCollector(
    work.process,
    { timeout: 100, retry: { attempts: 2, base: 0 } },
    { maxConsumers: 2, router: Control },
  );
  const event = publisher.publish(1);
  await clock.advance(200);
  expect(event.getResult()?.errs()).toEqual([expect.any(DeliveryTimeoutError)]);
  expect(work.attempts).toHaveLength(2);
  work.end();
  work.end();
  await clock.turn();
  expect(queue.getMetrics()).toMatchObject({ busy: 0, abandoned: 0, settled: 1, late: 2 });
  await queue.shutDownQueue();
});
