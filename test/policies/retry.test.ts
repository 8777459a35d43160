import {
  type CancelledError,
  CancelTask,
  Collector,
  type CollectorEvent,
  ErrorCode,
  err,
  errAsync,
  ok,
  ParkedFullError,
  ProcessorError,
  RetryTask,
} from 'collector-queue';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { ManualClock } from '../../src/testing/manual-clock.ts';
import { gate, started } from '../core/scene.ts';
import { oneCollector, recorded } from './scene.ts';

const numRuns = Number(process.env.FC_RUNS);
const DAY = 86_400_000;

function errorOf(event: CollectorEvent): unknown {
  return event.getResult()?.first()._unsafeUnwrapErr();
}

/** Whether the next attempt comes after exactly this time. */
async function expectNextAfter(clock: ManualClock, called: unknown[], delay: number): Promise<void> {
  const before = called.length;
  await clock.advance(delay - 1);
  expect(called).toHaveLength(before);
  await clock.advance(1);
  expect(called).toHaveLength(before + 1);
}

describe('a failed attempt', () => {
  test.each([
    [
      'throws',
      () => new ProcessorError('a', 'no'),
      () => {
        throw 'no';
      },
    ],
    ['rejects', () => new ProcessorError('a', 'no'), () => Promise.reject('no')],
    ['returns an Err', () => 'no', () => err('no')],
    ['resolves to an Err', () => 'no', () => errAsync('no')],
  ])('is repeated when it %s, until the attempts are exhausted; the last error stands', async (_, expected, fail) => {
    const numbers: number[] = [];
    const { queue, publisher, clock } = await oneCollector(
      (_value, { number }) => {
        numbers.push(number);
        return fail();
      },
      { retry: { attempts: 3, base: 0 } },
    );
    const event = publisher.publish(1);
    await clock.advance(0);
    expect(numbers).toEqual([1, 2, 3]);
    expect(errorOf(event)).toEqual(expected());
    await clock.advance(DAY);
    expect(numbers).toHaveLength(3);
    await queue.shutDownQueue();
  });

  test('is not repeated once an attempt succeeds, and the event waits for that', async () => {
    const { queue, publisher, clock, called } = await oneCollector(
      (_, { number }) => (number < 3 ? err(number) : ok(number)),
      { retry: { attempts: 5, base: 0 } },
    );
    const event = publisher.publish(1);
    const waiting = event.wait();
    await clock.advance(0);
    expect((await waiting).first()).toEqual(ok(3));
    expect(called).toHaveLength(3);
    await queue.shutDownQueue();
  });

  test('is not repeated without a retry option, nor with one attempt', async () => {
    for (const retry of [undefined, 1, { attempts: 1 }]) {
      const { queue, publisher, called } = await oneCollector(() => err('no'), { retry });
      expect((await publisher.publish(1).wait()).first()).toEqual(err('no'));
      expect(called).toHaveLength(1);
      await queue.shutDownQueue();
    }
  });

  test('frees its consumer while the next one waits for its time', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const { queue, publisher, clock, called } = await oneCollector(
      (value, { number }) => (value === 'flaky' && number === 1 ? err('no') : ok(value)),
      { retry: { attempts: 2, base: 1_000 } },
    );
    const flaky = publisher.publish('flaky');
    const other = publisher.publish('other');
    await clock.turn();
    expect(other.status).toBe('settled');
    expect(flaky.status).toBe('parked');
    expect(flaky.getResult()).toBeUndefined();
    expect(queue.getMetrics()).toMatchObject({ busy: 0, parked: 1, inFlight: 0, settled: 1 });
    await clock.advance(500);
    expect(flaky.getResult()?.first()).toEqual(ok('flaky'));
    expect(called).toEqual(['flaky', 'other', 'flaky']);
    await queue.shutDownQueue();
  });

  test('is repeated for its own collector alone', async () => {
    const called: string[] = [];
    const collector = (key: string, fails: number): Collector =>
      new Collector(
        key,
        (_payload, _context, { number }) => {
          called.push(`${key} ${number}`);
          return number <= fails ? err(`${key} ${number}`) : ok(key);
        },
        { retry: { attempts: 3, base: 0 } },
      );
    const { queue, publisher, clock } = await started([collector('a', 0), collector('b', 1), collector('c', 5)]);
    const event = publisher.publish(1);
    await clock.advance(0);
    const results = await event.wait();
    expect([...results]).toEqual([ok('a'), ok('b'), err('c 3')]);
    expect(called.sort()).toEqual(['a 1', 'b 1', 'b 2', 'c 1', 'c 2', 'c 3']);
    await queue.shutDownQueue();
  });

  test('is told with its error and its next time, then started again; error-task comes last, once', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const scene = await oneCollector((_, { number }) => err(number), { retry: { attempts: 2, base: 1_000 } });
    const told = recorded(scene, ['enqueued', 'started', 'retrying', 'scheduled', 'parked', 'error-task', 'finished']);
    const event = scene.publisher.publish(1);
    await scene.clock.advance(500);
    const { id } = event;
    expect(told).toEqual([
      { status: 'enqueued', timestamp: 0, id },
      expect.objectContaining({ status: 'started', id, task: 'a', attempt: 1, retries: 1 }),
      {
        status: 'retrying',
        timestamp: 0,
        id,
        task: 'a',
        attempt: 1,
        retries: 1,
        retryDelay: 500,
        executeTime: 500,
        error: 1,
      },
      { status: 'scheduled', timestamp: 0, id, task: 'a', delay: 500, executeTime: 500 },
      expect.objectContaining({ status: 'parked', attempt: 1 }),
      expect.objectContaining({ status: 'started', timestamp: 500, attempt: 2, retries: 0 }),
      expect.objectContaining({ status: 'error-task', attempt: 2, retries: 0, error: 2 }),
    ]);
    await scene.queue.shutDownQueue();
  });

  test('whose event was cancelled meanwhile is not repeated', async () => {
    const end = gate();
    const { queue, publisher, clock, called } = await oneCollector(() => end.promise.then(() => err('no')), {
      retry: { attempts: 5, base: 0 },
    });
    const event = publisher.publish(1);
    await clock.turn();
    event.cancel();
    end.open();
    await clock.advance(1_000);
    expect(called).toHaveLength(1);
    await queue.shutDownQueue();
  });

  test('is repeated by a draining shutdown, and given up at its time limit', async () => {
    const { queue, publisher, clock, called } = await oneCollector(() => err('no'), {
      retry: { attempts: Number.POSITIVE_INFINITY, base: 0 },
    });
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const slow = publisher.publish(1, {}, { retry: { attempts: 10, base: 100, cap: 100 } });
    await clock.turn();
    const closing = queue.shutDownQueue({ timeout: 250 });
    await clock.advance(250);
    await closing;
    expect(called).toHaveLength(3);
    expect(errorOf(slow)).toMatchObject({ code: ErrorCode.SHUTDOWN_TIMEOUT });
    await clock.advance(10_000);
    expect(called).toHaveLength(3);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('the delay before an attempt', () => {
  test.each([0, 0.25, 0.999_999])(
    'is a random part (here %s) of a bound that doubles, up to the cap',
    async (random) => {
      vi.spyOn(Math, 'random').mockReturnValue(random);
      const scene = await oneCollector(() => err('no'), { retry: { attempts: 8, base: 100, cap: 1_000 } });
      const told = recorded(scene, ['retrying']);
      const event = scene.publisher.publish(1);
      await scene.clock.advance(10_000);
      expect(event.status).toBe('settled');
      const bounds = [100, 200, 400, 800, 1_000, 1_000, 1_000];
      told.forEach(({ retryDelay }, at) => {
        expect(retryDelay).toBeCloseTo(random * (bounds[at] as number), 5);
      });
      expect(told).toHaveLength(7);
      await scene.queue.shutDownQueue();
    },
  );

  test('stays within its bounds, whatever base, cap and attempt', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 5_000 }),
        fc.nat({ max: 60_000 }),
        fc.integer({ min: 2, max: 12 }),
        async (base, cap, attempts) => {
          const scene = await oneCollector(() => err('no'), { retry: { attempts, base, cap } });
          const told = recorded(scene, ['retrying']);
          const event = scene.publisher.publish(1);
          // Attempt by attempt, so that the autoscaler's ticks do not count.
          for (let i = 0; i < attempts && event.status !== 'settled'; i++) {
            await scene.clock.turn();
            await scene.clock.advance(told.at(-1)?.retryDelay ?? 0);
          }
          expect(told).toHaveLength(attempts - 1);
          for (const [at, { retryDelay = Number.NaN }] of told.entries()) {
            expect(retryDelay).toBeGreaterThanOrEqual(0);
            expect(retryDelay).toBeLessThanOrEqual(Math.min(cap, base * 2 ** at));
          }
          expect(event.status).toBe('settled');
          await scene.queue.shutDownQueue();
        },
      ),
      { numRuns: Math.ceil(numRuns / 4) },
    );
  });

  test('is 1 s at first and 60 s at most by default, over 3 attempts', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const three = await oneCollector(() => err('no'), { retry: {} });
    void three.publisher.publish(1);
    await three.clock.turn();
    await expectNextAfter(three.clock, three.called, 1_000);
    await expectNextAfter(three.clock, three.called, 2_000);
    await three.queue.shutDownQueue();
    const many = await oneCollector(() => err('no'), { retry: 9 });
    const told = recorded(many, ['retrying']);
    void many.publisher.publish(1);
    for (let i = 0; i < 8; i++) await many.clock.advance(60_000);
    expect(told.map(({ retryDelay }) => retryDelay)).toEqual(
      [1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => seconds * 1_000),
    );
    await many.queue.shutDownQueue();
  });

  test('stays 0 with base 0, over more attempts than 2 has powers', async () => {
    const { queue, publisher, clock, called } = await oneCollector(
      (_, { number }) => (number < 1_100 ? err('no') : ok(number)),
      { retry: { attempts: Number.POSITIVE_INFINITY, base: 0 } },
    );
    const event = publisher.publish(1);
    await clock.advance(10);
    expect(event.getResult()?.first()).toEqual(ok(1_100));
    expect(called).toHaveLength(1_100);
    await queue.shutDownQueue();
  });

  test('does not notice that the time of day jumps', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const { queue, publisher, clock, called } = await oneCollector(() => err('no'), { retry: 2 });
    void publisher.publish(1);
    await clock.turn();
    clock.setWall(1e12);
    await expectNextAfter(clock, called, 1_000);
    await queue.shutDownQueue();
  });
});

