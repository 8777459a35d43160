import {
  Collector,
  CollectorQueue,
  CollectorQueueError,
  Delivery,
  ErrorCode,
  InvalidArgumentError,
  NotInitializedError,
  ok,
  Payload,
  type QueueEventName,
  QueueType,
  ResultList,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { rejectionOf, started, thrownBy } from './scene.ts';

const noop = (): void => undefined;
const collector = (key = 'a'): Collector => new Collector(key, noop);

/** Every mistake is told in the same three parts: what it is about, what would have been right, what came. */
function expectRefusal(error: unknown, name: string, expectation: string, came: string): void {
  expect(error).toBeInstanceOf(InvalidArgumentError);
  const { argument, expected, message, code, retryable } = error as InvalidArgumentError;
  expect(error).toBeInstanceOf(TypeError);
  expect(code).toBe(ErrorCode.INVALID_ARGUMENT);
  expect(retryable).toBe(false);
  expect((error as Error).name).toBe('InvalidArgumentError');
  expect(argument).toBe(name);
  expect(expected).toContain(expectation);
  expect(message).toBe(`${name} must be ${expected}, but it is ${came}`);
}

type Row = readonly [value: unknown, came: string];

/** Rows under names, so that the titles of tests can say what came. */
function named(rows: readonly Row[]): { value: unknown; came: string }[] {
  return rows.map(([value, came]) => ({ value, came }));
}

const NOT_OBJECTS: Row[] = [
  [null, 'null'],
  [5, '5'],
  ['fifo', '"fifo"'],
  [true, 'true'],
];

const NOT_NUMBERS: Row[] = [
  [null, 'null'],
  ['10', '"10"'],
  [true, 'true'],
  [10n, 'the bigint 10n'],
  [Symbol('ten'), 'a symbol'],
  [{}, 'an object'],
  [[10], 'an array of length 1'],
  [noop, 'the function noop'],
  [Number.NaN, 'NaN'],
];

const MINUS: Row[] = [
  [-1, '-1'],
  [Number.NEGATIVE_INFINITY, '-Infinity'],
];
const FRACTION: Row = [1.5, '1.5'];
const ZERO: Row = [0, '0'];
const INFINITE: Row = [Number.POSITIVE_INFINITY, 'Infinity'];
const TOO_BIG: Row = [2 ** 53, '9007199254740992'];

const NOT_CHOICES: Row[] = [
  [null, 'null'],
  ['', '""'],
  ['FIFO', '"FIFO"'],
  ['x'.repeat(41), 'a string of 41 characters'],
  [0, '0'],
  [{}, 'an object'],
];

interface OptionCase {
  readonly option: string;
  readonly expectation: string;
  readonly rows: readonly Row[];
}

describe('the options of a queue', () => {
  const cases: OptionCase[] = [
    {
      option: 'minConsumers',
      expectation: 'a whole number of at least 1',
      rows: [...NOT_NUMBERS, ...MINUS, ZERO, FRACTION, INFINITE, TOO_BIG],
    },
    {
      option: 'maxConsumers',
      expectation: 'a whole number of at least 1',
      rows: [...NOT_NUMBERS, ...MINUS, ZERO, FRACTION, INFINITE, TOO_BIG],
    },
    { option: 'queueType', expectation: "one of 'fifo', 'lifo', 'priority'", rows: NOT_CHOICES },
    { option: 'defaultPriority', expectation: 'a finite number', rows: [...NOT_NUMBERS, INFINITE, MINUS[1] as Row] },
    {
      option: 'router',
      expectation: 'a class that extends Router, or an instance of one',
      rows: [
        [null, 'null'],
        [{}, 'an object'],
        [{ select: noop }, 'an object'],
        [class Other {}, 'the function Other'],
        [() => [], 'a function'],
        ['simple', '"simple"'],
      ],
    },
    {
      option: 'routerTimeout',
      expectation: 'a duration of at least 0 milliseconds or Infinity',
      rows: [...NOT_NUMBERS, ...MINUS],
    },
    { option: 'scaling', expectation: "one of 'littles-law', 'adaptive'", rows: NOT_CHOICES },
    { option: 'onUnrouted', expectation: "one of 'ok', 'error'", rows: NOT_CHOICES },
    {
      option: 'maxSize',
      expectation: 'a whole number of at least 0 or Infinity',
      rows: [...NOT_NUMBERS, ...MINUS, FRACTION, TOO_BIG],
    },
    { option: 'overflow', expectation: "one of 'reject', 'dropOldest'", rows: NOT_CHOICES },
    {
      option: 'maxParked',
      expectation: 'a whole number of at least 0 or Infinity',
      rows: [...NOT_NUMBERS, ...MINUS, FRACTION, TOO_BIG],
    },
    {
      option: 'maxDedupeKeys',
      expectation: 'a whole number of at least 0 or Infinity',
      rows: [...NOT_NUMBERS, ...MINUS, FRACTION, TOO_BIG],
    },
    {
      option: 'idleTimeout',
      expectation: 'a duration of at least 0 milliseconds',
      rows: [...NOT_NUMBERS, ...MINUS, INFINITE],
    },
    {
      option: 'asyncContext',
      expectation: 'a boolean',
      rows: [
        [null, 'null'],
        [0, '0'],
        ['true', '"true"'],
        [{}, 'an object'],
      ],
    },
    {
      option: 'logger',
      expectation: 'an object with the methods info, warn, error',
      rows: [...NOT_OBJECTS, [{}, 'an object'], [{ info: noop, warn: noop }, 'an object'], [noop, 'the function noop']],
    },
    {
      option: 'metricsInterval',
      expectation: 'a duration of at least 0 milliseconds or Infinity',
      rows: [...NOT_NUMBERS, ...MINUS],
    },
    {
      option: 'topics',
      expectation: 'made by topicTypes()',
      rows: [...NOT_OBJECTS, [{}, 'an object'], [['a'], 'an array of length 1']],
    },
    {
      option: 'clock',
      expectation: 'an object with the methods now, wall, setTimer, yieldTurn',
      rows: [...NOT_OBJECTS, [{}, 'an object'], [{ now: noop, wall: noop, setTimer: noop }, 'an object']],
    },
  ];
  const logger = { info: noop, warn: noop, error: noop };

  for (const { option, expectation, rows } of cases) {
    test.each(named(rows))(`${option} that is $came is refused`, ({ value, came }) => {
      const others = option === 'metricsInterval' ? { logger } : {};
      const error = thrownBy(() => new CollectorQueue([collector()], { ...others, [option]: value }));
      expectRefusal(error, `CollectorQueue: ${option}`, expectation, came);
    });
  }

  test('more minConsumers than maxConsumers are refused', () => {
    const error = thrownBy(() => new CollectorQueue([collector()], { minConsumers: 3, maxConsumers: 2 }));
    expectRefusal(error, 'CollectorQueue: minConsumers', 'at most maxConsumers (2)', '3');
  });

  test('a metricsInterval without a logger is refused', () => {
    const error = thrownBy(() => new CollectorQueue([collector()], { metricsInterval: 1000 }));
    expectRefusal(error, 'CollectorQueue: logger', 'given when there is a metricsInterval', 'missing');
  });

  test.each([0, 0.5])('a metricsInterval of %s, which would log without end, is refused', (metricsInterval) => {
    const error = thrownBy(() => new CollectorQueue([collector()], { logger, metricsInterval }));
    expectRefusal(error, 'CollectorQueue: metricsInterval', 'at least 1', `${metricsInterval}`);
  });

  test.each(named([...NOT_OBJECTS, [[], 'an empty array'], [noop, 'the function noop']] as Row[]))(
    'options that are $came are refused',
    ({ value: options, came }) => {
      const error = thrownBy(() => new CollectorQueue([collector()], options as object));
      expectRefusal(error, 'CollectorQueue: options', 'an object', came);
    },
  );

  test.each([
    ['maxConsumer', 'maxConsumers'],
    ['maxconsumers', 'maxConsumers'],
    ['mixConsumers', 'minConsumers'],
    ['max_size', 'maxSize'],
    ['queuetype', 'queueType'],
    ['timeout', undefined],
    ['concurrency', undefined],
    ['__proto__x', undefined],
  ])('the unknown option %s is refused, and %s is proposed', (name, proposed) => {
    const error = thrownBy(() => new CollectorQueue([collector()], { [name]: 1 }));
    const hint = proposed === undefined ? '' : ` (did you mean '${proposed}'?)`;
    expectRefusal(error, 'CollectorQueue: options', 'made of minConsumers, maxConsumers', `given '${name}'${hint}`);
  });

  test('a very long unknown name is refused all the same', () => {
    const error = thrownBy(() => new CollectorQueue([collector()], { ['maxConsumers'.repeat(1000)]: 1 }));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error).toMatchObject({ argument: 'CollectorQueue: options' });
  });

  test('undefined stands for the default of every option', async () => {
    const names = cases.map(({ option }) => option);
    const options = Object.fromEntries(names.map((name) => [name, undefined]));
    const queue = new CollectorQueue([collector()], options);
    await queue.run((publisher) => expect(publisher.publish(1).wait()).resolves.toHaveLength(1));
  });

  test('the extremes of every range are accepted', () => {
    const options = {
      minConsumers: 1,
      maxConsumers: 1,
      queueType: QueueType.LIFO,
      defaultPriority: -0.5,
      routerTimeout: 0,
      maxSize: 0,
      maxParked: 0,
      idleTimeout: 0,
      metricsInterval: 1,
      logger,
    };
    expect(() => new CollectorQueue([collector()], options)).not.toThrow();
    expect(() => new CollectorQueue([collector()], { maxParked: Number.POSITIVE_INFINITY })).not.toThrow();
  });
});

