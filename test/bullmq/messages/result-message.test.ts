import { runInNewContext } from 'node:vm';
import {
  CollectorQueueError,
  DeliveryTimeoutError,
  ExpiredError,
  err,
  LifecycleError,
  ok,
  ProcessorError,
  type Result,
} from 'collector-queue';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RejectedMessageError, RemoteError, UnsendableResultError } from '../../../src/bullmq/messages/errors.ts';
import {
  RESULT_LIMIT,
  readResult,
  type WriteResultOptions,
  writeResult,
} from '../../../src/bullmq/messages/result-message.ts';
import { jsonSerializer, type Serializer } from '../../../src/bullmq/messages/serializer.ts';

const numRuns = Number(process.env.FC_RUNS);

/** A result as it comes back, with nothing wrong. */
function back(result: Result<unknown, unknown>, options?: WriteResultOptions): Result<unknown, unknown> {
  const { body, problem } = writeResult(result, jsonSerializer, options);
  expect(problem).toBeUndefined();
  return readResult(body, jsonSerializer);
}

/** An error as it comes back. */
function errorBack(error: Error, options?: WriteResultOptions): RemoteError {
  const remote = back(err(error), options)._unsafeUnwrapErr();
  expect(remote).toBeInstanceOf(RemoteError);
  return remote as RemoteError;
}

/** What becomes of a result that cannot be sent. */
function unsendable(result: Result<unknown, unknown>, options?: WriteResultOptions): string {
  const { body, problem } = writeResult(result, jsonSerializer, options);
  expect(problem).toBeInstanceOf(UnsendableResultError);
  const remote = readResult(body, jsonSerializer)._unsafeUnwrapErr() as RemoteError;
  expect(remote).toBeInstanceOf(RemoteError);
  expect(remote).toMatchObject({
    name: 'UnsendableResultError',
    code: 'CQ_UNSENDABLE_RESULT',
    retryable: false,
    message: problem?.message,
  });
  expect(body.length).toBeLessThan(2_000);
  return remote.message;
}

const json = fc.jsonValue({ maxDepth: 3 }).filter((value) => !JSON.stringify(value).includes('__proto__'));
const VALUES: readonly (readonly [unknown])[] = [
  [undefined],
  [null],
  [true],
  [false],
  [0],
  [''],
  ['text\nand more'],
  [[]],
  [[null]],
  [{}],
  [{ ok: false }],
];

describe('a result', () => {
  test.each(VALUES)('that is Ok(%j) stays that', (value) => {
    expect(back(ok(value))).toStrictEqual(ok(value));
  });

  test.each(VALUES)('that is Err(%j) stays that', (value) => {
    expect(back(err(value))).toStrictEqual(err(value));
  });

  test('of any JSON comes back', () => {
    fc.assert(
      fc.property(json, fc.boolean(), (value, isOk) => {
        const result = back(isOk ? ok(value) : err(value));
        expect(result.isOk()).toBe(isOk);
        expect(JSON.stringify(result.isOk() ? result.value : result.error)).toBe(JSON.stringify(value));
      }),
      { numRuns },
    );
  });

  test('that is Ok with something that looks like a Result or an error stays a value', () => {
    const value = { ok: false, error: { name: 'E', message: 'm' } };
    expect(back(ok(value))).toStrictEqual(ok(value));
    expect(back(err(value))).toStrictEqual(err(value));
  });

  test('goes through a serializer of one’s own, errors do not', () => {
    const dates: Serializer = {
      serialize: (value) => String((value as Date).getTime()),
      deserialize: (text) => new Date(Number(text)),
    };
    const there = (result: Result<unknown, unknown>): Result<unknown, unknown> =>
      readResult(writeResult(result, dates).body, dates);
    expect(there(ok(new Date(5)))).toStrictEqual(ok(new Date(5)));
    expect(there(err(new Date(6)))).toStrictEqual(err(new Date(6)));
    expect(there(err(new RangeError('far')))._unsafeUnwrapErr()).toMatchObject({ name: 'RangeError', message: 'far' });
  });
});