describe('retryIf', () => {
  test.each([
    [
      'throws',
      (error: unknown) => {
        throw error;
      },
    ],
    ['rejects', (error: unknown) => Promise.reject(error)],
    ['returns an Err', (error: unknown) => err(error)],
  ])('is asked with the error that the processor %s itself, and the attempt', async (_, fail) => {
    const asked: unknown[] = [];
    const error = new RangeError('no');
    const { queue, publisher, clock, called } = await oneCollector(() => fail(error), {
      retry: {
        attempts: 5,
        base: 0,
        retryIf: (...given) => {
          asked.push(...given);
          return given[1] < 2;
        },
      },
    });
    void publisher.publish(1);
    await clock.advance(0);
    expect(asked).toEqual([error, 1, error, 2]);
    expect(asked[0]).toBe(error);
    expect(called).toHaveLength(2);
    await queue.shutDownQueue();
  });

  test('is not asked when no attempt is left, nor about a permanent error', async () => {
    const asked: unknown[] = [];
    const { queue, publisher, clock } = await oneCollector((error) => err(error), {
      retry: { attempts: 2, base: 0, retryIf: (error) => asked.push(error) > 0 },
    });
    void publisher.publish('again');
    void publisher.publish({ retryable: false });
    await clock.advance(0);
    expect(asked).toEqual(['again']);
    await queue.shutDownQueue();
  });

  test('that throws settles the task as Err, with what it threw as the cause', async () => {
    const confused = new Error('confused');
    const { queue, publisher, called } = await oneCollector(() => err('no'), {
      retry: {
        attempts: 3,
        retryIf: () => {
          throw confused;
        },
      },
    });
    const error = (await publisher.publish(1).wait()).first()._unsafeUnwrapErr();
    expect(error).toBeInstanceOf(ProcessorError);
    expect(error).toMatchObject({ cause: confused });
    expect(called).toHaveLength(1);
    await queue.shutDownQueue();
  });
});