describe('the collectors of a queue', () => {
  test.each(
    named([
      [undefined, 'undefined'],
      [null, 'null'],
      [[], 'an empty array'],
      ['a', '"a"'],
      [new Map(), 'a Map'],
    ] as Row[]),
  )('$came instead of collectors is refused', ({ value: collectors, came }) => {
    const error = thrownBy(() => new CollectorQueue(collectors as Collector[]));
    expectRefusal(error, 'CollectorQueue: collectors', 'a non-empty array of Collectors', came);
  });

  test('a single collector that is not in an array is refused', () => {
    const error = thrownBy(() => new CollectorQueue(collector() as unknown as Collector[]));
    expectRefusal(error, 'CollectorQueue: collectors', 'a non-empty array of Collectors', 'a Collector');
  });

  test.each(
    named([
      [undefined, 'undefined'],
      [null, 'null'],
      [{ key: 'b', processor: noop }, 'an object'],
      [noop, 'the function noop'],
      [Object.create(null), 'an object'],
    ] as Row[]),
  )('$came among the collectors is refused', ({ value: other, came }) => {
    const error = thrownBy(() => new CollectorQueue([collector(), other as Collector]));
    expectRefusal(error, 'CollectorQueue: collectors[1]', 'a Collector', came);
  });

  test('a hole among the collectors is refused', () => {
    const holes = new Array<Collector>(1);
    const error = thrownBy(() => new CollectorQueue(holes));
    expectRefusal(error, 'CollectorQueue: collectors[0]', 'a Collector', 'undefined');
  });

  test('a key that occurs twice is refused', () => {
    const error = thrownBy(() => new CollectorQueue([collector('a'), collector('b'), collector('a')]));
    expectRefusal(error, 'CollectorQueue: collectors[2]', 'of a key of its own', 'another "a"');
  });

  test('a collector to add is checked likewise', async () => {
    const { queue } = await started([collector('a')]);
    const foreign = await rejectionOf(queue.addCollector({} as Collector));
    expectRefusal(foreign, 'addCollector: collector', 'a Collector', 'an object');
    const duplicate = await rejectionOf(queue.addCollector(collector('a')));
    expectRefusal(duplicate, 'addCollector: collector', 'of a key of its own', 'another "a"');
    await queue.shutDownQueue();
  });

  test.each(
    named([
      ['', 'empty'],
      [undefined, 'undefined'],
      [7, '7'],
    ] as Row[]),
  )('a key to remove that is $came is refused', async ({ value: key, came }) => {
    const error = await rejectionOf(new CollectorQueue([collector()]).removeCollector(key as string));
    expectRefusal(error, 'removeCollector: key', 'a non-empty string', came);
  });
});

