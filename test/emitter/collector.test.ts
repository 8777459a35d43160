import { Collector, CollectorQueue, InvalidArgumentError, ok } from 'collector-queue';
import { type Emitter, type EmitterEvent, emitterCollector } from 'collector-queue/emitter';
import { err } from 'neverthrow';
import { describe, expect, test, vi } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { gate, isSettled, started, thrownBy } from '../core/scene.ts';
import { acted, event, ids, idsOf } from '../http/scene.ts';

/** An emitter that writes down what is done with it. */
class Recorder implements Emitter {
  readonly done: string[] = [];
  readonly events: EmitterEvent[] = [];
  closedWith: unknown = undefined;

  async open(): Promise<void> {
    this.done.push('open');
  }

  input(): boolean {
    this.done.push('input');
    return true;
  }

  async store(given: EmitterEvent): ReturnType<Emitter['store']> {
    this.done.push('store');
    this.events.push(given);
    return ok('stored');
  }

  async flush(): Promise<void> {
    this.done.push('flush');
  }

  async close(options?: unknown): Promise<void> {
    this.closedWith = options;
    this.done.push('close');
  }
}

class Deliverer extends Recorder {
  async deliver(given: EmitterEvent): ReturnType<Emitter['store']> {
    this.done.push('deliver');
    this.events.push(given);
    return given.eid === 'bad' ? err(new Error('refused')) : ok('delivered');
  }
}

