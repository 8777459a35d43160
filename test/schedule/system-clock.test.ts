import { afterEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/schedule/clock.ts';

const LONGEST_DELAY = 2 ** 31 - 1;
const noop = (): void => undefined;

function activeTimeouts(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

describe('the clock of the machine', () => {
  test('never goes back', () => {
    let last = systemClock.now();
    for (let i = 0; i < 1_000; i++) {
      const now = systemClock.now();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
  });

  test('knows the time of day', () => {
    const before = Date.now();
    const wall = systemClock.wall();
    expect(wall).toBeGreaterThanOrEqual(before);
    expect(wall).toBeLessThanOrEqual(Date.now());
  });

  test('calls back after promises have settled and timers and I/O had their turn', async () => {
    const seen: string[] = [];
    const done = new Promise<void>((resolve) => {
      systemClock.yieldTurn(() => {
        seen.push('turn');
        resolve();
      });
    });
    void Promise.resolve().then(() => seen.push('promise'));
    seen.push('now');
    await done;
    expect(seen).toEqual(['now', 'promise', 'turn']);
  });
});

describe('a timer of the machine', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('fires once, when its delay has passed', () => {
    vi.useFakeTimers();
    const callback = vi.fn();
    systemClock.setTimer(callback, 1_000);
    vi.advanceTimersByTime(999);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(callback).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(100_000);
    expect(callback).toHaveBeenCalledOnce();
  });

  test.each([LONGEST_DELAY, LONGEST_DELAY + 1, 2 * LONGEST_DELAY, 3 * LONGEST_DELAY + 17])(
    'does not fire early for a delay of %d ms',
    (delay) => {
      vi.useFakeTimers();
      const callback = vi.fn();
      systemClock.setTimer(callback, delay);
      vi.advanceTimersByTime(delay - 1);
      expect(callback).not.toHaveBeenCalled();
      vi.advanceTimersByTime(1);
      expect(callback).toHaveBeenCalledOnce();
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test('that was cancelled never fires, also on a later step of a long delay', () => {
    vi.useFakeTimers();
    const callback = vi.fn();
    const short = systemClock.setTimer(callback, 10);
    const long = systemClock.setTimer(callback, 2 * LONGEST_DELAY);
    short.cancel();
    vi.advanceTimersByTime(LONGEST_DELAY + 10);
    long.cancel();
    long.cancel();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(2 * LONGEST_DELAY);
    expect(callback).not.toHaveBeenCalled();
  });

  test('ignores a cancelling after it fired', () => {
    vi.useFakeTimers();
    const callback = vi.fn();
    const timer = systemClock.setTimer(callback, 10);
    vi.advanceTimersByTime(10);
    timer.cancel();
    expect(callback).toHaveBeenCalledOnce();
  });

  test('of an infinite delay never fires and keeps no handle', () => {
    const before = activeTimeouts();
    const setTimeout = vi.spyOn(globalThis, 'setTimeout');
    const timer = systemClock.setTimer(noop, Number.POSITIVE_INFINITY);
    expect(setTimeout).not.toHaveBeenCalled();
    expect(activeTimeouts()).toBe(before);
    timer.cancel();
  });

  test('keeps the process alive unless it is a background timer', () => {
    const setTimeout = vi.spyOn(globalThis, 'setTimeout');
    const timers = [systemClock.setTimer(noop, 60_000), systemClock.setTimer(noop, 60_000, true)];
    const [foreground, background] = setTimeout.mock.results.map(({ value }) => value as NodeJS.Timeout);
    expect(foreground?.hasRef()).toBe(true);
    expect(background?.hasRef()).toBe(false);
    for (const timer of timers) timer.cancel();
  });

  test('stays in the background on every step of a long delay', () => {
    vi.useFakeTimers();
    const setTimeout = vi.spyOn(globalThis, 'setTimeout');
    const timer = systemClock.setTimer(noop, 3 * LONGEST_DELAY, true);
    vi.advanceTimersByTime(2 * LONGEST_DELAY);
    const steps = setTimeout.mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef());
    expect(steps).toEqual([false, false, false]);
    timer.cancel();
  });
});