describe('the arguments of a collector', () => {
  test.each(
    named([
      ['', 'empty'],
      [undefined, 'undefined'],
      [null, 'null'],
      [7, '7'],
      [Symbol('key'), 'a symbol'],
      [['a'], 'an array of length 1'],
    ] as Row[]),
  )('a key that is $came is refused', ({ value: key, came }) => {
    const error = thrownBy(() => new Collector(key as string, noop));
    expectRefusal(error, 'Collector: key', 'a non-empty string', came);
  });

  test.each(
    named([
      [undefined, 'undefined'],
      [null, 'null'],
      [{}, 'an object'],
      ['noop', '"noop"'],
      [Promise.resolve(noop), 'a Promise'],
    ] as Row[]),
  )('a processor that is $came is refused', ({ value: processor, came }) => {
    const error = thrownBy(() => new Collector('a', processor as () => void));
    expectRefusal(error, 'Collector "a": processor', 'a function', came);
  });

  test.each(named([...NOT_OBJECTS, [['t'], 'an array of length 1']] as Row[]))(
    'options that are $came are refused',
    ({ value: options, came }) => {
      const error = thrownBy(() => new Collector('a', noop, options as object));
      expectRefusal(error, 'Collector "a": options', 'an object', came);
    },
  );

  test.each([
    ['topic', 'topics'],
    ['lifeCycle', 'lifecycle'],
    ['ctx', undefined],
    ['retries', 'retry'],
  ])('the unknown option %s is refused, and %s is proposed', (name, proposed) => {
    const error = thrownBy(() => new Collector('a', noop, { [name]: 1 }));
    const hint = proposed === undefined ? '' : ` (did you mean '${proposed}'?)`;
    const known =
      'made of topics, lifecycle, context, schema, timeout, retry, ttl, expiresAt, delay, at, signal, lock, deadLetter, concurrency, rateLimit, partitionBy, policies';
    expectRefusal(error, 'Collector "a": options', known, `given '${name}'${hint}`);
  });

  test.each(
    named([
      [null, 'null'],
      [7, '7'],
      [{}, 'an object'],
      [new Set(['a']), 'a Set'],
    ] as Row[]),
  )('topics that are $came are refused', ({ value: topics, came }) => {
    const error = thrownBy(() => new Collector('a', noop, { topics: topics as string[] }));
    expectRefusal(error, 'Collector "a": topics', 'a string or an array of strings', came);
  });

  test('an empty topic is refused', () => {
    const error = thrownBy(() => new Collector('a', noop, { topics: '' }));
    expectRefusal(error, 'Collector "a": topics', 'a non-empty string', 'empty');
  });

  test.each(
    named([
      ['', 'empty'],
      [undefined, 'undefined'],
      [7, '7'],
    ] as Row[]),
  )('a topic among others that is $came is refused', ({ value: topic, came }) => {
    const error = thrownBy(() => new Collector('a', noop, { topics: ['fine', topic as string] }));
    expectRefusal(error, 'Collector "a": topics[1]', 'a non-empty string', came);
  });

  test('a hole among the topics is refused', () => {
    const error = thrownBy(() => new Collector('a', noop, { topics: new Array<string>(1) }));
    expectRefusal(error, 'Collector "a": topics[0]', 'a non-empty string', 'undefined');
  });

  test.each(['a/#/b', '#/a', 'a#', 'a/b#', '##', 'a/#b', '#/'])("'#' where %s has it is refused", (topic) => {
    const error = thrownBy(() => new Collector('a', noop, { topics: topic }));
    const expectation = "a topic or pattern with '#' alone in its last level";
    expectRefusal(error, 'Collector "a": topics', expectation, JSON.stringify(topic));
  });

  test.each(['a+', '+a', 'a/b+/c', '++', 'a/+b'])("'+' where %s has it is refused", (topic) => {
    const error = thrownBy(() => new Collector('a', noop, { topics: [topic] }));
    const expectation = "a topic or pattern with '+' alone in its level";
    expectRefusal(error, 'Collector "a": topics[0]', expectation, JSON.stringify(topic));
  });

  test.each(
    named([
      [null, 'null'],
      [7, '7'],
      ['open', '"open"'],
      [{}, 'an object without either'],
      [[], 'an object without either'],
    ] as Row[]),
  )('a lifecycle that is $came is refused', ({ value: lifecycle, came }) => {
    const error = thrownBy(() => new Collector('a', noop, { lifecycle: lifecycle as { setup(): void } }));
    const expectation = 'a generator function or an object with setup and shutdown functions';
    expectRefusal(error, 'Collector "a": lifecycle', expectation, came);
  });

  test.each(['setup', 'shutdown'])('a lifecycle whose %s is no function is refused', (half) => {
    const lifecycle = { setup: noop, [half]: 'later' };
    const error = thrownBy(() => new Collector('a', noop, { lifecycle }));
    expectRefusal(error, `Collector "a": lifecycle.${half}`, 'a function', '"later"');
  });

  test.each(
    named([
      [null, 'null'],
      [7, '7'],
      [[], 'an empty array'],
      [new Map(), 'a Map'],
      [new Date(0), 'a Date'],
      [noop, 'the function noop'],
      [Object.create({ inherited: 1 }), 'an object'],
    ] as Row[]),
  )('a context that is $came, whose copy would lose something, is refused', ({ value: context, came }) => {
    const error = thrownBy(() => new Collector('a', noop, { context: context as object }));
    expectRefusal(error, 'Collector "a": context', 'a plain object', came);
  });

  test.each(
    named([
      [null, 'null'],
      [{ before: noop }, 'an object'],
      ['retry', '"retry"'],
    ] as Row[]),
  )('policies that are $came are refused', ({ value: policies, came }) => {
    const error = thrownBy(() => new Collector('a', noop, { policies: policies as [] }));
    expectRefusal(error, 'Collector "a": policies', 'an array', came);
  });

  test.each(
    named([
      [null, 'null'],
      [undefined, 'undefined'],
      [7, '7'],
      [{}, 'an object without a method'],
      [{ befor: () => 'run' }, 'an object with a misspelt method'],
    ] as Row[]),
  )('a policy that is $came is refused at construction, not at the first payload', ({ value: policy }) => {
    const error = thrownBy(() => new Collector('a', noop, { policies: [policy as object] }));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect((error as Error).message).toContain('Collector "a": policies[0]');
  });

  test.each(['before', 'after', 'forget'])('a policy whose %s is no function is refused', (method) => {
    const error = thrownBy(() => new Collector('a', noop, { policies: [{ [method]: 7 }] }));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect((error as Error).message).toContain(`Collector "a": policies[0].${method}`);
  });
});

