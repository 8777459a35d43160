import {
  type AnyCollector,
  type Attempt,
  Collector,
  type Deliver,
  ErrorCode,
  err,
  ok,
  type Payload,
  type QueueOptions,
  ResultList,
  Router,
  RouterError,
  RouterTimeoutError,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, type Scene, started } from './scene.ts';

type Handle = (deliver: (...keys: string[]) => ReturnType<Deliver>, payload: Payload, raw: Deliver) => unknown;

/** A router whose `handleEvent` is given, and delivers by key. */
class Controlling extends Router {
  readonly #handle: Handle;

  constructor(handle: Handle) {
    super();
    this.#handle = handle;
  }

  select(): readonly AnyCollector[] {
    throw new Error('not asked');
  }

  override handleEvent(payload: Payload, deliver: Deliver): ResultList | Promise<ResultList> {
    const byKey = (...keys: string[]): ReturnType<Deliver> =>
      deliver(keys.map((key) => this.collectors.get(key) as AnyCollector));
    return this.#handle(byKey, payload, deliver) as ResultList;
  }
}

function controlled(collectors: readonly AnyCollector[], handle: Handle, options: QueueOptions = {}): Promise<Scene> {
  return started(collectors, { ...options, router: new Controlling(handle) });
}

/** Collectors that keep a list of who was called, and yield their key. */
function three(called: string[], how: 'sync' | 'async'): Collector[] {
  return ['a', 'b', 'c'].map(
    (key) =>
      new Collector(key, (): unknown => {
        called.push(key);
        return how === 'sync' ? key : Promise.resolve(key);
      }),
  );
}

describe.each(['sync', 'async'] as const)('a router with full control over %s processors', (how) => {
  test('returns what a delivery brings, in order of registration', async () => {
    const called: string[] = [];
    const { queue, publisher } = await controlled(three(called, how), (deliver) => deliver('c', 'a'));
    const results = await publisher.publish(1).wait();
    expect(called).toEqual(['a', 'c']);
    expect(results.keys()).toEqual(['a', 'c']);
    expect(results.oks()).toEqual(['a', 'c']);
    expect(results.delivered).toBe(2);
    expect(queue.getMetrics()).toMatchObject({ settled: 1, busy: 0, inFlight: 0 });
    await queue.shutDownQueue();
  });

  test('delivers to one after the other, as it likes', async () => {
    const called: string[] = [];
    const { queue, publisher } = await controlled(three(called, how), async (deliver) => {
      const first = await deliver('b');
      called.push('between');
      const second = await deliver('a');
      return new ResultList([...first, ...second], [...first.keys(), ...second.keys()]);
    });
    const results = await publisher.publish(1).wait();
    expect(called).toEqual(['b', 'between', 'a']);
    expect(results.keys()).toEqual(['b', 'a']);
    expect(results.get('a')).toEqual(ok('a'));
    await queue.shutDownQueue();
  });

  test('says what the results are, whatever was delivered', async () => {
    const called: string[] = [];
    const own = new ResultList([err('overruled')]);
    const { queue, publisher } = await controlled(three(called, how), async (deliver) => {
      await deliver('a', 'b');
      return own;
    });
    const event = publisher.publish(1);
    expect(await event.wait()).toBe(own);
    expect(event.getResult()).toBe(own);
    expect(called).toEqual(['a', 'b']);
    await queue.shutDownQueue();
  });

  test('may deliver to nobody', async () => {
    const called: string[] = [];
    const { queue, publisher } = await controlled(three(called, how), () => new ResultList([ok('none')]));
    expect((await publisher.publish(1).wait()).first()).toEqual(ok('none'));
    expect(called).toEqual([]);
    expect(queue.getMetrics()).toMatchObject({ settled: 1, unrouted: 0 });
    await queue.shutDownQueue();
  });

  test('cannot deliver twice to one collector', async () => {
    const called: string[] = [];
    const { queue, publisher } = await controlled(three(called, how), async (deliver) => {
      await deliver('a', 'b');
      return deliver('b', 'c');
    });
    const error = (await publisher.publish(1).wait()).first()._unsafeUnwrapErr() as Error;
    expect(error).toBeInstanceOf(RouterError);
    expect(error.message).toBe('the payload was delivered to collector "b" before');
    expect(called).toEqual(['a', 'b']);
    await queue.shutDownQueue();
  });

  test('delivers once to a collector that it names twice', async () => {
    const called: string[] = [];
    const { queue, publisher } = await controlled(three(called, how), (deliver) => deliver('b', 'a', 'b'));
    expect((await publisher.publish(1).wait()).keys()).toEqual(['a', 'b']);
    expect(called).toEqual(['a', 'b']);
    await queue.shutDownQueue();
  });

  test('may return before its delivery has ended: the event settles, the consumer stays busy until it does', async () => {
    const end = gate();
    const collector = new Collector('a', () => end.promise);
    const own = new ResultList([ok('early')]);
    const { queue, publisher, clock } = await controlled([collector], (deliver) => {
      void deliver('a');
      return how === 'sync' ? own : Promise.resolve(own);
    });
    expect(await publisher.publish(1).wait()).toBe(own);
    await clock.turn();
    expect(queue.getMetrics()).toMatchObject({ settled: 1, busy: 1, late: 0 });
    end.open();
    await clock.turn();
    expect(queue.getMetrics()).toMatchObject({ settled: 1, busy: 0, late: 1 });
    await queue.shutDownQueue();
  });

  test('gets real Results from a delivery also when it did not wait for it', async () => {
    const end = gate();
    const slow = new Collector('slow', async () => {
      await end.promise;
      return 'slow';
    });
    const lists: ResultList[] = [];
    const { queue, publisher, clock } = await controlled([slow], (deliver) => {
      void Promise.resolve(deliver('slow')).then((list) => lists.push(list));
      const own = new ResultList([ok('early')]);
      return how === 'sync' ? own : Promise.resolve(own);
    });
    await publisher.publish(1).wait();
    end.open();
    await clock.turn();
    expect(lists).toHaveLength(1);
    for (const result of lists.flatMap((list) => [...list])) expect(typeof result?.isOk).toBe('function');
    await queue.shutDownQueue();
  });
});

