import { setTimeout as sleep } from 'node:timers/promises';
import { err, ok, type Result } from 'neverthrow';
import { describe, expect, test } from 'vitest';
import type { SpoolBatch } from '../../src/socket/lane.ts';
import { StoreDiskError, StoreFullError } from '../../src/store/index.ts';
import { type Gate, gate } from '../core/scene.ts';
import type { LineClient } from './line-client.ts';
import { served, some, until } from './scene.ts';

/** Writes that wait until they are let go, or refused. */
class Desk {
  readonly waiting: { readonly batch: SpoolBatch; readonly gate: Gate<Result<unknown, Error>> }[] = [];

  readonly commit = (batch: SpoolBatch): Promise<Result<unknown, Error>> => {
    const waiting = { batch, gate: gate<Result<unknown, Error>>() };
    this.waiting.push(waiting);
    return waiting.gate.promise;
  };

  /** Lets the next write succeed, or fail. */
  async next(error?: Error): Promise<SpoolBatch> {
    await until(() => this.waiting.length > 0);
    const { batch, gate: held } = this.waiting.shift() as (typeof this.waiting)[0];
    held.open(error === undefined ? ok(undefined) : err(error));
    await new Promise((resolve) => setImmediate(resolve));
    return batch;
  }
}

function frame(seq: number, events: readonly object[] = [{ n: seq }]): object {
  return { $: 'events', seq, events };
}

async function silence(client: LineClient): Promise<void> {
  const before = client.replies.length;
  await sleep(20);
  expect(client.replies.slice(before)).toEqual([]);
}

describe('a hello', () => {
  test('is answered with what is spoken, and with the last frame that is durable', async () => {
    const { client } = await served({ committed: new Map([['known', 41]]) });
    const one = await client();
    expect(await one.ask({ $: 'hello', version: 3, client: 'known' })).toEqual({
      $: 'welcome',
      version: 1,
      committed: 41,
      maxFrame: 100_000,
      heartbeat: 5_000,
    });
    expect(await (await client()).hello('new')).toBe(0);
  });

  test('may be said again on the same connection', async () => {
    const { client } = await served();
    const one = await client();
    await one.hello('a');
    expect(await one.ask(frame(1))).toEqual({ $: 'ack', seq: 1 });
    expect(await one.hello('a')).toBe(1);
    expect(await one.ask(frame(2))).toEqual({ $: 'ack', seq: 2 });
  });

  test('with another name on the same connection is refused', async () => {
    const { client } = await served();
    const one = await client();
    await one.hello('a');
    expect(await one.ask({ $: 'hello', version: 1, client: 'b' })).toMatchObject({ code: 'bad_frame' });
    expect(await one.ask(frame(1))).toEqual({ $: 'ack', seq: 1 });
  });

  test('on a second connection ends the first, and the frames under way are answered on the second', async () => {
    const desk = new Desk();
    const { client, events } = await served({ commit: desk.commit });
    const [first, second] = [await client(), await client()];
    await first.hello('a');
    first.send(frame(1), frame(2));
    await until(() => desk.waiting.length === 1);
    expect(await second.hello('a')).toBe(0);
    expect(await first.rest()).toMatchObject([{ code: 'replaced', retryable: false }]);
    await desk.next();
    expect(await second.next()).toMatchObject({ $: 'ack' });
    if (desk.waiting.length > 0) await desk.next();
    second.send(frame(3));
    await desk.next();
    await until(() => events().length === 3);
    expect(events()).toEqual(some(3, 1));
  });
});

