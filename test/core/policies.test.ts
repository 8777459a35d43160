import {
  type Attempt,
  Collector,
  type CollectorEvent,
  type CollectorOptions,
  ErrorCode,
  err,
  ok,
  ParkedFullError,
  type PolicyTask,
  ProcessorError,
  type QueueOptions,
  type Result,
  type TaskPolicy,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, giveUp, isSettled, type Scene, started } from './scene.ts';

/** Parks what it is told to, and keeps what it parked. */
class Parking implements TaskPolicy {
  readonly parked: PolicyTask[] = [];
  readonly forgotten: PolicyTask[] = [];
  readonly results: Result<unknown, unknown>[] = [];
  readonly #before: (task: PolicyTask) => boolean;
  readonly #after: (task: PolicyTask, result: Result<unknown, unknown>) => boolean;

  constructor(
    before: (task: PolicyTask) => boolean = () => false,
    after: (task: PolicyTask, result: Result<unknown, unknown>) => boolean = () => false,
  ) {
    this.#before = before;
    this.#after = after;
  }

  before(task: PolicyTask): 'run' | 'park' {
    if (!this.#before(task)) return 'run';
    this.parked.push(task);
    return 'park';
  }

  after(task: PolicyTask, result: Result<unknown, unknown>): 'settle' | 'park' {
    this.results.push(result);
    if (!this.#after(task, result)) return 'settle';
    this.parked.push(task);
    return 'park';
  }

  forget(task: PolicyTask): void {
    this.forgotten.push(task);
  }

  /** Brings back what was parked first. */
  resumeOne(): void {
    this.parked.shift()?.resume();
  }
}

/** Parks each task once, before its first attempt. */
function parkingOnce(): Parking {
  const seen = new Set<string>();
  return new Parking(({ eventId, collectorKey }) => {
    const name = `${eventId} ${collectorKey}`;
    return !seen.has(name) && seen.add(name) !== undefined;
  });
}

async function scene(
  policies: readonly TaskPolicy[],
  processor: (value: unknown, attempt: Attempt) => unknown,
  options: Omit<QueueOptions, 'clock'> = {},
): Promise<Scene & { called: unknown[] }> {
  const called: unknown[] = [];
  const collector = new Collector(
    'a',
    ({ value }, _, attempt) => {
      called.push(value);
      return processor(value, attempt);
    },
    { policies },
  );
  return { ...(await started([collector], { maxConsumers: 1, ...options })), called };
}

describe('a task that a policy parks before its attempt', () => {
  test('frees its consumer, is counted, and runs once it is resumed', async () => {
    const policy = new Parking(({ number, payload }) => number === 1 && payload?.value === 'parked');
    let free = false;
    const parking: TaskPolicy = { before: (task) => (free ? 'run' : policy.before(task)) };
    const { queue, publisher, clock, called } = await scene([parking], (value) => value);
    const [parked, other] = [publisher.publish('parked'), publisher.publish('other')];
    await clock.turn();
    expect(parked.status).toBe('parked');
    expect(parked.getResult()).toBeUndefined();
    expect(other.status).toBe('settled');
    expect(queue.getMetrics()).toMatchObject({ parked: 1, inFlight: 0, busy: 0, settled: 1, qsize: 0, accepted: 2 });
    free = true;
    policy.resumeOne();
    expect((await parked.wait()).first()).toEqual(ok('parked'));
    expect(called).toEqual(['other', 'parked']);
    expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 2, busy: 0 });
    await queue.shutDownQueue();
  });

  test('is asked about again when it is resumed, and may be parked again', async () => {
    let times = 0;
    const policy = new Parking(() => times++ < 3);
    const { queue, publisher, clock, called } = await scene([policy], (_, { number }) => number);
    const event = publisher.publish(1);
    for (let i = 0; i < 3; i++) {
      await clock.turn();
      expect(event.status).toBe('parked');
      policy.resumeOne();
    }
    expect((await event.wait()).first()).toEqual(ok(1));
    expect(called).toEqual([1]);
    expect(times).toBe(4);
    await queue.shutDownQueue();
  });

  test('comes back before all that waits', async () => {
    const end = gate();
    const policy = parkingOnce();
    const { queue, publisher, clock, called } = await scene([policy], () => end.promise);
    void publisher.publish('first');
    await clock.turn();
    policy.resumeOne();
    await clock.turn();
    expect(called).toEqual(['first']);
    void publisher.publish('second');
    void publisher.publish('third');
    end.open();
    await clock.turn();
    expect(called).toEqual(['first']);
    expect(queue.getMetrics()).toMatchObject({ parked: 2, busy: 0 });
    queue.pause();
    void publisher.publish('fourth');
    policy.resumeOne();
    policy.resumeOne();
    queue.resume();
    await clock.turn();
    expect(called).toEqual(['first', 'second', 'third']);
    policy.resumeOne();
    await queue.shutDownQueue();
    expect(called).toEqual(['first', 'second', 'third', 'fourth']);
  });

  test('does not come back while the queue is paused', async () => {
    const policy = parkingOnce();
    const { queue, publisher, clock } = await scene([policy], (value) => value);
    const event = publisher.publish(1);
    await clock.turn();
    queue.pause();
    policy.resumeOne();
    await clock.turn();
    expect(event.status).toBe('parked');
    queue.resume();
    expect((await event.wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });

  test('resumed twice, or after it has settled, runs once', async () => {
    const policy = parkingOnce();
    const { queue, publisher, clock, called } = await scene([policy], (value) => value);
    const event = publisher.publish(1);
    await clock.turn();
    const [task] = policy.parked;
    task?.resume();
    task?.resume();
    await event.wait();
    task?.resume();
    await clock.turn();
    expect(called).toEqual([1]);
    expect(queue.getMetrics()).toMatchObject({ settled: 1, parked: 0, busy: 0, inFlight: 0 });
    await queue.shutDownQueue();
  });
});

describe('a task that a policy parks after its attempt', () => {
  test('is attempted again once it is resumed, with the next number', async () => {
    const policy = new Parking(undefined, ({ number }) => number < 3);
    const numbers: number[] = [];
    const { queue, publisher, clock } = await scene([policy], async (_, { number }) => {
      numbers.push(number);
      return number < 3 ? err(`attempt ${number}`) : ok('done');
    });
    const event = publisher.publish(1);
    for (let i = 0; i < 2; i++) {
      await clock.turn();
      expect(event.status).toBe('parked');
      expect(queue.getMetrics()).toMatchObject({ busy: 0, parked: 1, inFlight: 0 });
      policy.resumeOne();
    }
    expect((await event.wait()).first()).toEqual(ok('done'));
    expect(numbers).toEqual([1, 2, 3]);
    expect(policy.results).toEqual([err('attempt 1'), err('attempt 2'), ok('done')]);
    await queue.shutDownQueue();
  });

  test('gives each attempt a signal of its own', async () => {
    const policy = new Parking(undefined, ({ number }) => number < 2);
    const signals: AbortSignal[] = [];
    const end = gate();
    const { queue, publisher, clock } = await scene([policy], (_, attempt) => {
      signals.push(attempt.signal);
      return attempt.number === 1 ? 'again' : end.promise;
    });
    const event = publisher.publish(1);
    await clock.turn();
    policy.resumeOne();
    await clock.turn();
    event.cancel();
    expect(signals[1]).not.toBe(signals[0]);
    expect(signals[1]?.aborted).toBe(true);
    end.open();
    await queue.shutDownQueue();
  });

  test('has its result asked about by each policy in order, until one parks it', async () => {
    const asked: string[] = [];
    const policy = (name: string, park: boolean): TaskPolicy => ({
      before: ({ number }) => {
        asked.push(`${name} before ${number}`);
        return 'run';
      },
      after: ({ number }) => {
        asked.push(`${name} after ${number}`);
        return park && number === 1 ? 'park' : 'settle';
      },
    });
    const keeper = new Parking();
    const last: TaskPolicy = {
      before: (task) => {
        keeper.parked.push(task);
        return 'run';
      },
    };
    const policies = [policy('one', false), policy('two', true), policy('three', false), last];
    const { queue, publisher, clock } = await scene(policies, () => 1);
    const event = publisher.publish(1);
    await clock.turn();
    expect(asked).toEqual(['one before 1', 'two before 1', 'three before 1', 'one after 1', 'two after 1']);
    keeper.resumeOne();
    await event.wait();
    expect(asked.slice(5)).toEqual([
      'one before 2',
      'two before 2',
      'three before 2',
      'one after 2',
      'two after 2',
      'three after 2',
    ]);
    await queue.shutDownQueue();
  });
});

describe('a policy', () => {
  test.each(['before', 'after'] as const)(
    'that throws from %s settles the task as Err, and harms nobody',
    async (method) => {
      const policy: TaskPolicy = {
        [method]: (): never => {
          throw new Error('confused');
        },
      };
      const collectors = [new Collector('a', () => 1, { policies: [policy] }), new Collector('b', () => 2)];
      const { queue, publisher, clock } = await started(collectors, { maxConsumers: 1 });
      for (const value of [1, 2]) {
        const results = await publisher.publish(value).wait();
        const error = results.get('a')?._unsafeUnwrapErr() as ProcessorError;
        expect(error).toBeInstanceOf(ProcessorError);
        expect(error.cause).toEqual(new Error('confused'));
        expect(results.get('b')).toEqual(ok(2));
      }
      await clock.turn();
      expect(queue.getMetrics()).toMatchObject({ settled: 2, busy: 0 });
      expect(await queue.removeCollector('a')).toBe(true);
      await queue.shutDownQueue();
    },
  );

  test.each([
    ['before', async () => err('no'), "'run', 'park' or an Err at once, but it returned a Promise"],
    ['before', () => Promise.reject(new Error('nobody listens')), "'run', 'park' or an Err at once"],
    ['before', () => false, "'run', 'park' or an Err at once, but it returned false"],
    ['after', () => Promise.reject(new Error('nobody listens')), "'settle' or 'park' at once"],
    ['after', () => 'retry', "'settle' or 'park' at once, but it returned \"retry\""],
  ])('that answers from %s with what is no answer lets nothing pass', async (method, answer, told) => {
    let calls = 0;
    const { queue, publisher } = await scene([{ [method]: answer } as never], () => ++calls);
    const error = (await publisher.publish(1).wait()).first()._unsafeUnwrapErr() as ProcessorError;
    expect(error).toBeInstanceOf(ProcessorError);
    expect((error.cause as Error).message).toContain(`${method} of a policy must return ${told}`);
    expect(calls).toBe(method === 'before' ? 0 : 1);
    await queue.shutDownQueue();
  });

  test('that rejects where it has no say is reported', async () => {
    const reported: unknown[] = [];
    const reject = async (): Promise<void> => {
      throw new Error('confused');
    };
    const { queue, publisher, clock } = await scene([{ settled: reject, workEnded: reject }], () => 1);
    queue.events.on('error-internal', ({ source, error }) => reported.push(source, error));
    expect((await publisher.publish(1).wait()).oks()).toEqual([1]);
    await clock.turn();
    const both = ['policy of collector "a"', new Error('confused')];
    expect(reported).toEqual([...both, ...both]);
    await queue.shutDownQueue();
  });

  test('that throws from forget harms nobody, and is reported', async () => {
    const reported: unknown[] = [];
    const policy: TaskPolicy = {
      before: () => 'park',
      forget: () => {
        throw new Error('confused');
      },
    };
    const { queue, publisher, clock } = await scene([policy], () => 1);
    queue.events.on('error-internal', ({ source, error }) => reported.push(source, error));
    const event = publisher.publish(1);
    await clock.turn();
    event.cancel();
    expect(event.status).toBe('settled');
    expect(reported).toEqual(['policy of collector "a"', new Error('confused')]);
    expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 1 });
    await queue.shutDownQueue();
  });

  test('sees the task: its payload, number, collector and event', async () => {
    const seen: unknown[] = [];
    const policy: TaskPolicy = {
      before: ({ payload, number, collectorKey, eventId }) => {
        seen.push(payload?.value, number, collectorKey, eventId);
        return 'run';
      },
    };
    const { queue, publisher } = await scene([policy], () => 1);
    const event = publisher.publish('value');
    await event.wait();
    expect(seen).toEqual(['value', 1, 'a', event.id]);
    await queue.shutDownQueue();
  });
});

