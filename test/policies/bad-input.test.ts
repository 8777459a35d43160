import {
  Collector,
  type CollectorOptions,
  CollectorQueue,
  type DeadLetter,
  ErrorCode,
  type EveryOptions,
  InvalidArgumentError,
  type Middleware,
  Payload,
  type QueueOptions,
  RetryTask,
  type RetryTaskOptions,
  type RevokeOptions,
  type SendOptions,
  type ShutdownOptions,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { rejectionOf, type Scene, started, thrownBy } from '../core/scene.ts';

const noop = (): void => undefined;

/** What is wrong, what would have been right, what came. */
type Row = readonly [options: object, name: string, expected: string, came: string];

function expectRefusal(error: unknown, name: string, expected: string, came: string): void {
  expect(error).toBeInstanceOf(InvalidArgumentError);
  expect(error).toBeInstanceOf(TypeError);
  expect(error).toMatchObject({ code: ErrorCode.INVALID_ARGUMENT, retryable: false, argument: name });
  expect((error as InvalidArgumentError).expected).toContain(expected);
  expect((error as Error).message.startsWith(`${name} must be `)).toBe(true);
  expect((error as Error).message.endsWith(`, but it is ${came}`)).toBe(true);
}

const DURATION = 'a duration of at least 0 milliseconds';
const TIME = 'a valid Date, or milliseconds since the Unix epoch';
const NOT_DURATIONS = [
  [-1, '-1'],
  [Number.NaN, 'NaN'],
  [Number.NEGATIVE_INFINITY, '-Infinity'],
  ['5', '"5"'],
  [null, 'null'],
  [{}, 'an object'],
] as const;
const NOT_TIMES = [
  [Number.NaN, 'NaN'],
  [Number.POSITIVE_INFINITY, 'Infinity'],
  [8.64e15 + 1, '8640000000000001'],
  [-1e300, '-1e+300'],
  [new Date(Number.NaN), 'a Date'],
  ['2026-01-01', '"2026-01-01"'],
  [null, 'null'],
] as const;
const INFINITE = [Number.POSITIVE_INFINITY, 'Infinity'] as const;

function rows(option: string, expected: string, values: readonly (readonly [unknown, string])[]): Row[] {
  return values.map(([value, came]) => [{ [option]: value }, option, expected, came]);
}

/** What a collector and a send have in common. */
const TASK_OPTIONS: Row[] = [
  ...rows('timeout', `${DURATION} or Infinity`, NOT_DURATIONS),
  [{ timeout: 0 }, 'timeout', 'more than 0 milliseconds', '0'],
  ...rows('ttl', `${DURATION} or Infinity`, NOT_DURATIONS),
  ...rows('expiresAt', TIME, NOT_TIMES),
  ...rows('delay', DURATION, [...NOT_DURATIONS, INFINITE]),
  ...rows('at', TIME, NOT_TIMES),
  [{ ttl: 5, expiresAt: 5e12 }, 'expiresAt', 'absent beside ttl', 'given'],
  [{ delay: 5, at: 5e12 }, 'at', 'absent beside delay', 'given'],
  [{ delay: 0, at: new Date() }, 'at', 'absent beside delay', 'given'],
  ...rows('signal', 'an AbortSignal', [
    [null, 'null'],
    ['now', '"now"'],
    [{ aborted: false }, 'an object'],
    [new AbortController(), 'a AbortController'],
  ]),
  ...[0, -1, 1.5, Number.NaN].map(
    (retry): Row => [{ retry }, 'retry.attempts', 'a whole number of at least 1 or Infinity', `${retry}`],
  ),
  ...(
    [
      [0, '0'],
      [2.5, '2.5'],
      ['3', '"3"'],
      [null, 'null'],
    ] as const
  ).map(
    ([attempts, came]): Row => [
      { retry: { attempts } },
      'retry.attempts',
      'a whole number of at least 1 or Infinity',
      came,
    ],
  ),
  ...[...NOT_DURATIONS, INFINITE].flatMap(([value, came]): Row[] => [
    [{ retry: { base: value } }, 'retry.base', DURATION, came],
    [{ retry: { cap: value } }, 'retry.cap', DURATION, came],
  ]),
  [{ retry: { retryIf: true } }, 'retry.retryIf', 'a function', 'true'],
  [{ retry: null }, 'retry: options', 'an object', 'null'],
  [{ retry: '3' }, 'retry: options', 'an object', '"3"'],
  [{ retry: [3] }, 'retry: options', 'an object', 'an array of length 1'],
  [
    { retry: { attemps: 3 } },
    'retry: options',
    'made of attempts, base, cap, retryIf',
    "given 'attemps' (did you mean 'attempts'?)",
  ],
  [{ retry: { jitter: true } }, 'retry: options', 'made of attempts', "given 'jitter'"],
];

const SCHEMA = 'a Standard Schema of version 1, such as those of zod, valibot and arktype';
const validate = (value: unknown): object => ({ value });
const NOT_SCHEMAS = [
  [null, 'null'],
  [0, '0'],
  ['', '""'],
  ['string', '"string"'],
  [{ parse: noop }, 'an object without "~standard"'],
  [() => true, 'a function without "~standard"'],
  [{ '~standard': null }, 'an object without "~standard"'],
  [{ '~standard': { version: 2, vendor: 'x', validate } }, 'one of version 2'],
  [{ '~standard': { vendor: 'x', validate } }, 'one of version undefined'],
  [{ '~standard': { version: 1, vendor: 'x' } }, 'one without a validate function'],
] as const;

const NOT_HEADERS: Row[] = [
  ...rows('headers', 'a plain object of strings', [
    [null, 'null'],
    ['a: b', '"a: b"'],
    [[], 'an empty array'],
    [new Map(), 'a Map'],
    [new Headers(), 'a Headers'],
  ]),
  [{ headers: { '': 'x' } }, 'headers: name', 'a non-empty string', 'empty'],
  [{ headers: { a: 1 } }, 'headers["a"]', 'a string', '1'],
  [{ headers: { a: undefined } }, 'headers["a"]', 'a string', 'undefined'],
  [{ headers: { 'collector-queue.x': 'y' } }, 'headers', 'without __proto__ and names', 'given "collector-queue.x"'],
  [{ headers: JSON.parse('{"__proto__":"x"}') }, 'headers', 'without __proto__ and names', 'given "__proto__"'],
];

describe('the options of a collector', () => {
  const cases: Row[] = [
    ...TASK_OPTIONS,
    [{ lock: '' }, 'lock', 'a non-empty string', 'empty'],
    [{ lock: 5 }, 'lock: options', 'an object', '5'],
    [{ lock: null }, 'lock: options', 'an object', 'null'],
    [{ lock: {} }, 'lock.name', 'a non-empty string', 'undefined'],
    [{ lock: { name: '' } }, 'lock.name', 'a non-empty string', 'empty'],
    ...[...NOT_DURATIONS, INFINITE].map(
      ([delay, came]): Row => [{ lock: { name: 'one', delay } }, 'lock.delay', DURATION, came],
    ),
    [{ lock: { nam: 'one' } }, 'lock: options', 'made of name, delay', "given 'nam' (did you mean 'name'?)"],
    [{ deadLetter: '' }, 'deadLetter', 'a non-empty string', 'empty'],
    [{ deadLetter: 5 }, 'deadLetter', "a collector's key or a function", '5'],
    [{ deadLetter: null }, 'deadLetter', "a collector's key or a function", 'null'],
    [{ deadLetter: { key: 'dead' } }, 'deadLetter', "a collector's key or a function", 'an object'],
    ...rows('concurrency', 'a whole number of at least 1 or Infinity', [...NOT_DURATIONS, [0, '0'], [1.5, '1.5']]),
    [{ rateLimit: null }, 'rateLimit: options', 'an object', 'null'],
    [{ rateLimit: 5 }, 'rateLimit: options', 'an object', '5'],
    [{ rateLimit: {} }, 'rateLimit.limit', 'a whole number of at least 1', 'undefined'],
    [{ rateLimit: { limit: 1 } }, 'rateLimit.interval', DURATION, 'undefined'],
    ...[...NOT_DURATIONS, INFINITE, [0, '0'] as const, [1.5, '1.5'] as const].map(
      ([limit, came]): Row => [
        { rateLimit: { limit, interval: 1 } },
        'rateLimit.limit',
        'a whole number of at least 1',
        came,
      ],
    ),
    ...[...NOT_DURATIONS, INFINITE].map(
      ([interval, came]): Row => [{ rateLimit: { limit: 1, interval } }, 'rateLimit.interval', DURATION, came],
    ),
    [{ rateLimit: { limit: 1, interval: 0 } }, 'rateLimit.interval', 'more than 0 milliseconds', '0'],
    [{ rateLimit: { limit: 1, interval: 1, per: 'user' } }, 'rateLimit.per', 'a function', '"user"'],
    [
      { rateLimit: { limit: 1, intervall: 1 } },
      'rateLimit: options',
      'made of limit, interval, per',
      "given 'intervall' (did you mean 'interval'?)",
    ],
    ...rows('partitionBy', 'a function', [
      ['user', '"user"'],
      [null, 'null'],
      [{}, 'an object'],
    ]),
    [{ partitionKey: 'x' }, 'options', 'partitionBy', "given 'partitionKey' (did you mean 'partitionBy'?)"],
    [{ policies: [{ notStarted: 5 }] }, 'policies[0].notStarted', 'a function', '5'],
    [{ policies: [{ settled: 5 }] }, 'policies[0].settled', 'a function', '5'],
    [{ policies: [{ around: 'no' }] }, 'policies[0].around', 'a function', '"no"'],
    ...NOT_SCHEMAS.map(([schema, came]): Row => [{ schema }, 'schema', SCHEMA, came]),
    [{ shema: {} }, 'options', 'schema', "given 'shema' (did you mean 'schema'?)"],
    [{ policies: [{ workEnded: 'no' }] }, 'policies[0].workEnded', 'a function', '"no"'],
    [{ timeOut: 5 }, 'options', 'timeout', "given 'timeOut' (did you mean 'timeout'?)"],
    [{ retries: 5 }, 'options', 'retry', "given 'retries' (did you mean 'retry'?)"],
    [{ dead_letter: noop }, 'options', 'deadLetter', "given 'dead_letter' (did you mean 'deadLetter'?)"],
  ];

  test.each(cases)('with %j are refused: %s', (options, name, expected, came) => {
    const error = thrownBy(() => new Collector('a', noop, options as CollectorOptions));
    expectRefusal(error, `Collector "a": ${name}`, expected, came);
  });

  test('may be the extremes of their ranges, or undefined', () => {
    const extremes: CollectorOptions[] = [
      { timeout: Number.MIN_VALUE, retry: { attempts: Number.POSITIVE_INFINITY, base: 0, cap: 0 }, ttl: 0, delay: 0 },
      { timeout: Number.POSITIVE_INFINITY, expiresAt: -8.64e15, at: 8.64e15, lock: { name: 'one', delay: 0 } },
      { timeout: undefined, retry: undefined, ttl: undefined, expiresAt: undefined, delay: undefined, at: undefined },
      { concurrency: Number.POSITIVE_INFINITY, rateLimit: { limit: 1, interval: Number.MIN_VALUE, per: undefined } },
      { concurrency: undefined, rateLimit: undefined, partitionBy: undefined },
      { signal: undefined, lock: undefined, deadLetter: undefined, retry: { attempts: undefined, base: undefined } },
      { retry: { cap: undefined, retryIf: undefined }, lock: { name: 'one', delay: undefined } },
    ];
    for (const options of extremes) expect(() => new Collector('a', noop, options)).not.toThrow();
  });
});

describe('the options of a send', () => {
  const cases: Row[] = [
    ...TASK_OPTIONS,
    [{ expiresAt: -1 }, 'expiresAt', 'a time in the future', '1969-12-31T23:59:59.999Z'],
    [{ expiresAt: 0 }, 'expiresAt', 'a time in the future', '1970-01-01T00:00:00.000Z'],
    [{ expiresAt: new Date(-1) }, 'expiresAt', 'a time in the future', '1969-12-31T23:59:59.999Z'],
    [{ dealy: 5 }, 'options', 'made of timeout, retry', "given 'dealy' (did you mean 'delay'?)"],
    [{ lock: 'one' }, 'options', 'made of timeout, retry', "given 'lock'"],
    [{ deadLetter: noop }, 'options', 'made of timeout, retry', "given 'deadLetter'"],
    ...rows('partitionKey', 'a non-empty string', [
      ['', 'empty'],
      [5, '5'],
      [null, 'null'],
      [noop, 'the function noop'],
    ]),
    [{ partitionBy: noop }, 'options', 'partitionKey', "given 'partitionBy' (did you mean 'partitionKey'?)"],
    [{ concurrency: 1 }, 'options', 'made of timeout, retry', "given 'concurrency'"],
    [[], 'options', 'an object', 'an empty array'],
    ...NOT_HEADERS,
  ];

  async function withQueue(body: (scene: Scene) => Promise<void> | void): Promise<void> {
    const scene = await started([new Collector('a', noop)]);
    await body(scene);
    expect(scene.queue.getMetrics().offered).toBe(0);
    await scene.queue.shutDownQueue();
  }

  test.each(cases)('with %j are refused, and nothing is offered: %s', async (options, name, expected, came) => {
    await withQueue(async ({ publisher }) => {
      const payload = new Payload(1);
      const given = options as SendOptions;
      for (const call of [
        () => publisher.send(payload, given),
        () => publisher.sendMany([payload, payload], given),
        () => publisher.sendMany([], given),
        () => publisher.publish(1, {}, given),
      ]) {
        expectRefusal(thrownBy(call), `send: ${name}`, expected, came);
      }
      const rejection = await rejectionOf(publisher.sendWhenReady(payload, given));
      expectRefusal(rejection, `sendWhenReady: ${name}`, expected, came);
    });
  });

  test.each([null, 5, 'soon'])('that are %j are refused', async (options) => {
    await withQueue(({ publisher }) => {
      const error = thrownBy(() => publisher.send(new Payload(1), options as unknown as SendOptions));
      expectRefusal(error, 'send: options', 'an object', JSON.stringify(options));
    });
  });

  test('that only just expire for the last of many refuse none of them', async () => {
    const clock = new ManualClock();
    const ticking = Object.assign(clock, { wall: () => clock.now() + calls++ });
    let calls = 0;
    const queue = new CollectorQueue([new Collector('a', noop)], { clock: ticking });
    await queue.initQueue();
    const payloads = Array.from({ length: 50 }, () => new Payload(1));
    expect(queue.getPublisher().sendMany(payloads, { expiresAt: calls + 10 })).toHaveLength(50);
    await queue.shutDownQueue();
  });
});

describe('the options of a queue', () => {
  const COUNT = 'a whole number of at least 0 or Infinity';
  const NOT_COUNTS = [...NOT_DURATIONS, [1.5, '1.5'], [2 ** 53, '9007199254740992']] as const;
  const cases: Row[] = [
    ...rows('maxScheduled', COUNT, NOT_COUNTS),
    ...rows('maxAbandoned', COUNT, NOT_COUNTS),
    ...(
      [
        [0, '0'],
        [-1, '-1'],
        [1.5, '1.5'],
        [Number.NaN, 'NaN'],
        [Number.POSITIVE_INFINITY, 'Infinity'],
        ['5', '"5"'],
        [undefined, 'undefined'],
      ] as const
    ).map(([keep, came]): Row => [{ results: { keep } }, 'results.keep', 'a whole number of at least 1', came]),
    ...NOT_DURATIONS.map(
      ([ttl, came]): Row => [{ results: { keep: 1, ttl } }, 'results.ttl', `${DURATION} or Infinity`, came],
    ),
    [{ results: {} }, 'results.keep', 'a whole number of at least 1', 'undefined'],
    [{ results: null }, 'results: options', 'an object', 'null'],
    [{ results: true }, 'results: options', 'an object', 'true'],
    [{ results: 100 }, 'results: options', 'an object', '100'],
    [{ results: { kep: 1 } }, 'results: options', 'made of keep, ttl', "given 'kep' (did you mean 'keep'?)"],
    ...[null, 'a', [], () => 1].map(
      (schemas, at): Row => [
        { schemas },
        'schemas',
        'an object of schemas by topics',
        ['null', '"a"', 'an empty array', 'a function'][at] as string,
      ],
    ),
    ...NOT_SCHEMAS.map(([schema, came]): Row => [{ schemas: { a: schema } }, 'schemas["a"]', SCHEMA, came]),
    [{ schemas: { '': 1 } }, 'schemas: topic', 'a non-empty string', 'empty'],
    ...['#', 'a/#', '+/a', 'a/+/b'].map(
      (topic): Row => [{ schemas: { [topic]: 1 } }, 'schemas: topic', 'the name of a topic', `the pattern "${topic}"`],
    ),
    [{ schema: {} }, 'options', 'schemas', "given 'schema' (did you mean 'schemas'?)"],
    [{ maxSchedule: 1 }, 'options', 'maxScheduled', "given 'maxSchedule' (did you mean 'maxScheduled'?)"],
    [{ retry: 1 }, 'options', 'made of minConsumers', "given 'retry'"],
  ];

  test.each(cases)('with %j are refused: %s', (options, name, expected, came) => {
    const error = thrownBy(() => new CollectorQueue([new Collector('a', noop)], options as QueueOptions));
    expectRefusal(error, `CollectorQueue: ${name}`, expected, came);
  });
});

describe('the arguments of', () => {
  async function withQueue(body: (scene: Scene) => void): Promise<void> {
    const scene = await started([new Collector('a', noop)]);
    body(scene);
    expect((await scene.publisher.publish(1).wait()).isOk()).toBe(true);
    expect(scene.queue.getMetrics().offered).toBe(1);
    await scene.queue.shutDownQueue();
  }

  const make = (): Payload => new Payload(1);

  test.each([
    ['soon', make, {}, 'cadence', 'a cron expression'],
    ['', make, {}, 'cadence', 'a cron expression'],
    ['61 * * * *', make, {}, 'cadence', 'a cron expression'],
    ['* * * *', make, {}, 'cadence', 'a cron expression'],
    ['2026-01-01T00:00:00', make, {}, 'cadence', 'a cron expression, which has no colon'],
    ['0 0 30 2 *', make, {}, 'cadence', 'a cron expression with a date to come'],
    [0, make, {}, 'cadence', 'a finite number of at least 1 millisecond'],
    [-5, make, {}, 'cadence', 'a finite number of at least 1 millisecond'],
    [0.5, make, {}, 'cadence', 'a finite number of at least 1 millisecond'],
    [Number.NaN, make, {}, 'cadence', 'a finite number of at least 1 millisecond'],
    [Number.POSITIVE_INFINITY, make, {}, 'cadence', 'a finite number of at least 1 millisecond'],
    [null, make, {}, 'cadence', 'a cron expression or a number of milliseconds'],
    [new Date(), make, {}, 'cadence', 'a cron expression or a number of milliseconds'],
    ['* * * * *', make, { timeZone: 'Europe/Atlantis' }, 'timeZone', 'the name of a time zone'],
    ['* * * * *', make, { timeZone: 5 }, 'timeZone', 'the name of a time zone'],
    [1_000, make, { timeZone: 'UTC' }, 'timeZone', 'left out beside a number of milliseconds'],
    [1_000, make, { overlap: 'yes' }, 'overlap', 'a boolean'],
    [1_000, make, { name: '' }, 'name', 'a non-empty string'],
    [1_000, make, { name: 5 }, 'name', 'a non-empty string'],
    [1_000, make, { timezone: 'UTC' }, 'options', 'made of name, overlap, timeZone'],
    [1_000, make, { headers: ['a'] }, 'headers', 'a plain object of strings'],
    [1_000, make, { headers: { a: 5 } }, 'headers["a"]', 'a string'],
    [1_000, make, null, 'options', 'an object'],
    [1_000, undefined, {}, 'the function that makes the payload', 'a function'],
    [1_000, new Payload(1), {}, 'the function that makes the payload', 'a function'],
  ])('every: %j, %o, %j are refused: %s', async (cadence, maker, options, name, expected) => {
    await withQueue(({ queue, clock }) => {
      const error = thrownBy(() => queue.every(cadence as string, maker as () => Payload, options as EveryOptions));
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect(error).toMatchObject({ argument: `every: ${name}` });
      expect((error as InvalidArgumentError).expected).toContain(expected);
      expect(clock.pendingTimers).toBe(0);
    });
  });

  test.each<[key: unknown, options: unknown, name: string, expected: string, came: string]>([
    ['', {}, 'collectorKey', 'a non-empty string', 'empty'],
    [5, {}, 'collectorKey', 'a non-empty string', '5'],
    [undefined, {}, 'collectorKey', 'a non-empty string', 'undefined'],
    ...NOT_TIMES.map(([until, came]): [string, object, string, string, string] => [
      'a',
      { until },
      'until',
      TIME,
      came,
    ]),
    ['a', null, 'options', 'an object', 'null'],
    ['a', 5e12, 'options', 'an object', '5000000000000'],
    ['a', { unitl: 5 }, 'options', 'made of until', "given 'unitl' (did you mean 'until'?)"],
  ])('revoke: %j, %j are refused, and nothing is revoked: %s', async (key, options, name, expected, came) => {
    await withQueue(({ queue }) => {
      const error = thrownBy(() => queue.revoke(key as string, options as RevokeOptions));
      expectRefusal(error, `revoke: ${name}`, expected, came);
    });
  });

  test.each([
    ['', 'empty'],
    [5, '5'],
    [undefined, 'undefined'],
  ])('restore and result: %j is refused', async (key, came) => {
    await withQueue(({ queue }) => {
      const restoring = thrownBy(() => queue.restore(key as string));
      expectRefusal(restoring, 'restore: collectorKey', 'a non-empty string', came);
      const asking = thrownBy(() => queue.result(key as string));
      expectRefusal(asking, 'result: id', 'a non-empty string', came);
    });
  });

  test.each([
    [undefined, '', 'a function or a TaskPolicy', 'undefined'],
    [null, '', 'a function or a TaskPolicy', 'null'],
    ['trace', '', 'a function or a TaskPolicy', '"trace"'],
    [{}, '', 'an object with one of before, notStarted, around, after', 'without'],
    [{ arround: noop }, '', 'an object with one of before, notStarted, around, after', 'without'],
    [{ around: 5 }, '.around', 'a function', '5'],
    [{ around: noop, before: 'no' }, '.before', 'a function', '"no"'],
  ])('use: %j is refused', async (middleware, member, expected, came) => {
    await withQueue(({ queue }) => {
      const error = thrownBy(() => queue.use(middleware as unknown as Middleware));
      expectRefusal(error, `use: middleware${member}`, expected, came);
    });
  });

  test.each([
    [{ topics: 'a' }, 'topics', 'an array of strings', '"a"'],
    [{ topics: [''] }, 'topics[0]', 'a non-empty string', 'empty'],
    [{ headers: 'a' }, 'headers', 'a plain object of strings', '"a"'],
    [{ headers: { a: null } }, 'headers["a"]', 'a string', 'null'],
  ])('redrive: a letter with %j is refused, and nothing is sent', async (wrong, name, expected, came) => {
    await withQueue(({ queue }) => {
      const error = thrownBy(() => queue.redrive([letter, { ...letter, ...wrong } as unknown as DeadLetter]));
      expectRefusal(error, `redrive: letters[1].${name}`, expected, came);
    });
  });

  const letter = { value: 1, collectorKey: 'a', eventId: '1', error: 'no', attempts: 1, timestamp: 0 };

  test.each([
    [undefined, 0, 'undefined'],
    [null, 0, 'undefined'],
    [5, 0, 'undefined'],
    [{}, 0, 'undefined'],
    [[letter, { ...letter, collectorKey: '' }], 1, 'empty'],
    [[letter, letter, null], 2, 'undefined'],
  ])('redrive: %j is refused, and nothing is sent', async (letters, at, came) => {
    await withQueue(({ queue }) => {
      const error = thrownBy(() => queue.redrive(letters as (typeof letter)[]));
      expectRefusal(error, `redrive: letters[${at}].collectorKey`, 'a non-empty string', came);
    });
  });

  test.each([
    ['later', '"later"'],
    [true, 'true'],
    [null, 'null'],
  ])('shutDownQueue: scheduled that is %j is refused, and the queue stays up', async (scheduled, came) => {
    const { queue, publisher } = await started([new Collector('a', noop)]);
    const error = await rejectionOf(queue.shutDownQueue({ scheduled } as unknown as ShutdownOptions));
    expectRefusal(error, 'shutDownQueue: scheduled', "one of 'cancel', 'wait'", came);
    expect((await publisher.publish(1).wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });
});

describe('a RetryTask', () => {
  test.each([
    [{ delay: 5, at: 5 }, 'delay and at exclude each other'],
    [{ delay: -1 }, 'delay'],
    [{ delay: Number.NaN }, 'delay'],
    [{ delay: Number.POSITIVE_INFINITY }, 'delay'],
    [{ delay: '5' }, 'delay'],
    [{ at: Number.NaN }, 'at'],
    [{ at: Number.POSITIVE_INFINITY }, 'at'],
    [{ at: new Date(Number.NaN) }, 'at'],
    [{ at: 'tomorrow' }, 'at'],
    [{ at: '5' }, 'at'],
    [{ at: null }, 'at'],
    [{ dealy: 5 }, "options are delay, at, cause, but given is 'dealy'"],
  ])('with %j is refused where it is made: %s', (options, words) => {
    const error = thrownBy(() => new RetryTask(options as RetryTaskOptions));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toContain(`RetryTask: ${words}`);
  });
});
