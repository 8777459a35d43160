import { Collector, Payload, type QueueHealth, RetryTask, Router } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { hanging, oneCollector } from '../policies/scene.ts';
import { gate, giveUp, type Scene, started, thrownBy } from './scene.ts';

/** What of the oldest tasks does not depend on chance. */
function oldest({ queue }: Pick<Scene, 'queue'>, count?: number): unknown[] {
  const health = queue.health(count === undefined ? {} : { oldest: count });
  return health.oldest.map(({ collectorKey, attempt, age, abandoned }) => ({ collectorKey, attempt, age, abandoned }));
}

function probes({ live, ready, saturated }: QueueHealth): string {
  return [live && 'live', ready && 'ready', saturated && 'saturated'].filter(Boolean).join(' ');
}

describe('the health of a queue', () => {
  test('is told in every state', async () => {
    const set = gate();
    const end = gate();
    const collector = new Collector('a', () => end.promise, { lifecycle: { setup: () => set.promise } });
    const { queue, clock } = await started([new Collector('b', () => 1)]);
    await queue.shutDownQueue();
    expect(queue.health()).toEqual({
      state: 'closed',
      live: false,
      ready: false,
      saturated: false,
      paused: false,
      waiting: 0,
      busy: 0,
      consumers: 0,
      abandoned: 0,
      oldest: [],
    });
    await queue.addCollector(collector);
    const starting = queue.initQueue();
    expect(queue.health()).toMatchObject({ state: 'starting', live: false, ready: false });
    set.open();
    await starting;
    expect(queue.health()).toMatchObject({ state: 'running', live: true, ready: true, consumers: 1 });
    void queue.getPublisher().publish(1);
    await clock.turn();
    const closing = queue.shutDownQueue();
    expect(queue.health()).toMatchObject({ state: 'closing', live: true, ready: false, busy: 1 });
    end.open();
    await closing;
    expect(queue.health()).toMatchObject({ state: 'closed', live: false, ready: false, busy: 0, consumers: 0 });
  });

  test('is new before the first start', async () => {
    const { queue } = await started([new Collector('a', () => 1)]);
    const Queue = queue.constructor as new (collectors: unknown[]) => typeof queue;
    expect(new Queue([new Collector('a', () => 1)]).health()).toMatchObject({ state: 'new', live: false, oldest: [] });
    await queue.shutDownQueue();
  });

  test('is not ready while the queue is full, whatever an overflow does', async () => {
    for (const overflow of ['reject', 'dropOldest'] as const) {
      const end = gate();
      const scene = await oneCollector(() => end.promise, {}, { maxSize: 1, overflow });
      const { queue, publisher, clock } = scene;
      void publisher.publish(1);
      expect(probes(queue.health())).toBe('live ready');
      void publisher.publish(2);
      await clock.turn();
      expect(probes(queue.health())).toBe('live');
      expect(queue.health()).toMatchObject({ waiting: 1, busy: 1, consumers: 1 });
      end.open();
      await clock.turn();
      expect(probes(queue.health())).toBe('live ready');
      await queue.shutDownQueue();
    }
  });

  test('is ready while the queue is paused', async () => {
    const { queue } = await started([new Collector('a', () => 1)]);
    queue.pause();
    expect(queue.health()).toMatchObject({ live: true, ready: true, paused: true });
    await queue.shutDownQueue();
  });

  test('refuses a wrong option', async () => {
    const { queue } = await started([new Collector('a', () => 1)]);
    for (const count of [-1, 1.5, Number.NaN, '10', null]) {
      expect(String(thrownBy(() => queue.health({ oldest: count as number }))), String(count)).toMatch(
        /InvalidArgumentError: health: oldest must be a whole number of at least 0/,
      );
    }
    expect(String(thrownBy(() => queue.health({ oldes: 1 } as object)))).toContain("did you mean 'oldest'?");
    expect(String(thrownBy(() => queue.health(null as never)))).toContain('health: options must be an object');
    await queue.shutDownQueue();
  });
});

