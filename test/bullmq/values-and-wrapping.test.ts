import type { StandardSchemaV1 } from '@standard-schema/spec';
import {
  CancelTask,
  Collector,
  type DeadLetter,
  err,
  InvalidArgumentError,
  type Middleware,
  RetryTask,
  SchemaError,
} from 'collector-queue';
import { BullMQCollectorQueue } from 'collector-queue/bullmq';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RedisServer, startRedis } from '../redis-server.ts';
import { queueFor, started, told, until } from './scene.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** Makes a text longer, and counts how often it is asked. */
function appending(suffix: string): { readonly schema: StandardSchemaV1; readonly asked: unknown[] } {
  const asked: unknown[] = [];
  const validate = (value: unknown): StandardSchemaV1.Result<unknown> => {
    asked.push(value);
    return typeof value === 'string'
      ? { value: value + suffix }
      : { issues: [{ message: 'no text', path: ['a', { key: 0 }] }] };
  };
  return { schema: { '~standard': { version: 1, vendor: 'test', validate } }, asked };
}

describe('schemas', () => {
  test('check values in the worker, those of topics before those of collectors, and nothing is retried', async () => {
    const topic = appending('1');
    const own = appending('!');
    const collector = new Collector('a', ({ value, topics }) => [value, topics], {
      topics: '#',
      schema: own.schema,
      retry: { attempts: 3, base: 1 },
    });
    const queue = await started([collector], { connection: redis.url, schemas: { t: topic.schema } });
    const events = told(queue);
    const publisher = queue.getPublisher();
    expect((await publisher.publish('x', { topics: 't' }).wait()).oks()).toEqual([['x1!', ['t']]]);
    expect((await publisher.publish('x').wait()).oks()).toEqual([['x!', []]]);
    const [error] = (await publisher.publish(7, { topics: 't' }).wait()).errs();
    expect(error).toMatchObject({
      code: 'CQ_SCHEMA',
      retryable: false,
      message: expect.stringContaining('the value does not fit the schema of topic "t": a[0]: no text'),
    });
    expect(topic.asked).toEqual(['x', 7]);
    const failed = events.find(({ status }) => status === 'error-task');
    expect(failed?.error).toBeInstanceOf(SchemaError);
    expect(failed).toMatchObject({ error: { issues: [{ message: 'no text', path: ['a', 0] }] } });
  });

  test('are asked at each attempt, for the value as it came; a dead letter has that one', async () => {
    const own = appending('!');
    const letters: DeadLetter[] = [];
    const seen: unknown[] = [];
    let fails = true;
    const collector = new Collector(
      'a',
      ({ value, topics }, _context, { headers }) => {
        seen.push([value, topics, headers]);
        if (fails) throw new Error('no');
        return value;
      },
      {
        topics: '#',
        schema: own.schema,
        retry: { attempts: 2, base: 1 },
        deadLetter: (letter) => void letters.push(letter),
      },
    );
    const queue = await started([collector], { connection: redis.url });
    await queue
      .getPublisher()
      .publish('x', { topics: 't' }, { headers: { a: 'b' } })
      .wait();
    await until(() => letters.length === 1);
    expect(letters).toMatchObject([{ value: 'x', topics: ['t'], headers: { a: 'b' } }]);
    fails = false;
    expect((await queue.redrive(letters)[0]?.wait())?.oks()).toEqual(['x!']);
    expect(seen).toEqual(Array.from({ length: 3 }, () => ['x!', ['t'], { a: 'b' }]));
    expect(own.asked).toEqual(['x', 'x', 'x']);
  });

  test('that are none, and middleware that is none, are refused', () => {
    const make = (schemas: object) => () =>
      new BullMQCollectorQueue([new Collector('a', () => 1)], { connection: redis.url, schemas });
    expect(make({ t: {} })).toThrow(/BullMQCollectorQueue: schemas\["t"\] must be a Standard Schema/);
    expect(make({ '#': {} })).toThrow(/the pattern "#"/);
    const queue = queueFor([new Collector('a', () => 1)], { connection: redis.url });
    expect(() => queue.use('trace' as unknown as Middleware)).toThrow(InvalidArgumentError);
  });
});

