import { AsyncLocalStorage } from 'node:async_hooks';
import {
  Collector,
  err,
  InvalidArgumentError,
  type Middleware,
  type Next,
  ok,
  okAsync,
  Payload,
  type PolicyTask,
  ProcessorError,
  type Result,
  type ResultList,
  RetryTask,
} from 'collector-queue';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hanging, oneCollector } from '../policies/scene.ts';
import { type Gate, gate, giveUp, started } from './scene.ts';

/** A middleware that notes when it begins and ends. */
function noting(notes: string[], name: string, later = false): Middleware {
  if (later) {
    return async (_task, next) => {
      notes.push(`${name}(`);
      await Promise.resolve();
      const result = await next();
      notes.push(`)${name}`);
      return result;
    };
  }
  return (_task, next) => {
    notes.push(`${name}(`);
    const result = next();
    notes.push(`)${name}`);
    return result;
  };
}

/** What was thrown that made the one result a ProcessorError. */
function failureOf(list: ResultList): Error {
  const [error] = list.errs();
  expect(error).toBeInstanceOf(ProcessorError);
  return (error as ProcessorError).cause as Error;
}

describe('a middleware', () => {
  test('wraps the processor, the first one outermost, the policies of the collector innermost', async () => {
    const notes: string[] = [];
    const scene = await oneCollector(
      (value) => {
        notes.push('work');
        return value;
      },
      { policies: [{ around: noting(notes, 'c') }, { around: noting(notes, 'd') }] },
    );
    scene.queue.use(noting(notes, 'a')).use({ around: noting(notes, 'b') });
    expect((await scene.publisher.publish(7).wait()).oks()).toEqual([7]);
    expect(notes.join('')).toBe('a(b(c(d(work)d)c)b)a');
    await scene.queue.shutDownQueue();
  });

  test('of any kind, in any number, is passed from outside to inside and back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 6 }), fc.boolean(), async (layers, later) => {
        const notes: string[] = [];
        const scene = await oneCollector((value) => {
          notes.push('work');
          return later ? Promise.resolve(value) : value;
        });
        const expected: string[] = [];
        for (const [at, ofPromise] of layers.entries()) {
          // One that is synchronous cannot see the end of what is later inside of it.
          const waits = ofPromise || later || layers.slice(at).includes(true);
          scene.queue.use(noting(notes, `${at}`, waits));
          expected.push(`${at}(`);
        }
        expect((await scene.publisher.publish(7).wait()).oks()).toEqual([7]);
        const back = layers.map((_, at) => `)${at}`).reverse();
        expect(notes).toEqual([...expected, 'work', ...back]);
        await scene.queue.shutDownQueue();
      }),
      { numRuns: Number(process.env.FC_RUNS) },
    );
  });

  test('sees the task: payload, collector, attempt, event, headers and signal', async () => {
    const seen: unknown[] = [];
    const scene = await oneCollector(() => err({ message: 'no' }), { retry: { attempts: 2, base: 0 } });
    scene.queue.use(({ payload, collectorKey, number, eventId, headers, signal }, next) => {
      seen.push({ value: payload?.value, collectorKey, number, eventId, headers, aborted: signal.aborted });
      return next();
    });
    const event = scene.publisher.send(new Payload(7), { headers: { a: 'b' } });
    await scene.clock.advance(0);
    await event.wait();
    const task = { value: 7, collectorKey: 'a', eventId: event.id, headers: { a: 'b' }, aborted: false };
    expect(seen).toEqual([
      { ...task, number: 1 },
      { ...task, number: 2 },
    ]);
    await scene.queue.shutDownQueue();
  });

  test('gives the processor an async context, also after it has waited', async () => {
    const tenant = new AsyncLocalStorage<string>();
    const scene = await oneCollector(async () => {
      const before = tenant.getStore();
      await Promise.resolve();
      return [before, tenant.getStore()];
    });
    scene.queue.use((task, next) => tenant.run(task.headers?.tenant ?? 'nobody', next));
    const one = await scene.publisher.publish(1, {}, { headers: { tenant: 'x' } }).wait();
    const other = await scene.publisher.publish(1).wait();
    scene.queue.use(async (_task, next) => {
      await Promise.resolve();
      return tenant.run('later', next);
    });
    const later = await scene.publisher.publish(1).wait();
    expect([one, other, later].map((list) => list.oks()[0])).toEqual([
      ['x', 'x'],
      ['nobody', 'nobody'],
      ['later', 'later'],
    ]);
    await scene.queue.shutDownQueue();
  });

  test('stays synchronous if all is: the event has settled in the microtask in which it began', async () => {
    const scene = await oneCollector((value) => value);
    scene.queue.use((_task, next) => {
      const result = next();
      expect(result).not.toBeInstanceOf(Promise);
      return result;
    });
    const event = scene.publisher.publish(7);
    await Promise.resolve();
    expect(event.getResult()?.oks()).toEqual([7]);
    await scene.queue.shutDownQueue();
  });

  test('may replace the result, or give one without the processor', async () => {
    const replacing: [Middleware, unknown[], unknown[]][] = [
      [async (_task, next) => (await next()).map((value) => [value]), [[7]], []],
      [(_task, next) => (next() as Result<number, unknown>).map((value) => -value), [-7], []],
      [() => ok('cached'), ['cached'], []],
      [() => okAsync('cached'), ['cached'], []],
      [async () => err('refused'), [], ['refused']],
    ];
    for (const [middleware, oks, errs] of replacing) {
      const scene = await oneCollector((value) => value);
      scene.queue.use(middleware);
      const list = await scene.publisher.publish(7).wait();
      expect([list.oks(), list.errs()]).toEqual([oks, errs]);
      expect(scene.called).toHaveLength(middleware.length === 0 ? 0 : 1);
      await scene.queue.shutDownQueue();
    }
  });

  test('hears of a processor that fails as an Err: next neither throws nor rejects', async () => {
    const outcomes: unknown[] = [];
    for (const fail of [
      () => {
        throw new RangeError('far');
      },
      async () => {
        throw new RangeError('far');
      },
      () => err('no'),
    ]) {
      const scene = await oneCollector(fail);
      scene.queue.use(async (_task, next) => {
        const result = await next();
        outcomes.push(result.isErr() && result.error);
        return result;
      });
      const [error] = (await scene.publisher.publish(7).wait()).errs();
      expect(error).toBe(outcomes.at(-1));
      await scene.queue.shutDownQueue();
    }
    expect(outcomes).toEqual([expect.any(ProcessorError), expect.any(ProcessorError), 'no']);
    expect((outcomes[0] as ProcessorError).cause).toEqual(new RangeError('far'));
  });

  test.each<[string, Middleware]>([
    [
      'throws',
      () => {
        throw new RangeError('far');
      },
    ],
    ['rejects', () => Promise.reject(new RangeError('far'))],
    [
      'throws after next',
      (_task, next) => {
        void next();
        throw new RangeError('far');
      },
    ],
  ])('that %s makes an Err of it, which is retried, and which the one outside of it sees', async (_how, middleware) => {
    let attempts = 0;
    const scene = await oneCollector((value) => value, { retry: { attempts: 2, base: 0 } });
    scene.queue
      .use(async (_task, next) => {
        attempts++;
        const result = await next();
        expect(result.isErr() && result.error).toBeInstanceOf(ProcessorError);
        return result;
      })
      .use(middleware);
    const event = scene.publisher.publish(7);
    await scene.clock.advance(0);
    const [error] = (await event.wait()).errs();
    expect(error).toBeInstanceOf(ProcessorError);
    expect(error).toMatchObject({ collectorKey: 'a', cause: new RangeError('far') });
    expect(attempts).toBe(2);
    await scene.queue.shutDownQueue();
  });

  test.each([
    ['nothing', () => undefined, 'undefined'],
    ['nothing, later', async () => undefined, 'undefined'],
    ['a bare value', () => 7, '7'],
    [
      'what next gives, awaited and forgotten',
      async (_task: PolicyTask, next: Next) => void (await next()),
      'undefined',
    ],
  ])('that returns %s is told so', async (_what, middleware, came) => {
    const scene = await oneCollector((value) => value);
    scene.queue.use(middleware as unknown as Middleware);
    const error = failureOf(await scene.publisher.publish(7).wait());
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).toBe(`what a middleware returns must be a Result, such as that of next(), but it is ${came}`);
    await scene.queue.shutDownQueue();
  });

  test.each<[string, Middleware]>([
    [
      'at once',
      (_task, next) => {
        void next();
        return next();
      },
    ],
    [
      'later',
      async (_task, next) => {
        await next();
        return next();
      },
    ],
  ])('that calls next twice, %s, is told so, and the processor is called once', async (_when, middleware) => {
    const scene = await oneCollector((value) => value);
    scene.queue.use(middleware);
    const error = failureOf(await scene.publisher.publish(7).wait());
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).toBe('next must be called once by a middleware, before it ends, but it is called again');
    expect(scene.called).toEqual([7]);
    await scene.queue.shutDownQueue();
  });

  test.each<[string, (kept: Next[]) => Middleware]>([
    [
      'returned',
      (kept) => (_task, next) => {
        kept.push(next);
        return ok('done');
      },
    ],
    [
      'resolved',
      (kept) => async (_task, next) => {
        kept.push(next);
        await Promise.resolve();
        return ok('done');
      },
    ],
    [
      'thrown',
      (kept) => (_task, next) => {
        kept.push(next);
        throw new Error('no');
      },
    ],
  ])('cannot call next after it has %s', async (_how, middleware) => {
    const kept: Next[] = [];
    const scene = await oneCollector((value) => value);
    scene.queue.use(middleware(kept));
    await scene.publisher.publish(7).wait();
    expect(kept[0]).toThrow(
      'next must be called once by a middleware, before it ends, but it is called after it had ended',
    );
    expect(scene.called).toEqual([]);
    await scene.queue.shutDownQueue();
  });

  test('may ask for another attempt, as a processor may', async () => {
    const scene = await oneCollector((value) => value);
    scene.queue.use((task, next) => {
      if (task.number === 2) throw new RetryTask();
      return task.number === 1 ? err(new RetryTask()) : next();
    });
    const event = scene.publisher.publish(7);
    await scene.clock.advance(0);
    await scene.clock.advance(0);
    expect((await event.wait()).oks()).toEqual([7]);
    expect(scene.called).toEqual([7]);
    await scene.queue.shutDownQueue();
  });

  test('keeps the consumer, and counts for the time limit; what it does too late calls no processor', async () => {
    const scene = await oneCollector((value) => value, { timeout: 100 });
    const gates: Gate<void>[] = [];
    const outcomes: unknown[] = [];
    scene.queue.use(async (_task, next) => {
      const hold = gate();
      gates.push(hold);
      await hold.promise;
      const result = await next();
      outcomes.push(result.isErr() && (result.error as ProcessorError).cause);
      return result;
    });
    const late = scene.publisher.publish('late');
    await scene.clock.advance(50);
    expect(scene.queue.currentLoad).toBe(1);
    await scene.clock.advance(50);
    expect((await late.wait()).errs()).toMatchObject([{ code: 'CQ_DELIVERY_TIMEOUT' }]);
    gates[0]?.open();
    await scene.clock.advance(1);
    const cancelled = scene.publisher.publish('cancelled');
    await scene.clock.advance(1);
    cancelled.cancel();
    gates[1]?.open();
    await scene.clock.advance(1);
    expect(scene.called).toEqual([]);
    expect(outcomes).toMatchObject([{ code: 'CQ_DELIVERY_TIMEOUT' }, { code: 'CQ_CANCELLED' }]);
    const fine = scene.publisher.publish('fine');
    await scene.clock.advance(1);
    gates[2]?.open();
    expect((await fine.wait()).oks()).toEqual(['fine']);
    await scene.queue.shutDownQueue();
  });

  test('of one collector is of that one alone', async () => {
    const counts = { own: 0, all: 0 };
    const counting =
      (name: keyof typeof counts): Middleware =>
      (_task, next) => {
        counts[name]++;
        return next();
      };
    const { queue, publisher } = await started([
      new Collector('a', () => 1, { policies: [{ around: counting('own') }] }),
      new Collector('b', () => 2),
    ]);
    queue.use(counting('all'));
    expect((await publisher.publish(0).wait()).oks()).toEqual([1, 2]);
    expect(counts).toEqual({ own: 1, all: 2 });
    await queue.shutDownQueue();
  });

  test('that is a class keeps its this', async () => {
    class Counting {
      count = 0;
      around(_task: PolicyTask, next: Next): ReturnType<Next> {
        this.count++;
        return next();
      }
    }
    const counting = new Counting();
    const scene = await oneCollector((value) => value);
    scene.queue.use(counting);
    await scene.publisher.publish(7).wait();
    expect(counting.count).toBe(1);
    await scene.queue.shutDownQueue();
  });
});

