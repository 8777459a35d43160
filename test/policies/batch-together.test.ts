import {
  BatchCollector,
  type BatchCollectorOptions,
  type BatchOptions,
  type CollectorEvent,
  DeliveryTimeoutError,
  ExpiredError,
  ok,
  type QueueOptions,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { type Gate, gate, type Scene, started } from '../core/scene.ts';
import { recorded } from './scene.ts';

interface HangingBatches extends Scene {
  /** The values of each call. */
  readonly calls: unknown[][];
  readonly gates: Gate<void>[];
}

/** A collector of batches whose calls end by hand, and give each payload its value. */
async function hangingBatches(
  batch: BatchOptions,
  options: Omit<BatchCollectorOptions, 'batch'>,
  queueOptions: Omit<QueueOptions, 'clock'> = { maxConsumers: 9 },
): Promise<HangingBatches> {
  const calls: unknown[][] = [];
  const gates: Gate<void>[] = [];
  const collector = new BatchCollector(
    'a',
    async (payloads) => {
      const values = payloads.map(({ value }) => value);
      calls.push(values);
      const end = gate();
      gates.push(end);
      await end.promise;
      return values;
    },
    { ...options, batch },
  );
  return { ...(await started([collector], queueOptions)), calls, gates };
}

const firstOf = (event: CollectorEvent): unknown => event.getResult()?.first();

/** Keys of values: what is before the number. */
const partitionBy = ({ value }: { readonly value: string }): string => value.slice(0, 1);

describe('the key of a payload in a batch', () => {
  test('is kept until the work of the call ends, also that of a call which was given up', async () => {
    const scene = await hangingBatches({ maxCount: 2, maxWait: 10 }, { partitionBy, timeout: 100 });
    const { queue, publisher, clock, calls, gates } = scene;
    const events = ['a1', 'b1', 'a2', 'b2'].map((value) => publisher.publish(value));
    await clock.advance(100);
    expect(events.map(firstOf).slice(0, 2)).toMatchObject([{ error: expect.any(DeliveryTimeoutError) }, {}]);
    await clock.advance(1_000);
    expect(calls).toEqual([['a1', 'b1']]);
    gates[0]?.open();
    await clock.turn();
    expect(calls.map((values) => values.toSorted())).toEqual([
      ['a1', 'b1'],
      ['a2', 'b2'],
    ]);
    gates[1]?.open();
    await queue.shutDownQueue();
  });

  test('is kept until then if it is cancelled, whether it leads or not', async () => {
    const scene = await hangingBatches({ maxCount: 2, maxWait: 10 }, { partitionBy });
    const { queue, publisher, clock, calls, gates } = scene;
    const events = ['a1', 'b1', 'a2', 'b2'].map((value) => publisher.publish(value));
    await clock.turn();
    for (const event of events.slice(0, 2)) event.cancel();
    await clock.advance(1_000);
    expect(calls).toEqual([['a1', 'b1']]);
    gates[0]?.open();
    await clock.turn();
    expect(calls).toHaveLength(2);
    gates[1]?.open();
    await queue.shutDownQueue();
    expect(events.slice(2).map(firstOf)).toEqual([ok('a2'), ok('b2')]);
  });
});

test('a call whose leader is cancelled still has its time limit', async () => {
  for (const leader of [0, 1]) {
    const scene = await hangingBatches({ maxCount: 2, maxWait: 10 }, { timeout: 100 });
    const { queue, publisher, clock, gates } = scene;
    const events = [1, 2].map((value) => publisher.publish(value));
    await clock.turn();
    events[leader]?.cancel();
    await clock.advance(100);
    expect(firstOf(events[1 - leader] as CollectorEvent)).toMatchObject({ error: expect.any(DeliveryTimeoutError) });
    gates[0]?.open();
    await queue.shutDownQueue();
  }
});

describe('a payload with a ttl', () => {
  test('leaves its batch when its time has come, and the others are called without it', async () => {
    const scene = await hangingBatches({ maxCount: 9, maxWait: 100 }, { ttl: 40 }, { maxConsumers: 1 });
    const { queue, publisher, clock, calls, gates } = scene;
    const told = recorded(scene, ['parked', 'expired', 'error-task']);
    const endless = { ttl: Number.POSITIVE_INFINITY };
    const [first, , at] = [
      publisher.publish(1),
      publisher.publish(2, {}, endless),
      publisher.publish(3, {}, { expiresAt: 70 }),
    ] as const;
    await clock.advance(39);
    expect([first.status, queue.getMetrics().parked]).toEqual(['parked', 3]);
    await clock.advance(1);
    expect(firstOf(first)).toMatchObject({ error: expect.any(ExpiredError) });
    expect(told.filter(({ id }) => id === first.id).map(({ status }) => status)).toEqual([
      'parked',
      'expired',
      'error-task',
    ]);
    expect([at.status, queue.getMetrics().parked]).toEqual(['parked', 2]);
    await clock.advance(30);
    expect(firstOf(at)).toMatchObject({ error: expect.any(ExpiredError) });
    await clock.advance(30);
    expect(calls).toEqual([[2]]);
    gates[0]?.open();
    await queue.shutDownQueue();
    expect(clock.pendingTimers).toBe(0);
  });

  test('that is alone in its batch leaves none behind', async () => {
    const { queue, publisher, clock, calls } = await hangingBatches({ maxCount: 9, maxWait: 100 }, { ttl: 40 });
    publisher.publish(1);
    await clock.advance(100);
    expect(calls).toEqual([]);
    expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 1 });
    await queue.shutDownQueue();
  });

  test('does not expire any more once its call has begun', async () => {
    for (const timeout of [undefined, 1_000]) {
      const scene = await hangingBatches({ maxCount: 3, maxWait: 100 }, { ttl: 40, timeout });
      const { queue, publisher, clock, gates } = scene;
      const events = [1, 2, 3].map((value) => publisher.publish(value));
      await clock.advance(500);
      expect(events.map(({ status }) => status)).toEqual(['parked', 'parked', 'running']);
      events[0]?.cancel();
      gates[0]?.open();
      await clock.turn();
      expect(events.slice(1).map(firstOf)).toEqual([ok(2), ok(3)]);
      await queue.shutDownQueue();
      expect(clock.pendingTimers).toBe(0);
    }
  });

  test('expires while its batch waits for a slot', async () => {
    const scene = await hangingBatches({ maxCount: 2, maxWait: 100 }, { ttl: 40, concurrency: 1 });
    const { queue, publisher, clock, calls, gates } = scene;
    const events = [1, 2, 3, 4].map((value) => publisher.publish(value));
    await clock.advance(40);
    for (const event of events.slice(2)) expect(firstOf(event)).toMatchObject({ error: expect.any(ExpiredError) });
    gates[0]?.open();
    await queue.shutDownQueue();
    expect(calls).toEqual([[1, 2]]);
  });
});
