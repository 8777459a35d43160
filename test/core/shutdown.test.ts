import { type Attempt, Collector, CollectorQueue, ErrorCode, LifecycleError, ok } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, giveUp, isSettled, rejectionOf, started } from './scene.ts';

const HUNG = new Promise(() => undefined);

describe('shutting down', () => {
  test('waits until every accepted payload is settled, with its real result', async () => {
    const ends = Array.from({ length: 5 }, () => gate<string>());
    const { queue, publisher, clock } = await started([new Collector('a', ({ value }) => ends[value]?.promise)], {
      maxConsumers: 2,
    });
    const events = ends.map((_, value) => publisher.publish(value));
    const closing = queue.shutDownQueue();
    for (const [at, end] of ends.entries()) {
      await clock.turn();
      expect(await isSettled(closing)).toBe(false);
      end.open(`result ${at}`);
    }
    await closing;
    expect(events.map((event) => event.getResult()?.first())).toEqual(ends.map((_, at) => ok(`result ${at}`)));
    expect(queue.consumerCount).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  test('refuses later sends at once, from inside a processor too', async () => {
    const late: unknown[] = [];
    const end = gate();
    const collector: Collector = new Collector('a', async () => {
      await end.promise;
      late.push(...(publisher.publish('from within', { keys: 'a' }).getResult()?.errs() ?? []));
    });
    const { queue, publisher } = await started([collector]);
    void publisher.publish(1);
    const closing = queue.shutDownQueue();
    end.open();
    await closing;
    expect(late).toMatchObject([{ code: ErrorCode.QUEUE_CLOSED }]);
  });

  test('settles what is left at the timeout as Err, and its signals fire', async () => {
    const signals: AbortSignal[] = [];
    const collectors = [
      new Collector('quick', () => 'quick'),
      new Collector('hung', (_, __, attempt: Attempt) => {
        signals.push(attempt.signal);
        return HUNG;
      }),
    ];
    const { queue, publisher, clock } = await started(collectors, { maxConsumers: 1 });
    const running = publisher.publish(1);
    const waiting = publisher.publish(2);
    const closing = queue.shutDownQueue({ timeout: 500 });
    await clock.advance(499);
    expect(running.status).toBe('running');
    await clock.advance(1);
    await closing;
    expect(running.getResult()?.get('quick')).toEqual(ok('quick'));
    for (const error of [running.getResult()?.errs()[0], waiting.getResult()?.errs()[0]]) {
      expect(error).toMatchObject({
        code: ErrorCode.SHUTDOWN_TIMEOUT,
        retryable: false,
        message: 'not settled within the 500 ms of the shutdown',
      });
    }
    expect(signals).toHaveLength(1);
    expect(signals[0]?.reason).toMatchObject({ code: ErrorCode.SHUTDOWN_TIMEOUT });
    expect(queue.getMetrics()).toMatchObject({ accepted: 2, settled: 2, cancelled: 2, qsize: 0, inFlight: 0 });
    expect(clock.pendingTimers).toBe(0);
  });

  test('takes 10 seconds at most unless it is told otherwise', async () => {
    const { queue, publisher, clock } = await started([new Collector('a', () => HUNG)]);
    const event = publisher.publish(1);
    const closing = queue.shutDownQueue();
    await clock.advance(9999);
    expect(event.status).toBe('running');
    await clock.advance(1);
    await closing;
    expect(event.getResult()?.errs()).toMatchObject([{ code: ErrorCode.SHUTDOWN_TIMEOUT }]);
  });

  test('with an endless timeout waits as long as it takes', async () => {
    const end = gate();
    const { queue, publisher, clock } = await started([new Collector('a', () => end.promise)]);
    const event = publisher.publish(1);
    const closing = queue.shutDownQueue({ timeout: Number.POSITIVE_INFINITY });
    await clock.advance(100_000);
    expect(event.status).toBe('running');
    end.open();
    await closing;
    expect(event.getResult()?.isOk()).toBe(true);
  });

  test('without draining gives up on everything at once, and waits for the work to end', async () => {
    const end = gate();
    const signals: AbortSignal[] = [];
    const entries: string[] = [];
    const collector = new Collector(
      'a',
      async (_, __, attempt: Attempt) => {
        signals.push(attempt.signal);
        await end.promise;
        entries.push('work ended');
      },
      { lifecycle: { shutdown: () => void entries.push('shut down') } },
    );
    const { queue, publisher, clock } = await started([collector], { maxConsumers: 1 });
    const [running, waiting] = [publisher.publish(1), publisher.publish(2)];
    await clock.turn();
    const closing = queue.shutDownQueue({ drain: false });
    await clock.turn();
    for (const event of [running, waiting]) {
      expect(event.getResult()?.errs()).toMatchObject([{ code: ErrorCode.QUEUE_ABORTED, retryable: false }]);
    }
    expect(signals[0]?.reason).toMatchObject({ code: ErrorCode.QUEUE_ABORTED });
    expect(await isSettled(closing)).toBe(false);
    end.open();
    await closing;
    expect(entries).toEqual(['work ended', 'shut down']);
    expect(queue.getMetrics()).toMatchObject({ settled: 2, cancelled: 2, late: 1 });
  });

  test('without draining leaves work behind that does not end within the timeout', async () => {
    const entries: string[] = [];
    const collector = new Collector('a', () => HUNG, { lifecycle: { shutdown: () => void entries.push('down') } });
    const { queue, publisher, clock } = await started([collector]);
    void publisher.publish(1);
    await clock.turn();
    const closing = queue.shutDownQueue({ drain: false, timeout: 100 });
    await clock.advance(99);
    expect(entries).toEqual([]);
    await clock.advance(1);
    await closing;
    expect(entries).toEqual(['down']);
  });

  test('without draining gives up on what was claimed but has not started', async () => {
    const called: unknown[] = [];
    const { queue, publisher } = await started([new Collector('a', ({ value }) => called.push(value))], {
      maxConsumers: 1,
    });
    queue.pause();
    const [one, other] = [publisher.publish(1), publisher.publish(2)];
    await queue.shutDownQueue({ drain: false });
    expect(called).toEqual([]);
    for (const event of [one, other])
      expect(event.getResult()?.errs()).toMatchObject([{ code: ErrorCode.QUEUE_ABORTED }]);
    expect(queue.getMetrics()).toMatchObject({ busy: 0, settled: 2 });
  });

  test('from inside a processor gives up on that very payload too, and ends once it has returned', async () => {
    const closings: Promise<void>[] = [];
    const collector: Collector = new Collector('a', () => {
      closings.push(queue.shutDownQueue({ drain: false }));
      return new Promise((resolve) => setImmediate(() => resolve('late')));
    });
    const { queue, publisher } = await started([collector]);
    const event = publisher.publish(1);
    expect((await event.wait()).errs()).toMatchObject([{ code: ErrorCode.QUEUE_ABORTED }]);
    await closings[0];
    expect(queue.getMetrics()).toMatchObject({ busy: 0, late: 1 });
  });

  test('is shared by concurrent callers, and repeats its outcome afterwards', async () => {
    const downs: number[] = [];
    const fault = new Error('stuck');
    const lifecycle = {
      shutdown: (): void => {
        downs.push(1);
        throw fault;
      },
    };
    const { queue } = await started([new Collector('a', () => 1, { lifecycle })]);
    const errors = await Promise.all([
      rejectionOf(queue.shutDownQueue()),
      rejectionOf(queue.shutDownQueue({ drain: false })),
      rejectionOf(queue[Symbol.asyncDispose]()),
    ]);
    expect(errors[0]).toBeInstanceOf(LifecycleError);
    expect(errors[1]).toBe(errors[0]);
    expect(errors[2]).toBe(errors[0]);
    expect(await rejectionOf(queue.shutDownQueue())).toBe(errors[0]);
    expect(downs).toEqual([1]);
  });

  test('leaves work behind that disturbs nobody when it ends, not even the next run', async () => {
    const end = gate();
    const names: string[] = [];
    const { queue, publisher, clock } = await started([
      new Collector('a', ({ value }) => (value === 'left behind' ? end.promise : HUNG)),
    ]);
    void publisher.publish('left behind');
    await giveUp({ queue, clock });
    await queue.initQueue();
    const running = publisher.publish('next run');
    await clock.turn();
    for (const name of ['idle', 'finished', 'scaled', 'drained'] as const) {
      queue.events.on(name, ({ status }) => names.push(status));
    }
    end.open();
    await clock.turn();
    expect(names).toEqual([]);
    expect(running.status).toBe('running');
    expect(queue.getMetrics()).toMatchObject({ accepted: 1, settled: 0, busy: 1, late: 0 });
    await giveUp({ queue, clock });
  });

  test('leaves a queue that counts from 0 when it is initialised again', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1)]);
    await publisher.publish(1).wait();
    await queue.shutDownQueue();
    expect(queue.getMetrics()).toMatchObject({ accepted: 1, settled: 1 });
    await queue.initQueue();
    expect(queue.getMetrics()).toMatchObject({ accepted: 0, settled: 0 });
    await queue.shutDownQueue();
  });

  test('is what the end of a scope does', async () => {
    const entries: string[] = [];
    const lifecycle = { shutdown: () => void entries.push('down') };
    {
      await using queue = new CollectorQueue([new Collector('a', () => 'done', { lifecycle })]);
      await queue.initQueue();
      void queue.getPublisher().publish(1);
    }
    expect(entries).toEqual(['down']);
  });
});

