import { MemoryEventStore } from 'collector-queue/store';
import { expect, test } from 'vitest';
import { describeEventStore } from '../contracts/event-store.ts';

describeEventStore({
  name: 'MemoryEventStore',
  make: (options) => new MemoryEventStore(options),
  numRuns: Number(process.env.FC_RUNS),
});

test('a MemoryEventStore keeps an event at once, for those who cannot wait', async () => {
  const store = new MemoryEventStore({ capacity: 1 });
  expect(store.addNow({ n: 1 }).isOk()).toBe(true);
  expect(store.addNow({ n: 2 }).isOk()).toBe(false);
  expect(await store.take({ count: 2 })).toHaveLength(1);
});

test('a MemoryEventStore drains a long backlog in order', async () => {
  const store = new MemoryEventStore({ capacity: 100_000 });
  for (let n = 0; n < 100_000; n++) store.addNow({ n });
  for (let next = 0; next < 100_000; ) {
    const events = await store.take({ count: 777 });
    expect(events.findIndex(({ event }, at) => event.n !== next + at)).toBe(-1);
    next += events.length;
    await store.ack(events.map(({ id }) => id));
  }
  expect(store.size).toBe(0);
});