describe('numbered frames', () => {
  test('may follow each other without waiting, and an answer speaks for all before it', async () => {
    const { client, events } = await served({ commit: async () => ok(await sleep(2)) });
    const one = await client();
    await one.hello('a');
    for (let seq = 1; seq <= 300; seq++) one.send(frame(seq));
    const acks: number[] = [];
    while (acks.at(-1) !== 300) acks.push((await one.next())?.seq as number);
    expect(acks).toEqual([...new Set(acks)].sort((a, b) => a - b));
    expect(acks.length).toBeLessThan(300);
    expect(events()).toEqual(some(300, 1));
  });

  test('that came before are acknowledged, and not kept again', async () => {
    const { client, events } = await served();
    const one = await client();
    await one.hello('a');
    expect(await one.ask(frame(1), frame(2), frame(3))).toMatchObject({ $: 'ack' });
    await until(() => events().length === 3);
    one.end();
    const again = await client();
    expect(await again.hello('a')).toBe(3);
    expect(await again.ask(frame(1))).toEqual({ $: 'ack', seq: 3 });
    expect(await again.ask(frame(3))).toEqual({ $: 'ack', seq: 3 });
    expect(await again.ask(frame(4))).toEqual({ $: 'ack', seq: 4 });
    expect(events()).toEqual(some(4, 1));
  });

  test('that are repeated while they are being written are kept once, and answered once they are durable', async () => {
    const desk = new Desk();
    const { client, events } = await served({ commit: desk.commit });
    const one = await client();
    await one.hello('a');
    one.send(frame(1));
    await until(() => desk.waiting.length === 1);
    one.end();
    const again = await client();
    expect(await again.hello('a')).toBe(0);
    again.send(frame(1), frame(2));
    await silence(again);
    await desk.next();
    expect(await again.next()).toEqual({ $: 'ack', seq: 1 });
    await desk.next();
    expect(await again.next()).toEqual({ $: 'ack', seq: 2 });
    expect(events()).toEqual(some(2, 1));
  });

  test('with a gap are refused until the missing one comes', async () => {
    const { client, events } = await served();
    const one = await client();
    await one.hello('a');
    expect(await one.ask(frame(2))).toMatchObject({ code: 'gap', seq: 2, retryable: true });
    expect(await one.ask(frame(1))).toEqual({ $: 'ack', seq: 1 });
    expect(await one.ask(frame(2))).toEqual({ $: 'ack', seq: 2 });
    expect(await one.ask(frame(9))).toMatchObject({ code: 'gap', seq: 9 });
    expect(events()).toEqual(some(2, 1));
  });

  test('of two clients have nothing to do with each other', async () => {
    const { client, events } = await served();
    const [a, b] = [await client(), await client()];
    await a.hello('a');
    await b.hello('b');
    expect(await a.ask(frame(1, [{ a: 1 }]))).toEqual({ $: 'ack', seq: 1 });
    expect(await b.ask(frame(1, [{ b: 1 }]))).toEqual({ $: 'ack', seq: 1 });
    expect(events()).toEqual([{ a: 1 }, { b: 1 }]);
  });

  test('may be empty: the number counts all the same', async () => {
    const { client, batches } = await served();
    const one = await client();
    await one.hello('a');
    expect(await one.ask(frame(1, []))).toEqual({ $: 'ack', seq: 1 });
    expect(batches).toEqual([{ events: [], mark: { client: 'a', seq: 1 } }]);
  });

  test('become durable together with the number of the last of them', async () => {
    const desk = new Desk();
    const { client } = await served({ commit: desk.commit });
    const one = await client();
    await one.hello('a');
    one.send(frame(1));
    await until(() => desk.waiting.length === 1);
    one.send(frame(2), frame(3));
    await silence(one);
    expect((await desk.next()).mark).toEqual({ client: 'a', seq: 1 });
    expect(await desk.next()).toMatchObject({
      events: some(2, 2).map((event) => ({ event })),
      mark: { client: 'a', seq: 3 },
    });
  });
});

