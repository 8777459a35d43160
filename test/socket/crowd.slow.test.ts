import { expect, test } from 'vitest';
import { running } from './daemon-scene.ts';
import type { LineClient } from './line-client.ts';
import { until } from './scene.ts';

test('1,000 idle and 100 slow connections do not hold up one that works', { timeout: 60_000 }, async () => {
  const { client, collector, daemon } = await running({
    maxConnections: 1_200,
    frameTimeout: 2_000,
    idleTimeout: 30_000,
  });
  const crowd: LineClient[] = [];
  for (let n = 0; n < 1_100; n++) crowd.push(await client());
  const slow = crowd.slice(0, 100);
  const dripping = setInterval(() => {
    for (const one of slow) if (!one.isClosed) one.send('x');
  }, 200);
  const working = await client();
  await working.hello('working');
  expect((await daemon.getMetrics()).connections).toBe(1_101);
  const times: number[] = [];
  let seq = 0;
  while (slow.some((one) => !one.isClosed)) {
    const begun = performance.now();
    seq++;
    expect(await working.ask({ $: 'events', seq, events: [{ n: seq }] })).toEqual({ $: 'ack', seq });
    times.push(performance.now() - begun);
  }
  clearInterval(dripping);
  for (const one of slow) expect(one.replies).toMatchObject([{ code: 'too_slow' }]);
  for (const one of crowd.slice(100)) expect(one.replies).toEqual([]);
  expect((await daemon.getMetrics()).connections).toBe(1_001);
  times.sort((a, b) => a - b);
  expect(times[Math.floor(times.length * 0.99)]).toBeLessThan(1_000);
  await until(() => collector.taken.length === seq);
});
