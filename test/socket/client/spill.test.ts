import { err, ok } from 'neverthrow';
import { describe, expect, test, vi } from 'vitest';
import { SocketEmitter } from '../../../src/socket/client/index.ts';
import { type EventStore, MemoryEventStore, StoreDiskError } from '../../../src/store/index.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { aWhile, until } from './daemon-double.ts';
import { numbered, scene } from './scene.ts';

/** A store that works as told. */
class FailingStore extends MemoryEventStore {
  isFailing = true;

  override async add(event: Parameters<MemoryEventStore['add']>[0]): ReturnType<MemoryEventStore['add']> {
    return this.isFailing ? err(new StoreDiskError('the disk is full')) : super.add(event);
  }

  override async take(limits: Parameters<MemoryEventStore['take']>[0]): ReturnType<MemoryEventStore['take']> {
    if (this.isFailing) throw new StoreDiskError('the disk is broken');
    return super.take(limits);
  }
}

async function contents(store: EventStore): Promise<unknown[]> {
  const taken = await store.take({ count: 1_000 });
  await store.release(taken.map(({ id }) => id));
  return taken.map(({ event }) => event);
}

describe('with a spill', () => {
  test('store is Ok once the event is spilled, while the daemon is away', async () => {
    const spill = new MemoryEventStore();
    const { emitter } = await scene({ spill }, true);
    expect(await emitter.store({ n: 1 })).toEqual(ok(undefined));
    expect(emitter.getMetrics()).toMatchObject({ size: 0, spilled: 1, accepted: 1 });
    expect(await contents(spill)).toEqual([{ n: 1 }]);
  });

  test('what was spilled is sent first, in order, and then leaves the spill', async () => {
    const spill = new MemoryEventStore();
    const { daemon, emitter } = await scene({ spill, batchSize: 7, bufferCapacity: 50 }, true);
    for (const event of numbered(40)) emitter.input(event);
    await until(() => emitter.getMetrics().spilled === 40);
    await daemon.start();
    for (const event of numbered(100, 40)) {
      await until(() => emitter.input(event));
    }
    expect(await emitter.flush()).toBe(true);
    expect(daemon.stored).toEqual(numbered(140));
    expect(spill.size).toBe(0);
  });

  test('nothing goes to it any more once it is empty', async () => {
    const spill = new MemoryEventStore();
    const { daemon, emitter } = await scene({ spill });
    await emitter.flush();
    await until(() => emitter.getMetrics().connected);
    await aWhile();
    expect((await emitter.store({ n: 1 })).isOk()).toBe(true);
    expect(daemon.stored).toEqual([{ n: 1 }]);
    expect(emitter.getMetrics().spilled).toBe(0);
  });

  test('what an earlier process left is sent without being asked', async () => {
    const spill = new MemoryEventStore();
    for (const event of numbered(250)) spill.addNow(event);
    const { daemon } = await scene({ spill });
    await until(() => daemon.stored.length === 250);
    expect(daemon.stored).toEqual(numbered(250));
    await until(() => spill.size === 0);
  });

  test('what came from it and is not acknowledged is sent again from memory, under its number', async () => {
    const spill = new MemoryEventStore();
    for (const event of numbered(6)) spill.addNow(event);
    const { daemon, emitter } = await scene({ spill, batchSize: 2 }, true);
    daemon.verdict = ({ seq }) => (seq === 1 ? 'swallow' : 'hold');
    await daemon.start();
    await until(() => daemon.events.length === 3);
    daemon.verdict = () => 'commit';
    daemon.cut();
    expect(await emitter.flush()).toBe(true);
    expect(daemon.stored).toEqual(numbered(6));
    expect(daemon.seqs).toEqual([1, 2, 3, 2, 3]);
    expect(spill.size).toBe(0);
  });

  test('what was sent before the connection was lost goes before what was spilled', async () => {
    const spill = new MemoryEventStore();
    const { daemon, emitter } = await scene({ spill });
    await emitter.flush();
    await until(() => emitter.getMetrics().connected);
    await aWhile();
    daemon.verdict = () => 'hold';
    emitter.input({ n: 0 });
    await until(() => daemon.events.length === 1);
    await daemon.stop();
    await until(() => !emitter.getMetrics().connected);
    for (const event of numbered(3, 1)) expect((await emitter.store(event)).isOk()).toBe(true);
    expect(spill.size).toBe(3);
    daemon.verdict = () => 'commit';
    await daemon.start();
    expect(await emitter.flush()).toBe(true);
    expect(daemon.stored).toEqual(numbered(4));
  });

  test('it is used while the daemon has no room', async () => {
    const clock = new ManualClock();
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const spill = new MemoryEventStore();
    const { daemon, emitter } = await scene({ spill, clock, maxRetryDelay: 1_000 });
    await until(() => emitter.getMetrics().connected, clock);
    await aWhile(clock);
    daemon.verdict = () => ({ refuse: 'full', retryable: true });
    emitter.input({ n: 0 });
    await until(() => daemon.events.length === 1, clock);
    await aWhile(clock);
    expect((await emitter.store({ n: 1 })).isOk()).toBe(true);
    expect(spill.size).toBe(1);
    daemon.verdict = () => 'commit';
    await clock.advance(1_000);
    await until(() => daemon.stored.length === 2, clock);
    expect(daemon.stored).toEqual(numbered(2));
  });

  test('an event of it that the daemon refuses for good goes to the dead letter, and leaves it', async () => {
    const spill = new MemoryEventStore();
    for (const event of numbered(5)) spill.addNow(event);
    const buried: unknown[] = [];
    const { daemon, emitter } = await scene({ spill, deadLetter: (events) => buried.push(...events) }, true);
    daemon.verdict = ({ events }) =>
      events.some(({ n }) => n === 3) ? { refuse: 'bad_frame', retryable: false } : 'commit';
    await daemon.start();
    expect(await emitter.flush()).toBe(true);
    await until(() => spill.size === 0);
    expect(buried).toEqual([{ n: 3 }]);
    expect(daemon.stored.map(({ n }) => n)).toEqual([0, 1, 2, 4]);
  });

  test('what it throws out for a younger event is counted, and goes to the dead letter', async () => {
    const spill = new MemoryEventStore({ capacity: 2, overflow: 'dropOldest' });
    const buried: unknown[] = [];
    const { emitter } = await scene({ spill, deadLetter: (events) => buried.push(...events) }, true);
    for (const event of numbered(3)) await emitter.store(event);
    expect(buried).toEqual([{ n: 0 }]);
    expect(emitter.getMetrics().dropped).toBe(1);
  });
});

