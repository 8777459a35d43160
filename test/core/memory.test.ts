import { setTimeout as sleep } from 'node:timers/promises';
import { Collector, type CollectorEvent, type EventPublisher, QueueType } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, giveUp, started } from './scene.ts';

/** Whether what it refers to is collected, given time: a collector of garbage promises nothing at once. */
async function isLetGo(ref: WeakRef<object>): Promise<boolean> {
  for (let i = 0; i < 20; i++) {
    globalThis.gc?.();
    if (ref.deref() === undefined) return true;
    await sleep(5);
  }
  return false;
}

/** Sends a value that nothing else refers to. A function of its own, so that no local variable keeps it. */
function send(publisher: EventPublisher): { event: CollectorEvent; ref: WeakRef<object> } {
  const value = { large: new Array(1000).fill(0) };
  return { event: publisher.publish(value), ref: new WeakRef(value) };
}

describe('the value of a payload is let go of', () => {
  test.each(Object.values(QueueType))('when its event is cancelled while it waits in a %s queue', async (queueType) => {
    const end = gate();
    const scene = await started([new Collector('a', () => end.promise)], { maxConsumers: 1, queueType });
    const others = Array.from({ length: 3 }, () => send(scene.publisher));
    const { event, ref } = send(scene.publisher);
    const last = send(scene.publisher);
    expect(await isLetGo(ref)).toBe(false);
    event.cancel();
    expect(await isLetGo(ref)).toBe(true);
    expect(await isLetGo(last.ref)).toBe(false);
    expect(event.getResult()?.isOk()).toBe(false);
    end.open();
    for (const other of others) await other.event.wait();
    await scene.queue.shutDownQueue();
  });

  test.each([
    ['synchronously', () => 1],
    ['later', async () => 1],
    [
      'with an error',
      () => {
        throw new Error('no');
      },
    ],
  ])('when its event has settled %s, although somebody holds the event', async (_, processor: () => unknown) => {
    const { queue, publisher } = await started([new Collector('a', processor), new Collector('b', processor)]);
    const { event, ref } = send(publisher);
    await event.wait();
    expect(await isLetGo(ref)).toBe(true);
    expect(event.getResult()?.length).toBe(2);
    const alone = send(publisher);
    await alone.event.wait();
    expect(await isLetGo(alone.ref)).toBe(true);
    expect(alone.event.status).toBe('settled');
    await queue.shutDownQueue();
  });

  test('when it is refused, dropped or cleared', async () => {
    const end = gate();
    const scene = await started([new Collector('a', () => end.promise)], {
      maxConsumers: 1,
      maxSize: 1,
      overflow: 'dropOldest',
    });
    void scene.publisher.publish('running');
    const dropped = send(scene.publisher);
    const cleared = send(scene.publisher);
    scene.queue.clear();
    expect(await isLetGo(dropped.ref)).toBe(true);
    expect(await isLetGo(cleared.ref)).toBe(true);
    end.open();
    await scene.queue.shutDownQueue();
    const refused = send(scene.publisher);
    expect(await isLetGo(refused.ref)).toBe(true);
    for (const { event } of [dropped, cleared, refused]) expect(event.status).toBe('settled');
  });

  test('when a shutdown gives up on it while a processor hangs that did not keep it', async () => {
    const scene = await started([new Collector('a', () => new Promise(() => undefined))], { maxConsumers: 1 });
    const running = send(scene.publisher);
    const waiting = send(scene.publisher);
    await giveUp(scene);
    expect(await isLetGo(waiting.ref)).toBe(true);
    expect(running.event.status).toBe('settled');
  });
});

test('an event that nobody holds is let go of once it has settled', async () => {
  const { queue, publisher } = await started([new Collector('a', async () => 1)]);
  const ref = await (async () => {
    const event = publisher.publish(1);
    await event.wait();
    return new WeakRef(event);
  })();
  expect(await isLetGo(ref)).toBe(true);
  await queue.shutDownQueue();
});
