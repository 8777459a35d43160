import { ErrorCode, InvalidArgumentError } from 'collector-queue';
import { HttpEmitter, type HttpEmitterOptions, json } from 'collector-queue/http';
import { MemoryEventStore } from 'collector-queue/store';
import { describe, expect, test } from 'vitest';
import { rejectionOf, thrownBy } from '../core/scene.ts';
import { acted, inputIds } from './scene.ts';

const TIMER = 'to 2147483647 milliseconds';
const LONGEST = 2 ** 31 - 1;
const NOT_NUMBERS = [
  [Number.NaN, 'NaN'],
  [Number.NEGATIVE_INFINITY, '-Infinity'],
  ['5', '"5"'],
  [null, 'null'],
  [{}, 'an object'],
  [5n, 'the bigint 5n'],
  [true, 'true'],
] as const;
const NOT_COUNTS = [...NOT_NUMBERS, [0, '0'], [-1, '-1'], [1.5, '1.5'], [2 ** 53, '9007199254740992']] as const;
const NOT_TIMERS = [
  ...NOT_NUMBERS,
  [-1, '-1'],
  [LONGEST + 1, '2147483648'],
  [Number.POSITIVE_INFINITY, 'Infinity'],
] as const;
const INFINITY = [Number.POSITIVE_INFINITY, 'Infinity'] as const;
const NOT_OBJECTS = [
  [null, 'null'],
  [5, '5'],
  ['x', '"x"'],
  [true, 'true'],
] as const;

/** What is wrong, what would have been right, what came. */
type Row = readonly [options: object, name: string, expected: string, came: string];

function rows(option: string, expected: string, values: readonly (readonly [unknown, string])[]): Row[] {
  return values.map(([value, came]) => [{ [option]: value }, option, expected, came]);
}

const store = new MemoryEventStore();
const clockless = { now: () => 0, wall: () => 0, setTimer: () => ({ cancel: () => undefined }) };

