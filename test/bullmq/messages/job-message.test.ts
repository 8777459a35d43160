import { Delivery, InvalidArgumentError, Payload } from 'collector-queue';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { serialized } from '../../../src/bullmq/messages/body.ts';
import { RejectedMessageError } from '../../../src/bullmq/messages/errors.ts';
import {
  type JobMessage,
  MOST_PRIORITY,
  payloadOptionsOf,
  readJob,
  writeJob,
} from '../../../src/bullmq/messages/job-message.ts';
import { jsonSerializer, type Serializer } from '../../../src/bullmq/messages/serializer.ts';
import { thrownBy } from '../../core/scene.ts';

const numRuns = Number(process.env.FC_RUNS);

const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 8 });
const time = fc.nat({ max: 8.64e15 - 1 });
const orInfinity = (arbitrary: fc.Arbitrary<number>): fc.Arbitrary<number> =>
  fc.oneof(arbitrary, fc.constant(Number.POSITIVE_INFINITY));
const duration = fc.double({ min: 1e-3, max: 1e12, noNaN: true });
const json = fc.jsonValue({ maxDepth: 3 }).filter((value) => !JSON.stringify(value).includes('__proto__'));

const routes = fc.oneof(
  fc.record({ delivery: fc.constant(Delivery.BROADCAST), keys: fc.constant([]), topics: fc.constant([]) }),
  fc.record({ delivery: fc.constant(Delivery.KEY), keys: fc.array(name, { minLength: 1 }), topics: fc.array(name) }),
  fc.record({ delivery: fc.constant(Delivery.TOPIC), keys: fc.array(name), topics: fc.array(name, { minLength: 1 }) }),
);

const options = fc.record(
  {
    priority: fc.integer({ min: -MOST_PRIORITY, max: MOST_PRIORITY }),
    headers: fc.dictionary(
      name.filter((one) => one !== '__proto__'),
      fc.string(),
    ),
    expiresAt: orInfinity(time),
    timeout: orInfinity(duration),
    retry: fc.record({ attempts: orInfinity(fc.integer({ min: 1 })), base: duration, cap: duration }),
  },
  { requiredKeys: [] },
);

const anyMessage: fc.Arbitrary<JobMessage> = fc
  .tuple(
    routes,
    options,
    fc.record({
      event: name,
      key: name,
      value: fc.oneof(json, fc.constant(undefined), fc.string({ unit: 'binary' })),
      sentAt: time,
      reply: fc.boolean(),
    }),
  )
  .map(([route, some, rest]) => ({ ...route, ...some, ...rest }));

const MESSAGE: JobMessage = {
  event: 'e-1',
  key: 'orders',
  value: { id: 7 },
  delivery: Delivery.BROADCAST,
  keys: [],
  topics: [],
  sentAt: 1_700_000_000_000,
  reply: true,
};

function written({ value, ...head }: JobMessage, serializer: Serializer = jsonSerializer): string {
  return writeJob(head, serialized(serializer, value));
}

function payloadOf(message: JobMessage): Payload {
  return new Payload<unknown, string, string>(message.value, payloadOptionsOf(message));
}

