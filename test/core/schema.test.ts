import type { StandardSchemaV1 } from '@standard-schema/spec';
import {
  BrokenSchemaError,
  Collector,
  CollectorQueue,
  type DeadLetter,
  Delivery,
  err,
  InvalidArgumentError,
  Payload,
  SchemaError,
} from 'collector-queue';
import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { hanging, oneCollector } from '../policies/scene.ts';
import { type Gate, gate, started, thrownBy } from './scene.ts';

type Answer = (value: unknown) => unknown;

/** A Standard Schema that answers like this. */
function schemaOf(validate: Answer): StandardSchemaV1 {
  return {
    '~standard': { version: 1, vendor: 'test', validate: validate as StandardSchemaV1.Props['validate'] },
  };
}

/** One that makes a text longer, and counts how often it is asked. */
function appending(suffix: string): { readonly schema: StandardSchemaV1; readonly asked: unknown[] } {
  const asked: unknown[] = [];
  const schema = schemaOf((value) => {
    asked.push(value);
    return typeof value === 'string' ? { value: value + suffix } : { issues: [{ message: `no text for ${suffix}` }] };
  });
  return { schema, asked };
}

const order = z.object({ id: z.string().transform(Number), cents: z.number().default(0) });

describe('a schema of a collector', () => {
  test.each([
    ['zod', order],
    ['valibot', v.object({ id: v.pipe(v.string(), v.transform(Number)), cents: v.optional(v.number(), 0) })],
  ])('of %s gives the processor what it makes of the value', async (_library, schema) => {
    const scene = await oneCollector((value) => value, { schema });
    const value = { id: '7', more: true };
    expect((await scene.publisher.publish(value).wait()).oks()).toEqual([{ id: 7, cents: 0 }]);
    expect(value).toEqual({ id: '7', more: true });
    await scene.queue.shutDownQueue();
  });

  test.each([
    ['zod', order.extend({ items: z.array(z.object({ price: z.number() })) })],
    ['valibot', v.object({ id: v.string(), cents: v.number(), items: v.array(v.object({ price: v.number() })) })],
  ])('of %s refuses a value with its issues, by their paths', async (_library, schema) => {
    const scene = await oneCollector((value) => value, { schema });
    const wrong = { id: 7, cents: 1, items: [{ price: 1 }, { price: 'much' }] };
    const [error] = (await scene.publisher.publish(wrong).wait()).errs() as [SchemaError];
    expect(error).toBeInstanceOf(SchemaError);
    expect(error).toMatchObject({ code: 'CQ_SCHEMA', retryable: false });
    expect(error.issues.map(({ path }) => path)).toEqual([['id'], ['items', 1, 'price']]);
    for (const { message } of error.issues) expect(message).toMatch(/expected/i);
    expect(error.message).toMatch(
      /^the value does not fit the schema of collector "a": id: .*expected.*; items\[1\]\.price: .*expected[^;]*$/i,
    );
    expect(scene.called).toEqual([]);
    await scene.queue.shutDownQueue();
  });

  test('leaves everything else of the payload as it was', async () => {
    const payloads: Payload[] = [];
    const collector = new Collector('a', (payload) => void payloads.push(payload), {
      schema: z.coerce.number(),
      topics: '#',
    });
    const { queue, publisher } = await started([collector]);
    const sent: Payload<string>[] = [
      new Payload('1'),
      new Payload('1', { keys: 'a', priority: 5 }),
      new Payload('1', { topics: ['t', 'u'] }),
      new Payload('1', { delivery: Delivery.TOPIC, keys: ['a', 'b'], topics: ['t'], priority: -1 }),
    ];
    for (const payload of sent) await publisher.send(payload).wait();
    const facts = ({ delivery, keys, topics, priority }: Payload) => ({
      delivery,
      keys,
      topics,
      priority,
    });
    expect(payloads.map(facts)).toEqual(sent.map(facts));
    expect(payloads.map(({ value }) => value)).toEqual([1, 1, 1, 1]);
    await queue.shutDownQueue();
  });

  test('that changes nothing gives the very payload that was sent', async () => {
    const payloads: Payload[] = [];
    const collector = new Collector('a', (payload) => void payloads.push(payload), { schema: v.number() });
    const { queue, publisher } = await started([collector]);
    const payload = new Payload(7) as Payload;
    await publisher.send(payload).wait();
    expect(payloads[0]).toBe(payload);
    await queue.shutDownQueue();
  });

  test('is asked once for a task: every attempt gets the same value', async () => {
    const { schema, asked } = appending('!');
    const scene = await oneCollector((_value, { number }) => (number < 3 ? err({}) : 'done'), {
      schema,
      retry: { attempts: 3, base: 0 },
    });
    const event = scene.publisher.publish('a');
    for (let at = 0; at < 3; at++) await scene.clock.advance(0);
    expect((await event.wait()).oks()).toEqual(['done']);
    expect(scene.called).toEqual(['a!', 'a!', 'a!']);
    expect(asked).toEqual(['a']);
    await scene.queue.shutDownQueue();
  });

  test('refuses once and for all: nothing is retried, whatever retryIf says, and no processor is called', async () => {
    const { schema, asked } = appending('!');
    const scene = await oneCollector((value) => value, {
      schema,
      retry: { attempts: 3, base: 0, retryIf: () => true },
    });
    const event = scene.publisher.publish(7);
    await scene.clock.advance(0);
    expect((await event.wait()).errs()).toEqual([expect.any(SchemaError)]);
    expect(asked).toEqual([7]);
    expect(scene.called).toEqual([]);
    await scene.queue.shutDownQueue();
  });

  test('that is synchronous settles the event in the microtask in which it began', async () => {
    const scene = await oneCollector((value) => value, { schema: order });
    const event = scene.publisher.publish({ id: '7' });
    await Promise.resolve();
    expect(event.getResult()?.oks()).toEqual([{ id: 7, cents: 0 }]);
    await scene.queue.shutDownQueue();
  });

  test('that takes its time keeps the consumer, and its promise is that of the task', async () => {
    const answer = gate<unknown>();
    const scene = await oneCollector((value) => value, { schema: schemaOf(() => answer.promise) });
    const event = scene.publisher.publish(7);
    await scene.clock.advance(5);
    expect([event.status, scene.queue.currentLoad]).toEqual(['running', 1]);
    answer.open({ value: 8 });
    expect((await event.wait()).oks()).toEqual([8]);
    await scene.queue.shutDownQueue();
  });

  test('of zod may be asynchronous', async () => {
    const schema = z.string().refine(async (value) => value !== 'taken', 'is taken');
    const scene = await oneCollector((value) => value, { schema });
    // Standard Schema tries the synchronous way first.
    expect((await scene.publisher.publish('free').wait()).oks()).toEqual(['free']);
    expect((await scene.publisher.publish('taken').wait()).errs()).toMatchObject([
      { issues: [{ message: 'is taken' }] },
    ]);
    await scene.queue.shutDownQueue();
  });

  test('counts for the time limit; what it tells too late calls no processor, and the next attempt hears of it', async () => {
    const answers: Gate<unknown>[] = [];
    const schema = schemaOf(() => {
      const answer = gate<unknown>();
      answers.push(answer);
      return answer.promise;
    });
    const scene = await oneCollector((value) => value, { schema, timeout: 100, retry: { attempts: 2, base: 0 } });
    const event = scene.publisher.publish(7);
    await scene.clock.advance(100);
    await scene.clock.advance(50);
    answers[0]?.open({ value: 8 });
    await scene.clock.advance(0);
    expect((await event.wait()).oks()).toEqual([8]);
    expect(scene.called).toEqual([8]);
    expect(answers).toHaveLength(1);
    const cancelled = scene.publisher.publish(7);
    await scene.clock.advance(1);
    cancelled.cancel();
    answers[1]?.open({ value: 9 });
    await scene.clock.advance(1);
    expect(scene.called).toEqual([8]);
    await scene.queue.shutDownQueue();
  });

  test.each<[string, Answer]>([
    [
      'throws',
      () => {
        throw new RangeError('far');
      },
    ],
    ['rejects', () => Promise.reject(new RangeError('far'))],
  ])(
    'that %s is a broken one: the error says so, has the cause, and the next attempt asks again',
    async (_how, fail) => {
      let asked = 0;
      const schema = schemaOf((value) => (++asked === 3 ? { value } : fail(value)));
      const scene = await oneCollector((value) => value, { schema });
      const [error] = (await scene.publisher.publish(7).wait()).errs() as [BrokenSchemaError];
      expect(error).toBeInstanceOf(BrokenSchemaError);
      expect(error).toMatchObject({ code: 'CQ_BROKEN_SCHEMA', retryable: true, cause: new RangeError('far') });
      expect(error.message).toBe('the schema of collector "a" failed: RangeError: far');
      const event = scene.publisher.publish(7, {}, { retry: { attempts: 2, base: 0 } });
      await scene.clock.advance(0);
      await scene.clock.advance(0);
      expect((await event.wait()).oks()).toEqual([7]);
      expect(asked).toBe(3);
      await scene.queue.shutDownQueue();
    },
  );

  test('that rejects after its attempt was given up is asked again', async () => {
    const answers: Gate<unknown>[] = [];
    const schema = schemaOf(() => {
      const answer = gate<unknown>();
      answers.push(answer);
      return answer.promise;
    });
    const scene = await oneCollector((value) => value, { schema, timeout: 100, retry: { attempts: 3, base: 0 } });
    const event = scene.publisher.publish(7);
    await scene.clock.advance(100);
    await scene.clock.advance(50);
    answers[0]?.fail(new Error('no connection'));
    await scene.clock.advance(0);
    await scene.clock.advance(0);
    answers[1]?.open({ value: 8 });
    expect((await event.wait()).oks()).toEqual([8]);
    await scene.queue.shutDownQueue();
  });

  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'undefined'],
    ['a boolean', true, 'true'],
    ['an empty object', {}, 'an object with neither a value nor issues'],
    ['a list of issues', [], 'an empty array with neither a value nor issues'],
    ['issues that are no list', { issues: 'wrong' }, 'issues that are "wrong"'],
    ['issues that are an object', { issues: {} }, 'issues that are an object'],
  ])('that answers with %s is a broken one', async (_what, answer, came) => {
    for (const schema of [schemaOf(() => answer), schemaOf(async () => answer)]) {
      const scene = await oneCollector((value) => value, { schema });
      const [error] = (await scene.publisher.publish(7).wait()).errs() as unknown[] as [Error];
      expect(error).toBeInstanceOf(BrokenSchemaError);
      expect(error.message).toBe(`the schema of collector "a" must answer with a value or issues, but it gave ${came}`);
      await scene.queue.shutDownQueue();
    }
  });

  test('may answer with whatever it likes: it comes to an Ok, or to an error that says what is wrong', async () => {
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error('do not look');
        },
      },
    );
    const parts = fc.oneof(fc.anything(), fc.constant(hostile), fc.constant(Symbol('s')));
    const path = fc.array(fc.oneof(parts, fc.record({ key: parts })));
    const issue = fc.oneof(parts, fc.record({ message: parts, path: fc.oneof(parts, path) }));
    const answers = fc.oneof(
      parts,
      fc.record({ issues: fc.oneof(parts, fc.array(issue)) }),
      fc.record({ value: parts }),
    );
    await fc.assert(
      fc.asyncProperty(answers, fc.boolean(), async (answer, later) => {
        const schema = schemaOf(() => (later ? Promise.resolve(answer) : answer));
        const { queue, publisher } = await oneCollector(() => 'fine', { schema });
        const list = await publisher.publish(7).wait();
        if (list.isOk()) expect(list.oks()).toEqual(['fine']);
        else {
          const [error] = list.errs();
          expect(error instanceof SchemaError || error instanceof BrokenSchemaError).toBe(true);
          expect((error as Error).message).toMatch(/^the (value does not fit the )?schema of collector "a"/);
          for (const { message, path: keys } of (error as Partial<SchemaError>).issues ?? []) {
            expect(typeof message).toBe('string');
            for (const key of keys) expect(['string', 'number', 'symbol']).toContain(typeof key);
          }
        }
        await queue.shutDownQueue();
      }),
      { numRuns: Number(process.env.FC_RUNS) },
    );
  });

  test('has its issues told briefly: three of them, cut off where they are long', async () => {
    const issues = Array.from({ length: 5 }, (_, at) => ({
      message: at === 1 ? 'x'.repeat(1_000) : `wrong ${at}`,
      path: at === 2 ? undefined : [at, { key: 'deep' }, Symbol('s')],
    }));
    const scene = await oneCollector((value) => value, { schema: schemaOf(() => ({ issues })) });
    const [error] = (await scene.publisher.publish(7).wait()).errs() as [SchemaError];
    expect(error.message).toBe(
      'the value does not fit the schema of collector "a": ' +
        `[0].deep.Symbol(s): wrong 0; [1].deep.Symbol(s): ${'x'.repeat(200)}…; wrong 2 (and 2 more)`,
    );
    expect(error.issues).toHaveLength(5);
    expect(error.issues[2]?.path).toEqual([]);
    expect(error.issues[1]?.message).toHaveLength(1_000);
    await scene.queue.shutDownQueue();
  });

  test('may name no issue at all, which refuses the value all the same', async () => {
    const scene = await oneCollector((value) => value, { schema: schemaOf(() => ({ issues: [], value: 7 })) });
    const [error] = (await scene.publisher.publish(7).wait()).errs() as [SchemaError];
    expect(error).toBeInstanceOf(SchemaError);
    expect(error.message).toContain('it names no issue');
    await scene.queue.shutDownQueue();
  });

  test('that cannot be read is refused when the collector is made', () => {
    const schema = {
      get '~standard'(): never {
        throw new RangeError('no');
      },
    };
    const error = thrownBy(() => new Collector('a', () => 1, { schema }));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect((error as Error).message).toMatch(
      /^Collector "a": schema must be a Standard Schema .* an object that throws RangeError: no$/,
    );
  });

  test('may be a function, as those of arktype are', async () => {
    const schema = Object.assign(
      () => undefined,
      schemaOf((value) => ({ value: [value] })),
    );
    const scene = await oneCollector((value) => value, { schema });
    expect((await scene.publisher.publish(7).wait()).oks()).toEqual([[7]]);
    await scene.queue.shutDownQueue();
  });

  test('leaves the value of a dead letter as it was sent, so that it can be sent again', async () => {
    const letters: DeadLetter[] = [];
    let fails = true;
    const scene = await oneCollector(
      (value) => {
        if (fails) throw new Error('no');
        return value;
      },
      { schema: order, deadLetter: (letter) => letters.push(letter) },
    );
    await scene.publisher.publish({ id: '7' }).wait();
    await scene.publisher.publish({ id: 7 }).wait();
    expect(letters.map(({ value, error }) => [value, (error as { code: string }).code])).toEqual([
      [{ id: '7' }, 'CQ_PROCESSOR'],
      [{ id: 7 }, 'CQ_SCHEMA'],
    ]);
    fails = false;
    const [event] = scene.queue.redrive(letters[0] as DeadLetter);
    expect((await event?.wait())?.oks()).toEqual([{ id: 7, cents: 0 }]);
    await scene.queue.shutDownQueue();
  });

  test('is inside of every middleware, which sees the value as it was sent and the outcome', async () => {
    const seen: unknown[] = [];
    const scene = await oneCollector((value) => value, {
      schema: order,
      policies: [
        {
          around: (task, next) => {
            const result = next();
            if (!(result instanceof Promise)) seen.push([task.payload?.value, result.isOk()]);
            return result;
          },
        },
      ],
    });
    await scene.publisher.publish({ id: '7' }).wait();
    await scene.publisher.publish({ id: 7 }).wait();
    expect(seen).toEqual([
      [{ id: '7' }, true],
      [{ id: 7 }, false],
    ]);
    await scene.queue.shutDownQueue();
  });
});

