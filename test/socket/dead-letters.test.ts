import { join } from 'node:path';
import { LevelEventStore } from 'collector-queue/store';
import { describe, expect, onTestFinished, test } from 'vitest';
import { askSpool, DeadLetters, SpoolRefusedError } from '../../src/socket/index.ts';
import { rejectionOf } from '../core/scene.ts';
import { numbers, running } from './daemon-scene.ts';
import type { Reply } from './line-client.ts';
import { folder, some, until } from './scene.ts';

async function answers(...question: Parameters<typeof askSpool>): Promise<Reply[]> {
  const all: Reply[] = [];
  for await (const answer of askSpool(...question)) all.push(answer);
  return all;
}

async function store(options = {}): Promise<LevelEventStore> {
  const made = new LevelEventStore(join(folder(), 's'), { durability: 'os', ...options });
  await made.open();
  onTestFinished(() => made.close());
  return made;
}

describe('what the collector refuses for good', () => {
  test('is kept apart with the reason, and leaves the spool', async () => {
    const { client, collector, daemon, place } = await running();
    collector.answer = () => 400;
    await (await client()).ask([{ n: 1 }, { n: 2 }]);
    await until(async () => (await daemon.getMetrics()).deadLetters === 2);
    expect(await daemon.getMetrics()).toMatchObject({ stored: 0, deadLettered: 2, sent: 0, dropped: 0 });
    const entries = await answers(place, 'ls');
    expect(entries).toMatchObject([
      { entry: { id: 1, event: { event: { n: 1 }, status: 400 } } },
      { entry: { id: 2, event: { event: { n: 2 }, status: 400 } } },
    ]);
    expect(JSON.stringify(entries)).toContain('"reason":"');
  });

  test('does not stop what is behind it', async () => {
    const { client, collector, daemon } = await running({ forward: { concurrency: 1, batchSize: 1 } });
    collector.answer = ([event]) => (event?.n === 1 ? 400 : 200);
    await (await client()).ask(some(3));
    await until(() => collector.taken.length === 2);
    await until(async () => (await daemon.getMetrics()).deadLetters === 1);
    expect(numbers(collector.taken)).toEqual([0, 2]);
  });

  test('is the bad event alone, not those of its request', async () => {
    const { client, collector, daemon, place } = await running();
    collector.answer = (events) => (events.some(({ n }) => n === 37) ? 400 : 200);
    await (await client()).ask(some(100));
    await until(async () => (await daemon.getMetrics()).stored === 0);
    expect(await answers(place, 'ls')).toMatchObject([{ entry: { event: { event: { n: 37 }, status: 400 } } }]);
    expect(new Set(numbers(collector.taken)).size).toBe(99);
    expect(collector.batches.length).toBeLessThanOrEqual(1 + 2 * 7);
  });

  test('is the whole request, if it is not to be split', async () => {
    const { client, collector, daemon } = await running({ forward: { splitRefused: false } });
    collector.answer = (events) => (events.some(({ n }) => n === 7) ? 400 : 200);
    await (await client()).ask(some(10));
    await until(async () => (await daemon.getMetrics()).deadLetters === 10);
    expect(collector.taken).toEqual([]);
  });

  test('is there after a restart, and can be sent again', async () => {
    const first = await running();
    first.collector.answer = () => 400;
    await (await first.client()).ask(some(5));
    await until(async () => (await first.daemon.getMetrics()).deadLetters === 5);
    await first.daemon.stop();
    first.collector.answer = () => 200;
    const { collector, daemon, place } = await first.again();
    expect(await answers(place, 'redrive', { ids: [2, 4, 99] })).toMatchObject([{ redriven: 2 }]);
    await until(() => collector.taken.length === 2);
    expect(numbers(collector.taken)).toEqual([1, 3]);
    expect(await answers(place, 'redrive', { ids: 'all' })).toMatchObject([{ redriven: 3 }]);
    await until(() => collector.taken.length === 5);
    expect(await daemon.getMetrics()).toMatchObject({ deadLetters: 0, stored: 0 });
  });
});

