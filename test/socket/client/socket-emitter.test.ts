import { describe, expect, test, vi } from 'vitest';
import { EmitterClosedError } from '../../../src/emitter/index.ts';
import { Collector, CollectorQueue, DroppedError, InvalidArgumentError, ok } from '../../../src/index.ts';
import { SpoolRefusedError, SpoolTimeoutError } from '../../../src/socket/errors.ts';
import { StoreFullError } from '../../../src/store/index.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { aWhile, until } from './daemon-double.ts';
import { numbered, scene } from './scene.ts';

describe('input', () => {
  test('hands the event to the daemon as it is', async () => {
    const { daemon, emitter } = await scene();
    const event = { e: 'pv', tv: 'ä→', nested: { a: [1, null, 'x\n'] } };
    expect(emitter.input(event)).toBe(true);
    expect(await emitter.flush()).toBe(true);
    expect(daemon.stored).toEqual([event]);
  });

  test('takes what the event is now, whatever becomes of it', async () => {
    const { daemon, emitter } = await scene();
    const event = { n: 1 };
    emitter.input(event);
    event.n = 2;
    await emitter.flush();
    expect(daemon.stored).toEqual([{ n: 1 }]);
  });

  test('writes a burst as few frames, numbered from 1, in one piece', async () => {
    const { daemon, emitter } = await scene({ batchSize: 10 });
    for (const event of numbered(25)) emitter.input(event);
    await emitter.flush();
    expect(daemon.events.map(({ seq, events }) => [seq, events.length])).toEqual([
      [1, 10],
      [2, 10],
      [3, 5],
    ]);
    expect(daemon.stored).toEqual(numbered(25));
  });

  test.each<[string, unknown, string]>([
    ['a cycle', cyclic(), 'SocketEmitter: event.self'],
    ['a BigInt', { n: 1n }, 'SocketEmitter: event.n'],
    ['a function', { a: { f: () => 1 } }, 'SocketEmitter: event.a.f'],
    ['NaN', { list: [Number.NaN] }, 'SocketEmitter: event.list[0]'],
    ['what is no object', 'event', 'SocketEmitter: event must be an object'],
    ['a member $, which would make it a frame', { $: 'ack' }, 'SocketEmitter: event.$'],
  ])('throws for %s, naming its path', async (_what, event, message) => {
    const { emitter } = await scene({}, true);
    expect(() => emitter.input(event as never)).toThrow(InvalidArgumentError);
    expect(() => emitter.input(event as never)).toThrow(message);
    const stored = await emitter.store(event as never);
    expect(stored._unsafeUnwrapErr()).toBeInstanceOf(InvalidArgumentError);
    expect(emitter.getMetrics()).toMatchObject({ accepted: 0, size: 0 });
  });

  test('works while the daemon is away, and sends in order once it is there', async () => {
    const { daemon, emitter } = await scene({}, true);
    for (const event of numbered(5)) expect(emitter.input(event)).toBe(true);
    await aWhile();
    expect(emitter.getMetrics()).toMatchObject({ size: 5, unacknowledged: 0, connected: false });
    await daemon.start();
    expect(await emitter.flush()).toBe(true);
    expect(daemon.stored).toEqual(numbered(5));
    expect(emitter.getMetrics()).toMatchObject({ size: 0, accepted: 5, acknowledged: 5, connected: true });
  });
});

