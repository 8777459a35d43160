import {
  BatchCollector,
  type BatchCollectorOptions,
  type BatchOptions,
  type CollectorEvent,
  DeliveryTimeoutError,
  ok,
  type QueueOptions,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { type Gate, gate, type Scene, started } from '../core/scene.ts';

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