describe('at most maxParked tasks are parked:', () => {
  test.each([
    ['before', (policy: Parking): TaskPolicy => ({ before: (task) => policy.before(task) })],
    ['after', (policy: Parking): TaskPolicy => ({ after: (task) => policy.after(task, ok(1)) })],
  ])('one too many settles as Err, when parked %s its attempt', async (_, only) => {
    const policy = new Parking(
      () => true,
      () => true,
    );
    const { queue, publisher, clock } = await scene([only(policy)], () => 1, { maxParked: 2 });
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    await clock.turn();
    expect(events.map(({ status }) => status)).toEqual(['parked', 'parked', 'settled']);
    const error = events[2]?.getResult()?.first()._unsafeUnwrapErr();
    expect(error).toBeInstanceOf(ParkedFullError);
    expect(error).toMatchObject({
      code: ErrorCode.PARKED_FULL,
      retryable: true,
      message: '2 tasks are parked already (maxParked)',
    });
    events[0]?.cancel();
    const next = publisher.publish(4);
    await clock.turn();
    expect(next.status).toBe('parked');
    expect(queue.getMetrics()).toMatchObject({ parked: 2, settled: 2, busy: 0 });
    await giveUp({ queue, clock });
    expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 4 });
  });

  test('none at all with maxParked 0', async () => {
    const { queue, publisher } = await scene([{ before: () => 'park' }], () => 1, { maxParked: 0 });
    expect((await publisher.publish(1).wait()).first()._unsafeUnwrapErr()).toBeInstanceOf(ParkedFullError);
    await queue.shutDownQueue();
  });
});