describe('an error of another process', () => {
  test('is an Error and an error of the library, with the name, message and code of the original', () => {
    const error = errorBack(new ExpiredError('its ttl is over'));
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(CollectorQueueError);
    expect(error).toMatchObject({
      name: 'ExpiredError',
      message: 'its ttl is over',
      code: 'CQ_EXPIRED',
      retryable: false,
    });
    expect(String(error)).toBe('ExpiredError: its ttl is over');
    expect('cause' in error).toBe(false);
    expect('errors' in error).toBe(false);
  });

  test('keeps any name, message, code and retryable', () => {
    const anyError = fc.record({
      name: fc.string({ unit: 'binary', minLength: 1, maxLength: 50 }),
      message: fc.string({ unit: 'binary', maxLength: 50 }),
      code: fc.option(fc.oneof(fc.string({ maxLength: 50 }), fc.integer()), { nil: undefined }),
      retryable: fc.option(fc.boolean(), { nil: undefined }),
    });
    fc.assert(
      fc.property(anyError, fc.array(anyError, { maxLength: 4 }), (first, causes) => {
        const chain = [first, ...causes].reduceRight<Error | undefined>((cause, { name, message, code, retryable }) => {
          const error = cause === undefined ? new Error(message) : new Error(message, { cause });
          return Object.assign(error, { name, code, retryable });
        }, undefined);
        const seen: unknown[] = [];
        for (let remote: unknown = errorBack(chain as Error); remote instanceof RemoteError; remote = remote.cause) {
          seen.push([remote.name, remote.message, remote.code, remote.retryable]);
        }
        expect(seen).toEqual(
          [first, ...causes].map((one) => [one.name, one.message, one.code ?? 'CQ_REMOTE', one.retryable ?? true]),
        );
      }),
      { numRuns },
    );
  });

  test('has the causes of the original, as far as they are', () => {
    const error = errorBack(new ProcessorError('orders', new TypeError('no id', { cause: { order: 7 } })));
    expect(error).toMatchObject({ name: 'ProcessorError', code: 'CQ_PROCESSOR', retryable: true });
    expect(error.cause).toBeInstanceOf(RemoteError);
    expect(error.cause).toMatchObject({ name: 'TypeError', message: 'no id', code: 'CQ_REMOTE', cause: { order: 7 } });
  });

  test.each([[undefined], [null], ['text'], [0], [[1, 'a']], [{ a: { b: null } }]])(
    'has the cause %j, which is no error',
    (cause) => {
      const error = errorBack(new Error('x', { cause }));
      expect('cause' in error).toBe(true);
      expect(error.cause).toStrictEqual(cause);
    },
  );

  test('has a cause of as many levels as a value may have, however deep among errors', () => {
    const cause: unknown = JSON.parse('['.repeat(1_000) + ']'.repeat(1_000));
    let error = new Error('0', { cause });
    for (let level = 0; level < 7; level++) error = new AggregateError([error], 'above');
    let remote = errorBack(error);
    for (let level = 0; level < 7; level++) remote = remote.errors?.[0] as RemoteError;
    expect(JSON.stringify(remote.cause)).toBe(JSON.stringify(cause));
  });

  test.each<readonly [what: string, cause: unknown, words: string]>([
    ['a function', () => 1, 'a function'],
    ['a Map', new Map(), 'a Map'],
    ['a BigInt', 5n, 'the bigint 5n'],
    ['a long list', Array.from({ length: 9_000 }, () => 0), 'an array of length 9000'],
  ])('tells of a cause that cannot be carried what it was: %s', (_, cause, words) => {
    expect(errorBack(new Error('x', { cause })).cause).toBe(words);
  });

  test('has the errors of one that holds several', () => {
    const several = new AggregateError(
      [new TypeError('a'), 'b', new AggregateError([new Error('c')]), undefined],
      'all',
    );
    const error = errorBack(several);
    expect(error).toMatchObject({ name: 'AggregateError', message: 'all' });
    expect(error.errors).toHaveLength(4);
    expect(error.errors?.[0]).toMatchObject({ name: 'TypeError', message: 'a' });
    expect(error.errors?.[1]).toBe('b');
    expect(error.errors?.[2]).toMatchObject({ name: 'AggregateError', errors: [{ message: 'c' }] });
    expect(error.errors?.[3]).toBeUndefined();
    const lifecycle = errorBack(new LifecycleError('failed', [new Error('first'), new Error('second')]));
    expect(lifecycle).toMatchObject({ code: 'CQ_LIFECYCLE', cause: { message: 'first' } });
    expect(lifecycle.errors?.map((one) => (one as Error).message)).toEqual(['first', 'second']);
  });

  test('is that of any realm, and any class', () => {
    const foreign = runInNewContext("new RangeError('elsewhere')") as Error;
    expect(foreign instanceof Error).toBe(false);
    expect(errorBack(foreign)).toMatchObject({ name: 'RangeError', message: 'elsewhere' });
    expect(errorBack(AbortSignal.abort().reason)).toMatchObject({ name: 'AbortError', code: 20 });
    class OwnError extends Error {
      override name = 'OwnError';
      code = 'E_OWN';
      status = 500;
    }
    expect(errorBack(new OwnError('x'))).toMatchObject({ name: 'OwnError', code: 'E_OWN' });
  });

  test('can be sent on, and says the same again', () => {
    const once = errorBack(new DeliveryTimeoutError('orders', 50));
    const twice = errorBack(once);
    expect({ ...twice, message: twice.message }).toEqual({ ...once, message: once.message });
  });

  test('has its stack there only if that is asked for', () => {
    const error = new TypeError('x', { cause: new Error('y') });
    const plain = errorBack(error);
    expect(plain.stack).toBe('TypeError: x\n    at another process');
    expect((plain.cause as Error).stack).toBe('Error: y\n    at another process');
    expect(writeResult(err(error), jsonSerializer).body).not.toContain('result-message.test');
    const full = errorBack(error, { stackTraces: true });
    expect(full.stack).toBe(error.stack);
    expect((full.cause as Error).stack).toBe((error.cause as Error).stack);
  });
});