describe('the oldest tasks', () => {
  test('come in the order in which they began, with key, event, attempt and age', async () => {
    const end = gate();
    const keep = (): Promise<void> => end.promise;
    const scene = await started([new Collector('a', keep), new Collector('b', keep)], { maxConsumers: 9 });
    const { publisher, queue, clock } = scene;
    const first = publisher.send(new Payload(1, { keys: 'b' }));
    await clock.advance(500);
    const second = publisher.send(new Payload(2, { keys: 'a' }));
    await clock.advance(250);
    expect(queue.health().oldest).toEqual([
      { collectorKey: 'b', eventId: first.id, attempt: 1, age: 750, abandoned: false },
      { collectorKey: 'a', eventId: second.id, attempt: 1, age: 250, abandoned: false },
    ]);
    void publisher.send(new Payload(3));
    await clock.advance(100);
    expect(oldest(scene)).toEqual([
      { collectorKey: 'b', attempt: 1, age: 850, abandoned: false },
      { collectorKey: 'a', attempt: 1, age: 350, abandoned: false },
      { collectorKey: 'a', attempt: 1, age: 100, abandoned: false },
      { collectorKey: 'b', attempt: 1, age: 100, abandoned: false },
    ]);
    expect(oldest(scene, 2)).toEqual(oldest(scene).slice(0, 2));
    expect(oldest(scene, 0)).toEqual([]);
    end.open();
    await clock.turn();
    expect(oldest(scene)).toEqual([]);
    await queue.shutDownQueue();
  });

  test('are ten unless more are asked for, and those that began first', async () => {
    const { process } = hanging();
    const scene = await oneCollector(process, {}, { maxConsumers: 100 });
    for (let value = 0; value < 25; value++) {
      void scene.publisher.publish(value);
      await scene.clock.advance(10);
    }
    expect(oldest(scene)).toHaveLength(10);
    const ages = scene.queue.health({ oldest: 99 }).oldest.map(({ age }) => age);
    expect(ages).toEqual(Array.from({ length: 25 }, (_, at) => 250 - at * 10));
    expect(scene.queue.health().oldest.map(({ age }) => age)).toEqual(ages.slice(0, 10));
    await giveUp(scene);
  });

  test('are too old by a tenth of idleTimeout at most, and never too young', async () => {
    const { process, end } = hanging();
    const scene = await oneCollector(process, {}, { maxConsumers: 1, idleTimeout: 1000 });
    const { clock, publisher, queue } = scene;
    // A burst makes the pool read the clock seldom.
    const burst = publisher.sendMany(Array.from({ length: 300 }, (_, value) => new Payload(value)));
    for (let ended = 0; ended < 290; ended++) {
      await clock.turn();
      end();
    }
    let worst = 0;
    for (let ended = 0; ended < 9; ended++) {
      await clock.turn();
      const before = queue.health().oldest[0]?.age ?? Number.NaN;
      expect(before).toBeGreaterThanOrEqual(0);
      expect(before).toBeLessThanOrEqual(100);
      worst = Math.max(worst, before);
      await clock.advance(1_033);
      expect(queue.health().oldest[0]?.age).toBe(before + 1_033);
      end();
    }
    expect(burst).toHaveLength(300);
    expect(worst).toBeGreaterThan(0);
    await giveUp(scene);
  });

  test('count the attempts, and each attempt has an age of its own', async () => {
    const { process, gates } = hanging();
    const scene = await oneCollector(process, { retry: { attempts: 3 } });
    const { clock, publisher } = scene;
    void publisher.publish(1);
    await clock.advance(1_000);
    gates[0]?.fail(new RetryTask({ delay: 100 }));
    await clock.advance(100);
    await clock.advance(50);
    expect(oldest(scene)).toEqual([{ collectorKey: 'a', attempt: 2, age: 50, abandoned: false }]);
    await giveUp(scene);
  });

  test('have their real age when the queue was idle before', async () => {
    const { process, end } = hanging();
    const scene = await oneCollector(process);
    void scene.publisher.publish(1);
    await scene.clock.turn();
    end();
    await scene.clock.advance(60_000);
    void scene.publisher.publish(2);
    await scene.clock.advance(5);
    expect(oldest(scene)).toEqual([{ collectorKey: 'a', attempt: 1, age: 5, abandoned: false }]);
    await giveUp(scene);
  });

  test('are there with a router that has full control', async () => {
    class Everybody extends Router {
      override handleEvent(
        _: Payload,
        deliver: Parameters<Router['handleEvent']>[1],
      ): ReturnType<Router['handleEvent']> {
        return deliver([...this.collectors.values()]);
      }
      select(): readonly Collector[] {
        return [];
      }
    }
    const { process } = hanging();
    const scene = await oneCollector(process, {}, { router: Everybody });
    void scene.publisher.publish(1);
    await scene.clock.advance(70);
    expect(oldest(scene)).toEqual([{ collectorKey: 'a', attempt: 1, age: 70, abandoned: false }]);
    await giveUp(scene);
  });

  test('are those that a shutdown has left behind, until they end', async () => {
    const { process, end } = hanging();
    const scene = await oneCollector(process);
    void scene.publisher.publish(1);
    await scene.clock.advance(10);
    await giveUp(scene);
    await scene.clock.advance(90);
    expect(scene.queue.health()).toMatchObject({ state: 'closed', live: false });
    expect(oldest(scene)).toEqual([{ collectorKey: 'a', attempt: 1, age: 100, abandoned: true }]);
    end();
    await scene.clock.turn();
    expect(oldest(scene)).toEqual([]);
  });
});