describe('sending dead letters again', () => {
  const letters = (count: number, from = 0): object[] => some(count, from).map((event) => ({ event, reason: 'x' }));

  async function shelf(count: number): Promise<{ dead: LevelEventStore; letters: DeadLetters }> {
    const dead = await store();
    await dead.addAll(letters(count) as never);
    return { dead, letters: new DeadLetters(dead) };
  }

  test('moves those that are wanted, and leaves the others where they were, to be wanted later', async () => {
    const [{ dead, letters: shelved }, spool] = [await shelf(1_200), await store()];
    expect(await shelved.redrive(spool, [1_100, 7])).toBe(2);
    expect((await spool.take({ count: 9 })).map(({ event }) => event.n)).toEqual([6, 1_099]);
    expect(dead.size).toBe(1_198);
    expect(await shelved.redrive(spool)).toBe(1_198);
    expect([dead.size, spool.size]).toEqual([0, 1_200]);
  });

  test('loses none where the spool has no room, and goes on once it has', async () => {
    const [{ dead, letters: shelved }, spool] = [await shelf(700), await store({ capacity: 600 })];
    expect(await rejectionOf(shelved.redrive(spool))).toMatchObject({ code: 'CQ_STORE_FULL' });
    expect([dead.size, spool.size]).toEqual([200, 500]);
    await spool.ack((await spool.take({ count: 600 })).map(({ id }) => id));
    expect(await shelved.redrive(spool)).toBe(200);
    expect(dead.size).toBe(0);
  });

  test('is over, though all of them are refused again meanwhile', async () => {
    const [{ dead, letters: shelved }, spool] = [await shelf(1_600), await store()];
    let returned = 0;
    spool.onAdd(() => {
      if (returned++ < 50) void dead.addAll(letters(500) as never);
    });
    expect(await shelved.redrive(spool)).toBe(1_600);
    await until(() => dead.size === 2_000);
  });

  test('asked for twice at the same time moves each once', async () => {
    const [{ dead, letters: shelved }, spool] = [await shelf(900), await store()];
    const moved = await Promise.all([shelved.redrive(spool), shelved.redrive(spool)]);
    expect(moved[0] + moved[1]).toBe(900);
    expect([dead.size, spool.size]).toEqual([0, 900]);
  });
});

describe('an interruption of sending dead letters again', () => {
  const shelved = (count: number): object[] => some(count).map((event) => ({ event, reason: 'x' }));

  /** The numbers of what a folder holds, as a process finds them that comes later. */
  async function found(path: string): Promise<unknown[]> {
    const opened = new LevelEventStore(path);
    const all: unknown[] = [];
    for await (const { event } of opened.list()) all.push((event?.event as { n?: unknown } | undefined)?.n ?? event?.n);
    await opened.close();
    return all;
  }

  test.each([
    ['before a chunk is in the spool', false, 500, 0],
    ['after a chunk is in the spool, and before it has left here', true, 1_000, 500],
  ])('%s loses none, and doubles no more than that chunk', async (_, isWritten, moved, doubled) => {
    const place = folder();
    const [dead, spool] = [new LevelEventStore(join(place, 'dead')), new LevelEventStore(join(place, 'spool'))];
    await dead.addAll(shelved(1_200) as never);
    let chunks = 0;
    const dying = {
      addAll: async (events: Parameters<LevelEventStore['addAll']>[0]) => {
        // What is not acknowledged when its store is closed stays in it, as at the end of a process.
        const isLast = ++chunks === 2;
        if (isLast && !isWritten) await Promise.all([dead.close(), spool.close()]);
        const stored = await spool.addAll(events);
        if (isLast && isWritten) await Promise.all([dead.close(), spool.close()]);
        return stored;
      },
    } as LevelEventStore;
    await new DeadLetters(dead).redrive(dying).catch(() => undefined);
    await Promise.all([dead.close(), spool.close()]);
    const [left, gone] = [await found(join(place, 'dead')), await found(join(place, 'spool'))];
    expect(new Set([...left, ...gone]).size).toBe(1_200);
    expect(gone.length).toBe(moved);
    expect(left.length + gone.length).toBe(1_200 + doubled);
  });
});