describe('an error that', () => {
  test('is its own cause, or one of its errors, is cut there', () => {
    const self = new Error('self');
    self.cause = self;
    expect(errorBack(self).cause).toBe('left out: it is above already');
    const [a, b] = [new Error('a'), new AggregateError([], 'b')];
    a.cause = b;
    b.errors.push(a, b, new Error('c'));
    const errors = (errorBack(a).cause as RemoteError).errors;
    expect(errors?.slice(0, 2)).toEqual(['left out: it is above already', 'left out: it is above already']);
    expect(errors?.[2]).toMatchObject({ message: 'c' });
  });

  test('comes twice without being above itself is sent twice', () => {
    const shared = new Error('shared');
    const error = errorBack(new AggregateError([shared, shared], 'x', { cause: shared }));
    expect([error.cause, ...(error.errors ?? [])].map((one) => (one as Error).message)).toEqual(
      Array(3).fill('shared'),
    );
  });

  test('has causes without end is cut', () => {
    const error = new Error('0');
    let last = error;
    for (let at = 1; at < 10_000; at++) {
      const next = new Error(String(at));
      last.cause = next;
      last = next;
    }
    let depth = 0;
    let remote: unknown = errorBack(error);
    for (; remote instanceof RemoteError; remote = remote.cause) expect(remote.message).toBe(String(depth++));
    expect(depth).toBe(9);
    expect(remote).toBe('left out: there are too many');
    const endless = new (class extends Error {
      override get cause(): unknown {
        return new (this.constructor as typeof Error)('again');
      }
    })();
    expect(errorBack(endless).cause).toBeInstanceOf(RemoteError);
  });

  test('holds errors that hold errors is cut, too', () => {
    const wide = (levels: number): Error =>
      new AggregateError(levels === 0 ? [] : Array.from({ length: 20 }, () => wide(levels - 1)), `level ${levels}`);
    const { body } = writeResult(err(wide(3)), jsonSerializer);
    expect(body.length).toBeLessThan(20_000);
    const count = (error: unknown): number =>
      error instanceof RemoteError ? (error.errors ?? []).reduce<number>((sum, one) => sum + count(one), 1) : 0;
    expect(count(readResult(body, jsonSerializer)._unsafeUnwrapErr())).toBe(17);
  });

  test('says much is cut at its bounds, between characters', () => {
    const long = '😀'.repeat(50_000);
    const error = errorBack(Object.assign(new Error(long, { cause: long }), { name: long, code: long, stack: long }), {
      stackTraces: true,
    });
    const texts = [error.name, error.message, error.code, error.stack, error.cause] as string[];
    expect(texts.map(({ length }) => length)).toEqual([200, 8_192, 200, 8_192, 8_192].map((most) => most - 1));
    for (const text of texts) expect(text).toMatch(/^(?:😀)+…$/u);
  });

  test('fails when it is looked at is sent as far as it can be read', () => {
    const fail = (): never => {
      throw new Error('do not look');
    };
    const failing = Object.defineProperties(new Error('seen'), {
      stack: { get: fail },
      name: { get: fail },
      code: { get: fail },
      cause: { get: fail },
      errors: { get: fail },
      retryable: { get: fail },
    });
    expect(errorBack(failing, { stackTraces: true })).toMatchObject({
      name: 'Error',
      message: 'seen',
      code: 'CQ_REMOTE',
    });
    const proxy = new Proxy(new Error('x'), { get: fail, has: fail, ownKeys: fail, getOwnPropertyDescriptor: fail });
    expect(errorBack(proxy)).toMatchObject({ name: 'Error', message: 'undefined' });
    const { proxy: revoked, revoke } = Proxy.revocable([], {});
    revoke();
    expect(errorBack(Object.assign(new Error('x', { cause: revoked }), { errors: revoked }))).toMatchObject({
      message: 'x',
      cause: 'an object',
    });
  });

  test.each<readonly [string, unknown]>([
    ['numbers', 5],
    ['objects', { a: 1 }],
    ['functions', () => 'x'],
    ['symbols', Symbol('x')],
    ['nothing', null],
    ['nothing at all', undefined],
    ['text of no length', ''],
  ])('has %s where text belongs is sent as an error all the same', (_, odd) => {
    const error = Object.assign(new Error('x'), { name: odd, message: odd, code: odd, retryable: odd, errors: odd });
    const remote = errorBack(error);
    expect(remote.name).toBe('Error');
    expect(typeof remote.message).toBe('string');
    expect(['string', 'number']).toContain(typeof remote.code);
    expect(remote.retryable).toBe(true);
  });
});

