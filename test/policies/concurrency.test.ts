import { Collector, err, ok, Payload, type TaskPolicy } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { isSettled, started } from '../core/scene.ts';
import { hanging, oneCollector } from './scene.ts';

describe('concurrency', () => {
  test('lets so many attempts of a collector run at a time; the others are parked, and come back in order', async () => {
    const work = hanging();
    const scene = await oneCollector(work.process, { concurrency: 2 }, { maxConsumers: 10 });
    const { queue, publisher, clock, called } = scene;
    const events = [1, 2, 3, 4, 5].map((value) => publisher.publish(value));
    await clock.turn();
    expect(events.map(({ status }) => status)).toEqual(['running', 'running', 'parked', 'parked', 'parked']);
    expect(queue.getMetrics()).toMatchObject({ busy: 2, parked: 3 });
    for (let ended = 0; ended < 5; ended++) {
      expect(called).toEqual([1, 2, 3, 4, 5].slice(0, ended + 2));
      work.end(ended);
      await clock.turn();
    }
    expect(events.map((event) => event.getResult()?.first())).toEqual([0, 1, 2, 3, 4].map((value) => ok(value)));
    await queue.shutDownQueue();
    expect(clock.pendingTimers).toBe(0);
  });

  test('is of one collector, and leaves others alone', async () => {
    const [bounded, free] = [hanging(), hanging()];
    const collectors = [
      new Collector('bounded', ({ value }, _, attempt) => bounded.process(value, attempt), { concurrency: 1 }),
      new Collector('other', ({ value }, _, attempt) => bounded.process(value, attempt), { concurrency: 1 }),
      new Collector('free', ({ value }, _, attempt) => free.process(value, attempt)),
    ];
    const { queue, publisher, clock } = await started(collectors);
    for (const value of [1, 2, 3]) void publisher.publish(value);
    await clock.turn();
    expect(bounded.attempts.map(({ collectorKey }) => collectorKey)).toEqual(['bounded', 'other']);
    expect(free.attempts).toHaveLength(3);
    for (const { open } of free.gates) open(1);
    while (bounded.gates.length < 6) {
      for (const { open } of bounded.gates) open(1);
      await clock.turn();
    }
    for (const { open } of bounded.gates) open(1);
    await queue.shutDownQueue();
  });

  test('counts an attempt until its work ends, even if it was given up or cancelled', async () => {
    const work = hanging();
    const scene = await oneCollector(work.process, { concurrency: 2, timeout: 50 }, { maxConsumers: 10 });
    const { queue, publisher, clock } = scene;
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    await clock.turn();
    events[0]?.cancel();
    await clock.advance(500);
    expect(events.map(({ status }) => status)).toEqual(['settled', 'settled', 'parked']);
    expect(work.attempts).toHaveLength(2);
    work.end();
    await clock.turn();
    expect(work.attempts).toHaveLength(3);
    work.end();
    work.end('third');
    expect((await events[2]?.wait())?.first()).toEqual(ok('third'));
    await queue.shutDownQueue();
  });

  test('is not used up between attempts, and a further attempt waits its turn', async () => {
    const order: string[] = [];
    const { queue, publisher, clock } = await oneCollector(
      (value, { number }) => {
        order.push(`${value} ${number}`);
        return value === 'flaky' && number === 1 ? err({ retryAfter: 1_000 }) : ok(value);
      },
      { concurrency: 1, retry: 2 },
    );
    for (const value of ['flaky', 'other']) void publisher.publish(value);
    await clock.advance(1_000);
    expect(order).toEqual(['flaky 1', 'other 1', 'flaky 2']);
    await queue.shutDownQueue();
  });

  test('holds for sends with options of their own, too', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { concurrency: 1 }, { maxConsumers: 10 });
    void publisher.send(new Payload(1));
    void publisher.send(new Payload(2), { timeout: 1_000 });
    void publisher.send(new Payload(3), { retry: 3 });
    await clock.turn();
    for (const ended of [1, 2, 3]) {
      expect(work.attempts).toHaveLength(ended);
      work.end();
      await clock.turn();
    }
    await queue.shutDownQueue();
  });

  test('that is waited for by a task that is cancelled or expires lets the next one through', async () => {
    const work = hanging();
    const { queue, publisher, clock, called } = await oneCollector(
      work.process,
      { concurrency: 1 },
      { maxConsumers: 10 },
    );
    void publisher.publish(1);
    const cancelled = publisher.publish(2);
    const expired = publisher.send(new Payload(3), { ttl: 100 });
    void publisher.publish(4);
    await clock.turn();
    cancelled.cancel();
    await clock.advance(99);
    expect(expired.status).toBe('parked');
    await clock.advance(1);
    expect(expired.getResult()?.errs()).toMatchObject([{ code: 'CQ_EXPIRED' }]);
    work.end();
    await clock.turn();
    expect(called).toEqual([1, 4]);
    work.end();
    await queue.shutDownQueue();
  });

  test('a task that expires by the time of day comes back at that time', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { concurrency: 1 }, { maxConsumers: 10 });
    void publisher.publish(1);
    const expired = publisher.send(new Payload(2), { expiresAt: 100 });
    await clock.advance(50);
    clock.setWall(20);
    await clock.advance(79);
    expect(expired.status).toBe('parked');
    await clock.advance(1);
    expect(expired.getResult()?.errs()).toMatchObject([{ code: 'CQ_EXPIRED' }]);
    work.end();
    await queue.shutDownQueue();
  });

  test('is not held by a task that another policy parks', async () => {
    const parked = new Set<unknown>(['waits']);
    const resume: (() => void)[] = [];
    const gatekeeper: TaskPolicy = {
      before: (task) => {
        if (!parked.delete(task.payload?.value)) return 'run';
        resume.push(() => task.resume());
        return 'park';
      },
    };
    const work = hanging();
    const lock = { name: 'one', delay: 100 };
    const { queue, publisher, clock, called } = await oneCollector(
      work.process,
      { concurrency: 1, policies: [gatekeeper], lock },
      { maxConsumers: 10 },
    );
    for (const value of ['first', 'waits', 'last']) void publisher.publish(value);
    await clock.turn();
    work.end();
    await clock.turn();
    expect(called).toEqual(['first', 'last']);
    for (const each of resume) each();
    work.end();
    await clock.advance(100);
    expect(called).toEqual(['first', 'last', 'waits']);
    work.end();
    await queue.shutDownQueue();
  });

  test('is not held by a task that finds its lock taken', async () => {
    const work = hanging();
    const lock = { name: 'shared', delay: 100 };
    const collector = (key: string): Collector =>
      new Collector(key, ({ value }, _, attempt) => work.process(value, attempt), { concurrency: 1, lock });
    const { queue, publisher, clock } = await started([collector('a'), collector('b')]);
    void publisher.publish(1, { keys: 'a' });
    void publisher.publish(2, { keys: 'b' });
    const last = publisher.publish(3, { keys: 'b' });
    await clock.turn();
    last.cancel();
    work.end();
    await clock.advance(100);
    expect(work.attempts.map(({ collectorKey }) => collectorKey)).toEqual(['a', 'b']);
    work.end();
    await queue.shutDownQueue();
  });

  test('of one run is free in the next, although work goes on that was left behind', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { concurrency: 1 });
    void publisher.publish(1);
    void publisher.publish(2);
    await clock.turn();
    const closing = queue.shutDownQueue({ drain: false, timeout: 0 });
    await clock.advance(0);
    await closing;
    await queue.initQueue();
    const [third, fourth] = [publisher.publish(3), publisher.publish(4)];
    await clock.turn();
    work.end();
    await clock.turn();
    expect(work.attempts).toHaveLength(2);
    work.end('third');
    await clock.turn();
    work.end('fourth');
    expect([await third.wait(), await fourth.wait()].map((list) => list.first())).toEqual([ok('third'), ok('fourth')]);
    await queue.shutDownQueue();
  });

  test('a collector that is removed waits for those that wait', async () => {
    const work = hanging();
    const { queue, publisher, clock, called } = await oneCollector(
      work.process,
      { concurrency: 1 },
      { maxConsumers: 10 },
    );
    for (const value of [1, 2, 3]) void publisher.publish(value);
    await clock.turn();
    const removed = queue.removeCollector('a');
    for (const value of [1, 2, 3]) {
      expect(called).toHaveLength(value);
      expect(await isSettled(removed)).toBe(false);
      work.end();
      await clock.turn();
    }
    await removed;
    await queue.shutDownQueue();
  });

  test('a shutdown that drains waits for those that wait; one that does not settles them', async () => {
    const work = hanging();
    const scene = await oneCollector(work.process, { concurrency: 1 }, { maxConsumers: 10 });
    const { queue, publisher, clock } = scene;
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    await clock.turn();
    const closing = queue.shutDownQueue({ timeout: 1_000 });
    work.end('first');
    await clock.turn();
    work.end('second');
    await clock.advance(1_000);
    await closing;
    expect(events.map((event) => event.getResult()?.first())).toEqual([
      ok('first'),
      ok('second'),
      err(expect.objectContaining({ code: 'CQ_SHUTDOWN_TIMEOUT' })),
    ]);
    work.end('too late');
    await clock.turn();
    expect(work.attempts).toHaveLength(3);
  });

  test('those that wait for a slot of a revoked collector are refused at their turn', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { concurrency: 1 }, { maxConsumers: 10 });
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    await clock.turn();
    queue.revoke('a');
    work.end();
    await clock.turn();
    expect(events.map((event) => event.getResult()?.errs().length)).toEqual([0, 1, 1]);
    await queue.shutDownQueue();
  });

  test('those that wait when the signal of the collector fires are cancelled', async () => {
    const work = hanging();
    const controller = new AbortController();
    const options = { concurrency: 1, signal: controller.signal };
    const { queue, publisher, clock } = await oneCollector(work.process, options, { maxConsumers: 10 });
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    await clock.turn();
    controller.abort();
    expect(events.map(({ status }) => status)).toEqual(['settled', 'settled', 'settled']);
    work.end();
    await queue.shutDownQueue();
    expect(work.attempts).toHaveLength(1);
  });

  test('one more than maxParked is refused, and takes no place', async () => {
    const work = hanging();
    const { queue, publisher, clock, called } = await oneCollector(
      work.process,
      { concurrency: 1 },
      { maxConsumers: 10, maxParked: 1 },
    );
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    await clock.turn();
    expect(events[2]?.getResult()?.errs()).toMatchObject([{ code: 'CQ_PARKED_FULL' }]);
    work.end();
    await clock.turn();
    work.end();
    await queue.shutDownQueue();
    expect(called).toEqual([1, 2]);
  });

  test('that has no bound, like no flow control at all, is nothing that tasks would have to mind', () => {
    expect(new Collector('a', () => 1).settings.flow).toBeUndefined();
    expect(new Collector('a', () => 1, { concurrency: Number.POSITIVE_INFINITY }).settings.flow).toBeUndefined();
  });

  test('frees no slot twice: what a resumed task is asked again does not count twice', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(work.process, { concurrency: 2 }, { maxConsumers: 10 });
    const events = Array.from({ length: 6 }, (_, value) => publisher.publish(value));
    await clock.turn();
    work.end();
    events[2]?.cancel();
    await clock.turn();
    expect(queue.getMetrics().busy).toBe(2);
    work.end();
    await clock.turn();
    expect(queue.getMetrics().busy).toBe(2);
    for (let left = 0; left < 6; left++) {
      work.end();
      await clock.turn();
    }
    await queue.shutDownQueue();
  });
});
