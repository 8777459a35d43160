import { Collector, type CollectorEvent, CollectorQueue, ErrorCode, LifecycleError, ok } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, giveUp, isSettled, rejectionOf, started } from './scene.ts';

/** A collector that tells what happens to it. */
function telling(key: string, entries: string[], processor: () => unknown = () => key): Collector {
  return new Collector(key, processor, {
    lifecycle: { setup: () => void entries.push(`${key} up`), shutdown: () => void entries.push(`${key} down`) },
  });
}

describe('adding a collector', () => {
  test('sets it up first; what is dispatched from then on can match it, last in order', async () => {
    const entries: string[] = [];
    const { queue, publisher } = await started([telling('a', entries)]);
    await queue.addCollector(telling('b', entries));
    expect(queue.collectorKeys).toEqual(['a', 'b']);
    expect((await publisher.publish(1).wait()).keys()).toEqual(['a', 'b']);
    expect((await publisher.publish(1, { keys: 'b' }).wait()).first()).toEqual(ok('b'));
    await queue.shutDownQueue();
    expect(entries).toEqual(['a up', 'b up', 'b down', 'a down']);
  });

  test('is not noticed by what it does not match, nor by what was dispatched before it was up', async () => {
    const open = gate();
    const { queue, publisher } = await started([new Collector('a', () => 'a')]);
    const added = queue.addCollector(new Collector('b', () => 'b', { lifecycle: { setup: () => open.promise } }));
    expect((await publisher.publish(1).wait()).keys()).toEqual(['a']);
    expect((await publisher.publish(1, { keys: 'b' }).wait()).delivered).toBe(0);
    open.open();
    await added;
    expect((await publisher.publish(1).wait()).keys()).toEqual(['a', 'b']);
    await queue.shutDownQueue();
  });

  test('matches payloads that waited before it came', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 'a')]);
    queue.pause();
    const waiting = publisher.publish(1);
    await queue.addCollector(new Collector('b', () => 'b'));
    queue.resume();
    expect((await waiting.wait()).keys()).toEqual(['a', 'b']);
    await queue.shutDownQueue();
  });

  test('that cannot be set up rejects, and adds nothing', async () => {
    const fault = new Error('no disk');
    const { queue, publisher } = await started([new Collector('a', () => 'a')]);
    const failing = new Collector('b', () => 'b', {
      lifecycle: {
        setup: (): void => {
          throw fault;
        },
      },
    });
    const error = (await rejectionOf(queue.addCollector(failing))) as LifecycleError;
    expect(error).toBeInstanceOf(LifecycleError);
    expect(error).toMatchObject({
      errors: [fault],
      cause: fault,
      message: 'collector "b" could not be set up: Error: no disk',
    });
    expect(queue.collectorKeys).toEqual(['a']);
    expect((await publisher.publish(1).wait()).keys()).toEqual(['a']);
    await queue.addCollector(new Collector('b', () => 'other b'));
    expect((await publisher.publish(1).wait()).get('b')).toEqual(ok('other b'));
    await queue.shutDownQueue();
  });

  test('before initQueue makes it one of those that are set up then', async () => {
    const entries: string[] = [];
    const queue = new CollectorQueue<Collector>([telling('a', entries)]);
    await queue.addCollector(telling('b', entries));
    expect(entries).toEqual([]);
    await queue.run((publisher) => publisher.publish(1).wait());
    expect(entries).toEqual(['a up', 'b up', 'b down', 'a down']);
  });

  test('during initQueue waits for its end', async () => {
    const entries: string[] = [];
    const open = gate();
    const slow = new Collector('a', () => 'a', { lifecycle: { setup: () => open.promise } });
    const queue = new CollectorQueue<Collector>([slow]);
    const starting = queue.initQueue();
    const added = queue.addCollector(telling('b', entries));
    expect(await isSettled(added)).toBe(false);
    expect(entries).toEqual([]);
    open.open();
    await Promise.all([starting, added]);
    expect((await queue.getPublisher().publish(1).wait()).keys()).toEqual(['a', 'b']);
    await queue.shutDownQueue();
  });

  test('during a shutdown is refused', async () => {
    const entries: string[] = [];
    const { queue } = await started([telling('a', entries)]);
    const closing = queue.shutDownQueue();
    expect(await rejectionOf(queue.addCollector(telling('b', entries)))).toMatchObject({
      code: ErrorCode.QUEUE_CLOSED,
    });
    await closing;
    expect(entries).toEqual(['a up', 'a down']);
  });

  test('that is still being set up when the queue shuts down shuts it down again, and rejects', async () => {
    const entries: string[] = [];
    const [begun, open] = [gate(), gate()];
    const setup = (): Promise<void> => {
      begun.open();
      return open.promise;
    };
    const slow = new Collector('b', () => 'b', { lifecycle: { setup, shutdown: () => void entries.push('b down') } });
    const { queue } = await started([telling('a', entries)]);
    const added = rejectionOf(queue.addCollector(slow));
    await begun.promise;
    const closing = queue.shutDownQueue();
    open.open();
    expect(await added).toMatchObject({ code: ErrorCode.QUEUE_CLOSED });
    await closing;
    expect(entries).toEqual(['a up', 'b down', 'a down']);
    expect(queue.collectorKeys).toEqual(['a']);
  });

  test('that serves another queue rejects', async () => {
    const shared = new Collector('shared', () => 1);
    const other = await started([shared]);
    const { queue } = await started([new Collector('a', () => 1)]);
    expect(await rejectionOf(queue.addCollector(shared))).toBeInstanceOf(LifecycleError);
    expect(queue.collectorKeys).toEqual(['a']);
    await other.queue.shutDownQueue();
    await queue.addCollector(shared);
    await queue.shutDownQueue();
  });

  test('while it is removed again leaves it down, and free for another queue', async () => {
    const entries: string[] = [];
    const [begun, open] = [gate(), gate()];
    const setup = (): Promise<void> => {
      begun.open();
      return open.promise;
    };
    const slow = new Collector('b', () => 'b', { lifecycle: { setup, shutdown: () => void entries.push('b down') } });
    const { queue, publisher } = await started([new Collector('a', () => 'a')]);
    const added = queue.addCollector(slow).catch(() => undefined);
    await begun.promise;
    const removed = queue.removeCollector('b');
    open.open();
    await Promise.all([added, removed]);
    expect((await publisher.publish(1).wait()).keys()).toEqual(['a']);
    expect(entries).toEqual(['b down']);
    await queue.shutDownQueue();
  });
});

