import {
  CancelledError,
  Collector,
  type CollectorEvent,
  CollectorQueue,
  type QueueOptions,
  Router,
  type TaskPolicy,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';

/** Sends one payload, lets `cancel` cancel it from where the options put that, and returns what came of it. */
async function outcomeOf(
  options: (cancel: () => void) => QueueOptions,
  prepare: (queue: CollectorQueue, cancel: () => void) => void = () => undefined,
  policies: (cancel: () => void) => TaskPolicy[] = () => [],
): Promise<{ event: CollectorEvent; calls: number; settled: number; busy: number }> {
  let calls = 0;
  let event: CollectorEvent | undefined;
  const cancel = (): void => void event?.cancel('from inside');
  const collector = new Collector('a', () => ++calls, { topics: 'known', policies: policies(cancel) });
  const queue = new CollectorQueue([collector], options(cancel));
  prepare(queue, cancel);
  await queue.initQueue();
  event = queue.getPublisher().publish(1, { topics: 'known' });
  await queue.onIdle();
  const { settled, busy } = queue.getMetrics();
  await queue.shutDownQueue();
  return { event, calls, settled, busy };
}

function expectCancelled({ event, calls, settled, busy }: Awaited<ReturnType<typeof outcomeOf>>): void {
  expect(event.getResult()?.errs()[0]).toBeInstanceOf(CancelledError);
  expect({ calls, settled, busy }).toEqual({ calls: 0, settled: 1, busy: 0 });
}

describe('an event that is cancelled while it is being dispatched never runs,', () => {
  test('by a listener of "started"', async () => {
    expectCancelled(
      await outcomeOf(
        () => ({}),
        (queue, cancel) => queue.events.on('started', cancel),
      ),
    );
  });

  test('by its router', async () => {
    const router = (cancel: () => void): QueueOptions => ({
      router: class extends Router {
        select() {
          cancel();
          return [...this.collectors.values()];
        }
      },
    });
    expectCancelled(await outcomeOf(router));
  });

  test.each(['run', 'park'] as const)('by a policy that says %s', async (verdict) => {
    const policies = (cancel: () => void): TaskPolicy[] => [
      {
        before: () => {
          cancel();
          return verdict;
        },
      },
    ];
    expectCancelled(await outcomeOf(() => ({}), undefined, policies));
  });

  test('and a listener of "unrouted" comes too late to change its result', async () => {
    const queue = new CollectorQueue([new Collector('a', () => 1, { topics: 'known' })]);
    let event: CollectorEvent | undefined;
    const cancelled: unknown[] = [];
    queue.events.on('unrouted', () => cancelled.push(event?.cancel()));
    await queue.run(async (publisher) => {
      event = publisher.publish(1, { topics: 'unknown' });
      expect((await event.wait()).isOk()).toBe(true);
    });
    expect(cancelled).toEqual([false]);
    expect(queue.getMetrics()).toMatchObject({ accepted: 1, settled: 1, unrouted: 1, cancelled: 0 });
  });
});