describe('an error that carries retryAfter', () => {
  test.each([
    ['a number', 5_000, 5_000],
    ['a number of 0', 0, 0],
    ['a Date', new Date(7_000), 7_000],
    ['a Date in the past', new Date(-7_000), 0],
    ['a negative number', -5, 0],
    ['a day too many', 1e12, DAY],
    ['Infinity', Number.POSITIVE_INFINITY, DAY],
  ])('is believed if that is %s', async (_, retryAfter, expected) => {
    const scene = await oneCollector(() => err({ retryAfter }), { retry: { attempts: 2, base: 100, cap: 200 } });
    const told = recorded(scene, ['retrying']);
    const event = scene.publisher.publish(1);
    await scene.clock.turn();
    expect(told.map(({ retryDelay }) => retryDelay)).toEqual([expected]);
    await scene.clock.advance(Math.max(0, expected - 1));
    expect(event.status).toBe(expected === 0 ? 'settled' : 'parked');
    await scene.clock.advance(1);
    expect(event.status).toBe('settled');
    await scene.queue.shutDownQueue();
  });

  test.each([
    ['NaN', Number.NaN],
    ['junk', 'junk'],
    ['a number in a string', '120'],
    ['an invalid Date', new Date(Number.NaN)],
    ['null', null],
    ['an object', {}],
  ])('waits its usual time if that is %s', async (_, retryAfter) => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const { queue, publisher, clock, called } = await oneCollector(() => err({ retryAfter }), {
      retry: { attempts: 2, base: 100 },
    });
    void publisher.publish(1);
    await clock.turn();
    await expectNextAfter(clock, called, 100);
    await queue.shutDownQueue();
  });

  test('is believed when it is thrown, too; but it makes no attempt that there is not', async () => {
    const { queue, publisher, clock, called } = await oneCollector(
      () => {
        throw Object.assign(new Error('busy'), { retryAfter: 300 });
      },
      { retry: 2 },
    );
    const event = publisher.publish(1);
    await clock.turn();
    await expectNextAfter(clock, called, 300);
    expect(errorOf(event)).toMatchObject({ cause: { retryAfter: 300 } });
    await queue.shutDownQueue();
  });

  test('or retryable in a hostile way harms nobody', async () => {
    const hostile = {
      get retryable(): boolean {
        throw new Error('no look');
      },
    };
    const { queue, publisher, called } = await oneCollector((value) => (value === 1 ? err(hostile) : ok(value)), {
      retry: 3,
    });
    expect((await publisher.publish(1).wait()).isOk()).toBe(false);
    expect((await publisher.publish(2).wait()).first()).toEqual(ok(2));
    expect(called).toEqual([1, 2]);
    await queue.shutDownQueue();
  });
});

