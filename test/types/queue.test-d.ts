import {
  type AnyResultOf,
  BatchCollector,
  CancelTask,
  Collector,
  type CollectorEvent,
  CollectorQueue,
  type CollectorQueueError,
  err,
  errAsync,
  type LifecycleObject,
  ok,
  okAsync,
  Payload,
  type QueueEventMap,
  type Result,
  ResultList,
  RetryTask,
  Router,
  SimpleRouter,
  topicTypes,
} from 'collector-queue';
import { describe, expectTypeOf, test } from 'vitest';
import { z } from 'zod';

interface Order {
  readonly id: string;
}

interface Flight {
  readonly delay: number;
}

interface Database {
  insert(value: unknown): Promise<number>;
  close(): Promise<void>;
}

declare function open(): Promise<Database>;

describe('the context of a processor', () => {
  test('has what an async generator yields, without an annotation', () => {
    const collector = new Collector('a', async (payload, ctx) => ok(await ctx.db.insert(payload.value)), {
      topics: ['sensor-data'],
      lifecycle: async function* () {
        const db = await open();
        try {
          yield { db };
        } finally {
          await db.close();
        }
      },
    });
    expectTypeOf(new CollectorQueue([collector]).getPublisher().publish).toBeFunction();
    new Collector(
      'a',
      (_, ctx) => {
        expectTypeOf(ctx.db).toEqualTypeOf<Database>();
        // @ts-expect-error there is no such thing in the context
        ctx.cache;
      },
      {
        lifecycle: async function* () {
          yield { db: await open() };
        },
      },
    );
  });

  test('has what a synchronous generator yields', () => {
    new Collector('a', (_, ctx) => expectTypeOf(ctx.count).toEqualTypeOf<number>(), {
      lifecycle: function* () {
        yield { count: 1 };
      },
    });
  });

  test('has what setup returns, at once or later', () => {
    new Collector('a', (_, ctx) => expectTypeOf(ctx.count).toEqualTypeOf<number>(), {
      lifecycle: { setup: () => ({ count: 1 }) },
    });
    new Collector('a', (_, ctx) => expectTypeOf(ctx.db).toEqualTypeOf<Database>(), {
      lifecycle: { setup: async () => ({ db: await open() }), shutdown: (ctx) => ctx.db.close() },
    });
  });

  test('has what the user gave, which the lifecycle gets too, and what the lifecycle adds', () => {
    new Collector(
      'a',
      (_, ctx) => {
        expectTypeOf(ctx.url).toEqualTypeOf<string>();
        expectTypeOf(ctx.db).toEqualTypeOf<Database>();
      },
      {
        context: { url: 'db://' },
        lifecycle: async function* (context: { url: string }) {
          context.url.trim();
          yield { db: await open() };
        },
      },
    );
    new Collector('a', () => 1, {
      context: { url: 'db://' },
      lifecycle: async function* (context) {
        expectTypeOf(context.url).toEqualTypeOf<string>();
        yield;
      },
    });
    new Collector('a', (_, ctx) => ctx.url.length, {
      context: { url: 'db://' },
      // @ts-expect-error the context has no port
      lifecycle: { setup: (context) => void context.port },
    });
  });

  test('has nothing of a lifecycle that yields nothing', () => {
    new Collector('a', (_, ctx) => expectTypeOf(ctx.url).toEqualTypeOf<string>(), {
      context: { url: 'db://' },
      lifecycle: async function* () {
        yield;
      },
    });
    const lifecycle: LifecycleObject<object, void> = { setup: () => undefined };
    new Collector('a', () => 1, { lifecycle });
  });

  test('is whatever the processor makes of it if nobody says anything', () => {
    new Collector('a', (payload, ctx) => ctx.anything + payload.value.anything);
  });

  test('does not keep a collector out of a queue, whose setup only throws', () => {
    const failing = new Collector('a', () => 1, {
      lifecycle: {
        setup: async () => {
          throw new Error('to be done');
        },
      },
    });
    new CollectorQueue([failing]);
  });
});

