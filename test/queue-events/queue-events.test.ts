import {
  Collector,
  type CollectorEvent,
  ErrorCode,
  type QueueEventMap,
  QueueEventName,
  type QueueOptions,
} from 'collector-queue';
import { describe, expect, test, vi } from 'vitest';
import { gate, giveUp, type Scene, started } from '../core/scene.ts';

type Told = QueueEventMap[QueueEventName];

/** A queue, and everything that it tells. */
async function listening(
  collectors: readonly Collector[],
  options: Omit<QueueOptions, 'clock'> = {},
): Promise<Scene & { told: Told[]; names: () => string[] }> {
  const scene = await started(collectors, options);
  const told: Told[] = [];
  for (const name of Object.values(QueueEventName)) {
    scene.queue.events.on(name, (event) => told.push(event));
  }
  scene.clock.setWall(1_700_000_000_000);
  return { ...scene, told, names: () => told.map(({ status }) => status) };
}

const works = (): Collector => new Collector('works', async () => 'done');
const timestamp = 1_700_000_000_000;
/** What every event of a first and only attempt says. */
const first = { attempt: 1, retries: 0, retryDelay: undefined, executeTime: undefined };

describe('a queue tells', () => {
  test('that a payload was accepted, started and finished', async () => {
    const { queue, publisher, clock, told } = await listening([
      new Collector('a', () => new Promise((resolve) => void clock.setTimer(() => resolve('done'), 30))),
    ]);
    const event = publisher.publish(1);
    await clock.advance(30);
    const { id } = event;
    expect(told.slice(0, 3)).toEqual([
      { status: 'enqueued', timestamp, id },
      { status: 'started', timestamp, id, task: 'a', ...first },
      { status: 'finished', timestamp: timestamp + 30, id, task: 'a', ...first, duration: 30 },
    ]);
    expect(told[3]).toEqual({ status: 'idle', timestamp: timestamp + 30 });
    expect(told).toHaveLength(4);
    await queue.shutDownQueue();
  });

  test('each task of a payload on its own, with what its Err holds', async () => {
    const fails = new Collector('fails', () => {
      throw new Error('no');
    });
    const { queue, publisher, told } = await listening([works(), fails]);
    const event = publisher.publish(1);
    await event.wait();
    const { id } = event;
    const error = event.getResult()?.errs()[0];
    const ended = told.filter(({ status }) => status === 'finished' || status === 'error-task');
    expect(ended).toEqual([
      { status: 'error-task', timestamp, id, task: 'fails', ...first, duration: 0, error, stack: expect.any(String) },
      { status: 'finished', timestamp, id, task: 'works', ...first, duration: 0 },
    ]);
    expect(error).toMatchObject({ code: ErrorCode.PROCESSOR });
    await queue.shutDownQueue();
  });

  test('no duration of a task that began while nobody listened', async () => {
    const end = gate();
    const { queue, publisher, clock } = await started([new Collector('a', () => end.promise)]);
    void publisher.publish(1);
    await clock.turn();
    const durations: unknown[] = [];
    queue.events.on('finished', ({ duration }) => durations.push(duration));
    end.open();
    await clock.turn();
    expect(durations).toEqual([undefined]);
    await queue.shutDownQueue();
  });

  test('that a payload was refused', async () => {
    const end = gate();
    const { queue, publisher, clock, told } = await listening([new Collector('a', () => end.promise)], {
      maxConsumers: 1,
      maxSize: 0,
    });
    void publisher.publish(1);
    const refused = publisher.publish(2);
    await clock.turn();
    const error = refused.getResult()?.errs()[0];
    expect(told).toContainEqual({ status: 'rejected', timestamp, id: refused.id, error });
    end.open();
    await queue.shutDownQueue();
    const late = publisher.publish(3);
    await clock.turn();
    expect(told.at(-1)).toMatchObject({ status: 'rejected', id: late.id, error: { code: ErrorCode.QUEUE_CLOSED } });
  });

  test('that a payload was dropped', async () => {
    const { queue, publisher, clock, told } = await listening([works()], { maxSize: 1, overflow: 'dropOldest' });
    queue.pause();
    const dropped = publisher.publish(1);
    const kept = publisher.publish(2);
    await clock.turn();
    const error = dropped.getResult()?.errs()[0];
    expect(told).toContainEqual({ status: 'dropped', timestamp, id: dropped.id, error });
    expect(told.filter((one) => 'id' in one && one.id === kept.id)).toMatchObject([{ status: 'enqueued' }]);
    queue.resume();
    await queue.shutDownQueue();
  });

  test('that a payload matched nobody', async () => {
    const { queue, publisher, told } = await listening([works()]);
    const event = publisher.publish(1, { keys: 'nobody' });
    await event.wait();
    expect(told).toContainEqual({ status: 'unrouted', timestamp, id: event.id });
    await queue.shutDownQueue();
  });

  test('that a task was parked', async () => {
    const collector = new Collector('a', () => 1, { policies: [{ before: () => 'park' }] });
    const scene = await listening([collector]);
    const event = scene.publisher.publish(1);
    await scene.clock.turn();
    expect(scene.told).toContainEqual({
      status: 'parked',
      timestamp,
      id: event.id,
      task: 'a',
      ...first,
      reason: 'policy',
    });
    expect(scene.names()).not.toContain('started');
    expect(scene.names()).not.toContain('idle');
    await giveUp(scene);
  });

  test('that a payload was cancelled, cleared or given up', async () => {
    const scene = await listening([new Collector('a', () => new Promise(() => undefined))], { maxConsumers: 1 });
    const { queue, publisher, clock, told } = scene;
    const [running, waiting, cleared] = [1, 2, 3].map((value) => publisher.publish(value)) as [
      CollectorEvent,
      CollectorEvent,
      CollectorEvent,
    ];
    await clock.turn();
    waiting.cancel('why');
    queue.clear();
    const revoked = (event: CollectorEvent): Told | undefined =>
      told.find((one) => one.status === 'revoked' && one.id === event.id);
    expect(revoked(waiting)).toEqual({
      status: 'revoked',
      timestamp,
      id: waiting.id,
      error: waiting.getResult()?.errs()[0],
    });
    expect(revoked(cleared)).toMatchObject({ error: { code: ErrorCode.CLEARED } });
    await giveUp(scene);
    expect(revoked(running)).toMatchObject({ error: { code: ErrorCode.QUEUE_ABORTED } });
  });

  test('how many consumers there are, whenever that changes', async () => {
    const end = gate();
    const { queue, publisher, clock, told } = await listening([new Collector('a', () => end.promise)], {
      maxConsumers: 3,
      idleTimeout: 100,
    });
    for (let i = 0; i < 5; i++) void publisher.publish(i);
    await clock.turn();
    expect(told.filter(({ status }) => status === 'scaled')).toEqual([{ status: 'scaled', timestamp, from: 1, to: 3 }]);
    end.open();
    await clock.advance(1000);
    expect(told.filter(({ status }) => status === 'scaled').at(-1)).toMatchObject({ to: 1 });
    await queue.shutDownQueue();
  });

  test('that it was paused and resumed, once each', async () => {
    const { queue, told } = await listening([works()]);
    queue.pause();
    queue.pause();
    queue.resume();
    queue.resume();
    expect(told).toEqual([
      { status: 'paused', timestamp },
      { status: 'resumed', timestamp },
    ]);
    await queue.shutDownQueue();
  });

  test('that it is idle each time it becomes so, and at no other time', async () => {
    const { queue, publisher, names } = await listening([works()]);
    const idles = (): number => names().filter((name) => name === 'idle').length;
    await publisher.publish(1).wait();
    await queue.onIdle();
    expect(idles()).toBe(1);
    queue.clear();
    queue.clear();
    expect(idles()).toBe(1);
    queue.pause();
    const event = publisher.publish(2);
    expect(idles()).toBe(1);
    event.cancel();
    expect(idles()).toBe(2);
    queue.resume();
    await queue.shutDownQueue();
  });

  test('that it drained and shut down, in this order', async () => {
    const { queue, publisher, names, told } = await listening([works()]);
    void publisher.publish(1);
    await queue.shutDownQueue();
    expect(names().slice(-3)).toEqual(['idle', 'drained', 'shutdown']);
    expect(told.at(-1)).toEqual({ status: 'shutdown', timestamp });
  });

  test('that it shut down, but not that it drained, if it did not', async () => {
    const hung = await listening([new Collector('a', () => new Promise(() => undefined))]);
    void hung.publisher.publish(1);
    const closing = hung.queue.shutDownQueue({ timeout: 10 });
    await hung.clock.advance(10);
    await closing;
    expect(hung.names()).not.toContain('drained');
    expect(hung.names().at(-1)).toBe('shutdown');
  });
});

