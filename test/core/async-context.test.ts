import { AsyncLocalStorage } from 'node:async_hooks';
import { type AnyCollector, Collector, CollectorQueue, type Deliver, ResultList, SimpleRouter } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';

const storage = new AsyncLocalStorage<string>();

/** A queue that was initialised in the context 'init', with collectors that tell the context they run in. */
async function scene(options: { asyncContext?: boolean; router?: typeof SimpleRouter }, maxConsumers = 1) {
  const seen: unknown[] = [];
  const collectors: AnyCollector[] = ['a', 'b'].map(
    (key) =>
      new Collector(key, async ({ value }) => {
        seen.push([key, value, storage.getStore()]);
        await new Promise((resolve) => setImmediate(resolve));
        seen.push([key, value, storage.getStore()]);
      }),
  );
  const queue = new CollectorQueue(collectors, { ...options, maxConsumers, clock: new ManualClock() });
  await storage.run('init', () => queue.initQueue());
  const publisher = queue.getPublisher();
  const send = (sender: string): unknown => storage.run(sender, () => publisher.publish(sender, { keys: 'a' }));
  return { queue, publisher, seen, send };
}

class Full extends SimpleRouter {
  override async handleEvent(...[payload, deliver]: [never, Deliver]): Promise<ResultList> {
    await Promise.resolve();
    const list = await deliver(this.select(payload));
    return new ResultList([...list]);
  }
}

describe.each([
  ['select', {}],
  ['handleEvent', { router: Full }],
])('with a router by %s, a processor runs', (_, options) => {
  test.each([1, 3])('in its sender’s context with asyncContext, at %s consumers', async (maxConsumers) => {
    const { queue, seen, send } = await scene({ ...options, asyncContext: true }, maxConsumers);
    for (const sender of ['one', 'two', 'three', 'four']) send(sender);
    await storage.run('shutdown', () => queue.shutDownQueue());
    expect(seen).toHaveLength(8);
    for (const [, value, context] of seen as [string, string, string][]) expect(context).toBe(value);
  });

  test.each([1, 3])('in the context of initQueue without asyncContext, at %s consumers', async (maxConsumers) => {
    const { queue, seen, send } = await scene(options, maxConsumers);
    for (const sender of ['one', 'two', 'three', 'four']) send(sender);
    await storage.run('shutdown', () => queue.shutDownQueue());
    expect(seen).toHaveLength(8);
    for (const [, , context] of seen as [string, string, string][]) expect(context).toBe('init');
  });

  test('in no context at all, with asyncContext, if its sender has none', async () => {
    const { queue, seen, publisher } = await scene({ ...options, asyncContext: true });
    void publisher.publish('none', { keys: 'b' });
    await queue.shutDownQueue();
    expect(seen).toEqual([
      ['b', 'none', undefined],
      ['b', 'none', undefined],
    ]);
  });
});

test('a payload that waited for room runs in the context of who sent it, with asyncContext', async () => {
  const seen: unknown[] = [];
  const collector = new Collector('a', async ({ value }) => void seen.push([value, storage.getStore()]));
  const queue = new CollectorQueue([collector], { asyncContext: true, maxConsumers: 1, maxSize: 1 });
  await storage.run('init', () => queue.initQueue());
  const publisher = queue.getPublisher();
  const { Payload } = await import('collector-queue');
  const sends = ['one', 'two', 'three', 'four'].map((sender) =>
    storage.run(sender, () => publisher.sendWhenReady(new Payload(sender))),
  );
  for (const event of await Promise.all(sends)) await event.wait();
  expect(seen).toEqual(['one', 'two', 'three', 'four'].map((sender) => [sender, sender]));
  await queue.shutDownQueue();
});

test('a sender’s own context is untouched by what it sends', async () => {
  const { queue, publisher } = await scene({ asyncContext: true });
  await storage.run('sender', async () => {
    await publisher.publish(1).wait();
    expect(storage.getStore()).toBe('sender');
  });
  await queue.shutDownQueue();
});