describe('the options of a payload', () => {
  test.each(named([...NOT_OBJECTS, [[], 'an empty array'], [noop, 'the function noop']] as Row[]))(
    'options that are $came are refused',
    ({ value: options, came }) => {
      expectRefusal(
        thrownBy(() => new Payload(1, options as object)),
        'Payload: options',
        'an object',
        came,
      );
    },
  );

  test.each([
    ['key', 'keys'],
    ['topic', 'topics'],
    ['Priority', 'priority'],
    ['deliver', 'delivery'],
    ['ttl', undefined],
  ])('the unknown option %s is refused, and %s is proposed', (name, proposed) => {
    const error = thrownBy(() => new Payload(1, { [name]: 'a' }));
    const hint = proposed === undefined ? '' : ` (did you mean '${proposed}'?)`;
    expectRefusal(error, 'Payload: options', 'made of delivery, keys, topics, priority', `given '${name}'${hint}`);
  });

  describe.each(['keys', 'topics'])('%s', (option) => {
    test.each(
      named([
        ['', '""'],
        [null, 'null'],
        [7, '7'],
        [[], 'an empty array'],
        [{}, 'an object'],
        [new Set(['a']), 'a Set'],
      ] as Row[]),
    )('that are $came are refused', ({ value, came }) => {
      const error = thrownBy(() => new Payload(1, { [option]: value }));
      expectRefusal(error, `Payload: ${option}`, 'a non-empty string or array of strings', came);
    });

    test.each(
      named([
        ['', 'empty'],
        [null, 'null'],
        [7, '7'],
      ] as Row[]),
    )('of which one is $came are refused', ({ value, came }) => {
      const several = thrownBy(() => new Payload(1, { [option]: ['fine', value] }));
      expectRefusal(several, `Payload: ${option}[1]`, 'a non-empty string', came);
      const alone = thrownBy(() => new Payload(1, { [option]: [value] }));
      expectRefusal(alone, `Payload: ${option}[0]`, 'a non-empty string', came);
    });

    test('with a hole are refused', () => {
      const alone = thrownBy(() => new Payload(1, { [option]: new Array(1) }));
      expectRefusal(alone, `Payload: ${option}[0]`, 'a non-empty string', 'undefined');
      const several = thrownBy(() => new Payload(1, { [option]: Object.assign(new Array(2), { 1: 'a' }) }));
      expectRefusal(several, `Payload: ${option}[0]`, 'a non-empty string', 'undefined');
    });
  });

  test('keys and topics together, without a delivery, are refused', () => {
    const error = thrownBy(() => new Payload(1, { keys: 'a', topics: 't' }));
    expectRefusal(error, 'Payload: delivery', 'given when there are both keys and topics', 'missing');
  });

  test.each([
    [Delivery.KEY, 'keys'],
    [Delivery.TOPIC, 'topics'],
  ])('delivery by %s without %s is refused', (delivery, needed) => {
    for (const others of [{}, { keys: undefined, topics: undefined }]) {
      const error = thrownBy(() => new Payload(1, { ...others, delivery }));
      const name = `Payload: ${needed} with delivery '${delivery}'`;
      expectRefusal(error, name, 'a non-empty string or several', 'missing');
    }
    const other = needed === 'keys' ? { topics: 't' } : { keys: 'a' };
    expect(thrownBy(() => new Payload(1, { ...other, delivery }))).toBeInstanceOf(InvalidArgumentError);
  });

  test.each(named([...NOT_CHOICES, ['KEY', '"KEY"']] as Row[]))(
    'a delivery that is $came is refused',
    ({ value: delivery, came }) => {
      const error = thrownBy(() => new Payload(1, { delivery: delivery as Delivery, keys: 'a', topics: 't' }));
      expectRefusal(error, 'Payload: delivery', "one of 'broadcast', 'key', 'topic'", came);
    },
  );

  test.each(named([...NOT_NUMBERS, INFINITE, MINUS[1]] as Row[]))(
    'a priority that is $came is refused',
    ({ value: priority, came }) => {
      const error = thrownBy(() => new Payload(1, { priority: priority as number }));
      expectRefusal(error, 'Payload: priority', 'a finite number', came);
    },
  );
});