describe('listeners', () => {
  test('are called in the order in which they were added, one added twice twice', async () => {
    const { queue } = await started([works()]);
    const called: string[] = [];
    const one = (): void => void called.push('one');
    const other = (): void => void called.push('other');
    queue.events.on('paused', one).on('paused', other).on('paused', one);
    queue.pause();
    expect(called).toEqual(['one', 'other', 'one']);
    expect(queue.events.listenerCount('paused')).toBe(3);
    queue.events.off('paused', one);
    queue.resume();
    queue.pause();
    expect(called.slice(3)).toEqual(['one', 'other']);
    queue.resume();
    await queue.shutDownQueue();
  });

  test('for once are called once, also if they pause and resume from inside', async () => {
    const { queue } = await started([works()]);
    let called = 0;
    const listener = (): void => {
      called++;
      queue.resume();
      queue.pause();
    };
    queue.events.once('paused', listener);
    expect(queue.events.listenerCount('paused')).toBe(1);
    queue.pause();
    expect(called).toBe(1);
    expect(queue.events.listenerCount('paused')).toBe(0);
    queue.resume();
    await queue.shutDownQueue();
  });

  test('for once can be taken away before', async () => {
    const { queue } = await started([works()]);
    let called = 0;
    const listener = (): void => void called++;
    queue.events.once('paused', listener);
    queue.events.off('paused', listener);
    queue.events.off('paused', listener);
    queue.events.off('resumed', listener);
    queue.pause();
    queue.resume();
    expect(called).toBe(0);
    await queue.shutDownQueue();
  });

  test('may add and remove listeners while they are called', async () => {
    const { queue } = await started([works()]);
    const called: string[] = [];
    const late = (): void => void called.push('late');
    const first = (): void => {
      called.push('first');
      queue.events.off('paused', first).on('paused', late);
    };
    queue.events.on('paused', first);
    queue.pause();
    queue.resume();
    queue.pause();
    expect(called).toEqual(['first', 'late']);
    queue.resume();
    await queue.shutDownQueue();
  });

  test('outlast a shutdown', async () => {
    const { queue, publisher, names } = await listening([works()]);
    await queue.shutDownQueue();
    await queue.initQueue();
    await publisher.publish(1).wait();
    expect(names()).toContain('finished');
    await queue.shutDownQueue();
  });

  test('are not called by a send, but before anything that happens later', async () => {
    const { queue, publisher, names } = await listening([works()], { maxConsumers: 1, maxSize: 0 });
    const event = publisher.publish(1);
    publisher.publish(2);
    expect(names()).toEqual([]);
    queue.pause();
    expect(names()).toEqual(['enqueued', 'rejected', 'paused']);
    queue.resume();
    await event.wait();
    expect(names().slice(3, 6)).toEqual(['resumed', 'started', 'finished']);
    await queue.shutDownQueue();
  });

  test('are told of a send in a microtask', async () => {
    const { queue, publisher, names } = await listening([works()]);
    queue.pause();
    void publisher.publish(1);
    expect(names()).toEqual(['paused']);
    await Promise.resolve();
    expect(names()).toEqual(['paused', 'enqueued']);
    queue.resume();
    await queue.shutDownQueue();
  });

  test.each(['enqueued', 'started', 'finished', 'idle', 'revoked'] as const)(
    'may send from inside %s',
    async (name) => {
      const { queue, publisher, clock } = await started([works()], { maxConsumers: 1 });
      const sent: CollectorEvent[] = [];
      queue.events.on(name, () => {
        if (sent.length < 20) sent.push(publisher.publish('from within'));
      });
      queue.pause();
      const cancelled = publisher.publish(0);
      const first = publisher.publish(1);
      cancelled.cancel();
      queue.resume();
      await first.wait();
      await clock.turn();
      await queue.onIdle();
      expect(sent.length).toBeGreaterThan(0);
      for (const event of sent) expect(event.getResult()?.isOk()).toBe(true);
      await queue.shutDownQueue();
    },
  );

  test('may cancel the event that they are told of', async () => {
    const called: unknown[] = [];
    const { queue, publisher, clock } = await started([new Collector('a', ({ value }) => called.push(value))]);
    const events = new Map<string, CollectorEvent>();
    queue.events.on('enqueued', ({ id }) => events.get(id)?.cancel('not wanted'));
    for (const value of [1, 2]) {
      const event = publisher.publish(value);
      events.set(event.id, event);
    }
    await clock.turn();
    expect(called).toEqual([]);
    expect(queue.getMetrics()).toMatchObject({ settled: 2, cancelled: 2, busy: 0 });
    await queue.shutDownQueue();
  });
});

