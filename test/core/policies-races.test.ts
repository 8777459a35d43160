import { getEventListeners } from 'node:events';
import {
  CancelledError,
  Collector,
  type CollectorEvent,
  type CollectorOptions,
  ok,
  Payload,
  type Processor,
  RetryTask,
  RevokedError,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { giveUp, rejectionOf, type Scene, started } from './scene.ts';

const listenersOf = ({ signal }: AbortController): number => getEventListeners(signal, 'abort').length;

/** A queue whose only collector is at work forever, unless told otherwise. */
function endless(
  options: CollectorOptions<object>,
  processor: Processor = () => new Promise(() => undefined),
): Promise<Scene> {
  return started([new Collector('a', processor, options)]);
}

describe('the races of policies that the models found:', () => {
  test('the time limit of an attempt is no news once its event was cancelled', async () => {
    const { queue, publisher, clock } = await endless({ timeout: 30 });
    const told: string[] = [];
    for (const name of ['revoked', 'timeout'] as const) queue.events.on(name, ({ status }) => void told.push(status));
    const event = publisher.publish(1);
    await clock.turn();
    event.cancel();
    await clock.advance(100);
    expect(told).toEqual(['revoked']);
    await giveUp({ queue, clock });
  });

  test('a listener that cancels the event hears nothing more of its task', async () => {
    const { queue, publisher, clock } = await endless({ retry: 3 }, () => Promise.reject(new Error('failed')));
    const told: string[] = [];
    const event = publisher.publish(1);
    queue.events.on('retrying', () => void event.cancel());
    for (const name of ['revoked', 'scheduled', 'parked'] as const) {
      queue.events.on(name, ({ status }) => void told.push(status));
    }
    await clock.turn();
    expect(told).toEqual(['revoked']);
    await queue.shutDownQueue();
  });

  test('a task without options that asked for another attempt does not get it once its collector is revoked', async () => {
    const calls: number[] = [];
    const { queue, publisher, clock } = await endless({}, (_payload, _context, { number }) => {
      calls.push(number);
      return new RetryTask({ delay: 50 });
    });
    const event = publisher.publish(1);
    await clock.turn();
    queue.revoke('a');
    await clock.advance(50);
    expect(calls).toEqual([1]);
    expect(event.getResult()?.first()._unsafeUnwrapErr()).toBeInstanceOf(RevokedError);
    await queue.shutDownQueue();
  });

  test('no time limit stays behind an attempt that ended with the signal of its collector, and took its event along', async () => {
    const abort = new AbortController();
    let event: CollectorEvent | undefined;
    const { queue, publisher, clock } = await endless(
      { timeout: 60_000, signal: abort.signal },
      (_payload, _context, { signal }) => {
        return new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            event?.cancel();
            resolve(undefined);
          });
        });
      },
    );
    event = publisher.publish(1);
    await clock.turn();
    abort.abort();
    await queue.shutDownQueue();
    expect(clock.pendingTimers).toBe(0);
  });

  test('a shutdown that leaves work behind leaves no listener on the signal of its collector', async () => {
    const abort = new AbortController();
    const { queue, publisher, clock } = await endless({ signal: abort.signal });
    void publisher.publish(1);
    await clock.turn();
    expect(listenersOf(abort)).toBe(1);
    await giveUp({ queue, clock });
    expect(listenersOf(abort)).toBe(0);
  });

  test('a retryIf that cancels its event leaves no listener on the signal of the collector', async () => {
    const abort = new AbortController();
    let event: CollectorEvent | undefined;
    const retryIf = (): boolean => {
      event?.cancel();
      return false;
    };
    const failing = (): Promise<never> => Promise.reject(new Error('failed'));
    const { queue, publisher, clock } = await endless({ signal: abort.signal, retry: { retryIf } }, failing);
    event = publisher.publish(1);
    await clock.turn();
    expect(event.getResult()?.first()._unsafeUnwrapErr()).toBeInstanceOf(CancelledError);
    expect(listenersOf(abort)).toBe(0);
    await queue.shutDownQueue();
  });

  test('the signal of a collector ends a task that waits for its retry, also while the work of the attempt before goes on', async () => {
    const abort = new AbortController();
    const { queue, publisher, clock } = await endless({
      signal: abort.signal,
      timeout: 10,
      retry: { base: 60_000, retryIf: () => true },
    });
    const event = publisher.publish(1);
    await clock.advance(10);
    expect(event.status).toBe('parked');
    abort.abort('enough');
    expect(event.status).toBe('settled');
    expect(event.getResult()?.first()._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_CANCELLED', cause: 'enough' });
    await giveUp({ queue, clock });
    expect(clock.pendingTimers).toBe(0);
  });

  test('a signal that ends an event, and so makes room for a send that waits with the same signal, ends that send too', async () => {
    const abort = new AbortController();
    const { signal } = abort;
    const { queue, publisher, clock } = await started([new Collector('a', () => new Promise(() => undefined))], {
      maxConsumers: 1,
      maxSize: 1,
    });
    void publisher.publish(1);
    const waiting = publisher.send(new Payload(2), { signal });
    const sent = publisher.sendWhenReady(new Payload(3), { signal });
    abort.abort('enough');
    expect(waiting.status).toBe('settled');
    expect(await rejectionOf(sent)).toBe('enough');
    expect(queue.getMetrics()).toMatchObject({ offered: 2, rejected: 0 });
    await giveUp({ queue, clock });
  });

  test('what was cancelled while it ran leaves its collector and its lock as they were', async () => {
    const { queue, publisher, clock } = await started([
      new Collector('a', ({ value }, _context, { signal }) => (value === 1 ? ended(signal) : value), { lock: 'one' }),
    ]);
    const [first, second] = [publisher.publish(1), publisher.publish(2)];
    await clock.turn();
    first.cancel();
    await clock.advance(1_000);
    expect(second.getResult()?.first()).toEqual(ok(2));
    expect(await queue.removeCollector('a')).toBe(true);
    await queue.shutDownQueue();
  });
});

/** Work that heeds its signal. */
function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve());
  });
}