describe('the options of a collector', () => {
  test('are checked', () => {
    // @ts-expect-error an unknown option
    new Collector('a', () => 1, { topic: 'a' });
    // @ts-expect-error topics are strings
    new Collector('a', () => 1, { topics: [1] });
    // @ts-expect-error a key is a string
    new Collector(1, () => 1);
    // @ts-expect-error a processor is needed
    new Collector('a');
    // @ts-expect-error a lifecycle is a generator function or an object
    new Collector('a', () => 1, { lifecycle: 'open' });
    // @ts-expect-error the context is an object
    new Collector('a', () => 1, { context: 'url' });
  });
});

describe('the results of a send', () => {
  const counts = new Collector('counts', async (payload: Payload<Order>) => payload.value.id.length);
  const checks = new Collector('checks', (payload: Payload<Order>) =>
    payload.value.id === '' ? err('empty' as const) : ok(payload.value),
  );
  const queue = new CollectorQueue([counts, checks]);
  const publisher = queue.getPublisher();
  const results = publisher.send(new Payload({ id: 'x' })).getResult();

  test('have the type of their collector under its key', () => {
    expectTypeOf(results?.get('counts')).toEqualTypeOf<Result<number, CollectorQueueError> | undefined>();
    expectTypeOf(results?.get('checks')).toEqualTypeOf<Result<Order, 'empty' | CollectorQueueError> | undefined>();
    // @ts-expect-error there is no such collector
    results?.get('neither');
  });

  test('are a union where it may be any of them, or none', () => {
    type Any = Result<number | Order | undefined, 'empty' | CollectorQueueError>;
    expectTypeOf(results?.first()).toEqualTypeOf<Any | undefined>();
    expectTypeOf(results?.oks()).toEqualTypeOf<(number | Order | undefined)[] | undefined>();
    expectTypeOf(results?.errs()).toEqualTypeOf<('empty' | CollectorQueueError)[] | undefined>();
  });

  test('come the same way through publish, sendMany, sendWhenReady, wait and iteration', async () => {
    const published = await publisher.publish({ id: 'x' }).wait();
    expectTypeOf(published.get('counts')).toEqualTypeOf<Result<number, CollectorQueueError> | undefined>();
    const [sent] = publisher.sendMany([new Payload({ id: 'x' })]);
    const many = await sent?.wait();
    expectTypeOf(many?.get('counts')).toEqualTypeOf<Result<number, CollectorQueueError> | undefined>();
    const ready = await (await publisher.sendWhenReady(new Payload({ id: 'x' }))).wait();
    expectTypeOf(ready.get('counts')).toEqualTypeOf<Result<number, CollectorQueueError> | undefined>();
    for await (const [key, result] of publisher.publish({ id: 'x' })) {
      expectTypeOf(key).toEqualTypeOf<string | undefined>();
      expectTypeOf(result).toEqualTypeOf<Result<number | Order | undefined, 'empty' | CollectorQueueError>>();
    }
  });

  test('are those of the collectors that the payload names', () => {
    const byKey = publisher.publish({ id: 'x' }, { keys: 'counts' }).getResult();
    expectTypeOf(byKey?.first()).toEqualTypeOf<Result<number | undefined, CollectorQueueError> | undefined>();
    // @ts-expect-error it was not sent to this one
    byKey?.get('checks');
    const sent = publisher.send(new Payload({ id: 'x' }, { keys: ['checks'] })).getResult();
    expectTypeOf(sent?.get('checks')).toEqualTypeOf<Result<Order, 'empty' | CollectorQueueError> | undefined>();
  });

  test('take in what a ResultAsync comes to', () => {
    const later = new Collector('later', (payload: Payload<number>) =>
      payload.value > 0
        ? okAsync<string, RangeError>('fine')
        : errAsync<string, RangeError>(new RangeError('negative')),
    );
    const list = new CollectorQueue([later]).getPublisher().publish(1).getResult();
    expectTypeOf(list?.get('later')).toEqualTypeOf<Result<string, RangeError | CollectorQueueError> | undefined>();
  });

  test('come out of run', async () => {
    const list = await queue.run((door) => door.publish({ id: 'x' }).wait());
    expectTypeOf(list.get('counts')).toEqualTypeOf<Result<number, CollectorQueueError> | undefined>();
    expectTypeOf(queue.run(() => 7)).toEqualTypeOf<Promise<number>>();
  });
});