describe('a listener that fails', () => {
  const throwing = (): never => {
    throw new Error('listener');
  };
  const rejecting = async (): Promise<never> => throwing();

  test.each([
    ['throws', throwing],
    ['rejects', rejecting],
  ])('because it %s harms no delivery and no other listener, and is told as an internal error', async (_, fails) => {
    const { queue, publisher, clock } = await started([works()], { maxConsumers: 1 });
    const told: unknown[] = [];
    const others: string[] = [];
    queue.events.on('error-internal', (event) => told.push(event));
    for (const name of ['enqueued', 'started', 'finished'] as const) {
      queue.events.on(name, fails);
      queue.events.on(name, ({ status }) => others.push(status));
    }
    expect((await publisher.publish(1).wait()).isOk()).toBe(true);
    await clock.turn();
    expect(others).toEqual(['enqueued', 'started', 'finished']);
    expect(told).toEqual(
      others.map((name) => ({
        status: 'error-internal',
        timestamp: 0,
        source: `listener of "${name}"`,
        error: new Error('listener'),
      })),
    );
    expect(queue.getMetrics()).toMatchObject({ settled: 1, busy: 0 });
    await queue.shutDownQueue();
  });

  test.each([undefined, null, Object.freeze({}), Symbol('thrown')])('with %s is told likewise', async (thrown) => {
    const { queue } = await started([works()]);
    const told: unknown[] = [];
    queue.events.on('error-internal', ({ error }) => told.push(error));
    queue.events.on('paused', () => {
      throw thrown;
    });
    queue.pause();
    queue.resume();
    expect(told).toEqual([thrown]);
    await queue.shutDownQueue();
  });

  test('becomes a process warning that says why, if nobody listens to internal errors', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const { queue, clock } = await started([works()]);
    queue.events.on('paused', throwing).on('resumed', rejecting);
    queue.pause();
    queue.resume();
    await clock.turn();
    expect(warn.mock.calls).toEqual([
      ['listener of "paused" failed: Error: listener', 'CollectorQueueWarning'],
      ['listener of "resumed" failed: Error: listener', 'CollectorQueueWarning'],
    ]);
    await queue.shutDownQueue();
  });

  test('is logged, if there is a logger and nobody listens', async () => {
    const logged: unknown[] = [];
    const none = (): void => undefined;
    const logger = { info: none, warn: none, error: (...line: unknown[]) => void logged.push(line) };
    const { queue } = await started([works()], { logger });
    queue.events.on('paused', throwing);
    queue.pause();
    queue.resume();
    expect(logged).toEqual([
      [{ source: 'listener of "paused"', err: new Error('listener') }, 'collector queue internal error'],
    ]);
    await queue.shutDownQueue();
  });

  test('harms nobody even if the logger fails too', async () => {
    const logger = { info: throwing, warn: throwing, error: throwing };
    const { queue, publisher, clock } = await started([works()], { logger, maxConsumers: 1 });
    for (const name of ['started', 'finished', 'paused'] as const) queue.events.on(name, throwing);
    expect(() => queue.pause()).not.toThrow();
    queue.resume();
    const event = publisher.publish(1);
    await clock.turn();
    expect(event.getResult()?.isOk()).toBe(true);
    expect(queue.getMetrics()).toMatchObject({ settled: 1, busy: 0 });
    await queue.shutDownQueue();
  });

  test('of internal errors does not call itself for ever', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const { queue } = await started([works()]);
    queue.events.on('error-internal', throwing);
    queue.events.on('paused', throwing);
    queue.pause();
    queue.resume();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]?.[0]).toContain('listener of "error-internal" failed');
    await queue.shutDownQueue();
  });

  test('with a promise whose own catch throws harms nobody', async () => {
    const { queue } = await started([works()]);
    const told: unknown[] = [];
    queue.events.on('error-internal', ({ error }) => told.push(error));
    queue.events.on('paused', () => Object.defineProperty(Promise.resolve(), 'catch', { value: throwing }));
    expect(() => queue.pause()).not.toThrow();
    queue.resume();
    await queue.shutDownQueue();
  });
});