describe('a parked task', () => {
  test('is forgotten when its event is cancelled, and never runs', async () => {
    const policy = parkingOnce();
    const { queue, publisher, clock, called } = await scene([policy], () => 1);
    const event = publisher.publish(1);
    await clock.turn();
    expect(event.cancel()).toBe(true);
    expect(policy.forgotten).toEqual(policy.parked);
    expect(event.getResult()?.first()._unsafeUnwrapErr()).toMatchObject({ code: ErrorCode.CANCELLED });
    policy.resumeOne();
    await clock.turn();
    expect(called).toEqual([]);
    expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 1, cancelled: 1, busy: 0 });
    await queue.onIdle();
    await queue.shutDownQueue();
  });

  test('never runs when its event is cancelled after it was resumed', async () => {
    const policy = parkingOnce();
    const { queue, publisher, clock, called } = await scene([policy], () => 1);
    const event = publisher.publish(1);
    await clock.turn();
    policy.resumeOne();
    event.cancel();
    await clock.turn();
    expect(called).toEqual([]);
    expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 1, busy: 0, inFlight: 0 });
    expect(await queue.removeCollector('a')).toBe(true);
    await queue.shutDownQueue();
  });

  test('keeps a draining shutdown waiting, and is finished by it', async () => {
    const policy = parkingOnce();
    const { queue, publisher, clock } = await scene([policy], () => 'done');
    const event = publisher.publish(1);
    await clock.turn();
    const closing = queue.shutDownQueue();
    expect(await isSettled(closing)).toBe(false);
    policy.resumeOne();
    await closing;
    expect(event.getResult()?.first()).toEqual(ok('done'));
    expect(policy.forgotten).toEqual([]);
  });

  test.each([
    ['its timeout', { timeout: 100 }, ErrorCode.SHUTDOWN_TIMEOUT],
    ['giving up', { drain: false }, ErrorCode.QUEUE_ABORTED],
  ])('is forgotten by a shutdown at %s, also if it was resumed', async (_, options, code) => {
    const policy = parkingOnce();
    const { queue, publisher, clock, called } = await scene([policy], () => 'done');
    const events = [publisher.publish(1), publisher.publish(2)];
    await clock.turn();
    queue.pause();
    if (code === ErrorCode.QUEUE_ABORTED) policy.parked[1]?.resume();
    const closing = queue.shutDownQueue(options);
    await clock.advance(100);
    await closing;
    for (const event of events) expect(event.getResult()?.errs()).toMatchObject([{ code }]);
    expect(called).toEqual([]);
    expect(queue.getMetrics()).toMatchObject({ parked: 0, settled: 2, cancelled: 2 });
  });

  test('keeps its collector from being removed until it has ended', async () => {
    const policy = parkingOnce();
    const { queue, publisher, clock } = await scene([policy], () => 'done');
    const event = publisher.publish(1);
    await clock.turn();
    const removed = queue.removeCollector('a');
    expect(await isSettled(removed)).toBe(false);
    policy.resumeOne();
    expect(await removed).toBe(true);
    expect(event.getResult()?.first()).toEqual(ok('done'));
    await queue.shutDownQueue();
  });

  test('runs in the context of initQueue, or of its sender with asyncContext, whoever resumes it', async () => {
    const { AsyncLocalStorage } = await import('node:async_hooks');
    const storage = new AsyncLocalStorage<string>();
    for (const asyncContext of [false, true]) {
      const policy = parkingOnce();
      const { queue, publisher, clock } = await storage.run('init', () =>
        scene([policy], () => storage.getStore(), { asyncContext }),
      );
      const event = storage.run('sender', () => publisher.publish(1));
      await clock.turn();
      storage.run('resumer', () => policy.resumeOne());
      expect((await event.wait()).first()).toEqual(ok(asyncContext ? 'sender' : 'init'));
      await queue.shutDownQueue();
    }
  });
});