describe('a send', () => {
  test.each(
    named([
      [undefined, 'undefined'],
      [null, 'null'],
      [7, '7'],
      [{ value: 1, delivery: 'broadcast' }, 'an object'],
      [Object.create(null), 'an object'],
      [[], 'an empty array'],
    ] as Row[]),
  )('of $came, which is no Payload, is refused', async ({ value, came }) => {
    const { queue, publisher } = await started([collector()]);
    const payload = value as Payload;
    expectRefusal(
      thrownBy(() => publisher.send(payload)),
      'send: payload',
      'a Payload',
      came,
    );
    const many = thrownBy(() => publisher.sendMany([new Payload(1), payload]));
    expectRefusal(many, 'send: payload', 'a Payload', came);
    expectRefusal(await rejectionOf(publisher.sendWhenReady(payload)), 'send: payload', 'a Payload', came);
    expect(queue.getMetrics().offered).toBe(0);
    await queue.shutDownQueue();
  });

  test.each(
    named([
      [undefined, 'undefined'],
      [7, '7'],
      [{}, 'an object'],
    ] as Row[]),
  )('of many that are $came, which is not iterable, is refused', async ({ value: payloads }) => {
    const { queue, publisher } = await started([collector()]);
    const error = thrownBy(() => publisher.sendMany(payloads as Payload[]));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    await queue.shutDownQueue();
  });

  test('of a value with wrong options is refused', async () => {
    const { queue, publisher } = await started([collector()]);
    const error = thrownBy(() => publisher.publish(1, { keys: [] }));
    expectRefusal(error, 'Payload: keys', 'a non-empty string or array of strings', 'an empty array');
    expect(queue.getMetrics().offered).toBe(0);
    await queue.shutDownQueue();
  });

  test('with a signal that is no AbortSignal, or an option that does not exist, is refused', async () => {
    const { queue, publisher } = await started([collector()]);
    const payload = new Payload(1);
    const signal = await rejectionOf(publisher.sendWhenReady(payload, { signal: {} as AbortSignal }));
    expectRefusal(signal, 'sendWhenReady: signal', 'an AbortSignal', 'an object');
    const nothing = await rejectionOf(publisher.sendWhenReady(payload, { signal: null as unknown as AbortSignal }));
    expectRefusal(nothing, 'sendWhenReady: signal', 'an AbortSignal', 'null');
    const name = await rejectionOf(publisher.sendWhenReady(payload, { sginal: undefined } as object));
    expectRefusal(
      name,
      'sendWhenReady: options',
      'made of timeout, retry, ttl, expiresAt, delay, at, signal, headers',
      "given 'sginal' (did you mean 'signal'?)",
    );
    const options = await rejectionOf(publisher.sendWhenReady(payload, null as unknown as object));
    expectRefusal(options, 'sendWhenReady: options', 'an object', 'null');
    expect(queue.getMetrics().offered).toBe(0);
    await queue.shutDownQueue();
  });

  test('to a queue that was never initialised throws, whichever way it is sent', async () => {
    const queue = new CollectorQueue([collector()]);
    const publisher = queue.getPublisher();
    const payload = new Payload(1);
    const errors = [
      thrownBy(() => publisher.send(payload)),
      thrownBy(() => publisher.sendMany([payload])),
      thrownBy(() => publisher.publish(1)),
      await rejectionOf(publisher.sendWhenReady(payload)),
      await rejectionOf(publisher.ready()),
      thrownBy(() => queue.getMetrics()),
    ];
    for (const error of errors) {
      expect(error).toBeInstanceOf(NotInitializedError);
      expect(error).toBeInstanceOf(CollectorQueueError);
      expect(error).toMatchObject({ code: ErrorCode.NOT_INITIALIZED, retryable: false, name: 'NotInitializedError' });
      expect((error as Error).message).toBe('the queue was never initialised: await queue.initQueue() first');
    }
  });

  test('to a queue that was shut down settles as an Err', async () => {
    const { queue, publisher } = await started([collector()]);
    await queue.shutDownQueue();
    const event = publisher.publish(1);
    expect(event.status).toBe('settled');
    expect(event.getResult()?.errs()).toEqual([expect.objectContaining({ code: ErrorCode.QUEUE_CLOSED })]);
  });
});

