import {
  Collector,
  CollectorQueue,
  type CollectorQueueError,
  ok,
  Payload,
  type Result,
  type TopicInputs,
  topicTypes,
} from 'collector-queue';
import * as v from 'valibot';
import { describe, expectTypeOf, test } from 'vitest';
import { z } from 'zod';

const order = z.object({ id: z.string().transform(Number), cents: z.number().default(0) });

describe('a collector with a schema', () => {
  test('takes what the schema takes, and its processor gets what the schema makes of it, without an annotation', async () => {
    const collector = new Collector(
      'orders',
      async (payload) => {
        expectTypeOf(payload).toEqualTypeOf<Payload<{ id: number; cents: number }>>();
        return payload.value.id;
      },
      { schema: order },
    );
    const publisher = new CollectorQueue([collector]).getPublisher();
    publisher.publish({ id: '7' });
    publisher.send(new Payload({ id: '7', cents: 5 }, { keys: 'orders' }));
    // @ts-expect-error it takes the id as a string
    publisher.publish({ id: 7, cents: 5 });
    // @ts-expect-error it takes the id as a string
    publisher.send(new Payload({ id: 7, cents: 5 }));
    // @ts-expect-error the cents are a number
    publisher.publish({ id: '7', cents: '5' }, { keys: 'orders' });
    const results = await publisher.publish({ id: '7' }).wait();
    expectTypeOf(results.get('orders')).toEqualTypeOf<Result<number, CollectorQueueError> | undefined>();
  });

  test('of another library is typed as well, beside a lifecycle, a context and topics', () => {
    const collector = new Collector(
      'texts',
      (payload, ctx) => {
        expectTypeOf(payload.value).toEqualTypeOf<number>();
        expectTypeOf(ctx.url).toEqualTypeOf<string>();
        expectTypeOf(ctx.db).toEqualTypeOf<Date>();
        return ok(payload.value);
      },
      {
        topics: 'texts/#',
        context: { url: 'db://' },
        lifecycle: async function* (context: { url: string }) {
          expectTypeOf(context.url).toEqualTypeOf<string>();
          yield { db: new Date() };
        },
        schema: v.pipe(v.string(), v.transform(Number)),
      },
    );
    const publisher = new CollectorQueue([collector]).getPublisher();
    publisher.publish('7');
    // @ts-expect-error it takes a string
    publisher.publish(7);
  });

  test('may say what its processor takes, if that is what the schema makes', () => {
    new Collector('orders', ({ value }: Payload<{ id: number }>) => value.id, { schema: order });
    // @ts-expect-error the schema makes a number of the id
    new Collector('orders', ({ value }: Payload<{ id: string }>) => value.id, { schema: order });
  });

  test('refuses what is no schema', () => {
    // @ts-expect-error not a Standard Schema
    new Collector('orders', () => 1, { schema: { parse: () => 1 } });
    // @ts-expect-error not a Standard Schema
    new CollectorQueue([new Collector('a', () => 1)], { schemas: { orders: 'string' } });
  });

  test('stands beside one without, whose values are checked as before', () => {
    const plain = new Collector('plain', ({ value }: Payload<{ late: boolean }>) => value.late);
    const strict = new Collector('strict', ({ value }) => value.id, { schema: order });
    const publisher = new CollectorQueue([plain, strict]).getPublisher();
    publisher.publish({ id: '7', late: true });
    publisher.publish({ late: true }, { keys: 'plain' });
    // @ts-expect-error plain wants to know whether it is late
    publisher.publish({ id: '7' });
    const collectors: Collector[] = [plain, strict];
    new CollectorQueue(collectors).getPublisher().publish('anything');
  });
});

describe('the schemas of topics', () => {
  const schemas = { orders: order, texts: v.pipe(v.string(), v.transform(Number)) };
  const publisher = new CollectorQueue([new Collector('all', ({ value }) => value, { topics: '#' })], {
    schemas,
    topics: topicTypes<TopicInputs<typeof schemas>>(),
  }).getPublisher();

  test('can type what is sent', () => {
    publisher.publish({ id: '7' }, { topics: 'orders' });
    publisher.publish('7', { topics: 'texts' });
    // @ts-expect-error the id is a string
    publisher.publish({ id: 7 }, { topics: 'orders' });
    // @ts-expect-error texts are strings
    publisher.send(new Payload(7, { topics: 'texts' }));
    // @ts-expect-error there is no such topic
    publisher.publish('7', { topics: 'text' });
  });

  test('belong to topics that there are, where topics are declared', () => {
    const collector = new Collector('a', () => 1);
    new CollectorQueue([collector], { topics: topicTypes<{ orders: unknown }>(), schemas: { orders: order } });
    // @ts-expect-error there is no such topic
    new CollectorQueue([collector], { topics: topicTypes<{ orders: unknown }>(), schemas: { order } });
  });
});