describe('of several tasks of one payload', () => {
  interface Two {
    readonly scene: Scene;
    readonly policy: Parking;
    readonly called: string[];
    readonly event: CollectorEvent;
  }

  async function two(
    first: CollectorOptions,
    processor: (event: () => CollectorEvent | undefined) => unknown = () => 'a',
    second: () => unknown = () => 'b',
  ): Promise<Two> {
    const called: string[] = [];
    const events: CollectorEvent[] = [];
    const policy = parkingOnce();
    const collectors = [
      new Collector(
        'a',
        () => {
          called.push('a');
          return processor(() => events[0]);
        },
        { policies: [policy], ...first },
      ),
      new Collector(
        'b',
        () => {
          called.push('b');
          return second();
        },
        first,
      ),
    ];
    const made = await started(collectors, { maxConsumers: 1 });
    const event = made.publisher.publish(1);
    events.push(event);
    await made.clock.turn();
    return { scene: made, policy, called, event };
  }

  test('one that is parked lets the others run; the event is parked once they have ended', async () => {
    const { scene: made, policy, called, event } = await two({});
    expect(called).toEqual(['b']);
    expect(event.status).toBe('parked');
    expect(made.queue.getMetrics()).toMatchObject({ parked: 1, busy: 0 });
    policy.resumeOne();
    expect((await event.wait()).oks()).toEqual(['a', 'b']);
    await made.queue.shutDownQueue();
  });

  test('one that is resumed while the others run joins them at once', async () => {
    const end = gate<string>();
    const { scene: made, policy, called, event } = await two({}, undefined, () => end.promise);
    expect(event.status).toBe('running');
    policy.resumeOne();
    expect(called).toEqual(['b', 'a']);
    expect(made.queue.getMetrics()).toMatchObject({ busy: 1, inFlight: 1, parked: 0 });
    end.open('b');
    expect((await event.wait()).oks()).toEqual(['a', 'b']);
    await made.clock.turn();
    expect(made.queue.getMetrics()).toMatchObject({ busy: 0, settled: 1 });
    await made.queue.shutDownQueue();
  });

  test('one that joins the others again may outlast them', async () => {
    const [endA, endB] = [gate<string>(), gate<string>()];
    const {
      scene: made,
      policy,
      event,
    } = await two(
      {},
      () => endA.promise,
      () => endB.promise,
    );
    policy.resumeOne();
    endB.open('b');
    await made.clock.turn();
    expect(event.status).toBe('running');
    expect(made.queue.getMetrics().busy).toBe(1);
    endA.open('a');
    expect((await event.wait()).oks()).toEqual(['a', 'b']);
    await made.clock.turn();
    expect(made.queue.getMetrics().busy).toBe(0);
    await made.queue.shutDownQueue();
  });

  test('all that were resumed share one consumer', async () => {
    const policy = parkingOnce();
    const { scene: made, called, event } = await two({ policies: [policy] });
    expect(called).toEqual([]);
    policy.resumeOne();
    policy.resumeOne();
    expect((await event.wait()).oks()).toEqual(['a', 'b']);
    expect(made.queue.getMetrics()).toMatchObject({ busy: 0, parked: 0, settled: 1 });
    await made.queue.shutDownQueue();
  });

  test('none runs any more once another has cancelled the event', async () => {
    const policy = parkingOnce();
    const { scene: made, called, event } = await two({ policies: [policy] }, (own) => own()?.cancel('from within'));
    policy.resumeOne();
    policy.resumeOne();
    await made.clock.turn();
    expect(event.getResult()?.errs()).toMatchObject([{ code: ErrorCode.CANCELLED }, { code: ErrorCode.CANCELLED }]);
    expect(called).toEqual(['a']);
    expect(made.queue.getMetrics()).toMatchObject({ busy: 0, parked: 0, settled: 1, inFlight: 0 });
    expect(await made.queue.removeCollector('b')).toBe(true);
    await made.queue.shutDownQueue();
  });

  test('a cancelled event forgets those that are parked, and keeps its consumer for those that run', async () => {
    const end = gate<string>();
    const { scene: made, policy, event } = await two({}, undefined, () => end.promise);
    event.cancel();
    expect(policy.forgotten).toHaveLength(1);
    expect(made.queue.getMetrics()).toMatchObject({ busy: 1, parked: 0, settled: 1 });
    end.open('late');
    await made.clock.turn();
    expect(made.queue.getMetrics()).toMatchObject({ busy: 0, late: 1 });
    await made.queue.shutDownQueue();
  });
});