test.each([
  [
    'thrown',
    (error: unknown) => {
      throw error;
    },
  ],
  ['returned in an Err', (error: unknown) => err(error)],
])('an error with retryable: false is permanent when it is %s', async (_, fail) => {
  const { queue, publisher, called } = await oneCollector(
    () => fail(Object.assign(new Error('gone'), { retryable: false, retryAfter: 5 })),
    { retry: 5 },
  );
  expect((await publisher.publish(1).wait()).isOk()).toBe(false);
  expect(called).toHaveLength(1);
  await queue.shutDownQueue();
});

const WAYS: [string, (control: unknown) => unknown][] = [
  ['returned', (control) => control],
  ['resolved to', (control) => Promise.resolve(control)],
  [
    'thrown',
    (control) => {
      throw control;
    },
  ],
  ['rejected with', (control) => Promise.reject(control)],
  ['returned in an Err', (control) => err(control)],
];

describe.each(WAYS)('a RetryTask that is %s', (_, give) => {
  test.each([
    ['without a retry option', undefined],
    ['beyond the attempts', { attempts: 2, base: 5_000 }],
    ['whatever retryIf says', { attempts: 9, retryIf: () => false }],
  ])('makes another attempt, %s', async (__, retry) => {
    const { queue, publisher, clock, called } = await oneCollector(
      (_value, { number }) => (number < 4 ? give(new RetryTask()) : ok(number)),
      { retry },
    );
    const event = publisher.publish(1);
    await clock.advance(0);
    expect(event.getResult()?.first()).toEqual(ok(4));
    expect(called).toHaveLength(4);
    await queue.shutDownQueue();
  });

  test.each([
    [{}, 0],
    [{ delay: 700 }, 700],
    [{ at: 900 }, 900],
    [{ at: new Date(900) }, 900],
    [{ at: -1 }, 0],
  ])('with %j waits for its time, without a consumer', async (options, expected) => {
    const scene = await oneCollector((_value, { number }) =>
      number === 1 ? give(new RetryTask(options)) : ok(number),
    );
    const told = recorded(scene, ['retrying']);
    const event = scene.publisher.publish(1);
    await scene.clock.turn();
    expect(event.status).toBe('parked');
    expect(scene.queue.getMetrics()).toMatchObject({ busy: 0, parked: 1 });
    expect(told).toEqual([expect.objectContaining({ retryDelay: expected, error: expect.any(RetryTask) })]);
    await scene.clock.advance(expected);
    expect(event.getResult()?.first()).toEqual(ok(2));
    await scene.queue.shutDownQueue();
  });
});

