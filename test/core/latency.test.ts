import {
  Collector,
  CollectorQueue,
  type LatencyFigures,
  type LatencyMetrics,
  Payload,
  RetryTask,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import type { ManualClock } from '../../src/testing/manual-clock.ts';
import { hanging, oneCollector } from '../policies/scene.ts';
import { giveUp, type Scene, started, thrownBy } from './scene.ts';

const NONE: LatencyFigures = { p50: 0, p95: 0, p99: 0, max: 0, count: 0 };

function latency({ queue }: Pick<Scene, 'queue'>): LatencyMetrics {
  const told = queue.getMetrics().latency;
  if (told === undefined) throw new Error('there are no latency figures');
  return told;
}

/** Takes as many milliseconds as the value says. */
function takes(clock: () => ManualClock): (payload: Payload<number>) => Promise<void> {
  return ({ value }) => new Promise((resolve) => void clock().setTimer(resolve, value));
}

async function timed(options: object = {}): Promise<Scene> {
  const scene: Scene = await started(
    [
      new Collector(
        'a',
        takes(() => scene.clock),
      ),
    ],
    {
      maxConsumers: 1_000,
      latency: { window: 1_000_000 },
      ...options,
    },
  );
  return scene;
}

function near(figures: LatencyFigures, expected: LatencyFigures): void {
  for (const name of ['p50', 'p95', 'p99'] as const) {
    expect(figures[name], name).toBeGreaterThanOrEqual(expected[name] * 0.99);
    expect(figures[name], name).toBeLessThanOrEqual(expected[name] * 1.01);
  }
  expect([figures.max, figures.count]).toEqual([expected.max, expected.count]);
}

describe('the latency figures', () => {
  test('are not there unless they are asked for', async () => {
    for (const off of [undefined, false] as const) {
      const { queue } = await started([new Collector('a', () => 1)], { latency: off });
      expect('latency' in queue.getMetrics()).toBe(false);
      await queue.shutDownQueue();
    }
  });

  test('are zeros while nothing has happened', async () => {
    const scene = await timed({ latency: true });
    expect(latency(scene)).toEqual({ window: 60_000, wait: NONE, service: NONE, collectors: {} });
    await giveUp(scene);
  });

  test('tell how long processors take, of every attempt, within 1 %', async () => {
    const scene = await timed();
    for (let value = 1; value <= 1_000; value++) void scene.publisher.publish(value);
    await scene.clock.advance(1_000);
    const { service, wait, collectors } = latency(scene);
    near(service, { p50: 500, p95: 950, p99: 990, max: 1_000, count: 1_000 });
    expect(wait).toEqual({ ...NONE, count: 1_000 });
    expect(collectors).toEqual({ a: service });
    await giveUp(scene);
  });

  test('tell how long payloads wait for a consumer', async () => {
    const scene = await timed({ maxConsumers: 1 });
    for (let at = 0; at < 100; at++) void scene.publisher.publish(10);
    await scene.clock.advance(1_000);
    near(latency(scene).wait, { p50: 490, p95: 940, p99: 980, max: 990, count: 100 });
    near(latency(scene).service, { p50: 10, p95: 10, p99: 10, max: 10, count: 100 });
    await giveUp(scene);
  });

  test('have fractions of a millisecond, and no percentile is above the maximum', async () => {
    const scene = await timed();
    void scene.publisher.publish(0.25);
    await scene.clock.advance(0.25);
    const { service } = latency(scene);
    near(service, { p50: 0.25, p95: 0.25, p99: 0.25, max: 0.25, count: 1 });
    void scene.publisher.publish(777.1);
    await scene.clock.advance(777.1);
    expect(latency(scene).service).toMatchObject({ p99: 777.1, max: 777.1, count: 2 });
    await giveUp(scene);
  });

  test('hold what takes longer than a day, with its maximum', async () => {
    const scene = await timed({ latency: { window: 1e12 } });
    void scene.publisher.publish(1e9);
    await scene.clock.turn();
    scene.clock.consume(1e9);
    await scene.clock.advance(0);
    expect(latency(scene).service).toMatchObject({ max: 1e9, count: 1 });
    expect(latency(scene).service.p50).toBeGreaterThanOrEqual(86_400_000 * 0.99);
    await giveUp(scene);
  });

  test('cover the last one to two windows', async () => {
    const scene = await timed({ latency: { window: 100 } });
    const { clock, publisher } = scene;
    void publisher.publish(10);
    await clock.advance(99);
    expect(latency(scene).service.count).toBe(1);
    await clock.advance(60);
    void publisher.publish(20);
    await clock.advance(40);
    // 199 ms: the first is in the past window, the second in the present one.
    expect(latency(scene).service).toMatchObject({ count: 2, max: 20 });
    expect(latency(scene).wait.count).toBe(2);
    await clock.advance(1);
    expect(latency(scene).service).toMatchObject({ count: 1, max: 20 });
    await clock.advance(99);
    expect(latency(scene).service.count).toBe(1);
    await clock.advance(1);
    expect(latency(scene)).toMatchObject({ service: NONE, wait: NONE, collectors: {} });
    await giveUp(scene);
  });

  test('forget what is older than two windows also if nobody looked meanwhile', async () => {
    const scene = await timed({ latency: { window: 100 } });
    const { clock, publisher } = scene;
    void publisher.publish(10);
    await clock.advance(250);
    void publisher.publish(30);
    await clock.advance(30);
    expect(latency(scene).service).toMatchObject({ count: 1, max: 30 });
    await clock.advance(1_000);
    void publisher.publish(5);
    await clock.advance(5);
    expect(latency(scene).service).toMatchObject({ count: 1, max: 5 });
    await giveUp(scene);
  });

  test('are told for each collector, and for all together', async () => {
    const clock = (): ManualClock => scene.clock;
    const slow = new Collector('slow', takes(clock));
    const quick = new Collector('__proto__', () => 'done');
    const scene: Scene = await started([slow, quick], { maxConsumers: 9, latency: true });
    void scene.publisher.publish(40);
    await scene.clock.advance(40);
    const { service, collectors, wait } = latency(scene);
    expect([service.count, wait.count]).toEqual([2, 1]);
    expect(Object.keys(collectors).sort()).toEqual(['__proto__', 'slow']);
    expect(collectors.slow).toMatchObject({ count: 1, max: 40 });
    expect(Object.getOwnPropertyDescriptor(collectors, '__proto__')?.value).toMatchObject({ count: 1, max: 0 });
    await giveUp(scene);
  });

  test('count each attempt, what fails, what throws, and work that nobody waits for any more', async () => {
    const { process, gates } = hanging();
    const scene = await oneCollector(
      (value, attempt) => {
        if (value === 'throw') throw new Error('at once');
        return process(value, attempt);
      },
      { retry: { attempts: 2 } },
      { maxConsumers: 5, latency: true },
    );
    const { clock, publisher } = scene;
    void publisher.publish(1);
    await clock.advance(10);
    gates[0]?.fail(new RetryTask({ delay: 500 }));
    await clock.advance(520);
    gates[1]?.open('done');
    await clock.turn();
    expect(latency(scene).service).toMatchObject({ count: 2, max: 20 });
    expect(latency(scene).wait).toMatchObject({ count: 1, max: 0 });
    void publisher.send(new Payload('throw'), { retry: 1 });
    await clock.turn();
    expect(latency(scene).service.count).toBe(3);
    const cancelled = publisher.publish('cancelled');
    await clock.turn();
    cancelled.cancel();
    await clock.advance(70);
    expect(latency(scene).service.count).toBe(3);
    gates[2]?.open('late');
    await clock.turn();
    expect(latency(scene).service).toMatchObject({ count: 4, max: 70 });
    await giveUp(scene);
  });

  test('count a scheduled payload from its time', async () => {
    const { process, end } = hanging();
    const scene = await oneCollector(process, {}, { latency: true });
    const { clock, publisher } = scene;
    void publisher.send(new Payload(1), { delay: 1_000 });
    await clock.advance(980);
    void publisher.publish(2);
    await clock.advance(50);
    end();
    await clock.turn();
    expect(latency(scene).wait).toMatchObject({ count: 2, max: 30 });
    await giveUp(scene);
  });

  test('are of collectors that come later too, and go with those that are removed', async () => {
    const scene = await timed({ latency: { window: 100 } });
    const { queue, publisher, clock } = scene;
    await queue.addCollector(new Collector('b', () => 1));
    void publisher.send(new Payload(1, { keys: 'b' }));
    await clock.turn();
    expect(Object.keys(latency(scene).collectors)).toEqual(['b']);
    expect(latency(scene).service.count).toBe(1);
    void publisher.send(new Payload(5, { keys: 'a' }));
    await clock.advance(5);
    expect(latency(scene).collectors).toMatchObject({ a: { count: 1 }, b: { count: 1 } });
    await queue.removeCollector('b');
    await clock.advance(200);
    expect(latency(scene).collectors).toEqual({});
    await giveUp(scene);
  });

  test('begin anew with each run, and can be read after a shutdown', async () => {
    const scene = await timed();
    void scene.publisher.publish(0);
    await scene.clock.advance(5);
    await scene.queue.shutDownQueue();
    expect(latency(scene).service.count).toBe(1);
    await scene.queue.initQueue();
    expect(latency(scene).service.count).toBe(0);
    void scene.publisher.publish(3);
    await scene.clock.advance(3);
    expect(latency(scene).service).toMatchObject({ count: 1, max: 3 });
    await scene.queue.shutDownQueue();
  });

  test('change nothing of what processors give', async () => {
    // biome-ignore lint/suspicious/noThenProperty: a processor may give one
    const thenable = { then: (resolve: (value: string) => void) => resolve('of a thenable') };
    const values: unknown[] = ['value', Promise.resolve('of a promise'), thenable, undefined];
    for (const latency of [true, false]) {
      const scene = await started([new Collector('a', ({ value }) => value)], { latency });
      const events = values.map((value) => scene.publisher.publish(value));
      const failed = scene.publisher.publish(Promise.reject(new Error('no')));
      await scene.clock.turn();
      expect(events.map((event) => event.getResult()?.first().unwrapOr('failed'))).toEqual([
        'value',
        'of a promise',
        'of a thenable',
        undefined,
      ]);
      expect(failed.getResult()?.isOk()).toBe(false);
      await giveUp(scene);
    }
  });

  test('refuse a wrong option', () => {
    const refused: [latency: unknown, message: string][] = [
      [1, 'CollectorQueue: latency must be a boolean, or an object with a window, but it is 1'],
      [null, 'CollectorQueue: latency must be a boolean, or an object with a window, but it is null'],
      [[], 'CollectorQueue: latency must be a boolean, or an object with a window, but it is an empty array'],
      [{ window: 0 }, 'CollectorQueue: latency.window must be at least 1, but it is 0'],
      [{ window: '1' }, 'latency.window must be a duration of at least 0 milliseconds, but it is "1"'],
      [{ window: Number.POSITIVE_INFINITY }, 'latency.window must be a duration'],
      [{ windw: 1 }, "did you mean 'window'?"],
    ];
    for (const [latency, message] of refused) {
      const error = thrownBy(() => new CollectorQueue([new Collector('a', () => 1)], { latency: latency as never }));
      expect(error).toMatchObject({ code: 'CQ_INVALID_ARGUMENT' });
      expect(String(error)).toContain(message);
    }
  });
});