const ROWS: Row[] = [
  ...rows('protocol', "one of 'https', 'http'", [
    ['ftp', '"ftp"'],
    ['HTTP', '"HTTP"'],
    ['http:', '"http:"'],
    ['', '""'],
    [null, 'null'],
    [5, '5'],
  ]),
  ...rows('port', 'a whole number from 1 to 65535', [...NOT_COUNTS, [65_536, '65536'], INFINITY]),
  ...rows('method', "one of 'post', 'get'", [
    ['put', '"put"'],
    ['POST', '"POST"'],
    [null, 'null'],
  ]),
  ...rows('batchSize', 'a whole number of at least 1', [...NOT_COUNTS, INFINITY]),
  ...rows('byteLimit', 'a whole number of at least 1 or Infinity', NOT_COUNTS),
  ...rows('requestTimeout', `a duration from 1 ${TIMER}`, [...NOT_TIMERS, [0, '0']]),
  ...rows('maxRetryDelay', `a duration from 0 ${TIMER}`, NOT_TIMERS),
  ...rows('maxRetryAfter', `a duration from 0 ${TIMER}`, NOT_TIMERS),
  ...rows('bufferCapacity', 'a whole number of at least 1', [...NOT_COUNTS, INFINITY]),
  ...rows('customRetryCodes', 'an object', NOT_OBJECTS),
  [{ customRetryCodes: { 99: true } }, "customRetryCodes: the status '99'", 'a whole number from 100 to 599', '99'],
  [{ customRetryCodes: { 600: true } }, "customRetryCodes: the status '600'", 'a whole number from 100 to 599', '600'],
  [{ customRetryCodes: { ok: true } }, "customRetryCodes: the status 'ok'", 'a whole number from 100 to 599', 'NaN'],
  [{ customRetryCodes: { 404: 'no' } }, 'customRetryCodes[404]', 'a boolean', '"no"'],
  [{ customRetryCodes: { 404: undefined } }, 'customRetryCodes[404]', 'a boolean', 'undefined'],
  ...rows('eventStore', 'an object with the methods add, take, ack, release, close', [
    ...NOT_OBJECTS,
    [{ add: () => 1 }, 'an object'],
    [MemoryEventStore, 'the function MemoryEventStore'],
  ]),
  ...rows('onSuccess', 'a function', [...NOT_OBJECTS, [{}, 'an object']]),
  ...rows('onFailure', 'a function', [...NOT_OBJECTS, [{}, 'an object']]),
  ...rows('concurrency', 'a whole number of at least 1', [...NOT_COUNTS, INFINITY]),
  [{ rateLimit: null }, 'rateLimit: options', 'an object', 'null'],
  [{ rateLimit: 5 }, 'rateLimit: options', 'an object', '5'],
  [{ rateLimit: {} }, 'rateLimit.requests', 'a whole number of at least 1', 'undefined'],
  [{ rateLimit: { requests: 0, interval: 5 } }, 'rateLimit.requests', 'a whole number of at least 1', '0'],
  [{ rateLimit: { requests: 1 } }, 'rateLimit.interval', `a duration from 1 ${TIMER}`, 'undefined'],
  [{ rateLimit: { requests: 1, interval: 0 } }, 'rateLimit.interval', `a duration from 1 ${TIMER}`, '0'],
  [
    { rateLimit: { requests: 1, interval: 5, per: 1 } },
    'rateLimit: options',
    'made of requests, interval',
    "given 'per'",
  ],
  [
    { rateLimit: { request: 1, interval: 5 } },
    'rateLimit: options',
    'made of requests, interval',
    "given 'request' (did you mean 'requests'?)",
  ],
  ...rows('flushInterval', `a duration from 1 ${TIMER}`, [...NOT_TIMERS, [0, '0']]),
  [{ headers: 'x' }, 'headers', 'an object', '"x"'],
  [{ headers: null }, 'headers', 'an object', 'null'],
  ...rows('headers', 'names and values of HTTP headers', [
    [{ 'a b': 'c' }, 'TypeError'],
    [{ a: 'b\r\nc: d' }, 'TypeError'],
    [{ a: '€' }, 'TypeError'],
  ]),
  ...rows('headers', 'strings', [
    [{ a: undefined }, 'undefined'],
    [{ a: 5 }, '5'],
    [{ a: ['b'] }, 'an array of length 1'],
  ]),
  ...['content-length', 'Transfer-Encoding', 'KEEP-ALIVE', 'expect', 'upgrade'].map(
    (header): Row => [
      { headers: { [header]: '5' } },
      'headers',
      `without ${header.toLowerCase()}, which is for the platform to set`,
      'given one',
    ],
  ),
  ...rows('anonymous', 'a boolean', [
    ['*', '"*"'],
    [null, 'null'],
    [1, '1'],
  ]),
  ...rows('codec', 'an object with the methods snapshot, encode', [
    ...NOT_OBJECTS,
    [{}, 'an object'],
    [() => 1, 'a function'],
  ]),
  [{ codec: { snapshot: () => 1, encode: () => '' } }, 'codec.contentType', 'a string', 'undefined'],
  ...rows('overflow', "one of 'dropNewest', 'dropOldest'", [
    ['drop', '"drop"'],
    [null, 'null'],
  ]),
  [{ overflow: 'dropOldest', eventStore: store }, 'overflow', 'left to the eventStore that is given', '"dropOldest"'],
  [{ compression: null }, 'compression: options', 'an object', 'null'],
  [{ compression: true }, 'compression: options', 'an object', 'true'],
  [{ compression: {} }, 'compression.gzipAbove', 'a whole number of at least 0', 'undefined'],
  [{ compression: { gzipAbove: -1 } }, 'compression.gzipAbove', 'a whole number of at least 0', '-1'],
  [{ compression: { gzip: 1 } }, 'compression: options', 'made of gzipAbove', "given 'gzip'"],
  ...rows('fetch', 'a function', [...NOT_OBJECTS, [{}, 'an object']]),
  ...rows('logger', 'an object with the methods info, warn, error', [...NOT_OBJECTS, [{ info: () => 1 }, 'an object']]),
  ...rows('deadLetter', 'an object with the methods input, store, flush, close', [
    ...NOT_OBJECTS,
    [{ store: () => 1 }, 'an object'],
  ]),
  ...rows('clock', 'an object with the methods now, wall, setTimer, yieldTurn', [
    ...NOT_OBJECTS,
    [clockless, 'an object'],
  ]),
  [{ batchsize: 5 }, 'options', 'made of protocol, port', "given 'batchsize' (did you mean 'batchSize'?)"],
  [{ retryDelay: 5 }, 'options', 'made of protocol', "given 'retryDelay' (did you mean 'maxRetryDelay'?)"],
  [{ onFail: 5 }, 'options', 'made of protocol', "given 'onFail'"],
  [{ zzz: undefined }, 'options', 'made of protocol', "given 'zzz'"],
];

