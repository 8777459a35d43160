import { Collector, CollectorQueue, LifecycleError, QueueClosedError } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, isSettled, rejectionOf, started } from './scene.ts';

const noop = (): void => undefined;

interface Faults {
  readonly setup?: unknown;
  readonly shutdown?: unknown;
}

/** Collectors that tell what happens to them, by either kind of lifecycle, and fail where they are told to. */
class Diary {
  readonly entries: string[] = [];

  generator(key: string, faults: Faults = {}): Collector {
    const { entries } = this;
    const lifecycle = async function* (): AsyncGenerator<undefined, void, void> {
      entries.push(`${key} up`);
      if (faults.setup !== undefined) throw faults.setup;
      yield;
      entries.push(`${key} down`);
      if (faults.shutdown !== undefined) throw faults.shutdown;
    };
    return new Collector(key, noop, { lifecycle });
  }

  object(key: string, faults: Faults = {}): Collector {
    const { entries } = this;
    const lifecycle = {
      setup(): void {
        entries.push(`${key} up`);
        if (faults.setup !== undefined) throw faults.setup;
      },
      async shutdown(): Promise<void> {
        entries.push(`${key} down`);
        if (faults.shutdown !== undefined) throw faults.shutdown;
      },
    };
    return new Collector(key, noop, { lifecycle });
  }
}

const KINDS = ['generator', 'object'] as const;

