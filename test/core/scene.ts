import { type AnyCollector, CollectorQueue, type EventPublisher, type QueueOptions } from 'collector-queue';
import { ManualClock } from '../../src/testing/manual-clock.ts';

/** A queue that is up, and the clock by which it lives. */
export interface Scene {
  readonly queue: CollectorQueue;
  readonly publisher: EventPublisher;
  readonly clock: ManualClock;
}

/** A queue with a manual clock, initialised. */
export async function started(
  collectors: readonly AnyCollector[],
  options: Omit<QueueOptions, 'clock'> = {},
): Promise<Scene> {
  const clock = new ManualClock();
  const queue = new CollectorQueue(collectors, { ...options, clock });
  await queue.initQueue();
  return { queue, publisher: queue.getPublisher(), clock };
}

/** A promise that is settled by hand. */
export interface Gate<T> {
  readonly promise: Promise<T>;
  readonly open: (value: T) => void;
  readonly fail: (reason: unknown) => void;
}

export function gate<T = void>(): Gate<T> {
  let open: Gate<T>['open'] = () => undefined;
  let fail: Gate<T>['fail'] = () => undefined;
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

/** What a synchronous call throws. */
export function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return new Error('nothing was thrown');
}

/** What a promise rejects with. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return new Error('nothing was rejected');
}

/** Whether a promise has settled by now. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const mark = (): void => {
    settled = true;
  };
  promise.then(mark, mark);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  return settled;
}

/** Shuts a queue down without waiting for what hangs. */
export async function giveUp({ queue, clock }: Pick<Scene, 'queue' | 'clock'>): Promise<void> {
  const closing = queue.shutDownQueue({ drain: false, timeout: 0 });
  await clock.advance(0);
  await closing;
}