describe('the options of an HttpEmitter', () => {
  test.each(ROWS.map((row, at) => [at, ...row] as const))('%d: %o are refused', (_, options, name, expected, came) => {
    const error = thrownBy(() => new HttpEmitter('collector.test', options as HttpEmitterOptions));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: ErrorCode.INVALID_ARGUMENT, argument: `HttpEmitter: ${name}` });
    expect((error as InvalidArgumentError).expected).toContain(expected);
    const { message } = error as Error;
    expect(message.startsWith(`HttpEmitter: ${name} must be `)).toBe(true);
    expect(message).toContain(`, but it is ${came}`);
  });

  test.each([
    [null, 'null'],
    [5, '5'],
    ['x', '"x"'],
    [[], 'an empty array'],
  ])('that are %j are refused', (options, came) => {
    const error = thrownBy(() => new HttpEmitter('collector.test', options as unknown as HttpEmitterOptions));
    expect((error as Error).message).toBe(`HttpEmitter: options must be an object, but it is ${came}`);
  });

  test.each<[endpoint: unknown, expected: string, came: string]>([
    ['', 'a non-empty string', 'empty'],
    [undefined, 'a non-empty string', 'undefined'],
    [null, 'a non-empty string', 'null'],
    [5, 'a non-empty string', '5'],
    [new URL('http://a.test'), 'a non-empty string', 'a URL'],
    ['ftp://collector.test', 'the name of a host, or a URL with http or https', '"ftp://collector.test"'],
    ['ws://collector.test', 'the name of a host, or a URL with http or https', '"ws://collector.test"'],
    ['file:///etc/passwd', 'the name of a host, or a URL with http or https', '"file:///etc/passwd"'],
    ['://collector.test', 'the name of a host, or a URL with http or https', '"://collector.test"'],
    ['http://', 'the name of a host, or a URL with http or https', '"http://"'],
    [' ', 'the name of a host, or a URL with http or https', '" "'],
    ['http:///path', 'the name of a host, or a URL with http or https', '"http:///path"'],
    ['/path', 'the name of a host, or a URL with http or https', '"/path"'],
    ['a b', 'the name of a host, or a URL with http or https', '"a b"'],
    ['collector.test:0x1', 'the name of a host, or a URL with http or https', '"collector.test:0x1"'],
    ['collector.test:65536', 'the name of a host, or a URL with http or https', '"collector.test:65536"'],
    ['http://user:secret@collector.test', 'free of credentials (send them as headers)', 'a URL with some'],
    ['user@collector.test', 'free of credentials (send them as headers)', 'a URL with some'],
    ['http://collector.test/#top', 'a URL without a fragment', '"http://collector.test/#top"'],
  ])('an endpoint of %j is refused', (endpoint, expected, came) => {
    const error = thrownBy(() => new HttpEmitter(endpoint as string));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect((error as Error).message).toBe(`HttpEmitter: endpoint must be ${expected}, but it is ${came}`);
  });

  test('a GET with a wire format that has no query is refused', () => {
    const error = thrownBy(() => new HttpEmitter('collector.test', { codec: json(), method: 'get' }));
    expect((error as Error).message).toBe(
      "HttpEmitter: codec must be one with a query, because method is 'get', but it is one without",
    );
  });

  test('that are undefined mean the defaults', async () => {
    const names = ROWS.map(([, name]) => name).filter((name) => /^\w+$/.test(name) && name !== 'options');
    const none = Object.fromEntries(names.map((name) => [name, undefined]));
    const emitter = new HttpEmitter('collector.test', none);
    await emitter.close();
  });

  test('at their limits are fine', async () => {
    const emitter = new HttpEmitter('collector.test', {
      port: 65_535,
      batchSize: 1,
      byteLimit: 1,
      requestTimeout: LONGEST,
      maxRetryDelay: LONGEST,
      maxRetryAfter: 0,
      bufferCapacity: 1,
      flushInterval: LONGEST,
      customRetryCodes: { 100: true, 599: false },
      rateLimit: { requests: 1, interval: 1 },
    });
    await emitter.close();
  });
});

