import { HttpEmitter } from 'collector-queue/http';
import { describe, expect, test, vi } from 'vitest';
import type { Clock, Timer } from '../../src/schedule/clock.ts';
import { settlePromises } from '../../src/testing/manual-clock.ts';
import { event } from './scene.ts';

/** Random numbers that are the same in each run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Entry {
  readonly at: number;
  readonly callback: () => void;
  isCancelled: boolean;
}

/** A clock for thousands of timers, which are kept in a heap. */
class ManyTimersClock implements Clock {
  readonly #heap: Entry[] = [];
  #now = 0;

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now;
  }

  setTimer(callback: () => void, delay: number): Timer {
    const entry: Entry = { at: this.#now + delay, callback, isCancelled: false };
    this.#push(entry);
    return {
      cancel: () => {
        entry.isCancelled = true;
      },
    };
  }

  yieldTurn(callback: () => void): void {
    setImmediate(callback);
  }

  async runUntil(end: number): Promise<void> {
    await settlePromises();
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#pop();
      if (next.isCancelled) continue;
      this.#now = next.at;
      next.callback();
      await settlePromises();
    }
    this.#now = end;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    for (let up = (at - 1) >> 1; at > 0 && (heap[up] as Entry).at > entry.at; up = (at - 1) >> 1) {
      heap[at] = heap[up] as Entry;
      at = up;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let at = 0;
    for (let down = 1; down < heap.length; down = 2 * at + 1) {
      if (down + 1 < heap.length && (heap[down + 1] as Entry).at < (heap[down] as Entry).at) down++;
      if ((heap[down] as Entry).at >= last.at) break;
      heap[at] = heap[down] as Entry;
      at = down;
    }
    heap[at] = last;
  }
}

const MINUTE = 60_000;
const CLIENTS = 1_000;
/** From here on the server takes requests, but does not answer. */
const STALLED = 6 * MINUTE;
/** Here it drops them all at once, and refuses connections as before. */
const DROPPED = 8 * MINUTE;
const END = 15 * MINUTE;

/** The busiest second between two times, as a multiple of the mean. */
function worst(times: readonly number[], from: number, to: number): number {
  const seconds = new Array<number>((to - from) / 1_000).fill(0);
  for (const time of times) {
    const second = Math.floor((time - from) / 1_000);
    if (second in seconds) seconds[second] = (seconds[second] ?? 0) + 1;
  }
  const mean = seconds.reduce((sum, count) => sum + count, 0) / seconds.length;
  expect(mean, 'retries a second').toBeGreaterThan(CLIENTS / 100);
  return Math.max(...seconds) / mean;
}

/** When clients that wait like this strike. */
function strikes(next: (failures: number, delay: number) => number): number[] {
  const times: number[] = [];
  for (let client = 0; client < CLIENTS; client++) {
    let [time, delay, failures] = [0, 0, 0];
    while (time < END) {
      times.push(time);
      delay = next(failures++, delay);
      time = (time >= STALLED && time < DROPPED ? DROPPED : time) + delay;
    }
  }
  return times;
}

describe('a thousand clients of one dead server', () => {
  test('do not strike together: a minute after they failed together no second has more than twice the mean', async () => {
    vi.spyOn(Math, 'random').mockImplementation(seeded(1));
    const clock = new ManyTimersClock();
    const times: number[] = [];
    const refused = async (): Promise<never> => {
      const now = clock.now();
      times.push(now);
      if (now >= STALLED && now < DROPPED) {
        await new Promise<void>((resolve) => void clock.setTimer(resolve, DROPPED - now));
      }
      throw new Error('ECONNREFUSED');
    };
    const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const options = { fetch: refused, clock, logger, batchSize: 1, requestTimeout: END };
    const emitters = Array.from({ length: CLIENTS }, () => new HttpEmitter('http://dead.test', options));
    for (const emitter of emitters) emitter.input(event(1));
    await clock.runUntil(END);
    expect(worst(times, MINUTE, STALLED)).toBeLessThanOrEqual(2);
    expect(worst(times, DROPPED + MINUTE, END)).toBeLessThanOrEqual(2);
    expect(emitters.every((emitter) => emitter.getMetrics().size === 1)).toBe(true);
  }, 30_000);

  test("would strike together by the formula of Snowplow's trackers, so that the test above can fail", () => {
    const random = seeded(1);
    const times = strikes((_, delay) => Math.min(delay * 2 + random() * 1_000, MINUTE));
    expect(worst(times, DROPPED + MINUTE, END)).toBeGreaterThan(50);
  });

  test('would strike together without jitter', () => {
    const times = strikes((failures) => Math.min(MINUTE, 1_000 * 2 ** failures));
    expect(worst(times, MINUTE, STALLED)).toBeGreaterThan(50);
  });
});