describe('a refusal', () => {
  const full = new StoreFullError('no room');

  test('names the frame, and the later ones are a gap until that comes again', async () => {
    let isFull = true;
    const { client, events } = await served({ commit: async () => (isFull ? err(full) : ok(undefined)) });
    const one = await client();
    await one.hello('a');
    one.send(frame(1), frame(2), frame(3));
    expect((await one.take(3)).map((reply) => [reply?.seq, reply?.code])).toEqual([
      [1, 'full'],
      [2, 'gap'],
      [3, 'gap'],
    ]);
    isFull = false;
    expect(await one.ask(frame(3))).toMatchObject({ code: 'gap', seq: 3 });
    one.send(frame(1), frame(2), frame(3));
    await until(() => events().length === 3);
    expect(events()).toEqual(some(3, 1));
  });

  test('of a disk that fails says so', async () => {
    const { client } = await served({ commit: async () => err(new StoreDiskError('broken')) });
    const one = await client();
    await one.hello('a');
    expect(await one.ask(frame(1))).toMatchObject({ code: 'disk', message: 'broken', retryable: true, seq: 1 });
  });

  test('of one in a group spares those before it', async () => {
    const desk = new Desk();
    const { client, events } = await served({ commit: desk.commit });
    const one = await client();
    await one.hello('a');
    one.send(frame(1));
    await until(() => desk.waiting.length === 1);
    one.send(frame(2), frame(3), frame(4));
    await silence(one);
    await desk.next();
    expect(await one.next()).toEqual({ $: 'ack', seq: 1 });
    expect((await desk.next(full)).mark).toMatchObject({ seq: 4 });
    expect((await desk.next()).mark).toMatchObject({ seq: 2 });
    expect((await desk.next(full)).mark).toMatchObject({ seq: 3 });
    const replies = await one.take(3);
    expect(replies).toContainEqual({ $: 'ack', seq: 2 });
    expect(replies).toContainEqual(expect.objectContaining({ code: 'full', seq: 3 }));
    expect(replies).toContainEqual(expect.objectContaining({ code: 'gap', seq: 4 }));
    expect(events()).toEqual(some(2, 1));
    expect(desk.waiting).toEqual([]);
  });

  test('is one for what came meanwhile too: nothing becomes durable after what was refused', async () => {
    const desk = new Desk();
    const { client, batches } = await served({ commit: desk.commit });
    const one = await client();
    await one.hello('a');
    one.send(frame(1));
    await until(() => desk.waiting.length === 1);
    one.send(frame(2), frame(3));
    await silence(one);
    await desk.next(full);
    expect((await one.take(3)).map((reply) => [reply?.seq, reply?.code])).toEqual([
      [1, 'full'],
      [2, 'gap'],
      [3, 'gap'],
    ]);
    await sleep(20);
    expect([desk.waiting.length, batches]).toEqual([0, []]);
    one.send(frame(1));
    expect((await desk.next()).mark).toMatchObject({ seq: 1 });
    expect(await one.next()).toEqual({ $: 'ack', seq: 1 });
  });

  test('within a group is one for what came meanwhile too', async () => {
    const desk = new Desk();
    const { client, batches } = await served({ commit: desk.commit });
    const one = await client();
    await one.hello('a');
    one.send(frame(1));
    await until(() => desk.waiting.length === 1);
    one.send(frame(2), frame(3));
    await silence(one);
    await desk.next();
    await until(() => desk.waiting.length === 1);
    one.send(frame(4));
    await sleep(20);
    await desk.next(full);
    await desk.next(full);
    await until(() => one.replies.length === 5);
    expect(desk.waiting).toEqual([]);
    expect(batches.map(({ mark }) => mark?.seq)).toEqual([1]);
  });

  test('reaches the connection that the client has by then', async () => {
    const desk = new Desk();
    const { client } = await served({ commit: desk.commit });
    const one = await client();
    await one.hello('a');
    one.send(frame(1));
    await until(() => desk.waiting.length === 1);
    one.end();
    const again = await client();
    await again.hello('a');
    again.send(frame(1));
    await silence(again);
    await desk.next(full);
    expect(await again.next()).toMatchObject({ code: 'full', seq: 1 });
    again.send(frame(1));
    await desk.next();
    expect(await again.next()).toEqual({ $: 'ack', seq: 1 });
  });
});

test('whatever becomes of frames and connections, each is durable once, in order, and acknowledged only then', async () => {
  const last = 200;
  const commit = async (): Promise<Result<unknown, Error>> => {
    await sleep(Math.random() * 2);
    return Math.random() < 0.2 ? err(new StoreFullError('no room')) : ok(undefined);
  };
  const { client, events } = await served({ commit });
  let one = await client();
  let acked = await one.hello('a');
  while (acked < last) {
    if (Math.random() < 0.2) {
      one.end();
      one = await client();
      acked = await one.hello('a');
    }
    const from = acked + 1;
    for (let seq = from; seq <= Math.min(last, from + 9); seq++) one.send(frame(seq));
    const stored = events().length;
    expect(stored).toBeGreaterThanOrEqual(acked);
    await sleep(Math.random() * 8);
    for (const reply of one.replies) if (reply.$ === 'ack') acked = Math.max(acked, reply.seq as number);
  }
  expect(events()).toEqual(some(last, 1));
});