describe('a queue without declared topics', () => {
  const publisher = new CollectorQueue([
    new Collector('orders', (payload: Payload<Order>) => payload.value.id),
    new Collector('flights', (payload: Payload<Flight>) => payload.value.delay),
  ]).getPublisher();

  test('checks the value against the collectors that a key names', () => {
    publisher.publish({ id: 'x' }, { keys: 'orders' });
    publisher.send(new Payload({ delay: 1 }, { keys: 'flights' }));
    // @ts-expect-error orders take an Order
    publisher.publish({ delay: 1 }, { keys: 'orders' });
    // @ts-expect-error orders take an Order
    publisher.send(new Payload({ delay: 1 }, { keys: 'orders' }));
  });

  test('wants a broadcast to suit all of them', () => {
    publisher.publish({ id: 'x', delay: 1 });
    // @ts-expect-error flights want a delay
    publisher.publish({ id: 'x' });
  });

  test('takes any topic', () => {
    publisher.publish({ whatever: true }, { topics: 'anything/at/all' });
  });
});

describe('a queue with declared topics', () => {
  const archive = new Collector('archive', (payload: Payload<Order | Flight>) => payload.value, { topics: '#' });
  const audit = new Collector('audit', (payload: Payload<Order>) => ok(payload.value.id));
  const queue = new CollectorQueue([archive, audit], {
    topics: topicTypes<{ orders: Order; [late: `flights/late/${string}`]: Flight }>(),
  });
  const publisher = queue.getPublisher();

  test('takes the topics that there are, with their values', () => {
    publisher.publish({ id: 'x' }, { topics: 'orders' });
    publisher.publish({ delay: 70 }, { topics: 'flights/late/1' });
    publisher.publish({ delay: 70 }, { topics: ['flights/late/1', 'flights/late/2'] });
    publisher.send(new Payload({ id: 'x' }, { topics: 'orders' }));
    publisher.send(new Payload({ id: 'x', delay: 1 }, { topics: ['orders', 'flights/late/1'] }));
    publisher.publish({ id: 'x' }, { keys: 'audit' });
  });

  test('refuses a topic that there is not', () => {
    // @ts-expect-error no such topic
    publisher.publish({ id: 'x' }, { topics: 'order' });
    // @ts-expect-error no such topic
    publisher.publish({ delay: 1 }, { topics: 'flights/early/1' });
    // @ts-expect-error no such topic
    publisher.send(new Payload({ id: 'x' }, { topics: 'order' }));
    // @ts-expect-error one of them is no topic
    publisher.publish({ id: 'x' }, { topics: ['orders', 'order'] });
  });

  test('refuses a value that is not that of the topic', () => {
    // @ts-expect-error orders are Orders
    publisher.publish({ delay: 1 }, { topics: 'orders' });
    // @ts-expect-error late flights are Flights
    publisher.publish({ id: 'x' }, { topics: 'flights/late/1' });
    // @ts-expect-error orders are Orders
    publisher.send(new Payload({ delay: 1 }, { topics: 'orders' }));
    // @ts-expect-error it does not suit both topics
    publisher.publish({ id: 'x' }, { topics: ['orders', 'flights/late/1'] });
  });

  test('refuses a key that there is not, and a value that its collector does not take', () => {
    // @ts-expect-error no such collector
    publisher.publish({ id: 'x' }, { keys: 'audits' });
    // @ts-expect-error no such collector
    publisher.send(new Payload({ id: 'x' }, { keys: ['audit', 'audits'] }));
    // @ts-expect-error audit takes Orders
    publisher.publish({ delay: 1 }, { keys: 'audit' });
    // @ts-expect-error audit takes Orders
    publisher.send(new Payload({ delay: 1 }, { keys: 'audit' }));
  });

  test('refuses what is no payload', () => {
    // @ts-expect-error not a Payload
    publisher.send({ id: 'x' });
    // @ts-expect-error not Payloads
    publisher.sendMany([{ id: 'x' }]);
    // @ts-expect-error not a Payload
    void publisher.sendWhenReady('orders');
  });
});