describe('a job', () => {
  test('says on the other side what it was told', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const read = readJob(written(message), jsonSerializer)._unsafeUnwrap();
        expect(JSON.parse(JSON.stringify(read))).toEqual(JSON.parse(JSON.stringify(message)));
        for (const limit of ['expiresAt', 'timeout'] as const) expect(read[limit]).toBe(message[limit]);
        expect(read.retry?.attempts).toBe(message.retry?.attempts);
        expect(payloadOf(read).topics).toEqual(message.topics);
      }),
      { numRuns },
    );
  });

  test('says the same if some of it goes without saying, whether that is what was told or not', () => {
    const implied = fc.record({
      event: name,
      key: fc.option(name, { nil: undefined }),
      sentAt: fc.option(time, { nil: undefined }),
    });
    fc.assert(
      fc.property(anyMessage, implied, fc.subarray(['event', 'key', 'sentAt'] as const), (message, other, same) => {
        const said = { ...other, ...Object.fromEntries(same.map((field) => [field, message[field]])) };
        const { value, ...head } = message;
        const body = writeJob(head, serialized(jsonSerializer, value), said);
        expect(readJob(body, jsonSerializer, said)).toEqual(readJob(written(message), jsonSerializer));
        const line = JSON.parse(body.split('\n')[0] as string);
        for (const field of same) expect(line).not.toHaveProperty(field);
      }),
      { numRuns },
    );
  });

  test('says nothing at all if all goes without saying, and is malformed where nothing does', () => {
    const { value: _, ...plain } = { ...MESSAGE, delivery: Delivery.KEY, keys: ['orders'] };
    const body = writeJob(plain, '1', plain);
    expect(body).toBe('{}\n1');
    expect(readJob(body, jsonSerializer, plain)._unsafeUnwrap()).toEqual({ ...plain, value: 1 });
    expect(readJob(body, jsonSerializer)._unsafeUnwrapErr().message).toContain('is missing');
    for (const field of ['key', 'sentAt'] as const) {
      const unsaid = readJob(body, jsonSerializer, { ...plain, [field]: undefined });
      expect(unsaid._unsafeUnwrapErr().message).toContain(`${field} of the job is missing`);
    }
  });

  test.each([[undefined], [null], [''], [0], [false], [[]], ['line\nline\n'], [{ a: '\n' }]])(
    'may have the value %j',
    (value) => {
      const read = readJob(written({ ...MESSAGE, value }), jsonSerializer)._unsafeUnwrap();
      expect(read.value).toStrictEqual(value);
      expect('value' in read).toBe(true);
    },
  );

  test.each([MOST_PRIORITY, -MOST_PRIORITY, 0, 1])('may have the priority %s', (priority) => {
    const read = readJob(written({ ...MESSAGE, priority }), jsonSerializer)._unsafeUnwrap();
    expect(payloadOf(read).priority).toBe(priority);
  });

  test('makes the payload that was sent', () => {
    const sent = new Payload('v', { delivery: Delivery.TOPIC, keys: ['k'], topics: ['a', 'b'], priority: -3 });
    const { delivery, keys, topics, priority, value } = sent;
    const body = written({ ...MESSAGE, delivery, keys, topics, priority, value });
    const payload = payloadOf(readJob(body, jsonSerializer)._unsafeUnwrap());
    expect(payload).toBeInstanceOf(Payload);
    expect({ ...payload, keys: payload.keys, topics: payload.topics }).toEqual({ ...sent, keys, topics });
    expect(payloadOf(readJob(written(MESSAGE), jsonSerializer)._unsafeUnwrap())).toEqual(new Payload(MESSAGE.value));
  });

  test.each<readonly [what: string, message: JobMessage, head: object]>([
    [
      'sent by its key alone',
      { ...MESSAGE, delivery: Delivery.KEY, keys: ['orders'] },
      { event: 'e-1', key: 'orders', sentAt: MESSAGE.sentAt },
    ],
    ['broadcast', MESSAGE, { event: 'e-1', key: 'orders', delivery: 'broadcast', sentAt: MESSAGE.sentAt }],
    [
      'that nobody waits for, sent by two keys',
      { ...MESSAGE, delivery: Delivery.KEY, keys: ['a', 'orders'], reply: false },
      {
        event: 'e-1',
        key: 'orders',
        delivery: 'key',
        keys: ['a', 'orders'],
        sentAt: MESSAGE.sentAt,
        reply: false,
      },
    ],
  ])('%s says no more than it has to', (_, message, said) => {
    expect(JSON.parse(written(message).split('\n')[0] as string)).toEqual(said);
    expect(readJob(written(message), jsonSerializer)._unsafeUnwrap()).toEqual(message);
  });

  test('is refused at the send if JSON cannot carry its value, by its path', () => {
    const error = thrownBy(() => written({ ...MESSAGE, value: { at: [1, 2n] } }));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect((error as Error).message).toBe('value.at[1] must be a value that JSON can carry, but it is the bigint 2n');
  });
});