describe('a store of dead letters that is full', () => {
  test('holds what is refused in the spool, says so once, and goes on when there is room', async () => {
    const logged: string[] = [];
    const log = (level: string) => (_: object, message: string) => void logged.push(`${level}: ${message}`);
    const logger = { info: log('info'), warn: log('warn'), error: log('error') };
    const { client, collector, daemon, place } = await running({
      deadLetterCapacity: 3,
      logger,
      forward: { concurrency: 1, batchSize: 1, maxRetryDelay: 5 },
    });
    collector.answer = () => 400;
    const one = await client();
    await one.ask(some(5));
    await until(async () => (await daemon.getMetrics()).deadLettersFull);
    await until(() => collector.batches.length > 8);
    expect(await daemon.getMetrics()).toMatchObject({ deadLetters: 3, stored: 2, deadLettered: 3, dropped: 0 });
    expect(logged.filter((line) => line.startsWith('error: no room for more dead letters'))).toHaveLength(1);
    collector.answer = () => 200;
    expect(await answers(place, 'redrive', { ids: 'all' })).toMatchObject([{ redriven: 3 }]);
    await until(() => collector.taken.length === 5);
    expect(await daemon.getMetrics()).toMatchObject({ deadLettersFull: false, deadLetters: 0 });
    expect(logged.filter((line) => line.includes('room for dead letters again'))).toHaveLength(1);
  });
});

describe('the commands of operators', () => {
  test('list what waits, from either end, as much as is wanted', async () => {
    const { client, collector, place } = await running();
    await collector.stop();
    await (await client()).ask(some(5));
    const ids = async (body: object): Promise<unknown[]> =>
      (await answers(place, 'ls', { from: 'events', ...body })).map(({ entry }) => (entry as { id: number }).id);
    expect(await ids({})).toEqual([1, 2, 3, 4, 5]);
    expect(await ids({ limit: 2 })).toEqual([1, 2]);
    expect(await ids({ newest: true, limit: 2 })).toEqual([5, 4]);
    expect(await ids({ after: 3 })).toEqual([4, 5]);
  });

  test('count, and check each record', async () => {
    const { client, collector, place } = await running();
    await collector.stop();
    await (await client()).ask(some(5));
    expect(await answers(place, 'stats')).toMatchObject([{ stats: { stored: 5, acknowledged: 5, deadLetters: 0 } }]);
    expect(await answers(place, 'verify')).toMatchObject([{ verified: { events: 5, deadLetters: 0, damaged: 0 } }]);
  });

  test.each([
    ['format', {}, /stats, ls, redrive, verify/],
    ['toString', {}, /stats/],
    ['ls', { from: 'all' }, /from/],
    ['ls', { limit: 0 }, /limit/],
    ['ls', { newest: 'yes' }, /newest/],
    ['redrive', {}, /ids/],
    ['redrive', { ids: [] }, /ids/],
    ['redrive', { ids: ['1'] }, /ids/],
  ])('%s %j is refused with the reason', async (command, body, message) => {
    const { place } = await running();
    const error = await rejectionOf(answers(place, command, body));
    expect(error).toBeInstanceOf(SpoolRefusedError);
    expect((error as Error).message).toMatch(message);
  });

  test('are answered to who has nothing more to say', async () => {
    const { client } = await running();
    const one = await client();
    one.socket.end('{"$":"spool","id":7,"command":"verify"}\n');
    expect(await one.rest()).toMatchObject([
      { $: 'spool', id: 7, verified: {} },
      { $: 'spool', id: 7, done: true },
    ]);
  });

  test('show events as long as they may be, and very many of them', async () => {
    const { client, collector, place } = await running({ maxFrame: 4 << 20 });
    await collector.stop();
    const one = await client();
    await one.ask({ text: 'x'.repeat(3 << 20) });
    await one.ask(some(5_000));
    expect(await answers(place, 'ls', { from: 'events' })).toHaveLength(5_001);
  });

  test('do not reach a daemon that is not there', async () => {
    const error = await rejectionOf(answers({ path: join(folder(), 'none.sock') }, 'stats'));
    expect((error as Error).message).toMatch(/no daemon answers.*ENOENT/);
  });
});