describe.each(WAYS)('a CancelTask that is %s', (_, give) => {
  test.each([undefined, 5])('ends the task without another attempt, with retry %s', async (retry) => {
    const { queue, publisher, called } = await oneCollector(() => give(new CancelTask('not needed')), { retry });
    const error = (await publisher.publish(1).wait()).first()._unsafeUnwrapErr() as CancelledError;
    expect(error).toMatchObject({ code: ErrorCode.CANCELLED, cause: 'not needed' });
    expect(called).toHaveLength(1);
    await queue.shutDownQueue();
  });
});

test('a RetryTask counts as an attempt', async () => {
  const { queue, publisher, clock, called } = await oneCollector(
    (_, { number }) => (number === 1 ? new RetryTask() : err(number)),
    { retry: { attempts: 3, base: 0 } },
  );
  const event = publisher.publish(1);
  await clock.advance(0);
  expect(called).toHaveLength(3);
  expect(errorOf(event)).toBe(3);
  await queue.shutDownQueue();
});

test('a RetryTask or CancelTask of one collector leaves the others alone', async () => {
  const collectors = [
    new Collector('again', (_payload, _context, { number }) => (number === 1 ? new RetryTask() : number)),
    new Collector('cancelled', () => new CancelTask()),
    new Collector('plain', () => 'plain'),
  ];
  const { queue, publisher, clock } = await started(collectors);
  const event = publisher.publish(1);
  await clock.advance(0);
  const results = await event.wait();
  expect([results.get('again'), results.get('plain')]).toEqual([ok(2), ok('plain')]);
  expect(results.get('cancelled')?._unsafeUnwrapErr()).toMatchObject({ code: ErrorCode.CANCELLED });
  await queue.shutDownQueue();
});

test('a retry that finds maxParked parked settles as Err(ParkedFullError)', async () => {
  const { queue, publisher, clock } = await oneCollector(() => err('no'), { retry: 3 }, { maxParked: 1 });
  const [first, second] = [publisher.publish(1), publisher.publish(2)];
  await clock.turn();
  expect(first.status).toBe('parked');
  expect(errorOf(second)).toBeInstanceOf(ParkedFullError);
  expect(errorOf(second)).toMatchObject({ cause: 'no' });
  first.cancel();
  const third = publisher.publish(3);
  await clock.turn();
  expect(third.status).toBe('parked');
  third.cancel();
  await queue.shutDownQueue();
  expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 3 });
  expect(clock.pendingTimers).toBe(0);
});

describe('the retry of a send', () => {
  test.each([
    [undefined, 2, 2],
    [5, 2, 2],
    [5, 1, 1],
    [2, { attempts: 4 }, 4],
    [5, undefined, 5],
  ])('wins over that of the collector: %s, then %j', async (retry, sent, expected) => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const { queue, publisher, clock, called } = await oneCollector(() => err('no'), { retry });
    const event = publisher.publish(1, {}, { retry: sent });
    await clock.advance(0);
    expect(called).toHaveLength(expected);
    expect(event.status).toBe('settled');
    const plain = publisher.publish(2);
    await clock.advance(0);
    expect(called).toHaveLength(expected + (retry ?? 1));
    expect(plain.status).toBe('settled');
    await queue.shutDownQueue();
  });
});
