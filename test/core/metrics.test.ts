import { Collector, type Logger, Payload } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { expectBalance, METRICS } from './metrics-checks.ts';
import { gate, giveUp, started } from './scene.ts';

describe('the metrics', () => {
  test('have these fields, all of them finite numbers', async () => {
    const { queue } = await started([new Collector('a', () => 1)]);
    const metrics = queue.getMetrics();
    expect(Object.keys(metrics)).toEqual(METRICS);
    for (const value of Object.values(metrics)) expect(Number.isFinite(value)).toBe(true);
    await queue.shutDownQueue();
  });

  test('are zero of what there is no more after a shutdown', async () => {
    const { queue } = await started([new Collector('a', () => 1)], { minConsumers: 3 });
    expect(queue.getMetrics().consumers).toBe(3);
    await queue.shutDownQueue();
    expect(queue.getMetrics()).toMatchObject({ consumers: 0, busy: 0, load: 0 });
  });

  test('count every payload, and balance at every step', async () => {
    const end = gate();
    const { queue, publisher, clock } = await started([new Collector('a', () => end.promise)], {
      maxConsumers: 2,
      maxSize: 2,
    });
    const events = publisher.sendMany(Array.from({ length: 5 }, (_, value) => new Payload(value)));
    expect(queue.getMetrics()).toMatchObject({ offered: 5, accepted: 4, rejected: 1, qsize: 2, inFlight: 2, busy: 2 });
    expectBalance(queue.getMetrics());
    events[0]?.cancel();
    events[2]?.cancel();
    expect(queue.getMetrics()).toMatchObject({ qsize: 1, inFlight: 1, settled: 2, cancelled: 2, busy: 2, late: 0 });
    expectBalance(queue.getMetrics());
    await clock.turn();
    end.open();
    await clock.turn();
    expect(queue.getMetrics()).toMatchObject({ qsize: 0, inFlight: 0, settled: 4, busy: 0 });
    expectBalance(queue.getMetrics());
    await queue.shutDownQueue();
    expectBalance(queue.getMetrics());
  });

  test('count results that come too late', async () => {
    const end = gate();
    const { queue, publisher, clock } = await started([
      new Collector('a', () => end.promise),
      new Collector('b', () => end.promise),
    ]);
    const event = publisher.publish(1);
    await clock.turn();
    event.cancel();
    end.open();
    await clock.turn();
    expect(queue.getMetrics()).toMatchObject({ late: 2, settled: 1 });
    await queue.shutDownQueue();
  });

  test('tell what was accepted, and the time, since they were read before', async () => {
    const { queue, publisher, clock } = await started([new Collector('a', () => 1)]);
    await clock.advance(500);
    void publisher.publish(1);
    expect(queue.getMetrics()).toMatchObject({ tDelta: 500, eventCount: 1, timestamp: 500 });
    expect(queue.getMetrics()).toMatchObject({ tDelta: 0, eventCount: 0 });
    await clock.advance(250);
    publisher.sendMany([new Payload(1), new Payload(2)]);
    expect(queue.getMetrics()).toMatchObject({ tDelta: 250, eventCount: 2, timestamp: 750 });
    await queue.shutDownQueue();
  });

  test('average nothing during the first 3 seconds', async () => {
    const { queue, publisher, clock } = await started([
      new Collector('a', () => new Promise<void>((resolve) => void clock.setTimer(resolve, 100))),
    ]);
    for (let i = 0; i < 29; i++) {
      void publisher.publish(i);
      await clock.advance(100);
    }
    await clock.advance(99);
    const none = { avgLoad: 0, serviceTime: 0, waitTime: 0, arrivalRate: 0, departureRate: 0, wip: 0 };
    expect(queue.getMetrics()).toMatchObject(none);
    await clock.advance(1);
    const metrics = queue.getMetrics();
    expect(metrics.serviceTime).toBeCloseTo(100);
    expect(metrics.arrivalRate).toBeCloseTo(29 / 3);
    expect(metrics.departureRate).toBeCloseTo(29 / 3);
    expect(metrics.wip).toBeCloseTo(29 / 30);
    expect(metrics.avgLoad).toBeGreaterThan(0.9);
    expect(metrics.waitTime).toBe(0);
    await queue.shutDownQueue();
  });

  test('average how long payloads wait', async () => {
    const { queue, publisher, clock } = await started(
      [new Collector('a', () => new Promise<void>((resolve) => void clock.setTimer(resolve, 1000)))],
      { maxConsumers: 1 },
    );
    for (let i = 0; i < 5; i++) {
      await clock.advance(100);
      void publisher.publish(i);
    }
    await clock.advance(6000);
    const { waitTime, serviceTime } = queue.getMetrics();
    expect(serviceTime).toBeCloseTo(1000);
    expect(waitTime).toBeCloseTo((0 + 900 + 1800 + 2700 + 3600) / 5);
    await queue.shutDownQueue();
  });

  test('can be read after a shutdown', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1)]);
    void publisher.publish(1);
    await queue.shutDownQueue();
    expect(queue.getMetrics()).toMatchObject({ accepted: 1, settled: 1, busy: 0, qsize: 0 });
  });
});

