import { spawn } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { join } from 'node:path';
import {
  Collector,
  ErrorCode,
  InvalidArgumentError,
  type QueueEventMap,
  QueueEventName,
  type QueueEventStream,
  type StreamOptions,
} from 'collector-queue';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { QueueEventSource } from '../../src/queue-events/queue-events.ts';
import { settlePromises } from '../../src/testing/manual-clock.ts';
import { survivors } from '../contracts/garbage.ts';
import { isSettled, rejectionOf, started, thrownBy } from '../core/scene.ts';

const ALL = Object.values(QueueEventName);

/** A source of events without a queue, and what it could tell nobody. */
function source(): { events: QueueEventSource; lost: [source: string, error: unknown][] } {
  const lost: [string, unknown][] = [];
  const events = new QueueEventSource(
    () => 0,
    (argument) => new Error(argument),
    (...failure) => lost.push(failure),
  );
  return { events, lost };
}

/** Emits as the queue does: only what somebody listens to. */
function scale(events: QueueEventSource, ...sizes: number[]): void {
  for (const to of sizes) if (events.observed('scaled')) events.emit('scaled', { from: 0, to });
}

/** The numbers of the next events. */
async function nextSizes(stream: QueueEventStream<'scaled'>, count: number): Promise<(number | undefined)[]> {
  const sizes: (number | undefined)[] = [];
  for (let i = 0; i < count; i++) sizes.push((await stream.next()).value?.to);
  return sizes;
}

/** How many listeners each event has. */
function listeners(events: Pick<QueueEventSource, 'listenerCount'>): number[] {
  return ALL.map((name) => events.listenerCount(name));
}

const NOBODY = ALL.map(() => 0);
const DONE = { done: true, value: undefined };
const works = (): Collector => new Collector('works', async () => 'done');

