import { Collector, type CollectorEvent, CollectorQueue, ErrorCode, ok, QueueType } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, giveUp, isSettled, started } from './scene.ts';

describe('pausing', () => {
  test('lets what runs and what is claimed go on; what is sent waits until the queue is resumed', async () => {
    const called: unknown[] = [];
    const { queue, publisher, clock } = await started([new Collector('a', ({ value }) => called.push(value))]);
    void publisher.publish('claimed');
    queue.pause();
    expect(queue.isPaused).toBe(true);
    const waiting = publisher.publish('waiting');
    await clock.advance(10_000);
    expect(called).toEqual(['claimed']);
    expect(waiting.status).toBe('waiting');
    queue.resume();
    expect(queue.isPaused).toBe(false);
    await waiting.wait();
    expect(called).toEqual(['claimed', 'waiting']);
    await queue.shutDownQueue();
  });

  test('keeps a consumer that becomes free from taking the next', async () => {
    const end = gate();
    const { queue, publisher, clock } = await started([new Collector('a', () => end.promise)], { maxConsumers: 1 });
    void publisher.publish(1);
    const second = publisher.publish(2);
    await clock.turn();
    queue.pause();
    end.open();
    await clock.turn();
    expect(second.status).toBe('waiting');
    expect(queue.getMetrics().busy).toBe(0);
    queue.resume();
    expect((await second.wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });

  test('twice, or resuming what is not paused, does nothing', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1)]);
    queue.resume();
    queue.pause();
    queue.pause();
    queue.resume();
    expect(queue.isPaused).toBe(false);
    expect((await publisher.publish(1).wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });

  test('before initQueue holds until the queue is resumed', async () => {
    const queue = new CollectorQueue([new Collector('a', () => 1)]);
    queue.pause();
    await queue.initQueue();
    const event = queue.getPublisher().publish(1);
    expect(event.status).toBe('waiting');
    queue.resume();
    expect((await event.wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });

  test('ends with a draining shutdown, which finishes what waited', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1)]);
    queue.pause();
    const event = publisher.publish(1);
    await queue.shutDownQueue();
    expect(queue.isPaused).toBe(false);
    expect(event.getResult()?.first()).toEqual(ok(1));
  });
});

describe('waiting for idleness', () => {
  test('ends once everything has settled and no consumer is busy', async () => {
    const end = gate();
    const { queue, publisher } = await started([new Collector('a', () => end.promise)], { maxConsumers: 1 });
    await queue.onIdle();
    void publisher.publish(1);
    void publisher.publish(2);
    const idle = [queue.onIdle(), queue.onIdle()];
    expect(await isSettled(idle[0] as Promise<void>)).toBe(false);
    end.open();
    await Promise.all(idle);
    expect(queue.getMetrics()).toMatchObject({ settled: 2, busy: 0, qsize: 0 });
    await queue.shutDownQueue();
  });

  test('goes on while the work of a cancelled event keeps its consumer', async () => {
    const end = gate();
    const { queue, publisher, clock } = await started([new Collector('a', () => end.promise)]);
    const event = publisher.publish(1);
    await clock.turn();
    event.cancel();
    const idle = queue.onIdle();
    expect(await isSettled(idle)).toBe(false);
    end.open();
    await idle;
    await queue.shutDownQueue();
  });

  test('ends when the last that waited is cancelled, or cleared', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1)]);
    queue.pause();
    const event = publisher.publish(1);
    let idle = queue.onIdle();
    expect(await isSettled(idle)).toBe(false);
    event.cancel();
    await idle;
    void publisher.publish(2);
    idle = queue.onIdle();
    queue.clear();
    await idle;
    await queue.shutDownQueue();
  });

  test('ends when a shutdown gives up on what waited', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1)]);
    queue.pause();
    void publisher.publish(1);
    const idle = queue.onIdle();
    await queue.shutDownQueue({ drain: false });
    expect(await isSettled(idle)).toBe(true);
  });

  test('needs no queue that is up', async () => {
    const queue = new CollectorQueue([new Collector('a', () => 1)]);
    await queue.onIdle();
    await queue.onEmpty();
    await queue.onSizeLessThan(1);
    await queue.run(() => undefined);
    await queue.onIdle();
    await queue.onEmpty();
  });
});

describe('the size', () => {
  test('is how many wait, without those that were taken, and 0 while the queue is not up', async () => {
    const end = gate();
    const { queue, publisher } = await started([new Collector('a', () => end.promise)], { maxConsumers: 2 });
    expect(queue.size).toBe(0);
    for (const value of [1, 2, 3, 4, 5]) publisher.publish(value);
    expect(queue.size).toBe(3);
    end.open();
    await queue.shutDownQueue();
    expect(queue.size).toBe(0);
    expect(new CollectorQueue([new Collector('a', () => 1)]).size).toBe(0);
  });
});