describe('work that nobody waits for', () => {
  test('is marked: what exceeded its time limit, what was cancelled', async () => {
    const { process } = hanging();
    const scene = await oneCollector(process, {}, { maxConsumers: 3 });
    const { clock, publisher } = scene;
    const cancelled = publisher.publish(1);
    await clock.advance(10);
    void publisher.send(new Payload(2), { timeout: 20 });
    await clock.advance(50);
    cancelled.cancel();
    expect(oldest(scene).slice(0, 1)).toEqual([{ collectorKey: 'a', attempt: 1, age: 60, abandoned: true }]);
    expect(scene.queue.health().oldest.filter(({ abandoned }) => abandoned)).toHaveLength(2);
    expect(scene.queue.health().abandoned).toBe(1);
    await giveUp(scene);
  });

  test('makes the queue saturated, and no longer live once it keeps every consumer', async () => {
    const { process, gates } = hanging();
    const scene = await oneCollector(process, { timeout: 20 }, { maxConsumers: 2, maxAbandoned: 0 });
    const { clock, publisher, queue } = scene;
    void publisher.publish(1);
    await clock.advance(30);
    expect(probes(queue.health())).toBe('live ready saturated');
    void publisher.publish(2);
    // Claimed, not begun: its consumer is not stuck.
    expect(probes(queue.health())).toBe('live ready saturated');
    await clock.advance(10);
    expect(probes(queue.health())).toBe('live ready saturated');
    await clock.advance(10);
    expect(probes(queue.health())).toBe('saturated');
    expect(queue.health()).toMatchObject({ state: 'running', abandoned: 2 });
    gates[0]?.open('late');
    await clock.turn();
    expect(probes(queue.health())).toBe('live ready saturated');
    await giveUp(scene);
  });

  test('keeps one consumer, however much of it belongs to one payload', async () => {
    const { process, gates } = hanging();
    const make = (key: string): Collector => new Collector(key, ({ value }, _, attempt) => process(value, attempt));
    const scene = await started([make('a'), make('b')], { maxConsumers: 2 });
    const { clock, publisher, queue } = scene;
    const both = publisher.send(new Payload(1), { timeout: 20 });
    await clock.advance(30);
    expect(both.status).toBe('settled');
    expect(queue.health()).toMatchObject({ live: true, busy: 1, abandoned: 2 });
    const other = publisher.send(new Payload(2));
    await clock.turn();
    expect(queue.health().live).toBe(true);
    other.cancel();
    expect(queue.health()).toMatchObject({ live: false, busy: 2, abandoned: 2 });
    for (const { open } of gates.slice(2)) open(1);
    await clock.turn();
    expect(queue.health()).toMatchObject({ live: true, busy: 1 });
    await giveUp(scene);
  });

  test('keeps no consumer beside work of the same payload that is wanted', async () => {
    const { process, gates } = hanging();
    const make = (key: string, timeout?: number): Collector =>
      new Collector(key, ({ value }, _, attempt) => process(value, attempt), { timeout });
    const scene = await started([make('a', 20), make('b')], { maxConsumers: 1 });
    const { clock, publisher, queue } = scene;
    void publisher.publish(1);
    await clock.advance(30);
    expect(queue.health()).toMatchObject({ live: true, busy: 1, abandoned: 1 });
    gates[1]?.open(1);
    await clock.turn();
    expect(queue.health()).toMatchObject({ live: false, busy: 1, abandoned: 1 });
    await giveUp(scene);
  });

  test('of an attempt keeps its consumer, and the next attempt takes another', async () => {
    const { process } = hanging();
    const scene = await oneCollector(process, { timeout: 20, retry: { attempts: 2, base: 1 } }, { maxConsumers: 2 });
    const { clock, publisher, queue } = scene;
    void publisher.publish(1);
    await clock.advance(25);
    expect(queue.health()).toMatchObject({ live: true, abandoned: 1, busy: 2 });
    expect(oldest(scene).map((task) => (task as { attempt: number }).attempt)).toEqual([1, 2]);
    await clock.advance(20);
    expect(queue.health()).toMatchObject({ live: false, abandoned: 2, busy: 2 });
    await giveUp(scene);
  });
});