describe('a spill that fails', () => {
  test('is as good as none: events wait in memory', async () => {
    const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    const spill = new FailingStore();
    const { daemon, emitter } = await scene({ spill, logger }, true);
    const stored = emitter.store({ n: 0 });
    for (const event of numbered(3, 1)) expect(emitter.input(event)).toBe(true);
    await aWhile();
    expect(emitter.getMetrics()).toMatchObject({ size: 4, spilled: 0 });
    expect(logger.error).toHaveBeenCalledOnce();
    await daemon.start();
    expect((await stored).isOk()).toBe(true);
    await until(() => daemon.stored.length === 4);
    expect(daemon.stored).toEqual(numbered(4));
  });

  test('is asked again when it may work again', async () => {
    const clock = new ManualClock();
    const spill = new FailingStore();
    spill.addNow({ n: 0 });
    const { daemon, emitter } = await scene({ spill, clock, maxRetryDelay: 1_000 });
    await until(() => emitter.getMetrics().connected, clock);
    await aWhile(clock);
    spill.isFailing = false;
    await clock.advance(1_000);
    await until(() => daemon.stored.length === 1, clock);
  });
});

describe('closing with a spill', () => {
  test('leaves in it what was not acknowledged, and does not wait for a daemon that is away', async () => {
    const spill = new MemoryEventStore();
    const { emitter } = await scene({ spill }, true);
    const stored = numbered(3).map((event) => emitter.store(event));
    const before = Date.now();
    expect(await emitter.close()).toEqual({ undelivered: 3 });
    expect(Date.now() - before).toBeLessThan(5_000);
    expect((await Promise.all(stored)).every((result) => result.isOk())).toBe(true);
    expect(await contents(spill)).toEqual(numbered(3));
  });

  test('puts there what was sent and not acknowledged, and gives back what came from it', async () => {
    const spill = new MemoryEventStore();
    spill.addNow({ n: 0 });
    const { daemon, emitter } = await scene({ spill, batchSize: 1 }, true);
    daemon.verdict = () => 'hold';
    await daemon.start();
    await until(() => daemon.events.length === 1);
    await aWhile();
    const stored = emitter.store({ n: 1 });
    await until(() => daemon.events.length === 2);
    expect(await emitter.close({ timeout: 20 })).toEqual({ undelivered: 2 });
    expect((await stored).isOk()).toBe(true);
    expect(await contents(spill)).toEqual(numbered(2));
    const next = new SocketEmitter({ path: daemon.path, spill });
    daemon.verdict = () => 'commit';
    expect(await next.flush()).toBe(true);
    expect(await next.close()).toEqual({ undelivered: 0 });
    expect(daemon.stored).toEqual(numbered(2));
  });

  test('hands to the dead letter what the spill does not take', async () => {
    const spill = new FailingStore();
    const buried: unknown[] = [];
    const { emitter } = await scene({ spill, deadLetter: (events) => buried.push(...events) }, true);
    emitter.input({ n: 0 });
    const stored = emitter.store({ n: 1 });
    expect(await emitter.close()).toEqual({ undelivered: 2 });
    expect((await stored).isErr()).toBe(true);
    expect(buried).toEqual(numbered(2));
  });

  test('does not close it', async () => {
    const spill = new MemoryEventStore();
    const { emitter } = await scene({ spill }, true);
    await emitter.close();
    expect((await spill.add({ n: 1 })).isOk()).toBe(true);
  });
});