describe('the schemas of topics', () => {
  const values = (key: string, options: object = {}): Collector =>
    new Collector(key, ({ value }) => value, { topics: '#', ...options });

  test('check what is sent with their topic, once for all collectors, before those of the collectors', async () => {
    const first = appending('1');
    const own = appending('!');
    const { queue, publisher } = await started([values('a'), values('b', { schema: own.schema })], {
      schemas: { t: first.schema },
    });
    expect((await publisher.publish('x', { topics: 't' }).wait()).oks()).toEqual(['x1', 'x1!']);
    expect([first.asked, own.asked]).toEqual([['x'], ['x1']]);
    expect((await publisher.publish('x', { topics: 'u' }).wait()).oks()).toEqual(['x', 'x!']);
    expect((await publisher.publish('x').wait()).oks()).toEqual(['x', 'x!']);
    expect((await publisher.publish('x', { topics: 't/u' }).wait()).oks()).toEqual(['x', 'x!']);
    expect(first.asked).toEqual(['x']);
    const errors = (await publisher.publish(7, { topics: 't' }).wait()).errs() as SchemaError[];
    expect(errors).toEqual([expect.any(SchemaError), expect.any(SchemaError)]);
    expect(errors[0]?.message).toBe('the value does not fit the schema of topic "t": no text for 1');
    expect([first.asked, own.asked]).toEqual([
      ['x', 7],
      ['x1', 'x', 'x', 'x'],
    ]);
    await queue.shutDownQueue();
  });

  test('follow one another in the order of the payload, each of them once', async () => {
    const [one, two, none] = [appending('1'), appending('2'), appending('0')];
    const schemas = { t: one.schema, u: two.schema, v: one.schema, w: none.schema };
    const { queue, publisher } = await started([values('a')], { schemas });
    expect((await publisher.publish('x', { topics: ['u', 'other', 't', 'v'] }).wait()).oks()).toEqual(['x21']);
    expect((await publisher.publish('x', { topics: ['v', 'u', 't'] }).wait()).oks()).toEqual(['x12']);
    expect((await publisher.publish(7, { topics: ['u', 't'] }).wait()).errs()).toMatchObject([
      { issues: [{ message: 'no text for 2' }] },
    ]);
    expect(one.asked).toEqual(['x2', 'x']);
    await queue.shutDownQueue();
  });

  test('may be asynchronous; retries of all collectors see what they told', async () => {
    const asked: unknown[] = [];
    const schema = schemaOf(async (value) => {
      asked.push(value);
      await Promise.resolve();
      return { value: [value] };
    });
    const failing = (key: string): Collector =>
      new Collector(key, ({ value }, _context, { number }) => (number === 1 ? err({}) : value), {
        topics: '#',
        retry: { attempts: 2, base: 0 },
      });
    const { queue, publisher, clock } = await started([failing('a'), failing('b')], { schemas: { t: schema } });
    const event = publisher.publish(7, { topics: 't' });
    for (let at = 0; at < 5; at++) await clock.advance(0);
    const [a, b] = (await event.wait()).oks();
    expect([a, b]).toEqual([[7], [7]]);
    expect(a).toBe(b);
    expect(asked).toEqual([7]);
    await queue.shutDownQueue();
  });

  test('that are broken are asked again by the next attempt', async () => {
    const answers: unknown[] = [undefined, undefined, { value: 8 }];
    const collectors = ['a', 'b'].map((key) => values(key, { retry: { attempts: 2, base: 0 } }));
    const { queue, publisher, clock } = await started(collectors, { schemas: { t: schemaOf(() => answers.shift()) } });
    const event = publisher.publish(7, { topics: 't' });
    for (let at = 0; at < 3; at++) await clock.advance(0);
    expect((await event.wait()).oks()).toEqual([8, 8]);
    await queue.shutDownQueue();
  });

  test('apply to what a topic is said of, also if it is delivered by key; and to what is redriven', async () => {
    const { schema } = appending('1');
    const letters: DeadLetter[] = [];
    let fails = true;
    const collector = new Collector(
      'a',
      ({ value }) => {
        if (fails) throw new Error(value);
        return value;
      },
      { deadLetter: (letter) => letters.push(letter), topics: '#' },
    );
    const { queue, publisher } = await started([collector], { schemas: { t: schema } });
    await publisher.publish('x', { topics: 't' }).wait();
    expect(letters).toMatchObject([{ value: 'x', error: { cause: { message: 'x1' } }, topics: ['t'] }]);
    fails = false;
    const byKey = publisher.publish('y', { delivery: Delivery.KEY, keys: 'a', topics: 't' });
    expect((await byKey.wait()).oks()).toEqual(['y1']);
    expect((await queue.redrive(letters)[0]?.wait())?.oks()).toEqual(['x1']);
    await queue.shutDownQueue();
  });

  test('may be none, and may be left out', () => {
    const make = (schemas: object): unknown => new CollectorQueue([values('a')], { schemas });
    expect(() => make({})).not.toThrow();
    expect(() => make({ t: undefined })).not.toThrow();
    expect(() => make(Object.create(null))).not.toThrow();
  });

  test('can have the names that objects have', async () => {
    const { schema } = appending('1');
    const schemas = Object.fromEntries(['__proto__', 'constructor'].map((topic) => [topic, schema]));
    const { queue, publisher } = await started([values('a')], { schemas });
    for (const topics of ['__proto__', 'constructor']) {
      expect((await publisher.publish('x', { topics }).wait()).oks()).toEqual(['x1']);
    }
    expect((await publisher.publish('x', { topics: 'toString' }).wait()).oks()).toEqual(['x']);
    await queue.shutDownQueue();
  });
});

test('what schemas found is not kept once the event has settled', async () => {
  expect(globalThis.gc).toBeDefined();
  const made: WeakRef<object>[] = [];
  const schema = schemaOf(() => {
    const value = {};
    made.push(new WeakRef(value));
    return { value };
  });
  const work = hanging();
  const collectors = ['a', 'b'].map(
    (key) => new Collector(key, () => work.process(0, undefined as never), { topics: '#' }),
  );
  const { queue, publisher } = await started(collectors, { schemas: { t: schema } });
  const event = publisher.publish(7, { topics: 't' });
  await Promise.resolve();
  work.end();
  work.end();
  await event.wait();
  // A WeakRef holds what it refers to until the job in which it was made has ended.
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  globalThis.gc?.();
  expect(made.map((ref) => ref.deref())).toEqual([undefined]);
  expect(event.getResult()?.length).toBe(2);
  await queue.shutDownQueue();
});