describe.each(KINDS)('lifecycles (%s)', (kind) => {
  test('are set up in declared order and shut down in reverse', async () => {
    const diary = new Diary();
    const { queue } = await started(['a', 'b', 'c'].map((key) => diary[kind](key)));
    expect(diary.entries).toEqual(['a up', 'b up', 'c up']);
    await queue.shutDownQueue();
    expect(diary.entries.slice(3)).toEqual(['c down', 'b down', 'a down']);
  });

  test('that fail to set up roll those already up back, in reverse, and the rest is never set up', async () => {
    const diary = new Diary();
    const cause = new Error('no disk');
    const collectors = [diary[kind]('a'), diary[kind]('b'), diary[kind]('c', { setup: cause }), diary[kind]('d')];
    const error = (await rejectionOf(new CollectorQueue(collectors).initQueue())) as LifecycleError;
    expect(error).toBeInstanceOf(LifecycleError);
    expect(error).toMatchObject({ code: 'CQ_LIFECYCLE', retryable: false, cause, errors: [cause] });
    expect(diary.entries).toEqual(['a up', 'b up', 'c up', 'b down', 'a down']);
  });

  test('that fail while they are rolled back skip nobody, and every cause is told', async () => {
    const diary = new Diary();
    const [first, second, third] = [new Error('setup'), new Error('down b'), new Error('down a')];
    const collectors = [
      diary[kind]('a', { shutdown: third }),
      diary[kind]('b', { shutdown: second }),
      diary[kind]('c', { setup: first }),
    ];
    const error = (await rejectionOf(new CollectorQueue(collectors).initQueue())) as LifecycleError;
    expect(error.errors).toEqual([first, second, third]);
    expect(diary.entries).toEqual(['a up', 'b up', 'c up', 'b down', 'a down']);
  });

  test('that fail to shut down skip nobody, and every cause is told', async () => {
    const diary = new Diary();
    const [one, other] = [new Error('c'), new Error('a')];
    const collectors = [diary[kind]('a', { shutdown: other }), diary[kind]('b'), diary[kind]('c', { shutdown: one })];
    const { queue } = await started(collectors);
    const error = (await rejectionOf(queue.shutDownQueue())) as LifecycleError;
    expect(error).toBeInstanceOf(LifecycleError);
    expect(error.errors).toEqual([one, other]);
    expect(diary.entries.slice(3)).toEqual(['c down', 'b down', 'a down']);
  });

  test('that failed to shut down do not keep the queue from being initialised again', async () => {
    const diary = new Diary();
    const { queue, publisher } = await started([diary[kind]('a', { shutdown: new Error('stuck') })]);
    await rejectionOf(queue.shutDownQueue());
    await queue.initQueue();
    expect((await publisher.publish(1).wait()).isOk()).toBe(true);
    expect(diary.entries).toEqual(['a up', 'a down', 'a up']);
    await rejectionOf(queue.shutDownQueue());
  });

  test('are set up again, all of them, when the queue is initialised after a failure', async () => {
    const diary = new Diary();
    const faults: { setup?: unknown } = { setup: new Error('not yet') };
    const queue = new CollectorQueue([diary[kind]('a'), diary[kind]('b', faults)]);
    await rejectionOf(queue.initQueue());
    delete faults.setup;
    await queue.initQueue();
    expect(diary.entries).toEqual(['a up', 'b up', 'a down', 'a up', 'b up']);
    expect((await queue.getPublisher().publish(1).wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });

  test('are set up again when the queue is initialised after a shutdown, each time once', async () => {
    const diary = new Diary();
    const { queue, publisher } = await started([diary[kind]('a')]);
    await queue.shutDownQueue();
    await queue.initQueue();
    expect((await publisher.publish(1).wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
    expect(diary.entries).toEqual(['a up', 'a down', 'a up', 'a down']);
  });

  test('may throw anything at all, and it is told as it is', async () => {
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error('do not look at me');
        },
        getPrototypeOf: () => {
          throw new Error('nor at my parents');
        },
      },
    );
    for (const thrown of [null, 'text', 7, Object.freeze({}), hostile]) {
      const diary = new Diary();
      const error = (await rejectionOf(
        new CollectorQueue([diary[kind]('a', { setup: thrown })]).initQueue(),
      )) as LifecycleError;
      expect(error).toBeInstanceOf(LifecycleError);
      expect(Object.is(error.errors[0], thrown)).toBe(true);
    }
  });
});

describe('initialising', () => {
  test('is shared by concurrent callers, and does nothing once the queue is up', async () => {
    const diary = new Diary();
    const queue = new CollectorQueue([diary.generator('a')]);
    await Promise.all([queue.initQueue(), queue.initQueue()]);
    await queue.initQueue();
    expect(diary.entries).toEqual(['a up']);
    await queue.shutDownQueue();
  });

  test('that fails fails for every concurrent caller, and sets up once', async () => {
    const diary = new Diary();
    const queue = new CollectorQueue([diary.generator('a', { setup: new Error('no') })]);
    const [one, other] = await Promise.all([rejectionOf(queue.initQueue()), rejectionOf(queue.initQueue())]);
    expect(one).toBeInstanceOf(LifecycleError);
    expect(other).toBe(one);
    expect(diary.entries).toEqual(['a up']);
  });

  test('during a shutdown waits for its end, and then sets everything up again', async () => {
    const diary = new Diary();
    const { queue, publisher } = await started([diary.generator('a')]);
    const closing = queue.shutDownQueue();
    await Promise.all([queue.initQueue(), queue.initQueue(), closing]);
    expect(diary.entries).toEqual(['a up', 'a down', 'a up']);
    expect((await publisher.publish(1).wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });

  test('during a shutdown that fails succeeds all the same', async () => {
    const diary = new Diary();
    const { queue } = await started([diary.object('a', { shutdown: new Error('no') })]);
    const closing = rejectionOf(queue.shutDownQueue());
    await queue.initQueue();
    expect(await closing).toBeInstanceOf(LifecycleError);
    expect(queue.consumerCount).toBe(1);
    await rejectionOf(queue.shutDownQueue());
  });

  test('waits for an asynchronous set-up, and takes no payload before', async () => {
    const open = gate<{ db: string }>();
    const seen: unknown[] = [];
    const collector = new Collector('a', (_, context) => void seen.push(context), {
      lifecycle: { setup: () => open.promise },
    });
    const queue = new CollectorQueue([collector]);
    const starting = queue.initQueue();
    expect(await isSettled(starting)).toBe(false);
    open.open({ db: 'open' });
    await starting;
    await queue.getPublisher().publish(1).wait();
    expect(seen).toEqual([{ db: 'open' }]);
    await queue.shutDownQueue();
  });
});

describe('a lifecycle of the wrong shape', () => {
  const wrong: [title: string, lifecycle: unknown, message: string][] = [
    ['a generator that never yields', async function* () {}, 'one that never yields'],
    ['a synchronous generator that never yields', function* () {}, 'one that never yields'],
    ['a function that is no generator', () => undefined, 'a function that returned undefined'],
    ['an async function', async () => ({ db: 1 }), 'a function that returned a Promise'],
    ['a class', class Database {}, 'Class constructor Database'],
    [
      'a generator that yields a number',
      async function* () {
        yield 7;
      },
      'yielding 7',
    ],
    [
      'a generator that yields null',
      function* () {
        yield null;
      },
      'yielding null',
    ],
    [
      'a generator that yields an array',
      function* () {
        yield ['db'];
      },
      'yielding an array of length 1',
    ],
  ];

  test.each(wrong)('%s makes initQueue fail', async (_, lifecycle, message) => {
    const collector = new Collector('a', noop, { lifecycle: lifecycle as never });
    const error = (await rejectionOf(new CollectorQueue([collector]).initQueue())) as LifecycleError;
    expect(error).toBeInstanceOf(LifecycleError);
    expect(String(error.errors[0])).toContain(message);
  });

  test('a setup that returns what is no object makes initQueue fail', async () => {
    const collector = new Collector('a', noop, { lifecycle: { setup: (): object => 'db' as never } });
    const error = (await rejectionOf(new CollectorQueue([collector]).initQueue())) as LifecycleError;
    expect(String(error.errors[0])).toContain('yielding "db"');
  });

  test('a generator that yields twice makes the shutdown fail, and runs to its finally', async () => {
    const entries: string[] = [];
    const lifecycle = function* (): Generator<undefined, void, void> {
      try {
        yield;
        yield;
        entries.push('never');
      } finally {
        entries.push('finally');
      }
    };
    const { queue } = await started([new Collector('a', noop, { lifecycle })]);
    const error = (await rejectionOf(queue.shutDownQueue())) as LifecycleError;
    expect(String(error.errors[0])).toContain('one that yields twice');
    expect(entries).toEqual(['finally']);
  });

  test('what a generator opened is closed, though what it yields is refused', async () => {
    const entries: string[] = [];
    const lifecycle = async function* (): AsyncGenerator<object, void, void> {
      entries.push('open');
      try {
        yield 7 as never;
      } finally {
        entries.push('closed');
      }
    };
    await rejectionOf(new CollectorQueue([new Collector('a', noop, { lifecycle })]).initQueue());
    expect(entries).toEqual(['open', 'closed']);
  });

  test('what a setup opened is closed, though what it returns is refused', async () => {
    const entries: string[] = [];
    const lifecycle = {
      setup: (): object => {
        entries.push('open');
        return 7 as never;
      },
      shutdown: (): void => void entries.push('closed'),
    };
    await rejectionOf(new CollectorQueue([new Collector('a', noop, { lifecycle })]).initQueue());
    expect(entries).toEqual(['open', 'closed']);
  });
});

describe('half a lifecycle', () => {
  test('a setup alone needs no shutdown, a shutdown alone no setup', async () => {
    const entries: string[] = [];
    const { queue } = await started([
      new Collector('a', noop, { lifecycle: { setup: () => void entries.push('up') } }),
      new Collector('b', noop, { lifecycle: { shutdown: () => void entries.push('down') } }),
    ]);
    await queue.shutDownQueue();
    expect(entries).toEqual(['up', 'down']);
  });

  test('the methods are called on their object', async () => {
    class Resource {
      state = 'new';
      setup(): void {
        this.state = 'up';
      }
      shutdown(): void {
        this.state = 'down';
      }
    }
    const lifecycle = new Resource();
    const { queue } = await started([new Collector('a', noop, { lifecycle })]);
    expect(lifecycle.state).toBe('up');
    await queue.shutDownQueue();
    expect(lifecycle.state).toBe('down');
  });
});

describe('shutting down', () => {
  test('before initQueue does nothing', async () => {
    const diary = new Diary();
    const queue = new CollectorQueue([diary.generator('a')]);
    await queue.shutDownQueue();
    expect(diary.entries).toEqual([]);
    await queue.initQueue();
    expect(diary.entries).toEqual(['a up']);
    await queue.shutDownQueue();
  });

  test('during initQueue waits for the set-up under way, sets up no more, and rolls back', async () => {
    const diary = new Diary();
    const [begun, open] = [gate(), gate()];
    const slow = new Collector('b', noop, {
      lifecycle: {
        setup: () => {
          diary.entries.push('b up');
          begun.open();
          return open.promise;
        },
        shutdown: () => void diary.entries.push('b down'),
      },
    });
    const queue = new CollectorQueue([diary.object('a'), slow, diary.object('c')]);
    const starting = rejectionOf(queue.initQueue());
    await begun.promise;
    const closing = queue.shutDownQueue();
    expect(await isSettled(closing)).toBe(false);
    open.open();
    await closing;
    expect(await starting).toBeInstanceOf(QueueClosedError);
    expect(diary.entries).toEqual(['a up', 'b up', 'b down', 'a down']);
    expect(queue.consumerCount).toBe(0);
  });

  test('during initQueue makes both reject with what the roll-back failed with', async () => {
    const fault = new Error('will not close');
    const diary = new Diary();
    const queue = new CollectorQueue([diary.object('a', { shutdown: fault })]);
    const starting = rejectionOf(queue.initQueue());
    expect(await rejectionOf(queue.shutDownQueue())).toMatchObject({ code: 'CQ_LIFECYCLE', errors: [fault] });
    expect(await starting).toMatchObject({ code: 'CQ_LIFECYCLE', errors: [fault] });
  });

  test('during initQueue does not keep the queue from being initialised afterwards', async () => {
    const diary = new Diary();
    const queue = new CollectorQueue([diary.object('a')]);
    const starting = rejectionOf(queue.initQueue());
    await queue.shutDownQueue();
    expect(await starting).toBeInstanceOf(QueueClosedError);
    await queue.initQueue();
    expect(diary.entries).toEqual(['a up', 'a down', 'a up']);
    await queue.shutDownQueue();
  });

  test('gives each lifecycle the timeout: one that hangs is left behind, told, and keeps nobody', async () => {
    const diary = new Diary();
    const hung = new Collector('b', noop, { lifecycle: { shutdown: () => new Promise<void>(() => undefined) } });
    const { queue, clock } = await started([diary.generator('a'), hung, diary.generator('c')]);
    const closing = rejectionOf(queue.shutDownQueue({ timeout: 500 }));
    await clock.advance(499);
    expect(diary.entries).toEqual(['a up', 'c up', 'c down']);
    await clock.advance(1);
    const error = (await closing) as LifecycleError;
    expect(error).toBeInstanceOf(LifecycleError);
    expect(error.errors.map(String)).toEqual(['Error: collector "b" did not shut down within 500 ms']);
    expect(diary.entries.at(-1)).toBe('a down');
    expect(clock.pendingTimers).toBe(0);
  });

  test('comes after the last payload: a collector is up as long as one of its tasks runs', async () => {
    const entries: string[] = [];
    const end = gate();
    const collector = new Collector(
      'a',
      async () => {
        await end.promise;
        entries.push('done');
      },
      { lifecycle: { shutdown: () => void entries.push('down') } },
    );
    const { queue, publisher } = await started([collector]);
    void publisher.publish(1);
    const closing = queue.shutDownQueue();
    expect(await isSettled(closing)).toBe(false);
    expect(entries).toEqual([]);
    end.open();
    await closing;
    expect(entries).toEqual(['done', 'down']);
  });
});
