/**
 * Typed topics with zod. A schema says once what may be sent, checks it where it arrives, and gives the collector what it
 * makes of it; the compiler knows both sides.
 */
import { Collector, CollectorQueue, SchemaError, type TopicInputs, topicTypes } from 'collector-queue';
import { z } from 'zod';

// What a sensor sends, and what of it becomes: a number of a text, a Date of another one.
const reading = z.object({
  sensor: z.string().min(1),
  celsius: z.coerce.number<string | number>().min(-80).max(80),
  at: z.iso.datetime().transform((text) => new Date(text)),
});
const schemas = {
  'readings/indoor': reading,
  'readings/outdoor': reading,
};

// The schema of one collector comes after those of the topics: it takes what they made.
const alarm = new Collector(
  'alarm',
  ({ value }) => `${value.sensor}: ${value.celsius} °C at ${value.at.toISOString().slice(11, 16)}`,
  {
    topics: 'readings/#',
    schema: z.object({ sensor: z.string(), celsius: z.number().min(30, 'not hot'), at: z.date() }),
  },
);

const queue = new CollectorQueue([alarm], { schemas, topics: topicTypes<TopicInputs<typeof schemas>>() });

await queue.run(async (publisher) => {
  const at = '2026-07-01T14:30:00Z';
  const hot = await publisher.publish({ sensor: 'roof', celsius: '41.5', at }, { topics: 'readings/outdoor' }).wait();
  console.log(hot.oks());

  const mild = { sensor: 'desk', celsius: 21, at };
  const broken = { sensor: '', celsius: 'warm', at: 'noon' };
  for (const value of [mild, broken]) {
    const list = await publisher.publish(value, { topics: 'readings/indoor' }).wait();
    for (const error of list.errs()) {
      if (error instanceof SchemaError) console.log(error.issues.map(({ path, message }) => [path.join('.'), message]));
    }
  }

  // Neither compiles.
  // @ts-expect-error: the time is a text
  publisher.publish({ sensor: 'roof', celsius: 20, at: new Date() }, { topics: 'readings/outdoor' });
  // @ts-expect-error: there is no such topic
  publisher.publish({ sensor: 'roof', celsius: 20, at }, { topics: 'readings/cellar' });
});

/* Output:
[ 'roof: 41.5 °C at 14:30' ]
[ [ 'celsius', 'not hot' ] ]
[
  [ 'sensor', 'Too small: expected string to have >=1 characters' ],
  [ 'celsius', 'Invalid input: expected number, received NaN' ],
  [ 'at', 'Invalid ISO datetime' ]
]
*/