describe('the log of the metrics', () => {
  interface Line {
    readonly fields: object;
    readonly message: string;
  }

  function logging(lines: Line[], fault?: Error): Logger {
    const log = (fields: object, message: string): void => {
      lines.push({ fields, message });
      if (fault !== undefined) throw fault;
    };
    return { info: log, warn: log, error: log };
  }

  test('is one record per interval while the queue is up, and a last one when it is shut down', async () => {
    const lines: Line[] = [];
    const { queue, publisher, clock } = await started([new Collector('a', () => 1)], {
      logger: logging(lines),
      metricsInterval: 1000,
    });
    void publisher.publish(1);
    await clock.advance(999);
    expect(lines).toEqual([]);
    await clock.advance(1);
    expect(lines).toEqual([{ message: 'collector queue metrics', fields: expect.any(Object) }]);
    expect(lines[0]?.fields).toMatchObject({ tDelta: 1000, eventCount: 1, accepted: 1, settled: 1 });
    expect(Object.keys(lines[0]?.fields as object)).toEqual(Object.keys(queue.getMetrics()));
    await clock.advance(2000);
    expect(lines).toHaveLength(3);
    await clock.advance(10);
    await queue.shutDownQueue();
    expect(lines).toHaveLength(4);
    expect(lines[3]?.fields).toMatchObject({ tDelta: 10 });
    await clock.advance(5000);
    expect(lines).toHaveLength(4);
    expect(clock.pendingTimers).toBe(0);
  });

  test('has its own deltas: who reads the metrics does not disturb it', async () => {
    const lines: Line[] = [];
    const { queue, publisher, clock } = await started([new Collector('a', () => 1)], {
      logger: logging(lines),
      metricsInterval: 1000,
    });
    void publisher.publish(1);
    await clock.advance(500);
    expect(queue.getMetrics()).toMatchObject({ eventCount: 1, tDelta: 500 });
    await clock.advance(500);
    expect(lines[0]?.fields).toMatchObject({ eventCount: 1, tDelta: 1000 });
    await queue.shutDownQueue();
  });

  test('begins anew with each run, and there is none without an interval', async () => {
    const lines: Line[] = [];
    const { queue, clock } = await started([new Collector('a', () => 1)], { logger: logging(lines) });
    await clock.advance(1e5);
    expect(lines).toEqual([]);
    await queue.shutDownQueue();
    const other = await started([new Collector('a', () => 1)], { logger: logging(lines), metricsInterval: 10 });
    await other.queue.shutDownQueue();
    await other.queue.initQueue();
    lines.length = 0;
    await other.clock.advance(25);
    expect(lines).toHaveLength(2);
    await other.queue.shutDownQueue();
  });

  test('goes on, and harms nobody, when the logger throws', async () => {
    const lines: Line[] = [];
    const scene = await started([new Collector('a', () => 'works')], {
      logger: logging(lines, new Error('disk full')),
      metricsInterval: 1000,
    });
    await expect(scene.clock.advance(1000)).resolves.toBeUndefined();
    expect((await scene.publisher.publish(1).wait()).isOk()).toBe(true);
    await scene.clock.advance(1000);
    expect(lines.filter(({ message }) => message === 'collector queue metrics')).toHaveLength(2);
    await giveUp(scene);
  });
});
