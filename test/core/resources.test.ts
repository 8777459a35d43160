import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Collector, CollectorQueue, Payload } from 'collector-queue';
import { describe, expect, test } from 'vitest';

/** Bytes in use once everything that can go has gone. */
async function heapUsed(): Promise<number> {
  for (let pass = 0; pass < 3; pass++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
}

describe('what a queue holds on to', () => {
  test('11: the heap is back at its baseline after five times 100,000 events', async () => {
    expect(globalThis.gc, 'the tests run with --expose-gc').toBeDefined();
    const collector = new Collector('k', async (payload: Payload<number[]>) => payload.value.length);
    const queue = new CollectorQueue([collector], { maxConsumers: 16 });
    await queue.initQueue();
    const publisher = queue.getPublisher();
    const round = async (): Promise<void> => {
      for (let sent = 0; sent < 100_000; sent++) publisher.send(new Payload([sent, sent], { keys: 'k' }));
      await queue.onIdle();
    };
    await round();
    const baseline = await heapUsed();
    for (let pass = 0; pass < 5; pass++) await round();
    const grown = (await heapUsed()) - baseline;
    expect(grown / 500_000, 'bytes per event').toBeLessThan(2);
    await queue.shutDownQueue();
  }, 60_000);

  test('11: no handle stays after a shutdown: the process ends by itself', async () => {
    const child = fork(fileURLToPath(new URL('./fixtures/exits-by-itself.ts', import.meta.url)), {
      execArgv: ['--import', 'tsx'],
      silent: true,
    });
    let printed = '';
    child.stdout?.on('data', (chunk) => {
      printed += chunk;
    });
    const [code] = await once(child, 'exit');
    expect(printed.trim()).toBe('settled 100');
    expect(code).toBe(0);
  }, 30_000);

  test('12: a million instantly settling payloads overflow no stack and let timers fire between', async () => {
    let done = 0;
    const queue = new CollectorQueue([new Collector('k', () => ++done)], { maxConsumers: 1 });
    await queue.initQueue();
    const publisher = queue.getPublisher();
    const doneAtTick: number[] = [];
    const timer = setInterval(() => doneAtTick.push(done), 1);
    for (let sent = 0; sent < 1_000_000; sent++) publisher.send(new Payload(sent));
    await queue.onIdle();
    clearInterval(timer);
    expect(done).toBe(1_000_000);
    const between = doneAtTick.filter((seen) => seen > 0 && seen < 1_000_000);
    expect(between.length, 'ticks while it drained').toBeGreaterThan(2);
    await queue.shutDownQueue();
  }, 60_000);
});