describe('running a body', () => {
  test('initialises, runs, shuts down, and resolves to what the body returns', async () => {
    const entries: string[] = [];
    const lifecycle = { setup: () => void entries.push('up'), shutdown: () => void entries.push('down') };
    const queue = new CollectorQueue([new Collector('a', ({ value }) => entries.push(value), { lifecycle })]);
    const value = await queue.run(async (publisher) => {
      void publisher.publish('work');
      return 'value';
    });
    expect(value).toBe('value');
    expect(entries).toEqual(['up', 'work', 'down']);
    expect(await queue.run(() => 'sync')).toBe('sync');
  });

  test('shuts down with the options given', async () => {
    const queue = new CollectorQueue([new Collector('a', () => 1)]);
    const event = await queue.run(
      (publisher) => {
        queue.pause();
        return publisher.publish(1);
      },
      { drain: false },
    );
    expect(event.getResult()?.errs()).toMatchObject([{ code: ErrorCode.QUEUE_ABORTED }]);
  });

  test('that throws shuts down, and rejects with what it threw', async () => {
    const entries: string[] = [];
    const lifecycle = { shutdown: () => void entries.push('down') };
    const queue = new CollectorQueue([new Collector('a', () => 1, { lifecycle })]);
    const thrown = new Error('body');
    const throwing = (): never => {
      throw thrown;
    };
    expect(await rejectionOf(queue.run(throwing))).toBe(thrown);
    expect(await rejectionOf(queue.run(async () => throwing()))).toBe(thrown);
    expect(entries).toEqual(['down', 'down']);
  });

  test('that throws rejects with what it threw although the shutdown fails too, which is told', async () => {
    const lifecycle = { shutdown: () => Promise.reject(new Error('stuck')) };
    const queue = new CollectorQueue([new Collector('a', () => 1, { lifecycle })]);
    const told: unknown[] = [];
    queue.events.on('error-internal', ({ source, error }) => told.push(source, error));
    const thrown = new Error('body');
    const throwing = (): never => {
      throw thrown;
    };
    expect(await rejectionOf(queue.run(throwing))).toBe(thrown);
    expect(told).toEqual(['shutdown after a failed run', expect.any(LifecycleError)]);
  });

  test('rejects with what the shutdown fails with, if the body does not', async () => {
    const lifecycle = { shutdown: () => Promise.reject(new Error('stuck')) };
    const queue = new CollectorQueue([new Collector('a', () => 1, { lifecycle })]);
    expect(await rejectionOf(queue.run(() => 'value'))).toBeInstanceOf(LifecycleError);
  });

  test('does not run it if the queue cannot be initialised', async () => {
    let ran = false;
    const lifecycle = { setup: (): Promise<void> => Promise.reject(new Error('no')) };
    const queue = new CollectorQueue([new Collector('a', () => 1, { lifecycle })]);
    const running = queue.run(() => {
      ran = true;
    });
    expect(await rejectionOf(running)).toBeInstanceOf(LifecycleError);
    expect(ran).toBe(false);
  });
});
