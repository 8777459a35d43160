import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  type Damage,
  damaged,
  filesOf,
  flipped,
  type Left,
  leftInLog,
  leftInTables,
  removed,
  truncated,
  zeroed,
} from './damage.ts';
import { scratchFolder } from './scene.ts';

const scratch = scratchFolder();
const EVENTS = 300;
const TABLE_EVENTS = 2_000;
/** What a block of a table holds at most: with 4 KiB of the smallest of these events. */
const PER_BLOCK = 70;

/** How many of the first events are missing. */
function missing(left: Left, numbers: readonly number[]): number {
  const there = new Set(numbers);
  expect(numbers).toHaveLength(there.size);
  return Array.from({ length: left.size }, (_, n) => n).filter((n) => !there.has(n)).length;
}

function sizeOf(left: Left, name: string): number {
  return statSync(join(left.path, name)).size;
}

/** Every bit of a small file, and so many of a large one. */
function bitsOf(size: number, most: number): number[] {
  const step = Math.max(1, Math.ceil((size * 8) / most));
  return Array.from({ length: Math.ceil((size * 8) / step) }, (_, n) => (n * step + (n % step)) % (size * 8));
}

describe('a log', () => {
  test('that is cut at any byte of its tail still gives every event before', { timeout: 300_000 }, async () => {
    const left = await leftInLog(join(scratch, 'cut'), EVENTS);
    const [name] = filesOf(left.path, /\.log$/) as [string];
    for (let size = sizeOf(left, name); size > (left.safeAt[EVENTS - 5] as number); size--) {
      const { numbers } = await damaged(left, scratch, name, truncated(size));
      const whole = left.safeAt.filter((end) => end <= size).length;
      expect(numbers).toEqual(Array.from({ length: whole }, (_, n) => n));
    }
  });

  test('with a bit that is wrong loses the events around it at most', { timeout: 300_000 }, async () => {
    const left = await leftInLog(join(scratch, 'flip'), EVENTS);
    const [name] = filesOf(left.path, /\.log$/) as [string];
    const losses: number[] = [];
    for (const bit of bitsOf(sizeOf(left, name), 400)) {
      const { numbers, refused } = await damaged(left, scratch, name, flipped(bit));
      expect(refused).toBe(false);
      losses.push(missing(left, numbers));
    }
    losses.sort((a, b) => a - b);
    // A wrong length takes the rest of a block of 32 KiB with it.
    expect(losses[Math.floor(losses.length * 0.8)]).toBeLessThanOrEqual(1);
  });
});

describe('a table', () => {
  test('with a bit that is wrong loses one block at most', { timeout: 300_000 }, async () => {
    const left = await leftInTables(join(scratch, 'tables-flip'), TABLE_EVENTS);
    for (const name of filesOf(left.path, /\.ldb$/)) {
      for (const bit of bitsOf(sizeOf(left, name), 50)) {
        const { numbers, refused } = await damaged(left, scratch, name, flipped(bit));
        expect(refused).toBe(false);
        expect(missing(left, numbers)).toBeLessThanOrEqual(PER_BLOCK);
      }
    }
  });

  test('that is cut gives what stands before the cut, and the others give all', { timeout: 300_000 }, async () => {
    const left = await leftInTables(join(scratch, 'tables-cut'), TABLE_EVENTS);
    const [name] = filesOf(left.path, /\.ldb$/) as [string];
    const whole = sizeOf(left, name);
    for (let tail = 1; tail < 400; tail += 3) {
      const { numbers } = await damaged(left, scratch, name, truncated(whole - tail));
      expect(missing(left, numbers)).toBe(0);
    }
    for (let size = 0; size < whole; size += Math.ceil(whole / 60)) {
      const { numbers } = await damaged(left, scratch, name, truncated(size));
      const kept = Math.floor((size / whole) * (TABLE_EVENTS / 4));
      expect(missing(left, numbers)).toBeLessThanOrEqual(TABLE_EVENTS / 4 - kept + 3 * PER_BLOCK);
    }
  });
});

describe('the manifest', () => {
  const kinds: [string, (size: number) => Damage[]][] = [
    ['cut at any byte', (size) => Array.from({ length: size }, (_, at) => truncated(at))],
    ['with a bit that is wrong', (size) => bitsOf(size, 150).map(flipped)],
    ['with zeros in it', (size) => Array.from({ length: 20 }, (_, n) => zeroed(Math.floor((n * size) / 20), 64))],
    ['gone', () => [removed]],
  ];

  test.each(kinds)('%s costs no event, nor does what names it', { timeout: 600_000 }, async (kind, damages) => {
    const left = await leftInTables(join(scratch, `manifest-${kind}`), TABLE_EVENTS);
    for (const name of filesOf(left.path, /^(MANIFEST-\d+|CURRENT)$/)) {
      for (const damage of damages(sizeOf(left, name))) {
        const { numbers, refused } = await damaged(left, scratch, name, damage);
        expect(refused).toBe(false);
        expect(missing(left, numbers)).toBe(0);
      }
    }
  });
});