describe('a result that cannot be sent becomes an Err that says so:', () => {
  test.each<readonly [what: string, result: Result<unknown, unknown>, why: string]>([
    [
      'a BigInt',
      ok({ id: 1n }),
      'an Ok, cannot be sent: value.id must be a value that JSON can carry, but it is the bigint 1n',
    ],
    [
      'a function',
      ok(() => 1),
      'an Ok, cannot be sent: value must be a value that JSON can carry, but it is a function',
    ],
    ['NaN', ok([Number.NaN]), 'an Ok, cannot be sent: value[0] must be a finite number, but it is NaN'],
    [
      'an Err with a Map',
      err(new Map()),
      'an Err (a Map), cannot be sent: value must be a value that JSON can carry, but it is a Map',
    ],
    [
      'an Ok with an error',
      ok(new Error('x')),
      'an Ok, cannot be sent: value must be a value that JSON can carry, but it is a Error',
    ],
    [
      '__proto__',
      ok(JSON.parse('{"__proto__":1}')),
      'an Ok, cannot be sent: value.__proto__ must be named otherwise, but it is not safe to read back',
    ],
  ])('%s', (_, result, why) => {
    expect(unsendable(result)).toBe(`the result of the collector, ${why}`);
  });

  test('what takes too many bytes, and nothing that takes just as many as are allowed', () => {
    const ofBytes = (bytes: number): string => 'x'.repeat(bytes - '{"ok":true}\n""'.length);
    expect(back(ok(ofBytes(100)), { limit: 100 })._unsafeUnwrap()).toBe(ofBytes(100));
    const said = unsendable(ok(ofBytes(101)), { limit: 100 });
    expect('cause' in (writeResult(ok('xx'), jsonSerializer, { limit: 1 }).problem ?? {})).toBe(false);
    expect(said).toBe('the result of the collector, an Ok, cannot be sent: it takes 101 bytes, and 100 are allowed');
    expect(unsendable(ok('ü'.repeat(50)), { limit: 100 })).toContain('it takes 114 bytes');
    expect(unsendable(ok('x'.repeat(RESULT_LIMIT)))).toContain(`${RESULT_LIMIT} are allowed`);
    expect(unsendable(err(new Error('y'.repeat(200))), { limit: 100 })).toContain('an Err (Error: yyyy');
  });

  test('what a serializer does not write', () => {
    const thrower: Serializer = {
      ...jsonSerializer,
      serialize: () => {
        throw new Error('too blue');
      },
    };
    const { body, problem } = writeResult(ok(1), thrower);
    expect(problem?.message).toContain('too blue');
    expect(problem?.cause).toBeInstanceOf(Error);
    expect(readResult(body, thrower)._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_UNSENDABLE_RESULT' });
    expect(writeResult(ok(undefined), thrower).problem).toBeUndefined();
    expect(writeResult(err(new Error('x')), thrower).problem).toBeUndefined();
  });

  test('never by a throw, whatever the result is', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withMap: true, withDate: true, withTypedArray: true }), (value) => {
        for (const result of [ok(value), err(value), err(new Error('x', { cause: value }))]) {
          const { body, problem } = writeResult(result, jsonSerializer);
          const read = readResult(body, jsonSerializer);
          expect(read.isOk()).toBe(result.isOk() && problem === undefined);
          expect(read.isErr() && read.error instanceof RejectedMessageError).toBe(false);
        }
      }),
      { numRuns },
    );
  });
});