describe('waiting for a size', () => {
  test('ends once nothing waits, although consumers are busy', async () => {
    const ends = [gate(), gate()];
    const { queue, publisher, clock } = await started([new Collector('a', ({ value }) => ends[value]?.promise)], {
      maxConsumers: 1,
    });
    await queue.onEmpty();
    void publisher.publish(0);
    void publisher.publish(1);
    const empty = queue.onEmpty();
    expect(await isSettled(empty)).toBe(false);
    ends[0]?.open();
    await clock.turn();
    await empty;
    expect(queue.getMetrics().busy).toBe(1);
    ends[1]?.open();
    await queue.shutDownQueue();
  });

  test('ends once fewer wait, each for its own size', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1)]);
    queue.pause();
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    const sizes = [1, 2, 3, 4].map((size) => queue.onSizeLessThan(size));
    const settled = (): Promise<boolean[]> => Promise.all(sizes.map(isSettled));
    expect(await settled()).toEqual([false, false, false, true]);
    events[0]?.cancel();
    expect(await settled()).toEqual([false, false, true, true]);
    events[1]?.cancel();
    expect(await settled()).toEqual([false, true, true, true]);
    queue.resume();
    await sizes[0];
    await queue.shutDownQueue();
  });

  test('ends when the queue is cleared', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1)]);
    queue.pause();
    void publisher.publish(1);
    const empty = queue.onEmpty();
    queue.clear();
    await empty;
    await queue.shutDownQueue();
  });

  test('ends when a shutdown gives up on what waited', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1)]);
    queue.pause();
    void publisher.publish(1);
    const empty = queue.onEmpty();
    await queue.shutDownQueue({ drain: false });
    expect(await isSettled(empty)).toBe(true);
  });

  test('ends when a shutdown runs out of time, although the processor never ends', async () => {
    const scene = await started([new Collector('a', () => new Promise(() => undefined))], { maxConsumers: 1 });
    const { queue, publisher, clock } = scene;
    void publisher.publish(1);
    void publisher.publish(2);
    await clock.turn();
    const empty = queue.onEmpty();
    const closing = queue.shutDownQueue({ timeout: 10 });
    await clock.advance(10);
    await closing;
    expect(await isSettled(empty)).toBe(true);
  });
});

describe('clearing', () => {
  test.each(Object.values(QueueType))(
    'takes out everything that waits in a %s queue, and nothing else',
    async (queueType) => {
      const end = gate<string>();
      const { queue, publisher, clock } = await started([new Collector('a', () => end.promise)], {
        maxConsumers: 1,
        queueType,
      });
      const [running, ...waiting] = [1, 2, 3].map((value) => publisher.publish(value)) as [
        CollectorEvent,
        ...CollectorEvent[],
      ];
      await clock.turn();
      expect(queue.clear()).toBe(2);
      for (const event of waiting) {
        expect(event.getResult()?.delivered).toBe(0);
        expect(event.getResult()?.first()._unsafeUnwrapErr()).toMatchObject({
          code: ErrorCode.CLEARED,
          retryable: false,
        });
      }
      expect(running.status).toBe('running');
      expect(queue.getMetrics()).toMatchObject({ qsize: 0, settled: 2, cancelled: 2 });
      end.open('done');
      expect((await running.wait()).first()).toEqual(ok('done'));
      expect(queue.clear()).toBe(0);
      await queue.shutDownQueue();
      expect(queue.clear()).toBe(0);
    },
  );

  test('before initQueue does nothing', () => {
    expect(new CollectorQueue([new Collector('a', () => 1)]).clear()).toBe(0);
  });

  test('takes out only what waited when it was called: a listener may send again', async () => {
    const scene = await started([new Collector('a', () => 1)]);
    const { queue, publisher } = scene;
    queue.pause();
    const resent: CollectorEvent[] = [];
    queue.events.on('revoked', () => {
      if (resent.length < 10) resent.push(publisher.publish('again'));
    });
    publisher.publish(1);
    publisher.publish(2);
    expect(queue.clear()).toBe(2);
    expect(resent.map(({ status }) => status)).toEqual(['waiting', 'waiting']);
    await giveUp(scene);
  });
});

describe('the consumers of a queue', () => {
  test('are as many as the load asks for, within their bounds', async () => {
    const end = gate();
    const { queue, publisher, clock } = await started([new Collector('a', () => end.promise)], {
      minConsumers: 2,
      maxConsumers: 4,
      idleTimeout: 1000,
    });
    expect(queue.consumerCount).toBe(2);
    expect(queue.currentLoad).toBe(0);
    void publisher.publish(0);
    expect(queue.currentLoad).toBe(0.5);
    for (let i = 1; i < 6; i++) void publisher.publish(i);
    expect(queue.consumerCount).toBe(4);
    expect(queue.currentLoad).toBe(1);
    expect(queue.getMetrics()).toMatchObject({ busy: 4, consumers: 4, load: 1, qsize: 2 });
    end.open();
    await clock.advance(5000);
    expect(queue.consumerCount).toBe(2);
    expect(queue.currentLoad).toBe(0);
    await queue.shutDownQueue();
    expect(queue.consumerCount).toBe(0);
    expect(queue.currentLoad).toBe(0);
  });

  test('give timers and I/O their turn while a long backlog is worked off', async () => {
    const { queue, publisher, clock } = await started([new Collector('a', () => clock.consume(1))], {
      maxConsumers: 1,
    });
    queue.pause();
    const events = Array.from({ length: 500 }, (_, value) => publisher.publish(value));
    queue.resume();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    const settled = events.filter(({ status }) => status === 'settled').length;
    expect(settled).toBeGreaterThan(0);
    expect(settled).toBeLessThan(500);
    expect(clock.pendingTurns).toBe(1);
    const late = publisher.publish('while it yields');
    await clock.turn();
    expect(late.status).toBe('settled');
    expect(events.every(({ status }) => status === 'settled')).toBe(true);
    await queue.shutDownQueue();
  });
});
