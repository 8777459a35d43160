import { describe, expect, test, vi } from 'vitest';
import { ManualClock, settlePromises } from '../../src/testing/manual-clock.ts';

describe('a manual clock', () => {
  test('stands still until it is told to move', async () => {
    const clock = new ManualClock();
    await settlePromises();
    expect(clock.now()).toBe(0);
    await clock.advance(5);
    expect(clock.now()).toBe(5);
    clock.consume(7);
    expect(clock.now()).toBe(12);
  });

  test('starts where it is told to', () => {
    const clock = new ManualClock(100, 1_000);
    expect(clock.now()).toBe(100);
    expect(clock.wall()).toBe(1_100);
  });

  test('takes dates for times of day', () => {
    const clock = new ManualClock(0, new Date('2026-03-29T00:00:00Z'));
    expect(new Date(clock.wall()).toISOString()).toBe('2026-03-29T00:00:00.000Z');
    clock.setWall(new Date('2026-10-25T00:00:00Z'));
    expect(new Date(clock.wall()).toISOString()).toBe('2026-10-25T00:00:00.000Z');
  });

  test('tells when the next timer fires, leaving out those in the background', async () => {
    const clock = new ManualClock(100);
    expect(clock.nextDue).toBeUndefined();
    clock.setTimer(() => undefined, 5, true);
    clock.setTimer(() => undefined, Number.POSITIVE_INFINITY);
    expect(clock.nextDue).toBeUndefined();
    clock.setTimer(() => undefined, 30);
    const sooner = clock.setTimer(() => undefined, 10);
    expect(clock.nextDue).toBe(110);
    sooner.cancel();
    expect(clock.nextDue).toBe(130);
    clock.consume(50);
    expect(clock.nextDue).toBe(150);
    await clock.advance(0);
    expect(clock.nextDue).toBeUndefined();
  });

  test('lets the time of day jump without a duration noticing', async () => {
    const clock = new ManualClock(100);
    clock.setWall(5_000);
    expect(clock.wall()).toBe(5_000);
    expect(clock.now()).toBe(100);
    await clock.advance(20);
    expect(clock.wall()).toBe(5_020);
    expect(clock.now()).toBe(120);
  });

  test('fires what is due in order of time, then in the order in which it was set', async () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    const at = (name: string, delay: number) => clock.setTimer(() => fired.push(`${name} at ${clock.now()}`), delay);
    at('late', 30);
    at('first of two', 20);
    at('second of two', 20);
    at('early', 10);
    at('at once', 0);
    at('overdue', -5);
    await clock.advance(20);
    expect(fired).toEqual(['at once at 0', 'overdue at 0', 'early at 10', 'first of two at 20', 'second of two at 20']);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(10);
    expect(fired.at(-1)).toBe('late at 30');
    expect(clock.pendingTimers).toBe(0);
  });

  test('fires a timer that a timer sets, if it is due within the same advance', async () => {
    const clock = new ManualClock();
    const fired: number[] = [];
    const again = (): void => {
      fired.push(clock.now());
      clock.setTimer(again, 10);
    };
    clock.setTimer(again, 10);
    await clock.advance(35);
    expect(fired).toEqual([10, 20, 30]);
    expect(clock.now()).toBe(35);
  });

  test('fires an overdue timer late, never in the past', async () => {
    const clock = new ManualClock();
    const fired: number[] = [];
    clock.setTimer(() => fired.push(clock.now()), 10);
    clock.consume(50);
    expect(fired).toEqual([]);
    await clock.advance(0);
    expect(fired).toEqual([50]);
    expect(clock.now()).toBe(50);
  });

  test('does not go back when a timer takes longer than the advance', async () => {
    const clock = new ManualClock();
    clock.setTimer(() => clock.consume(100), 10);
    await clock.advance(20);
    expect(clock.now()).toBe(110);
  });

  test('never fires what was cancelled, nor what is infinitely far', async () => {
    const clock = new ManualClock();
    let fired = 0;
    const timer = clock.setTimer(() => fired++, 10);
    const never = clock.setTimer(() => fired++, Number.POSITIVE_INFINITY);
    expect(clock.pendingTimers).toBe(1);
    timer.cancel();
    timer.cancel();
    never.cancel();
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(1e12);
    expect(fired).toBe(0);
  });

  test('ignores the cancelling of a timer that has fired', async () => {
    const clock = new ManualClock();
    let fired = 0;
    const timer = clock.setTimer(() => fired++, 10);
    await clock.advance(10);
    timer.cancel();
    expect(fired).toBe(1);
  });

  test('lets promises settle between timers', async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    clock.setTimer(() => void Promise.resolve().then(() => seen.push('promise of the first')), 10);
    clock.setTimer(() => seen.push('second'), 10);
    await clock.advance(10);
    expect(seen).toEqual(['promise of the first', 'second']);
  });

  test('gives a turn only when told to, also to what asks for one meanwhile', async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    clock.yieldTurn(() => {
      seen.push('first');
      clock.yieldTurn(() => seen.push('asked by the first'));
    });
    clock.yieldTurn(() => seen.push('second'));
    await settlePromises();
    expect(seen).toEqual([]);
    expect(clock.pendingTurns).toBe(2);
    await clock.turn();
    expect(seen).toEqual(['first', 'second', 'asked by the first']);
    expect(clock.pendingTurns).toBe(0);
  });

  test('moves although a test runner has put its own timers in place', async () => {
    vi.useFakeTimers();
    try {
      const clock = new ManualClock();
      let fired = 0;
      clock.setTimer(() => fired++, 10);
      await clock.advance(10);
      expect(fired).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  test('gives turns while it advances', async () => {
    const clock = new ManualClock();
    const seen: number[] = [];
    clock.setTimer(() => clock.yieldTurn(() => seen.push(clock.now())), 10);
    await clock.advance(30);
    expect(seen).toEqual([10]);
  });
});

test('settling promises waits for every promise that can settle by itself', async () => {
  let depth = 0;
  const chain = async (): Promise<void> => {
    for (; depth < 1_000; depth++) await Promise.resolve();
  };
  void chain();
  await settlePromises();
  expect(depth).toBe(1_000);
});