const head = (changed: object): string => {
  const { value: _, ...fields } = MESSAGE;
  return `${JSON.stringify({ ...fields, ...changed })}\n1`;
};
const without = (field: keyof JobMessage): string => head({ [field]: undefined });

const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  event: ['', 5, null, true, [], {}],
  key: ['', 5, null, ['orders']],
  delivery: ['', 'BROADCAST', 'all', 'constructor', null, 5, ['key'], {}],
  keys: ['orders', null, {}, [''], [5], [null], [['a']], { length: 1, 0: 'a' }],
  topics: ['t', null, 5, [''], [{}]],
  priority: [0.5, '5', null, true, MOST_PRIORITY + 1, -MOST_PRIORITY - 1, 1e300, [1]],
  headers: ['x', null, [], ['a'], 5, { a: 5 }, { a: null }, { a: {} }],
  sentAt: ['5', null, -1, 0.5, 9e15, 1e300, true, [5]],
  expiresAt: ['5', -1, 0.5, 9e15, {}, false],
  timeout: [0, -1, '5', {}, true],
  retry: [5, null, 'x', [], {}, { attempts: 3 }, { attempts: 0, base: 1, cap: 1 }, { attempts: 1.5, base: 1, cap: 1 }],
  reply: ['yes', 1, 0, null, [], {}],
};

describe('what is no job is refused as malformed:', () => {
  const reject = (body: string, serializer: Serializer = jsonSerializer): RejectedMessageError => {
    const error = readJob(body, serializer)._unsafeUnwrapErr();
    expect(error).toBeInstanceOf(RejectedMessageError);
    expect(error).toMatchObject({ reason: 'malformed', code: 'CQ_REJECTED_MESSAGE', retryable: false });
    expect(error.message.length).toBeLessThan(300);
    return error;
  };

  test.each(Object.entries(WRONG).flatMap(([field, values]) => values.map((value) => [field, value] as const)))(
    '%s: %j',
    (field, value) => {
      expect(reject(head({ [field]: value })).message).toMatch(new RegExp(field));
    },
  );

  test.each(['event', 'key', 'sentAt'] as const)('%s is missing', (field) => {
    expect(reject(without(field)).message).toContain(`${field} of the job is missing`);
  });

  test.each([
    ['attempts that are text', { attempts: '3', base: 1, cap: 1 }],
    ['a base below 0', { attempts: 3, base: -1, cap: 1 }],
    ['a cap of null', { attempts: 3, base: 1, cap: null }],
    ['a function', { attempts: 3, base: 1, cap: 1, retryIf: 'always' }],
  ])('retry with %s', (_, retry) => {
    reject(head({ retry }));
  });

  test.each([
    ['nothing', ''],
    ['a line feed', '\n'],
    ['null', 'null'],
    ['text', '"event"'],
    ['a list', '[]'],
    ['a number', '1e999'],
    ['no JSON', 'event=1'],
    ['a head without its end', '{"event":"e"'],
    ['a field too many', head({ admin: true })],
    ['a value in its head', head({ value: 1 })],
    ['__proto__', head({}).replace('{', '{"__proto__":{"reply":true},')],
    ['__proto__ in its headers', head({ headers: { x: 'y' } }).replace('"x"', '"__proto__"')],
    ['no keys, but sent by key', head({ delivery: 'key' })],
    ['no topics, but sent by topic', head({ delivery: 'topic' })],
    ['levels by the hundred thousand', `${'['.repeat(1e5)}${']'.repeat(1e5)}`],
    ['a field of a hundred thousand levels', head({}).replace('"e-1"', `${'['.repeat(1e5)}${']'.repeat(1e5)}`)],
    ['a value that is no JSON', head({}).replace('\n1', '\n{')],
    ['a value of nothing', head({}).replace('\n1', '\n')],
    ['a value with __proto__', head({}).replace('\n1', '\n{"a":{"__proto__":1}}')],
    ['a value of a hundred thousand levels', head({}).replace('\n1', `\n${'['.repeat(1e5)}${']'.repeat(1e5)}`)],
  ])('%s', (_, body) => {
    reject(body);
  });

  test('whatever else it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (body) => {
        reject(body);
      }),
      { numRuns },
    );
  });

  test('fields of any kinds never throw, and bring nothing of another type', () => {
    const fields = fc.dictionary(fc.constantFrom(...Object.keys(WRONG)), fc.jsonValue({ maxDepth: 2 }));
    fc.assert(
      fc.property(fields, (changed) => {
        const read = readJob(head(changed), jsonSerializer);
        if (read.isErr()) {
          reject(head(changed));
          return;
        }
        expect(payloadOf(read.value)).toBeInstanceOf(Payload);
        expect(typeof read.value.event + typeof read.value.reply).toBe('stringboolean');
      }),
      { numRuns },
    );
  });
});