describe('a middleware takes effect', () => {
  const marking =
    (mark: string): Middleware =>
    async (_task, next) =>
      (await next()).map((value) => `${mark}${value}`);

  test('from the next attempt on, for what waits too, and for further attempts', async () => {
    const work = hanging();
    const scene = await oneCollector(work.process, { retry: { attempts: 2, base: 0 } });
    const running = scene.publisher.publish('running');
    await scene.clock.advance(0);
    const waiting = scene.publisher.publish('waiting');
    scene.queue.use(marking('!'));
    work.end(err({ message: 'no' }));
    await scene.clock.advance(0);
    work.end('a');
    await scene.clock.advance(0);
    work.end('b');
    expect([(await running.wait()).oks(), (await waiting.wait()).oks()].flat().sort()).toEqual(['!a', '!b']);
    await scene.queue.shutDownQueue();
  });

  test('before initQueue, after a shutdown, and for collectors that are added later', async () => {
    const scene = await oneCollector((value) => value);
    await scene.queue.shutDownQueue();
    scene.queue.use(marking('1'));
    await scene.queue.initQueue();
    expect((await scene.publisher.publish('x').wait()).oks()).toEqual(['1x']);
    await scene.queue.addCollector(new Collector('b', ({ value }) => value));
    expect((await scene.publisher.publish('x').wait()).oks()).toEqual(['1x', '1x']);
    await scene.queue.shutDownQueue();
    await scene.queue.initQueue();
    expect((await scene.publisher.publish('x').wait()).oks()).toEqual(['1x', '1x']);
    await giveUp(scene);
  });

  test('with the other methods of a policy, which are asked before those of the collector', async () => {
    const asked: string[] = [];
    const policy = (name: string) => ({
      before: (task: PolicyTask): 'run' => {
        asked.push(`${name} before ${task.acceptedAt}`);
        return 'run';
      },
      settled: () => void asked.push(`${name} settled`),
    });
    const scene = await oneCollector((value) => value, { policies: [policy('own')] });
    scene.queue.use(policy('all'));
    await scene.clock.advance(5);
    await scene.publisher.publish(7).wait();
    expect(asked).toEqual(['all before 5', 'own before 5', 'all settled', 'own settled']);
    await scene.queue.shutDownQueue();
  });

  test('and a policy of the queue counts from the acceptance, also where no collector does', async () => {
    const accepted: number[] = [];
    const work = hanging();
    const scene = await oneCollector(work.process);
    scene.queue.use({
      before: (task) => {
        accepted.push(task.acceptedAt);
        return 'run';
      },
    });
    scene.publisher.publish('first');
    const second = scene.publisher.publish('second');
    await scene.clock.advance(10);
    work.end();
    await scene.clock.advance(10);
    work.end();
    await second.wait();
    expect(accepted).toEqual([0, 0]);
    await scene.queue.shutDownQueue();
  });
});
