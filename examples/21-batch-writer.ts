/**
 * Readings of sensors into an embedded database (LevelDB). Each write to the disk is synced, so a write for each reading
 * would be slow: they are written in batches, and each reading is acknowledged once it is durable.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { BatchCollector, CollectorQueue, err, ok, type Payload } from 'collector-queue';

interface Reading {
  readonly id: number;
  readonly celsius: number;
}

const folder = await mkdtemp(join(tmpdir(), 'readings-'));
let writes = 0;

const store = new BatchCollector(
  'store',
  async (payloads: readonly Payload<Reading>[], { database }) => {
    // What is wrong with one reading is its own affair: the others are written.
    const checked = payloads.map(({ value }) => (value.celsius < -273.15 ? err('colder than cold') : ok(value)));
    const readings = checked.flatMap((result) => (result.isOk() ? [result.value] : []));
    await database.batch(
      readings.map((reading) => ({ type: 'put' as const, key: `${reading.id}`.padStart(6, '0'), value: reading })),
      { sync: true },
    );
    writes++;
    return checked;
  },
  {
    batch: { maxCount: 250, maxWait: 20 },
    lifecycle: async function* () {
      const database = new ClassicLevel<string, Reading>(folder, { valueEncoding: 'json' });
      await database.open();
      try {
        yield { database };
      } finally {
        await database.close();
      }
    },
  },
);

const queue = new CollectorQueue([store], { maxConsumers: 1 });
await queue.run(async (publisher) => {
  const events = Array.from({ length: 1_000 }, (_, id) =>
    publisher.publish({ id, celsius: id === 13 ? -300 : (id % 400) / 10 }),
  );
  const lists = await Promise.all(events.map((event) => event.wait()));
  const written = lists.filter((list) => list.isOk()).length;
  console.log(`${written} readings are durable after ${writes} writes`);
  console.log(`reading 13: ${lists[13]?.errs()[0]}`);
});

const database = new ClassicLevel<string, Reading>(folder, { valueEncoding: 'json' });
const keys = await database.keys().all();
console.log(
  `in the database: ${keys.length}, the last one is ${await database.get(keys.at(-1) as string).then((last) => last?.celsius)} °C`,
);
await database.close();
await rm(folder, { recursive: true });

/* Output:
999 readings are durable after 4 writes
reading 13: colder than cold
in the database: 999, the last one is 19.9 °C
*/