describe('a serializer of one’s own', () => {
  const upper: Serializer = { serialize: (value) => `<${String(value)}>`, deserialize: (text) => text.slice(1, -1) };

  test('gets the values alone, and never undefined', () => {
    const seen: unknown[] = [];
    const watching: Serializer = {
      serialize: (value) => upper.serialize(seen[seen.push(value) - 1]),
      deserialize: (text) => seen[seen.push(upper.deserialize(text)) - 1],
    };
    const read = readJob(written({ ...MESSAGE, value: 'a\nb' }, watching), watching)._unsafeUnwrap();
    expect(read.value).toBe('a\nb');
    readJob(written({ ...MESSAGE, value: undefined }, watching), watching)._unsafeUnwrap();
    expect(seen).toEqual(['a\nb', 'a\nb']);
  });

  test.each<readonly [what: string, serialize: () => unknown, message: string]>([
    [
      'that throws',
      () => {
        throw new Error('too blue');
      },
      'value must be a value that the serializer can carry, but it is one that it refuses: Error: too blue',
    ],
    [
      'that throws nothing',
      () => {
        throw undefined;
      },
      'value must be a value that the serializer can carry, but it is one that it refuses: undefined',
    ],
    [
      'that returns undefined',
      () => undefined,
      'serializer: what serialize returns must be a well-formed string, but it is undefined',
    ],
    [
      'that returns bytes',
      () => Buffer.from('x'),
      'serializer: what serialize returns must be a well-formed string, but it is a Buffer',
    ],
    [
      'that returns a promise',
      async () => 'x',
      'serializer: what serialize returns must be a well-formed string, but it is a Promise',
    ],
    [
      'that cuts characters in halves',
      () => 'x\ud83d',
      'serializer: what serialize returns must be a well-formed string, but it is text with half a character',
    ],
  ])('%s fails the send', (_, serialize, message) => {
    const error = thrownBy(() => written(MESSAGE, { ...jsonSerializer, serialize: serialize as () => string }));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect((error as Error).message).toBe(message);
  });

  test.each<readonly [string, unknown]>([
    ['an error', new Error('too red')],
    ['undefined', undefined],
    [
      'a revoked proxy',
      (() => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return proxy;
      })(),
    ],
  ])('that throws %s when it reads makes a malformed message', (_, thrown) => {
    const broken: Serializer = {
      ...jsonSerializer,
      deserialize: () => {
        throw thrown;
      },
    };
    const error = readJob(written(MESSAGE), broken)._unsafeUnwrapErr();
    expect(error).toMatchObject({ reason: 'malformed' });
    expect(error.cause).toBe(thrown);
  });
});
