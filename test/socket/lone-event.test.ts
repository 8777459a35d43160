import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock, type Timer } from '../../src/schedule/clock.ts';
import type { ListenAddress } from '../../src/socket/index.ts';
import { CollectorDouble } from './collector-double.ts';
import { made } from './daemon-scene.ts';
import { LineClient } from './line-client.ts';
import { folder, placeOf, ShiftedClock, until } from './scene.ts';

/** Notes the timers that are set. */
class NotingClock extends ShiftedClock {
  readonly delays: number[] = [];

  override readonly setTimer = (callback: () => void, delay: number, isBackground?: boolean): Timer => {
    this.delays.push(delay);
    return systemClock.setTimer(callback, delay, isBackground);
  };
}

test('an idle daemon with its own settings sends a lone event within a second of its acknowledgement', async () => {
  const collector = await CollectorDouble.started();
  const clock = new NotingClock();
  const place = folder();
  const daemon = made({
    store: join(place, 's'),
    listen: [`unix:${join(place, 'd.sock')}`],
    endpoint: collector.url,
    clock,
  });
  await daemon.start();
  const client = await LineClient.connected(placeOf(daemon.addresses[0] as ListenAddress));
  onTestFinished(() => client.end());
  const latencies: number[] = [];
  for (let n = 1; n <= 5; n++) {
    clock.delays.length = 0;
    expect(await client.ask({ n })).toEqual({ $: 'ack', count: 1 });
    const acknowledged = performance.now();
    await until(() => collector.taken.length === n);
    latencies.push((collector.times.at(-1) as number) - acknowledged);
    // What it waits for is the flush interval, once, and nothing longer but the limit of the request.
    expect(clock.delays.filter((delay) => delay !== 1_000)).toEqual(expect.arrayContaining([200]));
    expect(clock.delays.filter((delay) => delay === 200)).toHaveLength(1);
    await until(async () => (await daemon.getMetrics()).stored === 0);
  }
  expect(Math.max(...latencies)).toBeLessThan(1_000);
});