describe('the options of a payload and of a queue', () => {
  test('are checked', () => {
    // @ts-expect-error an unknown option
    new Payload(1, { key: 'a' });
    // @ts-expect-error no such delivery
    new Payload(1, { delivery: 'multicast' });
    // @ts-expect-error a priority is a number
    new Payload(1, { priority: 'high' });
    const collector = new Collector('a', () => 1);
    // @ts-expect-error an unknown option
    new CollectorQueue([collector], { concurrency: 5 });
    // @ts-expect-error a number
    new CollectorQueue([collector], { maxConsumers: '5' });
    // @ts-expect-error no such order
    new CollectorQueue([collector], { queueType: 'random' });
    // @ts-expect-error a router, not a function
    new CollectorQueue([collector], { router: () => [] });
    // @ts-expect-error at least a list
    new CollectorQueue(collector);
  });

  test('take a router as a class or as an instance', () => {
    class First extends Router {
      select() {
        return [...this.collectors.values()].slice(0, 1);
      }
    }
    const collector = new Collector('a', () => 1);
    new CollectorQueue([collector], { router: First });
    new CollectorQueue([collector], { router: new First() });
    new CollectorQueue([collector], { router: SimpleRouter });
    // @ts-expect-error nothing can be made of it
    new CollectorQueue([collector], { router: Router });
  });
});

describe('untyped use', () => {
  test('stays easy: everything that was not said is any', async () => {
    const queue = new CollectorQueue([
      new Collector('a', (payload) => payload.value.anything.at.all),
      new Collector('b', async (payload, ctx) => ctx.db.insert(payload.value)),
    ]);
    const publisher = queue.getPublisher();
    publisher.publish(1);
    publisher.publish('text', { keys: 'a', priority: 1 });
    publisher.publish({ deep: [1] }, { topics: ['x', 'y'] });
    publisher.send(new Payload(undefined, { keys: ['a', 'b'] }));
    const results = await publisher.publish(1).wait();
    expectTypeOf(results.get('a')?.unwrapOr(0)).toBeAny();
    expectTypeOf(results.first().isOk()).toBeBoolean();
  });

  test('takes collectors and queues whose types nobody wrote down', async () => {
    const collectors: Collector[] = [new Collector('a', () => 1)];
    const queue: CollectorQueue = new CollectorQueue(collectors);
    const event: CollectorEvent = queue.getPublisher().publish(1, { keys: 'whichever' });
    const list: ResultList = await event.wait();
    expectTypeOf(list.get('whichever')?.isOk()).toEqualTypeOf<boolean | undefined>();
    const typed = new CollectorQueue([new Collector('a', (payload: Payload<number>) => payload.value)]);
    const untyped: CollectorQueue = typed;
    untyped.getPublisher().publish('anything', { keys: 'anybody' });
  });

  test('takes a list of results that somebody made', () => {
    const list = new ResultList([ok(1), err('no')], ['a', 'b']);
    expectTypeOf(list.first()).toEqualTypeOf<AnyResultOf<Record<string, { value: any; error: any }>>>();
  });
});

describe('queue events', () => {
  test('are typed by their names', () => {
    const { events } = new CollectorQueue([new Collector('a', () => 1)]);
    events.on('finished', (event) => {
      expectTypeOf(event).toEqualTypeOf<QueueEventMap['finished']>();
      expectTypeOf(event.duration).toEqualTypeOf<number | undefined>();
    });
    events.once('scaled', ({ from, to }) => expectTypeOf(to - from).toBeNumber());
    // @ts-expect-error no such event
    events.on('finnished', () => undefined);
    // @ts-expect-error an idle queue has no task
    events.on('idle', ({ task }) => task);
  });
});