describe('removing a collector', () => {
  test('shuts it down; nothing is handed to it any more, and it is free for another queue', async () => {
    const entries: string[] = [];
    const collector = telling('b', entries);
    const { queue, publisher } = await started([new Collector('a', () => 'a'), collector]);
    expect(await queue.removeCollector('b')).toBe(true);
    expect(entries).toEqual(['b up', 'b down']);
    expect(queue.collectorKeys).toEqual(['a']);
    expect((await publisher.publish(1).wait()).keys()).toEqual(['a']);
    expect((await publisher.publish(1, { keys: 'b' }).wait()).delivered).toBe(0);
    const other = await started([collector]);
    expect((await other.publisher.publish(1).wait()).first()).toEqual(ok('b'));
    await other.queue.shutDownQueue();
    await queue.shutDownQueue();
    expect(entries).toEqual(['b up', 'b down', 'b up', 'b down']);
  });

  test('waits for its unfinished tasks, whose results count', async () => {
    const end = gate<string>();
    const entries: string[] = [];
    const { queue, publisher, clock } = await started([telling('a', entries, () => end.promise)]);
    const running = [publisher.publish(1), publisher.publish(2)];
    await clock.turn();
    const removed = queue.removeCollector('a');
    expect((await publisher.publish(3).wait()).delivered).toBe(0);
    expect(await isSettled(removed)).toBe(false);
    expect(entries).toEqual(['a up']);
    end.open('done');
    expect(await removed).toBe(true);
    expect(entries).toEqual(['a up', 'a down']);
    for (const event of running) expect(event.getResult()?.first()).toEqual(ok('done'));
    await queue.shutDownQueue();
  });

  test('waits for the work of a cancelled event too', async () => {
    const end = gate();
    const { queue, publisher, clock } = await started([new Collector('a', () => end.promise)]);
    const event = publisher.publish(1);
    await clock.turn();
    event.cancel();
    const removed = queue.removeCollector('a');
    expect(await isSettled(removed)).toBe(false);
    end.open();
    expect(await removed).toBe(true);
    await queue.shutDownQueue();
  });

  test('with a key that there is not resolves to false, also the second time', async () => {
    const { queue } = await started([new Collector('a', () => 1), new Collector('b', () => 1)]);
    expect(await queue.removeCollector('c')).toBe(false);
    expect(await queue.removeCollector('__proto__')).toBe(false);
    expect(await Promise.all([queue.removeCollector('b'), queue.removeCollector('b')])).toEqual([true, false]);
    await queue.shutDownQueue();
  });

  test('that fails to shut down rejects, and removes it all the same', async () => {
    const fault = new Error('stuck');
    const lifecycle = {
      shutdown: (): void => {
        throw fault;
      },
    };
    const { queue, publisher } = await started([
      new Collector('a', () => 1),
      new Collector('b', () => 1, { lifecycle }),
    ]);
    expect(await rejectionOf(queue.removeCollector('b'))).toMatchObject({
      code: ErrorCode.LIFECYCLE,
      errors: [fault],
      message: 'collector "b" failed to shut down',
    });
    expect((await publisher.publish(1).wait()).keys()).toEqual(['a']);
    await queue.shutDownQueue();
  });

  test('before initQueue keeps it from being set up, and the last one may go too', async () => {
    const entries: string[] = [];
    const queue = new CollectorQueue([telling('a', entries)]);
    expect(await queue.removeCollector('a')).toBe(true);
    const results = await queue.run((publisher) => publisher.publish(1).wait());
    expect(results.delivered).toBe(0);
    expect(entries).toEqual([]);
  });

  test('and shutting down at once shuts it down once', async () => {
    const end = gate();
    const entries: string[] = [];
    const { queue, publisher, clock } = await started([telling('a', entries, () => end.promise)]);
    void publisher.publish(1);
    await clock.turn();
    const removed = queue.removeCollector('a');
    const closing = queue.shutDownQueue();
    end.open();
    expect(await removed).toBe(true);
    await closing;
    expect(entries).toEqual(['a up', 'a down']);
  });

  test('settles also when a shutdown leaves its work behind', async () => {
    const scene = await started([new Collector('a', () => new Promise(() => undefined))]);
    void scene.publisher.publish(1);
    await scene.clock.turn();
    const removed = scene.queue.removeCollector('a');
    await giveUp(scene);
    expect(await isSettled(removed)).toBe(true);
  });
});

test('collectors can come and go under load: each payload goes to those of its moment, and everything settles', async () => {
  const { queue, publisher, clock } = await started([new Collector('base', async ({ value }) => value)], {
    maxConsumers: 8,
  });
  const events: CollectorEvent[] = [];
  const changes: Promise<unknown>[] = [];
  for (let round = 0; round < 50; round++) {
    const key = `c${round % 5}`;
    for (let i = 0; i < 20; i++) events.push(publisher.publish(i));
    if (queue.collectorKeys.includes(key)) changes.push(queue.removeCollector(key));
    else changes.push(queue.addCollector(new Collector(key, async () => key)));
    if (round % 3 === 0) await clock.turn();
  }
  await Promise.all(changes);
  await queue.onIdle();
  for (const event of events) {
    const results = event.getResult();
    expect(results?.isOk()).toBe(true);
    expect(results?.keys()[0]).toBe('base');
    for (const key of results?.keys().slice(1) ?? []) expect(results?.get(key)).toEqual(ok(key));
  }
  expect(queue.getMetrics()).toMatchObject({ accepted: 1000, settled: 1000, busy: 0, inFlight: 0, parked: 0 });
  await queue.shutDownQueue();
});