describe('a batchSize above the capacity', () => {
  test('is clamped to it, with a warning, as the trackers do', async () => {
    const { emitter, far, clock, logged } = acted([], { batchSize: 50, bufferCapacity: 5 });
    expect(logged).toEqual([
      { level: 'warn', fields: {}, message: 'HttpEmitter: batchSize 50 is more than the buffer can hold: it is 5 now' },
    ]);
    inputIds({ emitter }, 1, 5);
    await clock.turn();
    expect(far.batches).toHaveLength(1);
  });

  test('is clamped to the capacity of a given store', () => {
    const { logged } = acted([], { batchSize: 50, eventStore: new MemoryEventStore({ capacity: 5 }) });
    expect(logged).toMatchObject([{ level: 'warn', message: expect.stringContaining('it is 5 now') }]);
    const fine = acted([], { batchSize: 50, eventStore: new MemoryEventStore(), bufferCapacity: 5 });
    expect(fine.logged).toEqual([]);
  });

  test('without a logger becomes a process warning', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const emitter = new HttpEmitter('collector.test', { batchSize: 50, bufferCapacity: 5 });
    expect(await warned).toMatchObject({
      name: 'CollectorQueueWarning',
      message: 'HttpEmitter: batchSize 50 is more than the buffer can hold: it is 5 now',
    });
    await emitter.close();
  });
});

describe('the arguments of its methods', () => {
  test.each([...NOT_TIMERS, [0, '0'], [undefined, 'undefined'], [false, 'false']] as const)(
    'setFlushTimer refuses what is no duration, and changes nothing',
    async (interval, came) => {
      const { emitter, far, clock } = acted();
      inputIds({ emitter }, 1);
      const error = thrownBy(() => emitter.setFlushTimer(interval as number));
      expect((error as Error).message).toBe(
        `HttpEmitter.setFlushTimer: interval must be a duration from 1 ${TIMER}, but it is ${came}`,
      );
      await clock.advance(1_000);
      expect(far.requests).toHaveLength(1);
    },
  );

  test.each([
    [null, 'HttpEmitter.flush: options must be an object, but it is null'],
    [{ wait: 'no' }, 'HttpEmitter.flush: wait must be a boolean, but it is "no"'],
    [{ wit: true }, "HttpEmitter.flush: options must be made of wait, but it is given 'wit' (did you mean 'wait'?)"],
  ])('flush refuses %j, and sends nothing', async (options, message) => {
    const { emitter, far, clock } = acted();
    inputIds({ emitter }, 1);
    expect(await rejectionOf(emitter.flush(options as object))).toMatchObject({ message });
    await clock.turn();
    expect(far.requests).toEqual([]);
  });
});