describe('the collector of an emitter', () => {
  test('opens it when the queue sets up, and closes it when that shuts down', async () => {
    const emitter = new Recorder();
    const { queue, publisher } = await started([emitterCollector('out', emitter)]);
    expect(emitter.done).toEqual(['open']);
    const results = await publisher.publish(event(1)).wait();
    expect(results.first()).toEqual(ok('stored'));
    expect(emitter.done).toEqual(['open', 'store']);
    await queue.shutDownQueue();
    expect(emitter.done).toEqual(['open', 'store', 'close']);
    expect(emitter.closedWith).toEqual({ timeout: 10_000 });
    expect(emitter.events).toEqual([event(1)]);
  });

  test('closes it within closeTimeout', async () => {
    const emitter = new Recorder();
    const { queue } = await started([emitterCollector('out', emitter, { closeTimeout: 7 })]);
    await queue.shutDownQueue();
    expect(emitter.closedWith).toEqual({ timeout: 7 });
  });

  test('needs no open', async () => {
    const emitter: Emitter = Object.assign(new Recorder(), { open: undefined });
    const { queue, publisher } = await started([emitterCollector('out', emitter)]);
    expect((await publisher.publish(event(1)).wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });

  test('fails the set-up of the queue, if the emitter cannot be opened', async () => {
    const emitter = new Recorder();
    emitter.open = () => Promise.reject(new Error('locked'));
    const queue = new CollectorQueue([emitterCollector('out', emitter)]);
    await expect(queue.initQueue()).rejects.toMatchObject({ errors: [new Error('locked')] });
    emitter.open = async () => undefined;
    await queue.initQueue();
    await queue.shutDownQueue();
  });

  test('fails the shutdown of the queue, if the emitter cannot be closed', async () => {
    const emitter = new Recorder();
    emitter.close = () => Promise.reject(new Error('stuck'));
    const { queue } = await started([emitterCollector('out', emitter)]);
    await expect(queue.shutDownQueue()).rejects.toMatchObject({ errors: [new Error('stuck')] });
  });

  test("with ack: 'delivered' settles with the outcome of its own event", async () => {
    const emitter = new Deliverer();
    const { queue, publisher } = await started([emitterCollector('out', emitter, { ack: 'delivered' })]);
    const good = await publisher.publish(event(1)).wait();
    const bad = await publisher.publish(event('bad')).wait();
    expect(good.first()).toEqual(ok('delivered'));
    expect(bad.first()).toEqual(err(new Error('refused')));
    expect(emitter.done).not.toContain('store');
    await queue.shutDownQueue();
  });

  test('has the options of any collector: topics, retry, timeout, dead letter', async () => {
    const emitter = new Recorder();
    let fails = 2;
    emitter.store = async () => (fails-- > 0 ? err(new Error('full')) : ok(1));
    const { queue, publisher, clock } = await started([
      emitterCollector('out', emitter, { topics: 'sensors/#', retry: { attempts: 3, base: 0 } }),
    ]);
    const reached = publisher.publish(event(1), { topics: 'sensors/a' });
    const other = publisher.publish(event(2), { topics: 'others' });
    await clock.advance(0);
    expect((await reached.wait()).isOk()).toBe(true);
    expect((await other.wait()).delivered).toBe(0);
    await queue.shutDownQueue();
  });

  test('gives the values of payloads, whatever they are, to the emitter, which decides', async () => {
    const { emitter, clock } = acted();
    const queue = new CollectorQueue([emitter.toCollector('out')], { clock });
    await queue.initQueue();
    const event = queue.getPublisher().publish('no event' as never);
    const [result] = await event.wait();
    expect(result?._unsafeUnwrapErr()).toBeInstanceOf(InvalidArgumentError);
    expect(result?._unsafeUnwrapErr()).toMatchObject({ argument: 'HttpEmitter: event', retryable: false });
    await queue.shutDownQueue();
  });

  test('is refused when it is made of what is no emitter, or with options that are wrong', () => {
    const emitter = new Recorder();
    const methods = 'an object with the methods input, store, flush, close';
    const cases: readonly (readonly [() => unknown, string])[] = [
      [() => emitterCollector('out', null as never), `emitterCollector "out": emitter must be ${methods}`],
      [() => emitterCollector('out', {} as never), `emitterCollector "out": emitter must be ${methods}`],
      [
        () => emitterCollector('out', { ...emitter, store: 5 } as never),
        `emitterCollector "out": emitter must be ${methods}`,
      ],
      [
        () => emitterCollector('out', Object.assign(new Recorder(), { open: 5 }) as never),
        'emitterCollector "out": emitter.open must be a function, but it is 5',
      ],
      [
        () => emitterCollector('out', Object.assign(new Recorder(), { deliver: 5 }) as never),
        'emitterCollector "out": emitter.deliver must be a function, but it is 5',
      ],
      [
        () => emitterCollector('out', emitter, null as never),
        'emitterCollector "out": options must be an object, but it is null',
      ],
      [
        () => emitterCollector('out', emitter, [] as never),
        'emitterCollector "out": options must be an object, but it is an empty array',
      ],
      [
        () => emitterCollector('out', emitter, { ack: 'sent' } as never),
        `emitterCollector "out": ack must be one of 'stored', 'delivered', but it is "sent"`,
      ],
      [
        () => emitterCollector('out', emitter, { ack: 'delivered' }),
        `emitterCollector "out": ack must be 'stored' with an emitter that cannot tell what becomes of an event, but it is 'delivered'`,
      ],
      [
        () => emitterCollector('out', emitter, { closeTimeout: -1 }),
        'emitterCollector "out": closeTimeout must be a duration of at least 0 milliseconds, but it is -1',
      ],
      [() => emitterCollector('out', emitter, { acks: 'stored' } as never), 'Collector "out": options must be made of'],
      [
        () => emitterCollector('out', emitter, { lifecycle: {} } as never),
        'emitterCollector "out": options must be without lifecycle',
      ],
      [
        () => emitterCollector('out', emitter, { context: {} } as never),
        'emitterCollector "out": options must be without context',
      ],
      [() => emitterCollector('', emitter), 'Collector: key must be a non-empty string, but it is empty'],
      [() => emitterCollector(5 as never, emitter), 'Collector: key must be a non-empty string, but it is 5'],
      [
        () => emitterCollector(Symbol('out') as never, emitter),
        'Collector: key must be a non-empty string, but it is a symbol',
      ],
    ];
    for (const [make, message] of cases) {
      const error = thrownBy(make);
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect((error as Error).message).toContain(message);
    }
  });
});

describe('several emitters on one queue', () => {
  test('are several collectors: each gets every broadcast, and one that fails hurts none', async () => {
    const clock = new ManualClock();
    const scenes = [acted([], { clock }), acted([], { clock, otherwise: 500 }), acted([], { clock, method: 'get' })];
    const collectors = scenes.map(({ emitter }, at) => emitter.toCollector(`out-${at}`));
    const queue = new CollectorQueue(collectors, { clock });
    await queue.initQueue();
    for (let id = 1; id <= 10; id++) {
      const results = await queue.getPublisher().publish(event(id)).wait();
      expect(results.delivered).toBe(3);
      expect(results.isOk()).toBe(true);
    }
    await queue.shutDownQueue();
    expect(scenes[0]?.far.batches.flat()).toEqual(ids(1, 10));
    expect(scenes[2]?.far.batches.flat()).toEqual(ids(1, 10));
    expect(scenes.map(({ emitter }) => emitter.getMetrics())).toMatchObject([
      { sent: 10 },
      { sent: 0, deadLettered: 10 },
      { sent: 10 },
    ]);
  });

  test('may come and go at run time', async () => {
    const clock = new ManualClock();
    const [first, second] = [acted([], { clock }), acted([], { clock })];
    const queue = new CollectorQueue([first.emitter.toCollector('first')], { clock });
    await queue.initQueue();
    const publisher = queue.getPublisher();
    await publisher.publish(event(1)).wait();
    await queue.addCollector(second.emitter.toCollector('second'));
    await publisher.publish(event(2)).wait();
    await queue.removeCollector('first');
    expect(first.far.batches.flat()).toEqual(ids(1, 2));
    expect(first.emitter.input(event('late'))).toBe(false);
    await publisher.publish(event(3)).wait();
    await queue.shutDownQueue();
    expect(second.far.batches.flat()).toEqual(ids(2, 3));
  });
});

describe('an HttpEmitter on a queue', () => {
  test('sends what waits when the queue shuts down, and works again when that is initialised again', async () => {
    const { emitter, far, clock } = acted();
    const queue = new CollectorQueue([emitter.toCollector('out')], { clock });
    for (let round = 1; round <= 3; round++) {
      await queue.initQueue();
      const result = await queue.getPublisher().publish(event(round)).wait();
      expect(result.isOk()).toBe(true);
      await queue.shutDownQueue();
      expect(far.batches).toHaveLength(round);
    }
    expect(far.batches.flat()).toEqual(ids(1, 3));
    expect(clock.pendingTimers).toBe(0);
  });

  test("with ack: 'stored' is Ok before anything was sent", async () => {
    const { emitter, far, clock } = acted([], { otherwise: 500 });
    const queue = new CollectorQueue([emitter.toCollector('out', { ack: 'stored' })], { clock });
    await queue.initQueue();
    expect((await queue.getPublisher().publish(event(1)).wait()).isOk()).toBe(true);
    expect(far.requests).toEqual([]);
    await queue.shutDownQueue();
  });

  test("with ack: 'stored' is an Err if the buffer is full, and may be tried again by the collector's retry", async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const first = gate<number>();
    const { emitter, clock } = acted([first.promise], { bufferCapacity: 1 });
    const queue = new CollectorQueue([emitter.toCollector('out', { retry: { attempts: 2, base: 1_000 } })], { clock });
    await queue.initQueue();
    const publisher = queue.getPublisher();
    await publisher.publish(event(1)).wait();
    const second = publisher.publish(event(2));
    await clock.turn();
    expect(second.status).not.toBe('settled');
    first.open(200);
    await clock.advance(1_000);
    expect((await second.wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
    expect(emitter.getMetrics()).toMatchObject({ sent: 2 });
  });

  test("with ack: 'delivered' settles once the server took the event, and holds its consumer until then", async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const { emitter, clock } = acted([500, 200]);
    const queue = new CollectorQueue([emitter.toCollector('out', { ack: 'delivered' })], { clock, maxConsumers: 1 });
    await queue.initQueue();
    const sending = queue.getPublisher().publish(event(1)).wait();
    await clock.advance(1_000);
    expect(await isSettled(sending)).toBe(false);
    expect(queue.getMetrics().busy).toBe(1);
    await clock.advance(500);
    expect((await sending).first()).toEqual(ok({ status: 200 }));
    await queue.shutDownQueue();
  });

  test("with ack: 'delivered' is an Err for the dead letter, which the collector's retry does not repeat", async () => {
    const letters: unknown[] = [];
    const { emitter, clock, far } = acted([422, 413], {
      batchSize: 1,
      deadLetter: (events) => letters.push(...idsOf(events)),
    });
    const queue = new CollectorQueue([emitter.toCollector('out', { ack: 'delivered', retry: 5 })], { clock });
    await queue.initQueue();
    for (const [id, status] of [
      [1, 422],
      [2, 413],
    ] as const) {
      const results = queue.getPublisher().publish(event(id)).wait();
      await clock.advance(100_000);
      expect((await results).first()._unsafeUnwrapErr()).toMatchObject({ status, retryable: false });
    }
    expect(letters).toEqual(ids(1, 2));
    expect(far.requests).toHaveLength(2);
    await queue.shutDownQueue();
  });

  test("with ack: 'delivered' settles with an Err if the queue shuts down before", async () => {
    const { emitter, clock } = acted([], { otherwise: 500, deadLetter: () => undefined });
    const queue = new CollectorQueue([emitter.toCollector('out', { ack: 'delivered' })], { clock });
    await queue.initQueue();
    const sending = queue.getPublisher().publish(event(1)).wait();
    const closing = queue.shutDownQueue({ timeout: 1_000 });
    await clock.advance(20_000);
    await closing;
    expect((await sending).isOk()).toBe(false);
  });

  test('works beside a collector of another kind', async () => {
    const { emitter, clock, far } = acted();
    const seen: unknown[] = [];
    const collectors = [emitter.toCollector('out'), new Collector('seen', ({ value }) => seen.push(value))];
    const queue = new CollectorQueue(collectors, { clock });
    await queue.run((publisher) => publisher.publish(event(1)).wait());
    expect(seen).toEqual([event(1)]);
    expect(far.batches).toEqual([['1']]);
  });
});
