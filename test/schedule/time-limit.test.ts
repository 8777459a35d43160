import { expect, test } from 'vitest';
import { settlesWithin } from '../../src/schedule/time-limit.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';

function deferred(): { promise: Promise<void>; resolve: () => void; reject: (reason: unknown) => void } {
  let resolve: () => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

test('a promise that settles in time was in time, and leaves no timer behind', async () => {
  const clock = new ManualClock();
  const { promise, resolve } = deferred();
  const inTime = settlesWithin(promise, clock, 100);
  expect(clock.pendingTimers).toBe(1);
  await clock.advance(99);
  resolve();
  await expect(inTime).resolves.toBe(true);
  expect(clock.pendingTimers).toBe(0);
});

test('a promise that takes longer was not in time', async () => {
  const clock = new ManualClock();
  const { promise } = deferred();
  const inTime = settlesWithin(promise, clock, 100);
  await clock.advance(100);
  await expect(inTime).resolves.toBe(false);
  expect(clock.pendingTimers).toBe(0);
});

test('a promise that has settled is in time even if there is none', async () => {
  const clock = new ManualClock();
  await expect(settlesWithin(Promise.resolve(), clock, 0)).resolves.toBe(true);
  expect(clock.pendingTimers).toBe(0);
});

test('a rejection in time is passed on, and leaves no timer behind', async () => {
  const clock = new ManualClock();
  const { promise, reject } = deferred();
  const inTime = settlesWithin(promise, clock, 100);
  reject(new Error('broken'));
  await expect(inTime).rejects.toThrow('broken');
  expect(clock.pendingTimers).toBe(0);
});

test('a rejection that comes too late is let go', async () => {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', listener);
  try {
    const clock = new ManualClock();
    const { promise, reject } = deferred();
    const inTime = settlesWithin(promise, clock, 100);
    await clock.advance(100);
    await expect(inTime).resolves.toBe(false);
    reject(new Error('too late'));
    await clock.turn();
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', listener);
  }
});

test('without a limit the promise decides', async () => {
  const clock = new ManualClock();
  const { promise, resolve } = deferred();
  const inTime = settlesWithin(promise, clock, Number.POSITIVE_INFINITY);
  await clock.advance(1e12);
  resolve();
  await expect(inTime).resolves.toBe(true);
});