describe('a middleware', () => {
  test('wraps the attempts of its process, which it sees as those of the job', async () => {
    const seen: unknown[] = [];
    const own: unknown[] = [];
    const collector = new Collector('a', ({ value }, _context, { number }) => (number < 3 ? err({ number }) : value), {
      retry: { attempts: 3, base: 1 },
      policies: [
        {
          around: async (task, next) => {
            own.push(task.number);
            return next();
          },
        },
      ],
    });
    const queue = queueFor([collector], { connection: redis.url });
    queue.use(async (task, next) => {
      const result = await next();
      const { collectorKey, number, eventId, headers, payload } = task;
      seen.push([collectorKey, number, eventId, headers, payload?.value, result.isOk() ? result.value : result.error]);
      return result;
    });
    await queue.initQueue();
    const events = told(queue);
    const event = queue.getPublisher().publish('x', undefined, { headers: { a: 'b' } });
    expect((await event.wait()).oks()).toEqual(['x']);
    const task = (number: number, outcome: unknown): unknown[] => ['a', number, event.id, { a: 'b' }, 'x', outcome];
    expect(seen).toEqual([task(1, { number: 1 }), task(2, { number: 2 }), task(3, 'x')]);
    expect(own).toEqual([1, 2, 3]);
    const started = events.filter(({ status }) => status === 'started');
    expect(started.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  });

  test('may control its task, see that its processor does, or give a result of its own; then the attempt has begun', async () => {
    const outcomes: unknown[] = [];
    const work = (): unknown => new CancelTask('not any more');
    const queue = await started([new Collector('a', work)], { connection: redis.url });
    const events = told(queue);
    const waiting = queue.getPublisher();
    queue.use(async (task, next) => {
      if (task.payload?.value === 'cached') return err('short');
      if (task.number === 1) throw new RetryTask();
      if (task.number === 2) return err(new RetryTask());
      const result = await next();
      outcomes.push(result.isErr() && result.error);
      return result;
    });
    const [cancelled] = (await waiting.publish('x').wait()).errs();
    expect(cancelled).toMatchObject({ code: 'CQ_CANCELLED' });
    expect(outcomes).toEqual([expect.any(CancelTask)]);
    expect((await waiting.publish('cached').wait()).errs()).toEqual(['short']);
    expect(events.filter(({ status }) => status === 'started').map(({ attempt }) => attempt)).toEqual([1, 2, 3, 1]);
  });

  test('outlasts a shutdown, and may have the other methods of a policy', async () => {
    const asked: string[] = [];
    const queue = await started([new Collector('a', ({ value }) => value)], { connection: redis.url });
    queue.use({
      before: (task) => {
        asked.push(`before ${task.eventId}`);
        return 'run';
      },
      around: (_task, next) => {
        asked.push('around');
        return next();
      },
    });
    for (let round = 0; round < 2; round++) {
      const event = queue.getPublisher().publish(round);
      expect((await event.wait()).oks()).toEqual([round]);
      expect(asked.splice(0)).toEqual([`before ${event.id}`, 'around']);
      await queue.shutDownQueue();
      await queue.initQueue();
    }
  });
});

test('a policy that hears of nothing but the end is told of the job', async () => {
  const told: unknown[] = [];
  const collector = new Collector('a', (_, __, { number }) => (number === 1 ? err('not yet') : 'done'), {
    retry: { attempts: 2, base: 1 },
    policies: [{ settled: ({ number, eventId }, result) => void told.push([number, eventId, result.isOk()]) }],
  });
  const queue = await started([collector], { connection: redis.url });
  const event = queue.getPublisher().publish('x');
  expect((await event.wait()).oks()).toEqual(['done']);
  expect(told).toEqual([
    [1, event.id, false],
    [2, event.id, true],
  ]);
  await queue.shutDownQueue();
});