describe('waiting for an event', () => {
  test.each([
    [{ timeout: '5' }, 'wait: timeout', 'a duration of at least 0 milliseconds or Infinity', '"5"'],
    [{ timeout: -1 }, 'wait: timeout', 'a duration of at least 0 milliseconds or Infinity', '-1'],
    [{ timeout: Number.NaN }, 'wait: timeout', 'a duration of at least 0 milliseconds or Infinity', 'NaN'],
    [{ timeout: null }, 'wait: timeout', 'a duration of at least 0 milliseconds or Infinity', 'null'],
    [{ signal: 'now' }, 'wait: signal', 'an AbortSignal', '"now"'],
    [{ timeOut: 5 }, 'wait: options', 'made of signal, timeout', "given 'timeOut' (did you mean 'timeout'?)"],
    [null, 'wait: options', 'an object', 'null'],
    [5, 'wait: options', 'an object', '5'],
  ])('with the limits %j is refused', async (options, name, expectation, came) => {
    const { queue, publisher } = await started([collector()]);
    const event = publisher.publish(1);
    const refused = thrownBy(() => void event.wait(options as object));
    expectRefusal(refused, name, expectation, came);
    await event.wait();
    const refusedLater = thrownBy(() => void event.wait(options as object));
    expectRefusal(refusedLater, name, expectation, came);
    await queue.shutDownQueue();
  });
});