describe('a router with full control', () => {
  test('gets an Err from a processor as any other result', async () => {
    const failing = new Collector('a', () => {
      throw new Error('no');
    });
    const { queue, publisher } = await controlled([failing, new Collector('b', () => 'fallback')], async (deliver) => {
      const first = await deliver('a');
      return first.isOk() ? first : deliver('b');
    });
    expect((await publisher.publish(1).wait()).oks()).toEqual(['fallback']);
    await queue.shutDownQueue();
  });

  const failures: [title: string, handle: Handle, cause: unknown][] = [
    [
      'throws',
      () => {
        throw new Error('lost');
      },
      new Error('lost'),
    ],
    ['rejects', () => Promise.reject(new Error('lost')), new Error('lost')],
    [
      'throws undefined',
      () => {
        throw undefined;
      },
      undefined,
    ],
    ['rejects with null', () => Promise.reject(null), null],
  ];

  test.each(failures)('that %s gives one Err with the cause', async (_, handle, cause) => {
    const { queue, publisher, clock } = await controlled([new Collector('a', () => 1)], handle, { maxConsumers: 1 });
    for (const value of [1, 2]) {
      const error = (await publisher.publish(value).wait()).first()._unsafeUnwrapErr() as Error;
      expect(error).toBeInstanceOf(RouterError);
      expect(error.cause).toEqual(cause);
    }
    await clock.turn();
    expect(queue.getMetrics()).toMatchObject({ settled: 2, busy: 0 });
    await queue.shutDownQueue();
  });

  const junk: [title: string, value: unknown][] = [
    ['nothing', undefined],
    ['null', null],
    ['a number', 7],
    ['an array of Results', [ok(1)]],
    ['a Result', ok(1)],
  ];

  test.each(junk)('that returns %s gives an Err, also if it does so later', async (_, value) => {
    for (const handle of [() => value, async () => value]) {
      const { queue, publisher } = await controlled([new Collector('a', () => 1)], handle);
      const error = (await publisher.publish(1).wait()).first()._unsafeUnwrapErr() as Error;
      expect(error).toBeInstanceOf(RouterError);
      expect(error.message).toContain('handleEvent must return a ResultList, but it returned');
      await queue.shutDownQueue();
    }
  });

  test('that returns junk while a delivery is under way gives an Err, and the work ends as it would', async () => {
    const end = gate();
    const { queue, publisher, clock } = await controlled([new Collector('a', () => end.promise)], (deliver) => {
      void deliver('a');
      return 'junk';
    });
    const results = await publisher.publish(1).wait();
    expect(results.first()._unsafeUnwrapErr()).toBeInstanceOf(RouterError);
    expect(queue.getMetrics().busy).toBe(1);
    end.open();
    await clock.turn();
    expect(queue.getMetrics()).toMatchObject({ busy: 0, late: 1 });
    await queue.shutDownQueue();
  });

  test('cannot deliver to what is no collector of the queue', async () => {
    for (const chosen of [[null], ['a'], [new Collector('a', () => 1)], undefined, 'a']) {
      const { queue, publisher } = await controlled([new Collector('a', () => 1)], (_, __, deliver) =>
        deliver(chosen as never),
      );
      const error = (await publisher.publish(1).wait()).first()._unsafeUnwrapErr();
      expect(error).toBeInstanceOf(RouterError);
      await queue.shutDownQueue();
    }
  });

  test('is told of a wrong delivery by a throw, as the contract of deliver says', async () => {
    const seen: unknown[] = [];
    const { queue, publisher } = await controlled([new Collector('a', () => 1)], (_, __, deliver) => {
      try {
        return deliver([new Collector('stranger', () => 1)]);
      } catch (error) {
        seen.push(error);
        return new ResultList([ok('handled')]);
      }
    });
    expect((await publisher.publish(1).wait()).first()).toEqual(ok('handled'));
    expect(seen[0]).toBeInstanceOf(RouterError);
    await queue.shutDownQueue();
  });

  test('that takes longer than routerTimeout gives an Err, frees its consumer, and its late answer is ignored', async () => {
    const answer = gate<ResultList>();
    const { queue, publisher, clock } = await controlled([new Collector('a', () => 1)], () => answer.promise, {
      routerTimeout: 100,
      maxConsumers: 1,
    });
    const event = publisher.publish(1);
    await clock.advance(99);
    expect(event.status).toBe('running');
    await clock.advance(1);
    const error = event.getResult()?.first()._unsafeUnwrapErr();
    expect(error).toBeInstanceOf(RouterTimeoutError);
    expect(error).toMatchObject({ code: ErrorCode.ROUTER_TIMEOUT, retryable: true });
    expect((error as Error).message).toBe('the router took longer than 100 ms (routerTimeout)');
    expect(queue.getMetrics()).toMatchObject({ busy: 0, settled: 1 });
    const settled = event.getResult();
    answer.open(new ResultList([ok('late')]));
    await clock.turn();
    expect(event.getResult()).toBe(settled);
    await queue.shutDownQueue();
  });

  test('that takes longer than routerTimeout keeps the results that are there, and its tasks see their signals', async () => {
    const signals: AbortSignal[] = [];
    const end = gate();
    const collectors = [
      new Collector('quick', () => 'quick'),
      new Collector('slow', (_, __, attempt: Attempt) => {
        signals.push(attempt.signal);
        return end.promise;
      }),
    ];
    const { queue, publisher, clock } = await controlled(collectors, (deliver) => deliver('slow', 'quick'), {
      routerTimeout: 100,
    });
    const event = publisher.publish(1);
    await clock.advance(100);
    expect(event.getResult()?.get('quick')).toEqual(ok('quick'));
    expect(event.getResult()?.get('slow')?._unsafeUnwrapErr()).toBeInstanceOf(RouterTimeoutError);
    expect(signals[0]?.reason).toBeInstanceOf(RouterTimeoutError);
    expect(queue.getMetrics().busy).toBe(1);
    end.open();
    await clock.turn();
    expect(queue.getMetrics()).toMatchObject({ busy: 0, late: 1 });
    await queue.shutDownQueue();
  });

  test('that answers in time leaves no timer behind', async () => {
    const { queue, publisher, clock } = await controlled(
      [new Collector('a', async () => 1)],
      (deliver) => deliver('a'),
      {
        routerTimeout: 100,
      },
    );
    const before = clock.pendingTimers;
    await publisher.publish(1).wait();
    await clock.turn();
    expect(clock.pendingTimers).toBe(before + 1);
    await queue.shutDownQueue();
    expect(clock.pendingTimers).toBe(0);
  });

  test('gets the results of the event when it delivers after a cancellation, and nobody is called', async () => {
    const called: string[] = [];
    const [go, late] = [gate(), gate<ResultList>()];
    const { queue, publisher, clock } = await controlled(three(called, 'sync'), async (deliver) => {
      await go.promise;
      const list = await deliver('a');
      late.open(list);
      return list;
    });
    const event = publisher.publish(1);
    await clock.turn();
    expect(event.cancel('enough')).toBe(true);
    go.open();
    expect(await late.promise).toBe(event.getResult());
    await clock.turn();
    expect(called).toEqual([]);
    expect(event.getResult()?.first()._unsafeUnwrapErr()).toMatchObject({ code: ErrorCode.CANCELLED });
    expect(queue.getMetrics()).toMatchObject({ busy: 0, cancelled: 1 });
    await queue.shutDownQueue();
  });

  test('is woken from its deliveries by a cancellation; what is done stays, in order of registration', async () => {
    const end = gate();
    const lists: ResultList[] = [];
    const collectors = [
      new Collector('a', () => 'a'),
      new Collector('b', () => end.promise),
      new Collector('c', () => 'c'),
    ];
    const { queue, publisher, clock } = await controlled(collectors, async (deliver) => {
      await deliver('c');
      const list = await deliver('b', 'a');
      lists.push(list);
      return list;
    });
    const event = publisher.publish(1);
    await clock.turn();
    event.cancel();
    await clock.turn();
    const results = event.getResult();
    expect(results?.keys()).toEqual(['a', 'b', 'c']);
    expect(results?.oks()).toEqual(['a', 'c']);
    expect(results?.get('b')?._unsafeUnwrapErr()).toMatchObject({ code: ErrorCode.CANCELLED });
    expect(lists[0]?.keys()).toEqual(['a', 'b']);
    expect(queue.getMetrics().busy).toBe(1);
    end.open();
    await queue.shutDownQueue();
  });

  test('that hangs is given up at shutdown', async () => {
    const { queue, publisher, clock } = await controlled(
      [new Collector('a', () => 1)],
      () => new Promise(() => undefined),
    );
    const event = publisher.publish(1);
    await clock.turn();
    const closing = queue.shutDownQueue({ timeout: 50 });
    await clock.advance(50);
    await closing;
    expect(event.getResult()?.first()._unsafeUnwrapErr()).toMatchObject({ code: ErrorCode.SHUTDOWN_TIMEOUT });
  });

  const hostile: [title: string, make: () => unknown][] = [
    ['whose own then throws after it called back', () => ownThen((list, back) => [back(list), raise()])],
    ['whose own then calls back at once', () => ownThen((list, back) => back(list))],
    ['whose own then calls back twice', () => ownThen((list, back) => [back(list), back(list)])],
    ['whose own then throws', () => ownThen(() => raise())],
    [
      'whose constructor cannot be read',
      () => Object.defineProperty(Promise.resolve(list()), 'constructor', { get: raise }),
    ],
    ['of what cannot be looked at', () => Promise.resolve(opaque())],
  ];

  test.each(hostile)('that returns a promise %s settles once, and loses no consumer', async (_, make) => {
    let hostileOnce = true;
    const handle: Handle = (deliver) => {
      if (!hostileOnce) return deliver('a');
      hostileOnce = false;
      return make();
    };
    const options = { maxConsumers: 1, routerTimeout: 1000 };
    const { queue, publisher, clock } = await controlled([new Collector('a', async () => 'next')], handle, options);
    const timers = clock.pendingTimers;
    const event = publisher.publish(1);
    const next = publisher.publish(2);
    await clock.turn();
    expect(event.status).toBe('settled');
    expect(next.getResult()?.first()).toEqual(ok('next'));
    expect(queue.getMetrics()).toMatchObject({ settled: 2, busy: 0, consumers: 1 });
    expect(clock.pendingTimers).toBe(timers + 1);
    await queue.shutDownQueue();
    expect(clock.pendingTimers).toBe(0);
  });
});

function list(): ResultList {
  return new ResultList([ok('list')]);
}

function raise(): never {
  throw new Error('hostile');
}

/** A promise with a `then` of its own. */
function ownThen(then: (list: ResultList, back: (list: ResultList) => void) => unknown): unknown {
  const value = (back: (list: ResultList) => void) => then(list(), back);
  return Object.defineProperty(Promise.resolve(list()), 'then', { value });
}

/** An object that throws whatever is done to it, but `then` it has not. */
function opaque(): object {
  return new Proxy(
    {},
    { get: (_, name) => (name === 'then' ? undefined : raise()), getPrototypeOf: raise, has: raise, ownKeys: raise },
  );
}