test('what a processor returns to control its task is no value and no error of its result', async () => {
  const polls = new Collector('polls', async ({ value }: Payload<number>, _context, { number }) =>
    number < 3 ? new RetryTask({ delay: 5 }) : number < 4 ? err(new CancelTask()) : value * 2,
  );
  const results = await new CollectorQueue([polls]).getPublisher().publish(1).wait();
  const result = results.get('polls');
  if (result?.isOk()) expectTypeOf(result.value).toEqualTypeOf<number>();
  if (result?.isErr()) expectTypeOf(result.error).toEqualTypeOf<CollectorQueueError>();
});

describe('a collector of batches', () => {
  test('types the payloads, the context, and the result of each payload', async () => {
    const rows = new BatchCollector(
      'rows',
      (payloads: readonly Payload<Order>[], ctx, call) => {
        expectTypeOf(ctx.db).toEqualTypeOf<Database>();
        expectTypeOf(call.signal).toEqualTypeOf<AbortSignal>();
        return payloads.map(({ value }) => (value.id === 'x' ? err('taken' as const) : ok(value.id)));
      },
      { batch: { maxCount: 5 }, context: { db: {} as Database } },
    );
    const list = new CollectorQueue([rows])
      .getPublisher()
      .publish({} as Order, { keys: 'rows' })
      .getResult();
    expectTypeOf(list?.get('rows')).toEqualTypeOf<Result<string, 'taken' | CollectorQueueError> | undefined>();
    expectTypeOf(new BatchCollector('none', async () => undefined, { batch: {} })).toExtend<Collector>();
    // @ts-expect-error: a batch is needed
    new BatchCollector('rows', () => undefined, {});
  });
});

describe('flow control', () => {
  const collector = new Collector('a', ({ value }: Payload<Order>) => ok(value.id), {
    concurrency: 2,
    rateLimit: { limit: 1, interval: 1_000, per: ({ value }) => value.id },
    partitionBy: ({ value }) => value.id,
  });

  test('leaves the types of the results alone', async () => {
    const event = new CollectorQueue([collector]).getPublisher().publish({ id: '1' }, {}, { partitionKey: 'x' });
    expectTypeOf((await event.wait()).oks()).toEqualTypeOf<(string | undefined)[]>();
  });

  test('takes keys that are texts or undefined', () => {
    new Collector('a', () => 1, { partitionBy: () => undefined, rateLimit: { limit: 1, interval: 1, per: () => 'x' } });
    // @ts-expect-error a number is no key
    new Collector('a', () => 1, { partitionBy: () => 5 });
    // @ts-expect-error a promise is no key
    new Collector('a', () => 1, { partitionBy: async () => 'x' });
    // @ts-expect-error the interval is missing
    new Collector('a', () => 1, { rateLimit: { limit: 1 } });
    // @ts-expect-error a key of a send is no function
    new CollectorQueue([collector]).getPublisher().publish({ id: '1' }, {}, { partitionKey: () => 'x' });
  });
});

test('what the options of a collector ask gets the value as it was sent', () => {
  interface Change {
    readonly account: string;
  }
  const apply = new Collector('apply', async ({ value }: Payload<Change>) => value.account, {
    partitionBy: ({ value }) => {
      expectTypeOf(value).toEqualTypeOf<Change>();
      return value.account;
    },
    rateLimit: {
      limit: 1,
      interval: 1,
      per: ({ value }) => {
        expectTypeOf(value).toEqualTypeOf<Change>();
        return value.account;
      },
    },
    deadLetter: ({ value }) => expectTypeOf(value).toEqualTypeOf<Change>(),
  });
  expectTypeOf(apply).toEqualTypeOf<Collector<'apply', Change, Promise<string>, object, unknown, Change>>();
  new Collector('checked', ({ value }) => value.id, {
    schema: z.object({ id: z.string().transform(Number) }),
    partitionBy: ({ value }) => {
      expectTypeOf(value).toEqualTypeOf<{ id: string }>();
      return value.id;
    },
  });
  new BatchCollector('rows', (payloads: readonly Payload<Change>[]) => payloads.map(({ value }) => value), {
    batch: { by: ({ value }) => value.account },
    partitionBy: ({ value }) => value.account,
  });
  // @ts-expect-error there is no such field
  new Collector('misspelt', ({ value }: Payload<Change>) => value, { partitionBy: ({ value }) => value.acount });
});
