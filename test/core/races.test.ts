import {
  type AnyCollector,
  Collector,
  type CollectorEvent,
  CollectorQueue,
  InvalidArgumentError,
  LifecycleError,
  Payload,
  QueueClosedError,
  Router,
  SimpleRouter,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';

describe('a queue stands', () => {
  test('a shutdown that comes at any microtask of its start: what was set up is shut down', async () => {
    for (let microtasks = 0; microtasks < 25; microtasks++) {
      let up = 0;
      const lifecycle = { setup: () => void up++, shutdown: () => void up-- };
      const queue = new CollectorQueue([new Collector('a', () => 1, { lifecycle })]);
      const start = queue.initQueue().catch(() => undefined);
      for (let passed = 0; passed < microtasks; passed++) await Promise.resolve();
      await queue.shutDownQueue();
      await start;
      expect({ microtasks, up, consumers: queue.consumerCount }).toEqual({ microtasks, up: 0, consumers: 0 });
      await queue.run(async (publisher) => {
        expect((await publisher.publish(1).wait()).isOk()).toBe(true);
      });
    }
  });

  test('a listener of "revoked" that cancels what clear() has still to settle', async () => {
    const queue = new CollectorQueue([new Collector('a', () => 1)]);
    queue.pause();
    await queue.initQueue();
    const events: CollectorEvent[] = queue.getPublisher().sendMany([new Payload(1), new Payload(2), new Payload(3)]);
    queue.events.on('revoked', () => events.forEach((event) => void event.cancel()));
    queue.clear();
    expect(queue.getMetrics()).toMatchObject({ accepted: 3, settled: 3, qsize: 0 });
    await queue.onIdle();
    await queue.shutDownQueue();
  });

  test('a promise that begins to work only when it is awaited', async () => {
    class Lazy extends Promise<number> {
      #resolve: (value: number) => void = () => undefined;

      static make(): Lazy {
        let resolve: (value: number) => void = () => undefined;
        const lazy = new Lazy((done) => {
          resolve = done;
        });
        lazy.#resolve = resolve;
        return lazy;
      }

      static override get [Symbol.species]() {
        return Promise;
      }

      // biome-ignore lint/suspicious/noThenProperty: as lazy queries of database clients do
      override then<A = number, B = never>(
        onOk?: ((value: number) => A | PromiseLike<A>) | null,
        onErr?: ((reason: unknown) => B | PromiseLike<B>) | null,
      ): Promise<A | B> {
        this.#resolve(7);
        return super.then(onOk, onErr);
      }
    }
    await new CollectorQueue([new Collector('a', () => Lazy.make())]).run(async (publisher) => {
      expect((await publisher.publish(1).wait({ timeout: 1_000 })).first().unwrapOr(0)).toBe(7);
    });
  });

  test('a send right after resume(): who waited for room goes first', async () => {
    const seen: number[] = [];
    const collector = new Collector('a', (payload: Payload<number>) => void seen.push(payload.value));
    const queue = new CollectorQueue([collector], { maxConsumers: 1, maxSize: 0 });
    queue.pause();
    await queue.initQueue();
    const publisher = queue.getPublisher();
    const waited = publisher.sendWhenReady(new Payload(1));
    queue.resume();
    publisher.send(new Payload(2));
    await (await waited).wait();
    expect(seen[0]).toBe(1);
    await queue.shutDownQueue();
  });

  test('the removal of a collector that a router with full control has delivered to', async () => {
    class InTurn extends Router {
      select() {
        return [];
      }

      override async handleEvent(_payload: Payload, deliver: Parameters<Router['handleEvent']>[1]) {
        await deliver([this.collectors.get('a') as Collector]);
        return deliver([this.collectors.get('b') as Collector]);
      }
    }
    const hanging = new Collector('b', () => new Promise(() => undefined));
    const queue = new CollectorQueue([new Collector('a', () => 1), hanging], { router: InTurn });
    await queue.initQueue();
    const event = queue.getPublisher().publish(1);
    await new Promise((resolve) => setImmediate(resolve));
    await queue.removeCollector('a');
    expect(event.cancel()).toBe(true);
    expect((await event.wait()).length).toBe(2);
    await queue.shutDownQueue({ timeout: 0 });
  });
});

describe('what was asked for last counts', () => {
  test('a shutdown during a shutdown cancels the initialisation that was asked for in between', async () => {
    const queue = new CollectorQueue([new Collector('a', () => 1)]);
    await queue.initQueue();
    const closing = queue.shutDownQueue();
    const again = queue.initQueue();
    await Promise.all([closing, queue.shutDownQueue()]);
    await expect(again).rejects.toThrow(QueueClosedError);
    expect(queue.consumerCount).toBe(0);
    await queue.run(async (publisher) => {
      expect((await publisher.publish(1).wait()).isOk()).toBe(true);
    });
  });

  test('an initialisation that was asked for during a shutdown follows it', async () => {
    const queue = new CollectorQueue([new Collector('a', () => 1)]);
    await queue.initQueue();
    const closing = queue.shutDownQueue();
    await Promise.all([closing, queue.initQueue(), queue.initQueue()]);
    expect(queue.consumerCount).toBe(1);
    await queue.shutDownQueue();
  });
});

describe('adding collectors', () => {
  const slow = (key: string) => {
    let finish: () => void = () => undefined;
    const setup = () =>
      new Promise<void>((resolve) => {
        finish = resolve;
      });
    let down = 0;
    const collector = new Collector(key, () => key, { lifecycle: { setup, shutdown: () => void down++ } });
    return { collector, finish: () => finish(), shutDowns: () => down };
  };

  test('a shutdown waits for a collector that is being added, which is free afterwards', async () => {
    const { collector, finish, shutDowns } = slow('late');
    const queue = new CollectorQueue([new Collector('a', () => 1)]);
    await queue.initQueue();
    const adding = expect(queue.addCollector(collector)).rejects.toThrow(QueueClosedError);
    let closed = false;
    const closing = queue.shutDownQueue().then(() => {
      closed = true;
    });
    await new Promise(setImmediate);
    expect(closed).toBe(false);
    finish();
    await Promise.all([adding, closing]);
    expect(shutDowns()).toBe(1);
    const other = new CollectorQueue([collector]);
    const starting = other.initQueue();
    finish();
    await starting;
    await other.shutDownQueue();
  });

  test('a shutdown gives up on a collector that is never set up, and says so', async () => {
    const clock = new ManualClock();
    const { collector } = slow('never');
    const queue = new CollectorQueue([new Collector('a', () => 1)], { clock });
    await queue.initQueue();
    void queue.addCollector(collector).catch(() => undefined);
    const closing = expect(queue.shutDownQueue({ timeout: 50 })).rejects.toThrow(LifecycleError);
    await clock.advance(50);
    await closing;
  });

  test('keys, results and broadcasts go by the order in which the collectors were added, not set up', async () => {
    const { collector, finish } = slow('slow');
    const queue = new CollectorQueue([new Collector('a', () => 'a')]);
    await queue.initQueue();
    const adding = queue.addCollector(collector);
    await queue.addCollector(new Collector('quick', () => 'quick'));
    finish();
    await adding;
    const results = await queue.getPublisher().publish(1).wait();
    expect(results.keys()).toEqual(['a', 'slow', 'quick']);
    expect(queue.collectorKeys).toEqual(['a', 'slow', 'quick']);
    await queue.shutDownQueue();
  });

  test('a collector that cannot be removed keeps its place', async () => {
    class Picky extends SimpleRouter {
      override refresh(collectors: ReadonlyMap<string, AnyCollector>): void {
        if (collectors.size < 3) throw new Error('too few');
        super.refresh(collectors);
      }
    }
    const make = (key: string) => new Collector(key, () => key);
    const queue = new CollectorQueue([make('a'), make('b'), make('c')], { router: new Picky() });
    await queue.initQueue();
    await expect(queue.removeCollector('a')).rejects.toThrow('too few');
    expect(queue.collectorKeys).toEqual(['a', 'b', 'c']);
    expect((await queue.getPublisher().publish(1).wait()).keys()).toEqual(['a', 'b', 'c']);
    await queue.shutDownQueue();
  });
});

describe('a shutdown during a start', () => {
  test('gives up on a set-up that never ends after its timeout', async () => {
    const clock = new ManualClock();
    const queue = new CollectorQueue(
      [new Collector('a', () => 1, { lifecycle: { setup: () => new Promise(() => 0) } })],
      {
        clock,
      },
    );
    void queue.initQueue().catch(() => undefined);
    const closing = expect(queue.shutDownQueue({ timeout: 70 })).rejects.toThrow('did not end within 70 ms');
    await clock.advance(70);
    await closing;
  });

  test('rejects if what was set up cannot be shut down', async () => {
    const lifecycle = {
      setup: () => undefined,
      shutdown: () => {
        throw new Error('stuck');
      },
    };
    const queue = new CollectorQueue([new Collector('a', () => 1, { lifecycle })]);
    const starting = expect(queue.initQueue()).rejects.toMatchObject({ errors: [new Error('stuck')] });
    await expect(queue.shutDownQueue()).rejects.toMatchObject({ errors: [new Error('stuck')] });
    await starting;
  });
});

test('an undo that fails does not hide what it was to undo', async () => {
  const lifecycle = {
    setup: () => 7 as never,
    shutdown: () => {
      throw new Error('cannot undo');
    },
  };
  const queue = new CollectorQueue([new Collector('odd', () => 1, { lifecycle })]);
  await expect(queue.initQueue()).rejects.toMatchObject({
    message: expect.stringContaining('collector "odd" could not be set up'),
    errors: [expect.any(InvalidArgumentError), new Error('cannot undo')],
  });
});

test('no timer is left of a router that was still at work at the shutdown', async () => {
  class Endless extends Router {
    select(): never[] {
      return [];
    }

    override handleEvent(): Promise<never> {
      return new Promise(() => undefined);
    }
  }
  const clock = new ManualClock();
  const queue = new CollectorQueue([new Collector('a', () => 1)], { clock, router: Endless, routerTimeout: 60_000 });
  await queue.initQueue();
  const event = queue.getPublisher().publish(1);
  await new Promise(setImmediate);
  const closing = queue.shutDownQueue({ drain: false, timeout: 5 });
  await clock.advance(5);
  await closing;
  expect(event.getResult()?.isOk()).toBe(false);
  expect(clock.pendingTimers).toBe(0);
});

test('a router that was refused to a second queue stays with the first, however often that is tried', async () => {
  const router = new SimpleRouter();
  const [one, other] = ['one', 'other'].map(
    (key) => new CollectorQueue([new Collector(key, () => key)], { router }),
  ) as [CollectorQueue, CollectorQueue];
  await one.initQueue();
  for (let tries = 0; tries < 3; tries++) {
    await expect(other.initQueue()).rejects.toThrow('the router serves another queue');
    expect((await one.getPublisher().publish(1).wait()).keys()).toEqual(['one']);
  }
  await one.shutDownQueue();
});

test('a draining shutdown refuses a delay that a collector would only begin now', async () => {
  const clock = new ManualClock();
  const queue = new CollectorQueue([new Collector('later', () => 1, { delay: 60_000 })], { clock });
  await queue.initQueue();
  const event = queue.getPublisher().publish(1);
  await queue.shutDownQueue();
  expect(event.getResult()?.errs()).toMatchObject([{ code: 'CQ_QUEUE_CLOSED' }]);
  expect(clock.pendingTimers).toBe(0);
});

test('a router that exceeds its time limit is told as error-dequeueing', async () => {
  class Slow extends Router {
    select(): never[] {
      return [];
    }

    override handleEvent(): Promise<never> {
      return new Promise(() => undefined);
    }
  }
  const clock = new ManualClock();
  const queue = new CollectorQueue([new Collector('a', () => 1)], { clock, router: Slow, routerTimeout: 10 });
  const told: unknown[] = [];
  queue.events.on('error-dequeueing', ({ error }) => told.push(error));
  await queue.initQueue();
  queue.getPublisher().publish(1);
  await clock.advance(10);
  expect(told).toMatchObject([{ code: 'CQ_ROUTER_TIMEOUT' }]);
  await queue.shutDownQueue();
});
