/** The loads that several benchmarks put on a contestant. Each gives nanoseconds per task. */

import { work } from './contestants.mjs';

/** Sends all in one go and waits until the last is done. */
export function atOnce(queue, count) {
  return cost(count, async () => {
    for (let value = 0; value < count; value++) queue.send(value);
    await queue.idle();
  });
}

/** Sends a window, waits until it is drained, sends the next. */
export function drainedWindows(queue, count, size = 1_000) {
  return cost(count, async () => {
    for (let sent = 0; sent < count; sent += size) {
      for (let value = sent; value < sent + size; value++) queue.send(value);
      await queue.idle();
    }
  });
}

/** Sends a window, awaits and reads its results one after the other, sends the next. */
export function awaitedWindows(queue, count, size = 1_000) {
  return cost(count, async () => {
    let sum = 0;
    for (let sent = 0; sent < count; sent += size) {
      const handles = [];
      for (let value = sent; value < sent + size; value++) handles.push(queue.handle(value));
      for (const handle of handles) sum += queue.read(await queue.outcome(handle));
    }
    if (sum !== (count * (count - 1)) / 2) throw new Error('wrong results');
  });
}

/** Sends a window, awaits its results all at once with `Promise.all`, reads them, sends the next. */
export function gatheredWindows(queue, count, size = 1_000) {
  return cost(count, async () => {
    let sum = 0;
    for (let sent = 0; sent < count; sent += size) {
      const pending = [];
      for (let value = sent; value < sent + size; value++) pending.push(queue.result(value));
      for (const result of await Promise.all(pending)) sum += queue.read(result);
    }
    if (sum !== (count * (count - 1)) / 2) throw new Error('wrong results');
  });
}

/** Nanoseconds per task of a run that does `count` tasks, and the check that it has done them. */
export async function cost(count, run) {
  work.done = 0;
  const start = performance.now();
  await run();
  const took = performance.now() - start;
  if (work.done !== count) throw new Error(`${work.done} of ${count} tasks were done`);
  return (took * 1e6) / count;
}

/** A number of tasks for this scale: whole windows of 1,000, at least one. */
export const scaled = (count, scale) => Math.max(1, Math.round((count * scale) / 1_000)) * 1_000;

/** Collects all garbage, what finalizers free included. */
export async function collectGarbage() {
  for (let pass = 0; pass < 3; pass++) {
    globalThis.gc();
    await new Promise(setImmediate);
  }
}

/** Numbers from 0 up to a million, the same in every process (xorshift). */
export function randomNumbers(count) {
  let state = 0x9e3779b9;
  return Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % 1_000_000;
  });
}