describe('the arguments of other methods', () => {
  test.each([
    [{ timeout: '5' }, 'shutDownQueue: timeout', 'a duration of at least 0 milliseconds or Infinity', '"5"'],
    [{ timeout: -1 }, 'shutDownQueue: timeout', 'a duration of at least 0 milliseconds or Infinity', '-1'],
    [{ timeout: null }, 'shutDownQueue: timeout', 'a duration of at least 0 milliseconds or Infinity', 'null'],
    [{ drain: 'no' }, 'shutDownQueue: drain', 'a boolean', '"no"'],
    [{ drain: null }, 'shutDownQueue: drain', 'a boolean', 'null'],
    [{ drian: false }, 'shutDownQueue: options', 'made of drain, timeout', "given 'drian' (did you mean 'drain'?)"],
    [null, 'shutDownQueue: options', 'an object', 'null'],
  ])('a shutdown with %j is refused, and the queue stays up', async (options, name, expectation, came) => {
    const { queue, publisher } = await started([collector()]);
    expectRefusal(await rejectionOf(queue.shutDownQueue(options as object)), name, expectation, came);
    expect((await publisher.publish(1).wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });

  test('run without a body is refused, and nothing is set up', async () => {
    let setUp = 0;
    const lifecycle = { setup: () => void setUp++ };
    const queue = new CollectorQueue([new Collector('a', noop, { lifecycle })]);
    expectRefusal(await rejectionOf(queue.run(undefined as never)), 'run: body', 'a function', 'undefined');
    expect(setUp).toBe(0);
  });

  test('run with wrong shutdown options is refused, and leaves no queue up', async () => {
    const queue = new CollectorQueue([collector()], { clock: new ManualClock() });
    const error = await rejectionOf(queue.run(noop, { timeout: -1 }));
    expectRefusal(error, 'shutDownQueue: timeout', 'a duration of at least 0 milliseconds or Infinity', '-1');
    expect(queue.consumerCount).toBe(0);
  });

  test.each(
    named([
      [0, '0'],
      [-1, '-1'],
      [1.5, '1.5'],
      [Number.POSITIVE_INFINITY, 'Infinity'],
      ['1', '"1"'],
      [undefined, 'undefined'],
    ] as Row[]),
  )('waiting for a size of $came is refused', async ({ value: size, came }) => {
    const { queue } = await started([collector()]);
    const error = await rejectionOf(queue.onSizeLessThan(size as number));
    expectRefusal(error, 'onSizeLessThan: size', 'a whole number of at least 1', came);
    await queue.shutDownQueue();
  });

  test.each(['on', 'once'] as const)('%s refuses unknown queue events, and what is no listener', (method) => {
    const { events } = new CollectorQueue([collector()]);
    const name = thrownBy(() => events[method]('finnished' as QueueEventName, noop));
    expectRefusal(name, 'queue.events: name', 'the name of a queue event', '"finnished"');
    const symbol = thrownBy(() => events[method](Symbol('idle') as unknown as QueueEventName, noop));
    expectRefusal(symbol, 'queue.events: name', 'the name of a queue event', 'a symbol');
    const listener = thrownBy(() => events[method]('idle', undefined as never));
    expectRefusal(listener, 'queue.events: listener', 'a function', 'undefined');
    expect(events.listenerCount('idle')).toBe(0);
  });

  test.each(
    named([
      [undefined, 'undefined'],
      [[], 'an empty array'],
      [ok(1), 'a Ok'],
      [new Set([ok(1)]), 'a Set'],
    ] as Row[]),
  )('a ResultList of $came is refused', ({ value: results, came }) => {
    const error = thrownBy(() => new ResultList(results as []));
    expectRefusal(error, 'ResultList: results', 'a non-empty array of Results', came);
  });

  test.each(
    named([
      [1, '1'],
      [null, 'null'],
      [undefined, 'undefined'],
      [{ isOk: noop }, 'an object'],
      [{ isOk: noop, isErr: noop }, 'an object'],
      [Promise.resolve(ok(1)), 'a Promise'],
    ] as Row[]),
  )('a ResultList with $came in it is refused', ({ value: result, came }) => {
    const error = thrownBy(() => new ResultList([ok(1), result as never]));
    expectRefusal(error, 'ResultList: results[1]', 'a Result', came);
  });

  test('a ResultList with a hole in it is refused', () => {
    expectRefusal(
      thrownBy(() => new ResultList(new Array(2))),
      'ResultList: results[0]',
      'a Result',
      'undefined',
    );
  });

  test.each(
    named([
      [[], 'an empty array'],
      [['a', 'b'], 'an array of length 2'],
      ['a', '"a"'],
      [null, 'null'],
    ] as Row[]),
  )('a ResultList with the keys $came is refused', ({ value: keys, came }) => {
    const error = thrownBy(() => new ResultList([ok(1)], keys as string[]));
    expectRefusal(error, 'ResultList: keys', 'an array of 1 keys', came);
  });

  test.each([[7], [''], [undefined]])('a ResultList whose key is %j is refused', (key) => {
    expect(thrownBy(() => new ResultList([ok(1)], [key as string]))).toBeInstanceOf(InvalidArgumentError);
  });
});