describe('a stream of queue events', () => {
  test('tells a loop what the queue does, until its signal ends it', async () => {
    const fails = new Collector('fails', () => {
      throw new Error('no');
    });
    const { queue, publisher } = await started([works(), fails]);
    const controller = new AbortController();
    const stream = queue.events.stream({
      filter: ['finished', 'error-task'],
      bufferSize: 100,
      signal: controller.signal,
    });
    const event = publisher.publish(1);
    const told: QueueEventMap['finished' | 'error-task'][] = [];
    for await (const one of stream) {
      if (told.push(one) === 2) controller.abort();
    }
    expect(told).toMatchObject([
      { status: 'error-task', id: event.id, task: 'fails' },
      { status: 'finished', id: event.id, task: 'works' },
    ]);
    await queue.shutDownQueue();
  });

  test('listens from the call on: nothing is missed before the first next()', async () => {
    const { queue } = await started([works()]);
    queue.pause();
    const stream = queue.events.stream({ filter: ['paused', 'resumed'] });
    queue.resume();
    queue.pause();
    expect(stream.buffered).toBe(2);
    expect(await stream.next()).toEqual({ done: false, value: { status: 'resumed', timestamp: 0 } });
    expect(await stream.next()).toEqual({ done: false, value: { status: 'paused', timestamp: 0 } });
    const next = stream.next();
    expect(await isSettled(next)).toBe(false);
    queue.resume();
    expect((await next).value?.status).toBe('resumed');
    await stream.return();
    await queue.shutDownQueue();
  });

  test('listens to the names of its filter alone, so that nothing is made for others', () => {
    const { events } = source();
    const stream = events.stream({ filter: ['finished', 'idle', 'finished'] });
    for (const name of ALL) {
      const listened = name === 'finished' || name === 'idle';
      expect(events.observed(name), name).toBe(listened);
      expect(events.listenerCount(name), name).toBe(listened ? 1 : 0);
    }
    expect(events.listening).toBe(2);
    events.emit('idle', {});
    expect(stream.buffered).toBe(1);
  });

  test('is about every event if it has no filter', () => {
    const { events } = source();
    events.stream();
    events.stream({ filter: undefined, bufferSize: undefined, signal: undefined });
    expect(listeners(events)).toEqual(ALL.map(() => 2));
  });

  test('with a function for a filter is about the events that it lets through', async () => {
    const { events } = source();
    const asked: string[] = [];
    const stream = events.stream({
      filter: (event) => {
        asked.push(event.status);
        return event.status === 'scaled' && event.to > 1;
      },
    });
    events.emit('idle', {});
    scale(events, 1, 2, 3);
    expect(asked).toEqual(['idle', 'scaled', 'scaled', 'scaled']);
    expect(stream.buffered).toBe(2);
    expect((await stream.next()).value).toEqual({ status: 'scaled', timestamp: 0, from: 0, to: 2 });
    expect((await stream.next()).value).toMatchObject({ to: 3 });
    expect(stream.dropped).toBe(0);
  });

  test('reads its options once', () => {
    const { events } = source();
    const filter: QueueEventName[] = ['idle'];
    const options = { filter, bufferSize: 1 };
    const stream = events.stream(options);
    filter.push('paused');
    options.bufferSize = 2;
    events.emit('idle', {});
    events.emit('idle', {});
    expect(events.listenerCount('paused')).toBe(0);
    expect([stream.buffered, stream.dropped]).toEqual([1, 1]);
  });

  test('gives each event to each stream, and to listeners as before', async () => {
    const { events } = source();
    const heard: number[] = [];
    events.on('scaled', ({ to }) => heard.push(to));
    const [one, other] = [events.stream({ filter: ['scaled'] }), events.stream({ filter: ['scaled'], bufferSize: 1 })];
    scale(events, 1, 2);
    expect(await nextSizes(one, 2)).toEqual([1, 2]);
    expect(await nextSizes(other, 1)).toEqual([2]);
    expect([one.dropped, other.dropped]).toEqual([0, 1]);
    expect(heard).toEqual([1, 2]);
  });

  test('serves concurrent calls of next() in turn', async () => {
    const { events } = source();
    const stream = events.stream({ filter: ['scaled'] });
    scale(events, 1);
    const calls = [stream.next(), stream.next(), stream.next(), stream.next()];
    scale(events, 2, 3);
    expect(stream.buffered).toBe(0);
    await stream.return();
    expect((await Promise.all(calls)).map(({ value }) => value?.to)).toEqual([1, 2, 3, undefined]);
  });

  test('goes on across a shutdown and the next initialisation', async () => {
    const { queue, publisher } = await started([works()]);
    const stream = queue.events.stream({ filter: ['finished', 'shutdown'] });
    await queue.shutDownQueue();
    await queue.initQueue();
    await publisher.publish(1).wait();
    expect((await stream.next()).value?.status).toBe('shutdown');
    expect((await stream.next()).value?.status).toBe('finished');
    await stream.return();
    await queue.shutDownQueue();
  });

  test('does not keep the process alive', async () => {
    const program = `
      import { Collector, CollectorQueue } from './src/index.ts';
      const queue = new CollectorQueue([new Collector('a', () => 1)]);
      const consume = async () => {
        for await (const { status } of queue.events.stream({ signal: new AbortController().signal })) console.log(status);
      };
      void consume();
      await queue.initQueue();
      await queue.shutDownQueue();
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
      cwd: join(import.meta.dirname, '..', '..'),
    });
    let [printed, complaints] = ['', ''];
    child.stdout.on('data', (chunk) => {
      printed += chunk;
    });
    child.stderr.on('data', (chunk) => {
      complaints += chunk;
    });
    const [code] = await once(child, 'close');
    expect(complaints).toBe('');
    expect(printed).toMatch(/^drained\nshutdown\n$/m);
    expect(code).toBe(0);
  }, 30_000);
});

describe('the buffer of a stream', () => {
  test('drops the oldest event for one too many, and counts', async () => {
    const { events } = source();
    const stream = events.stream({ filter: ['scaled'], bufferSize: 3 });
    scale(events, 1, 2, 3);
    expect([stream.buffered, stream.dropped]).toEqual([3, 0]);
    scale(events, 4, 5);
    expect([stream.buffered, stream.dropped]).toEqual([3, 2]);
    expect(await nextSizes(stream, 2)).toEqual([3, 4]);
    scale(events, 6, 7, 8);
    expect([stream.buffered, stream.dropped]).toEqual([3, 3]);
    expect(await nextSizes(stream, 3)).toEqual([6, 7, 8]);
  });

  test('shows a slow consumer what it has missed so far', async () => {
    const { events } = source();
    const stream = events.stream({ filter: ['scaled'], bufferSize: 1 });
    const seen: [size: number, dropped: number][] = [];
    scale(events, 1);
    for await (const { to } of stream) {
      seen.push([to, stream.dropped]);
      if (to === 7) break;
      scale(events, to + 1, to + 2, to + 3);
    }
    expect(seen).toEqual([
      [1, 0],
      [4, 2],
      [7, 4],
    ]);
  });

  test('holds 1,000 events by default', () => {
    const { events } = source();
    const stream = events.stream({ filter: ['scaled'] });
    scale(events, ...Array.from({ length: 1001 }, (_, size) => size));
    expect([stream.buffered, stream.dropped]).toEqual([1000, 1]);
  });

  test('can hold a single event', async () => {
    const { events } = source();
    const stream = events.stream({ filter: ['scaled'], bufferSize: 1 });
    scale(events, 1, 2, 3);
    expect([stream.buffered, stream.dropped]).toEqual([1, 2]);
    expect(await nextSizes(stream, 1)).toEqual([3]);
    expect([stream.buffered, stream.dropped]).toEqual([0, 2]);
  });

  test('counts nothing that does not pass the filter', () => {
    const { events } = source();
    const stream = events.stream({ filter: ({ status }) => status === 'idle', bufferSize: 1 });
    scale(events, 1, 2, 3);
    expect([stream.buffered, stream.dropped]).toEqual([0, 0]);
  });

  test('holds on to nothing that was dropped, handed out or left', async () => {
    const { events } = source();
    const references: WeakRef<object>[] = [];
    const filter = (event: object): boolean => references.push(new WeakRef(event)) > 0;
    const stream = events.stream({ filter, bufferSize: 10 });
    scale(events, ...Array.from({ length: 15 }, (_, size) => size));
    for (let i = 0; i < 2; i++) void stream.next();
    expect(await survivors(references)).toBe(8);
    await stream.return();
    expect(await survivors(references)).toBe(0);
    expect(stream.buffered).toBe(8);
  });

  test('grows with what waits, not with what it has seen', async () => {
    const { events } = source();
    const stream = events.stream({ filter: ['scaled'], bufferSize: 2 });
    const pass = async (times: number): Promise<number> => {
      for (let size = 0; size < times; size++) {
        scale(events, size, size + 1, size + 2);
        await stream.next();
      }
      await settlePromises();
      globalThis.gc?.();
      return process.memoryUsage().heapUsed;
    };
    const before = await pass(10_000);
    expect((await pass(100_000)) - before, 'bytes').toBeLessThan(500_000);
    expect(stream.buffered).toBe(1);
  });
});

describe('a stream ends', () => {
  type Scaled = QueueEventStream<'scaled'>;

  const ways: [name: string, end: (stream: Scaled, controller: AbortController) => unknown][] = [
    ['by leaving its loop', (stream) => leave(stream)],
    ['by a loop that throws', (stream) => rejectionOf(leave(stream, new Error('body')))],
    ['by return()', (stream) => stream.return()],
    ['by throw()', (stream) => rejectionOf(stream.throw(new Error('thrown')))],
    ['by its disposal', (stream) => stream[Symbol.asyncDispose]()],
    ['by its signal', (_, controller) => controller.abort()],
  ];

  async function leave(stream: Scaled, error?: Error): Promise<void> {
    for await (const _ of stream) {
      if (error !== undefined) throw error;
      break;
    }
  }

  test.each(ways)('%s, and leaves no listener behind', async (_, end) => {
    const { events } = source();
    const other = events.stream({ filter: ['idle'] });
    const before = listeners(events);
    const controller = new AbortController();
    const stream = events.stream({ filter: ['scaled', 'idle'], signal: controller.signal }) as Scaled;
    expect(events.listening).toBe(3);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    scale(events, 1);
    await end(stream, controller);
    expect(listeners(events)).toEqual(before);
    expect(events.listening).toBe(1);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    expect(await stream.next()).toEqual(DONE);
    expect(other.buffered).toBe(0);
  });

  test.each(ways.slice(2))('%s, at once: what waits is not given any more', async (_, end) => {
    const { events } = source();
    const controller = new AbortController();
    const stream = events.stream({ filter: ['scaled'], bufferSize: 2, signal: controller.signal });
    scale(events, 1, 2, 3);
    const ending = end(stream, controller);
    scale(events, 4, 5);
    expect(await stream.next()).toEqual(DONE);
    await ending;
    expect(await stream.next()).toEqual(DONE);
    expect([stream.buffered, stream.dropped]).toEqual([2, 1]);
  });

  test.each(ways.slice(2))('%s, for everybody who waits', async (_, end) => {
    const { events } = source();
    const controller = new AbortController();
    const stream = events.stream({ filter: ['scaled'], signal: controller.signal });
    const calls = [stream.next(), stream.next()];
    await end(stream, controller);
    expect(await Promise.all(calls)).toEqual([DONE, DONE]);
    expect(stream.buffered).toBe(0);
  });

  test('for good, however often it is ended', async () => {
    const { events } = source();
    const controller = new AbortController();
    const stream = events.stream({ filter: ['scaled'], signal: controller.signal });
    scale(events, 1);
    expect(await stream.return()).toEqual(DONE);
    expect(await stream.return()).toEqual(DONE);
    controller.abort();
    await stream[Symbol.asyncDispose]();
    const error = new Error('thrown');
    expect(await rejectionOf(stream.throw(error))).toBe(error);
    for await (const event of stream) expect.unreachable(event.status);
    expect([stream.buffered, events.listening]).toEqual([1, 0]);
  });

  test('with what the loop throws, not with what aborted its signal', async () => {
    const { events } = source();
    const controller = new AbortController();
    const stream = events.stream({ filter: ['scaled'], signal: controller.signal });
    const looping = leave(stream);
    controller.abort(new Error('reason'));
    await expect(looping).resolves.toBeUndefined();
    const other = events.stream({ filter: ['scaled'] });
    scale(events, 1);
    const error = new Error('body');
    expect(await rejectionOf(leave(other, error))).toBe(error);
  });

  test('before it begins if its signal has aborted', async () => {
    const { events } = source();
    const signal = AbortSignal.abort();
    const stream = events.stream({ signal });
    expect(listeners(events)).toEqual(NOBODY);
    expect(events.listening).toBe(0);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(await stream.next()).toEqual(DONE);
  });

  test('with the block that uses it', async () => {
    const { events } = source();
    {
      await using stream = events.stream({ filter: ['scaled'] });
      scale(events, 1);
      expect(await nextSizes(stream, 1)).toEqual([1]);
    }
    expect(events.listening).toBe(0);
  });

  test('with the generator that delegates to it', async () => {
    const { events } = source();
    async function* sizes(): AsyncGenerator<QueueEventMap['scaled'], void, undefined> {
      yield* events.stream({ filter: ['scaled'] });
    }
    for (const end of ['return', 'throw'] as const) {
      const generator = sizes();
      const next = generator.next();
      scale(events, 1);
      expect((await next).value).toMatchObject({ to: 1 });
      const ended: Promise<unknown> = generator[end](undefined);
      await ended.catch(() => undefined);
      expect(events.listening).toBe(0);
    }
  });

  test.each([undefined, (): boolean => true])('for an event under way too, if a listener ends it', (filter) => {
    const { events } = source();
    events.on('scaled', () => void stream.return());
    const asked = vi.fn(filter);
    const stream = events.stream(filter === undefined ? { filter: ['scaled'] } : { filter: asked });
    scale(events, 1);
    expect(stream.buffered).toBe(0);
    expect(asked).not.toHaveBeenCalled();
  });

  test('for the event of which its filter ends it', () => {
    const { events } = source();
    const stream: QueueEventStream = events.stream({
      filter: () => {
        void stream.return();
        return true;
      },
    });
    scale(events, 1);
    expect([stream.buffered, events.listening]).toEqual([0, 0]);
  });
});

describe('the filter of a stream', () => {
  const failure = new Error('filter');

  test('that throws leaves the event out, harms nobody, and is told as an internal error', async () => {
    const { events, lost } = source();
    const told: unknown[] = [];
    const heard: number[] = [];
    events.on('error-internal', (event) => told.push(event));
    const stream = events.stream({
      filter: (event) => {
        if (event.status === 'scaled' && event.to === 2) throw failure;
        return event.status === 'scaled';
      },
    });
    events.on('scaled', ({ to }) => heard.push(to));
    scale(events, 1, 2, 3);
    expect(heard).toEqual([1, 2, 3]);
    expect(told).toEqual([{ status: 'error-internal', timestamp: 0, source: 'filter of a stream', error: failure }]);
    expect([stream.buffered, stream.dropped]).toEqual([2, 0]);
    expect((await stream.next()).value).toMatchObject({ to: 1 });
    expect((await stream.next()).value).toMatchObject({ to: 3 });
    expect(lost).toEqual([]);
  });

  test('that throws whatever it is asked does not call itself for ever', () => {
    const { events, lost } = source();
    const filter = vi.fn(() => {
      throw failure;
    });
    const stream = events.stream({ filter });
    scale(events, 1);
    expect(filter).toHaveBeenCalledTimes(2);
    expect(lost).toEqual([['filter of a stream', failure]]);
    expect(stream.buffered).toBe(0);
  });

  test('that promises its answer lets nothing through, and is told as an internal error', async () => {
    const { events } = source();
    const told: unknown[] = [];
    events.on('error-internal', ({ error }) => told.push(error));
    const answers = [Promise.resolve(true), Promise.reject(failure)];
    const filter = (event: { status: string }): unknown => event.status === 'scaled' && answers.shift();
    const stream = events.stream({ filter: filter as () => boolean });
    scale(events, 1, 2);
    await settlePromises();
    expect(told).toHaveLength(2);
    for (const error of told) expect(error).toBeInstanceOf(TypeError);
    expect(stream.buffered).toBe(0);
  });
});

describe('the options of a stream', () => {
  const rows: [argument: string, expected: string, came: string, options: unknown][] = [
    ['options', 'an object', 'null', null],
    ['options', 'an object', '5', 5],
    ['options', 'an object', 'an array of length 1', ['idle']],
    ['options', 'made of filter, bufferSize, signal', '"buffersize"', { buffersize: 1 }],
    ['options', 'made of filter, bufferSize, signal', '"names"', { filter: ['idle'], names: undefined }],
    ['filter', 'a function or a non-empty array of names of queue events', '"idle"', { filter: 'idle' }],
    ['filter', 'a function or a non-empty array of names of queue events', 'null', { filter: null }],
    ['filter', 'a function or a non-empty array of names of queue events', 'an empty array', { filter: [] }],
    ['filter', 'a function or a non-empty array of names of queue events', 'a Set', { filter: new Set(['idle']) }],
    ['filter[1]', 'the name of a queue event', '"finnished"', { filter: ['idle', 'finnished'] }],
    ['filter[0]', 'the name of a queue event', 'undefined', { filter: new Array(1) }],
    ['filter[0]', 'the name of a queue event', '"toString"', { filter: ['toString'] }],
    ['bufferSize', 'a whole number of at least 1', '0', { bufferSize: 0 }],
    ['bufferSize', 'a whole number of at least 1', '-1', { bufferSize: -1 }],
    ['bufferSize', 'a whole number of at least 1', '1.5', { bufferSize: 1.5 }],
    ['bufferSize', 'a whole number of at least 1', 'NaN', { bufferSize: Number.NaN }],
    ['bufferSize', 'a whole number of at least 1', 'Infinity', { bufferSize: Number.POSITIVE_INFINITY }],
    ['bufferSize', 'a whole number of at least 1', '"100"', { bufferSize: '100' }],
    ['bufferSize', 'a whole number of at least 1', 'the bigint 100n', { bufferSize: 100n }],
    ['bufferSize', 'a whole number of at least 1', 'null', { bufferSize: null }],
    ['signal', 'an AbortSignal', 'a Date', { signal: new Date(0) }],
    ['signal', 'an AbortSignal', 'an object', { signal: { aborted: false } }],
    ['signal', 'an AbortSignal', 'null', { signal: null }],
  ];

  test.each(rows)('are refused if %s must be %s, but it is %s', async (argument, expected, came, options) => {
    const { queue } = await started([works()]);
    const error = thrownBy(() => queue.events.stream(options as StreamOptions));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error).toMatchObject({ code: ErrorCode.INVALID_ARGUMENT, argument: `queue.events: stream: ${argument}` });
    expect((error as Error).message).toBe(`queue.events: stream: ${argument} must be ${expected}, but it is ${came}`);
    expect(listeners(queue.events)).toEqual(NOBODY);
    await queue.shutDownQueue();
  });

  test('that only look like an AbortSignal leave no listener behind', () => {
    const { events } = source();
    const signal = Object.create(AbortSignal.prototype) as AbortSignal;
    expect(() => events.stream({ signal })).toThrow();
    expect(events.listening).toBe(0);
  });
});

describe('whatever the order of emissions, calls and the end', () => {
  type Step = 'emit' | 'emit another' | 'next' | 'turn' | 'return' | 'abort';

  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 30, arbitrary: fc.constant('emit' as const) },
    { weight: 5, arbitrary: fc.constant('emit another' as const) },
    { weight: 20, arbitrary: fc.constant('next' as const) },
    { weight: 10, arbitrary: fc.constant('turn' as const) },
    { weight: 1, arbitrary: fc.constantFrom('return' as const, 'abort' as const) },
  );

  /** Single steps, and bursts of one kind, so that buffers fill up and run dry. */
  const steps = fc
    .array(fc.tuple(step, fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.nat(40) })), {
      maxLength: 60,
      size: 'max',
    })
    .map((bursts) => bursts.flatMap(([one, times]) => Array.from({ length: times }, () => one)));

  class Scene {
    readonly events: QueueEventSource = source().events;
    readonly controller: AbortController = new AbortController();
    readonly stream: QueueEventStream<'scaled'>;
    readonly bufferSize: number;
    readonly calls: Promise<IteratorResult<QueueEventMap['scaled'], undefined>>[] = [];
    readonly seen: number[] = [];
    emitted = 0;
    ended = false;

    constructor(bufferSize: number, byName: boolean) {
      this.bufferSize = bufferSize;
      const { signal } = this.controller;
      const filter = byName ? (['scaled'] as const) : ({ status }: { status: string }) => status === 'scaled';
      this.stream = this.events.stream({ filter, bufferSize, signal }) as QueueEventStream<'scaled'>;
    }

    async do(one: Step): Promise<void> {
      if (one === 'emit') this.emit();
      else if (one === 'emit another' && this.events.observed('idle')) this.events.emit('idle', {});
      else if (one === 'next') this.next();
      else if (one === 'turn') await this.check();
      else if (one === 'return') this.end(() => void this.stream.return());
      else if (one === 'abort') this.end(() => this.controller.abort());
      expect(this.stream.buffered).toBeLessThanOrEqual(this.bufferSize);
    }

    emit(): void {
      expect(this.events.observed('scaled')).toBe(!this.ended);
      if (!this.ended) this.events.emit('scaled', { from: 0, to: this.emitted++ });
    }

    next(): void {
      const call = this.stream.next();
      this.calls.push(call);
      void call.then(({ value }) => {
        if (value !== undefined) this.seen.push(value.to);
      });
    }

    end(how: () => void): void {
      how();
      this.ended = true;
      expect(this.events.listening).toBe(0);
    }

    /** What was emitted has been seen, dropped or is buffered; and it is seen in order, each at most once. */
    async check(): Promise<void> {
      await settlePromises();
      const { dropped, buffered } = this.stream;
      expect(this.seen.length + dropped + buffered).toBe(this.emitted);
      for (const [at, number] of this.seen.entries()) expect(number).toBeGreaterThan(this.seen[at - 1] ?? -1);
    }

    /** The newest are those that are left, and every call was served in its turn. */
    async finish(): Promise<void> {
      await this.check();
      const { buffered } = this.stream;
      if (!this.ended) {
        for (let left = buffered; left > 0; left--) this.next();
        await this.check();
        const newest = Array.from({ length: buffered }, (_, at) => this.emitted - buffered + at);
        expect(this.seen.slice(this.seen.length - buffered)).toEqual(newest);
      }
      await this.stream.return();
      const results = await Promise.all(this.calls);
      const values = results.map(({ value }) => value?.to);
      expect(values).toEqual([...this.seen, ...values.slice(this.seen.length).fill(undefined)]);
      expect(this.events.listening).toBe(0);
      expect(getEventListeners(this.controller.signal, 'abort')).toHaveLength(0);
    }
  }

  test('a consumer sees events in order, and seen, dropped and buffered add up to what was emitted', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 20 }), fc.boolean(), steps, async (bufferSize, byName, all) => {
        const scene = new Scene(bufferSize, byName);
        for (const one of all) await scene.do(one);
        await scene.finish();
      }),
      { numRuns: Number(process.env.FC_RUNS) },
    );
  }, 60_000);
});