describe('what is no result is an Err that says so:', () => {
  const deep = (levels: number): string =>
    `${'{"name":"E","message":"m","cause":{"error":'.repeat(levels)}{"name":"E","message":"m"}${'}}'.repeat(levels)}`;
  const failed = (error: string): string => `{"ok":false,"error":${error}}`;

  test.each([
    ['nothing', ''],
    ['null', 'null'],
    ['true', 'true'],
    ['a list', '[true]'],
    ['no JSON', '{ok:true}'],
    ['no ok', '{}'],
    ['an ok that is text', '{"ok":"true"}'],
    ['an ok that is null', '{"ok":null}'],
    ['an ok that is 1', '{"ok":1}'],
    ['a field too many', '{"ok":true,"more":1}'],
    ['an ok with an error', '{"ok":true,"error":{"name":"E","message":"m"}}'],
    ['an error with a value', '{"ok":false,"error":{"name":"E","message":"m"}}\n1'],
    ['a value that is no JSON', '{"ok":true}\nx'],
    ['a value of nothing', '{"ok":true}\n'],
    ['a value with __proto__', '{"ok":true}\n{"__proto__":{}}'],
    ['an error that is null', failed('null')],
    ['an error that is text', failed('"E"')],
    ['an error that is a list', failed('[]')],
    ['an error without a name', failed('{"message":"m"}')],
    ['an error without a message', failed('{"name":"E"}')],
    ['a name that is a number', failed('{"name":5,"message":"m"}')],
    ['a name of nothing', failed('{"name":"","message":"m"}')],
    ['a message that is an object', failed('{"name":"E","message":{}}')],
    ['a code that is an object', failed('{"name":"E","message":"m","code":{}}')],
    ['a code that is no number', failed('{"name":"E","message":"m","code":1e999}')],
    ['a retryable that is text', failed('{"name":"E","message":"m","retryable":"yes"}')],
    ['a stack that is a list', failed('{"name":"E","message":"m","stack":["E"]}')],
    ['a cause that is text', failed('{"name":"E","message":"m","cause":"x"}')],
    [
      'a cause of two kinds',
      failed('{"name":"E","message":"m","cause":{"value":1,"error":{"name":"E","message":"m"}}}'),
    ],
    ['errors that are no list', failed('{"name":"E","message":"m","errors":{}}')],
    ['errors that are no parts', failed('{"name":"E","message":"m","errors":["E"]}')],
    ['an error with __proto__', failed('{"name":"E","message":"m","__proto__":{}}')],
    ['an error with more', failed('{"name":"E","message":"m","toString":"x"}')],
    ['too deep a chain of causes', failed(deep(9))],
    [
      'a cause of far too many levels',
      failed(`{"name":"E","message":"m","cause":{"value":${'['.repeat(90_000)}${']'.repeat(90_000)}}}`),
    ],
    ['far too deep a chain', failed(deep(100_000))],
    [
      'too many errors',
      failed(`{"name":"E","message":"m","errors":[${Array(17).fill('{"error":{"name":"E","message":"m"}}').join()}]}`),
    ],
  ])('%s', (_, body) => {
    const error = readResult(body, jsonSerializer)._unsafeUnwrapErr();
    expect(error).toBeInstanceOf(RejectedMessageError);
    expect(error).toMatchObject({ reason: 'malformed' });
    expect((error as Error).message.length).toBeLessThan(300);
  });

  test('but a chain of causes that is as deep as can be is one', () => {
    expect(readResult(failed(deep(8)), jsonSerializer)._unsafeUnwrapErr()).toBeInstanceOf(RemoteError);
  });

  test('whatever else it is; and what it says is bounded', () => {
    fc.assert(
      fc.property(fc.json(), (body) => {
        expect(readResult(body, jsonSerializer)._unsafeUnwrapErr()).toBeInstanceOf(RejectedMessageError);
      }),
      { numRuns },
    );
    const long = 'x'.repeat(1_000_000);
    const error = { name: long, message: long, code: long, stack: long };
    const remote = readResult(failed(JSON.stringify(error)), jsonSerializer)._unsafeUnwrapErr() as RemoteError;
    expect([remote.name, remote.message, remote.code, remote.stack].map((text) => text?.length)).toEqual([
      200, 8_192, 200, 8_192,
    ]);
  });
});

describe('the error classes', () => {
  test('are of the common base, by any arguments', () => {
    for (const error of [
      new RemoteError('m'),
      new RejectedMessageError('replayed', 'd'),
      new UnsendableResultError('m'),
    ]) {
      expect(error).toBeInstanceOf(CollectorQueueError);
      expect(error.name).toBe(error.constructor.name);
      expect(error.stack).toContain(error.name);
      expect('cause' in error).toBe(false);
    }
    expect(new RejectedMessageError('replayed', 'it has completed')).toMatchObject({
      message: 'the message is rejected (replayed): it has completed',
      reason: 'replayed',
    });
  });
});