describe('store', () => {
  test('is Ok once the daemon acknowledged its frame, and not before', async () => {
    const { daemon, emitter } = await scene();
    daemon.verdict = () => 'hold';
    let stored: unknown;
    void emitter.store({ n: 1 }).then((result) => {
      stored = result;
    });
    await until(() => daemon.events.length === 1);
    await aWhile();
    expect(stored).toBeUndefined();
    daemon.acknowledge();
    await until(() => stored !== undefined);
    expect(stored).toEqual(ok(undefined));
  });

  test('a cumulative acknowledgement answers all up to its number', async () => {
    const { daemon, emitter } = await scene({ batchSize: 1 });
    daemon.verdict = () => 'hold';
    const stored = numbered(4).map((event) => emitter.store(event));
    await until(() => daemon.events.length === 4);
    daemon.acknowledge(3);
    expect((await Promise.all(stored.slice(0, 3))).every((result) => result.isOk())).toBe(true);
    expect(emitter.getMetrics()).toMatchObject({ size: 1, acknowledged: 3 });
  });

  test('is Err after storeTimeout; what was not sent yet is withdrawn', async () => {
    const clock = new ManualClock();
    const { daemon, emitter } = await scene({ clock, storeTimeout: 1_000 }, true);
    const early = emitter.store({ n: 1 });
    await clock.advance(600);
    const late = emitter.store({ n: 2 });
    emitter.input({ n: 3 });
    await clock.advance(400);
    expect((await early)._unsafeUnwrapErr()).toBeInstanceOf(SpoolTimeoutError);
    expect(emitter.getMetrics()).toMatchObject({ size: 2, dropped: 1 });
    await clock.advance(600);
    expect((await late)._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_SPOOL_TIMEOUT', retryable: true });
    await daemon.start();
    void emitter.flush();
    await until(() => daemon.stored.length > 0, clock);
    await aWhile(clock);
    expect(daemon.stored).toEqual([{ n: 3 }]);
  });

  test('is Err after storeTimeout for what was sent, which may be durable all the same', async () => {
    const clock = new ManualClock();
    const { daemon, emitter } = await scene({ clock, storeTimeout: 1_000 });
    daemon.verdict = () => 'hold';
    const stored = emitter.store({ n: 1 });
    await until(() => daemon.events.length === 1, clock);
    await clock.advance(1_000);
    expect((await stored)._unsafeUnwrapErr()).toBeInstanceOf(SpoolTimeoutError);
    expect(emitter.getMetrics()).toMatchObject({ size: 1, unacknowledged: 1, dropped: 0 });
    daemon.acknowledge();
    await until(() => emitter.getMetrics().acknowledged === 1, clock);
  });

  test('leaves no timer per event', async () => {
    const clock = new ManualClock();
    const { emitter } = await scene({ clock }, true);
    const before = clock.pendingTimers;
    for (const event of numbered(100)) void emitter.store(event);
    // The deadline of the oldest, what keeps the process alive, and the attempt to connect.
    expect(clock.pendingTimers - before).toBe(3);
  });

  test('is Err if the daemon refuses the event for good, and the others are Ok', async () => {
    const buried: unknown[] = [];
    const { daemon, emitter } = await scene({ deadLetter: (events, reason) => buried.push([events, reason]) });
    daemon.verdict = ({ events }) =>
      events.some(({ bad }) => bad === true) ? { refuse: 'bad_frame', retryable: false } : 'commit';
    const events = numbered(11).map((event) => (event.n === 4 || event.n === 10 ? { ...event, bad: true } : event));
    const results = await Promise.all(events.map((event) => emitter.store(event)));
    expect(results.map((result) => result.isOk())).toEqual(events.map(({ n }) => n !== 4 && n !== 10));
    const error = results[4]?._unsafeUnwrapErr();
    expect(error).toBeInstanceOf(SpoolRefusedError);
    expect(error).toMatchObject({ code: 'CQ_SPOOL_REFUSED', reason: 'bad_frame', retryable: false });
    expect(daemon.stored).toEqual(events.filter(({ n }) => n !== 4 && n !== 10));
    expect(buried).toEqual([
      [[events[4]], expect.any(SpoolRefusedError)],
      [[events[10]], expect.any(SpoolRefusedError)],
    ]);
    expect(emitter.getMetrics()).toMatchObject({ size: 0, acknowledged: 9, deadLettered: 2 });
  });

  test('is Err for an event that is longer than a line of the daemon, which is never sent', async () => {
    const { daemon, emitter } = await scene();
    daemon.greet = () => ({ maxFrame: 200 });
    const large = emitter.store({ text: 'x'.repeat(200) });
    const small = emitter.store({ n: 1 });
    expect((await large)._unsafeUnwrapErr()).toMatchObject({ reason: 'frame_too_large' });
    expect((await small).isOk()).toBe(true);
    expect(daemon.stored).toEqual([{ n: 1 }]);
  });
});

describe('frames', () => {
  test('are never longer than the daemon takes, counted in bytes', async () => {
    const { daemon, emitter } = await scene();
    daemon.greet = () => ({ maxFrame: 300 });
    const events = numbered(40).map(({ n }) => ({ n, text: 'ä'.repeat(n) }));
    for (const event of events) emitter.input(event);
    await emitter.flush();
    expect(daemon.stored).toEqual(events);
    for (const frame of daemon.events) expect(Buffer.byteLength(JSON.stringify(frame))).toBeLessThanOrEqual(300);
    expect(daemon.events.length).toBeLessThan(30);
  });

  test('are sent without waiting for answers, as long as the window is open', async () => {
    const { daemon, emitter } = await scene({ batchSize: 1, windowBytes: 200 });
    daemon.verdict = () => 'hold';
    for (const event of numbered(20)) emitter.input(event);
    await until(() => daemon.events.length > 1);
    await aWhile();
    const sent = daemon.events.length;
    expect(sent).toBeGreaterThan(1);
    expect(sent).toBeLessThan(6);
    daemon.acknowledge(1);
    await until(() => daemon.events.length === sent + 1);
    daemon.verdict = () => 'commit';
    daemon.acknowledge();
    expect(await emitter.flush()).toBe(true);
    expect(daemon.stored).toEqual(numbered(20));
  });
});

describe('a full buffer', () => {
  test('refuses the newest', async () => {
    const { emitter } = await scene({ bufferCapacity: 2 }, true);
    expect([1, 2, 3].map((n) => emitter.input({ n }))).toEqual([true, true, false]);
    expect((await emitter.store({ n: 4 }))._unsafeUnwrapErr()).toBeInstanceOf(StoreFullError);
    expect(emitter.getMetrics()).toMatchObject({ size: 2, accepted: 2, refused: 2, dropped: 0 });
  });

  test('counts what waits for its acknowledgement', async () => {
    const { daemon, emitter } = await scene({ bufferCapacity: 2 });
    daemon.verdict = () => 'hold';
    emitter.input({ n: 1 });
    emitter.input({ n: 2 });
    await until(() => daemon.events.length === 1);
    expect(emitter.input({ n: 3 })).toBe(false);
    daemon.acknowledge();
    await until(() => emitter.input({ n: 4 }));
  });

  test('drops the oldest that was not sent, tells its store, and hands it to the dead letter', async () => {
    const buried: unknown[] = [];
    const { daemon, emitter } = await scene(
      { bufferCapacity: 2, overflow: 'dropOldest', deadLetter: (events) => buried.push(...events) },
      true,
    );
    const first = emitter.store({ n: 1 });
    emitter.input({ n: 2 });
    expect(emitter.input({ n: 3 })).toBe(true);
    expect((await first)._unsafeUnwrapErr()).toBeInstanceOf(DroppedError);
    expect(emitter.getMetrics()).toMatchObject({ size: 2, accepted: 3, dropped: 1 });
    expect(buried).toEqual([{ n: 1 }]);
    await daemon.start();
    await emitter.flush();
    expect(daemon.stored).toEqual([{ n: 2 }, { n: 3 }]);
  });

  test('drops nothing that was sent', async () => {
    const { daemon, emitter } = await scene({ bufferCapacity: 2, overflow: 'dropOldest' });
    daemon.verdict = () => 'hold';
    emitter.input({ n: 1 });
    emitter.input({ n: 2 });
    await until(() => daemon.events.length === 1);
    expect(emitter.input({ n: 3 })).toBe(false);
    expect((await emitter.store({ n: 4 }))._unsafeUnwrapErr()).toBeInstanceOf(StoreFullError);
  });

  test('warns once if what it drops is lost', async () => {
    const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    const { emitter } = await scene({ bufferCapacity: 1, overflow: 'dropOldest', logger }, true);
    for (const event of numbered(5)) emitter.input(event);
    expect(logger.error).toHaveBeenCalledOnce();
    expect(emitter.getMetrics()).toMatchObject({ size: 1, dropped: 4 });
  });
});

describe('flush', () => {
  test('is true at once if nothing is held', async () => {
    const { emitter } = await scene({}, true);
    expect(await emitter.flush()).toBe(true);
  });

  test('is false at its timeout', async () => {
    const clock = new ManualClock();
    const { emitter } = await scene({ clock }, true);
    emitter.input({ n: 1 });
    const flushed = [emitter.flush({ timeout: 50 }), emitter.flush()];
    await clock.advance(50);
    expect(await flushed[0]).toBe(false);
    await clock.advance(29_950);
    expect(await flushed[1]).toBe(false);
  });

  test('with wait: false says at once whether anything is held', async () => {
    const { emitter } = await scene();
    expect(await emitter.flush({ wait: false })).toBe(true);
    emitter.input({ n: 1 });
    expect(await emitter.flush({ wait: false })).toBe(false);
    await until(() => emitter.getMetrics().size === 0);
  });

  test('does not wait for what came after it', async () => {
    const { daemon, emitter } = await scene();
    daemon.verdict = () => 'hold';
    emitter.input({ n: 1 });
    const flushed = emitter.flush();
    await until(() => daemon.events.length === 1);
    emitter.input({ n: 2 });
    await until(() => daemon.events.length === 2);
    daemon.acknowledge(1);
    expect(await flushed).toBe(true);
    expect(emitter.getMetrics().size).toBe(1);
  });

  test('counts what was refused for good as done with', async () => {
    const { daemon, emitter } = await scene({ deadLetter: () => undefined });
    daemon.verdict = () => ({ refuse: 'bad_frame', retryable: false });
    for (const event of numbered(3)) emitter.input(event);
    expect(await emitter.flush()).toBe(true);
  });
});

describe('close', () => {
  test('flushes, refuses what comes later, and is one outcome for all', async () => {
    const { daemon, emitter } = await scene();
    for (const event of numbered(3)) emitter.input(event);
    const closings = [emitter.close(), emitter.close({ timeout: 1 })];
    expect(emitter.input({ n: 9 })).toBe(false);
    expect((await emitter.store({ n: 9 }))._unsafeUnwrapErr()).toBeInstanceOf(EmitterClosedError);
    expect(await closings[0]).toEqual({ undelivered: 0 });
    expect(await closings[1]).toBe(await closings[0]);
    expect(daemon.stored).toEqual(numbered(3));
    expect(emitter.getMetrics()).toMatchObject({ connected: false, refused: 2 });
    await until(() => daemon.connections.every(({ destroyed }) => destroyed));
  });

  test('hands what is left to the dead letter at its timeout', async () => {
    const buried: unknown[] = [];
    const { emitter } = await scene({ deadLetter: (events, reason) => buried.push(...events, reason) }, true);
    const stored = emitter.store({ n: 1 });
    emitter.input({ n: 2 });
    expect(await emitter.close({ timeout: 20 })).toEqual({ undelivered: 2 });
    expect((await stored)._unsafeUnwrapErr()).toBeInstanceOf(EmitterClosedError);
    expect(buried).toEqual([{ n: 1 }, { n: 2 }, expect.any(EmitterClosedError)]);
    expect(emitter.getMetrics()).toMatchObject({ size: 0, deadLettered: 2 });
  });

  test('leaves no timer behind', async () => {
    const clock = new ManualClock();
    const { daemon, emitter } = await scene({ clock });
    void emitter.store({ n: 1 });
    await until(() => daemon.stored.length === 1, clock);
    const closed = emitter.close();
    await clock.turn();
    await closed;
    expect(clock.pendingTimers).toBe(0);
  });

  test('and open again work under another name', async () => {
    const { daemon, emitter } = await scene({ client: 'me' });
    await emitter.store({ n: 1 });
    await emitter.close();
    await emitter.open();
    expect((await emitter.store({ n: 2 })).isOk()).toBe(true);
    expect(daemon.stored).toEqual([{ n: 1 }, { n: 2 }]);
    expect(daemon.hellos.map(({ client }) => (client as string).startsWith('me'))).toEqual([true, true]);
    expect(daemon.clients.size).toBe(2);
  });

  test('is what await using does', async () => {
    const { daemon, emitter } = await scene();
    emitter.input({ n: 1 });
    await emitter[Symbol.asyncDispose]();
    expect(daemon.stored).toEqual([{ n: 1 }]);
  });
});

describe('as a collector', () => {
  test('it is opened and closed by the queue, and a task is Ok once the daemon has the event', async () => {
    const { daemon, emitter } = await scene();
    const collector = emitter.toCollector('spool');
    expect(collector).toBeInstanceOf(Collector);
    const queue = new CollectorQueue([collector]);
    await queue.run(async (publisher) => {
      const results = await publisher.publish({ n: 1 }).wait();
      expect(results.isOk()).toBe(true);
      expect(daemon.stored).toEqual([{ n: 1 }]);
    });
    expect(emitter.getMetrics().connected).toBe(false);
  });

  test("it has no 'delivered'", async () => {
    const { emitter } = await scene({}, true);
    expect(() => emitter.toCollector('spool', { ack: 'delivered' })).toThrow(InvalidArgumentError);
  });
});

function cyclic(): object {
  const event: Record<string, unknown> = {};
  event.self = event;
  return event;
}
