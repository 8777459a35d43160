import { Collector, type CollectorEvent, CollectorQueue, Payload, Router } from 'collector-queue';
import { describe, expect, test } from 'vitest';

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
