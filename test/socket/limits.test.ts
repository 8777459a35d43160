import { setTimeout as sleep } from 'node:timers/promises';
import { ok } from 'neverthrow';
import { describe, expect, test } from 'vitest';
import { mostConnections } from '../../src/socket/file-descriptors.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { gate } from '../core/scene.ts';
import { type Served, type ServedOptions, served, some, until } from './scene.ts';

async function timed(options: ServedOptions = {}): Promise<Served & { readonly clock: ManualClock }> {
  const clock = new ManualClock();
  return { ...(await served({ ...options, clock })), clock };
}

/** What was sent has been read. */
function arrived(): Promise<void> {
  return sleep(20);
}

describe('connections', () => {
  test('beyond the limit are told so and closed, whatever they send; one that ends makes room', async () => {
    const { client, server } = await served({ limits: { maxConnections: 2 } });
    const [one, two] = [await client(), await client()];
    for (let n = 0; n < 20; n++) {
      const three = await client();
      three.send({ $: 'hello', version: 1, client: 'a' }, { n }, 'x'.repeat(n * 5_000));
      expect(await three.rest()).toMatchObject([{ code: 'too_many_connections', retryable: true }]);
    }
    expect(server.connections).toBe(2);
    expect(await one.ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
    two.end();
    await until(() => server.connections === 1);
    expect(await (await client()).ask({ n: 2 })).toEqual({ $: 'ack', count: 1 });
  });

  test.each([
    [20_000, 19_744],
    [1_024, 768],
    [513, 257],
    [512, 256],
    [100, 50],
    [1, 1],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  ])('with %d open files may be %d: the spool keeps some for itself', (limit, most) => {
    expect(mostConnections(limit)).toBe(most);
  });

  test('may be as many as this process can have', () => {
    expect(mostConnections()).toBeGreaterThan(0);
  });
});

describe('time', () => {
  test('for a line is limited, however it drips', async () => {
    const { client, clock, server } = await timed({ limits: { frameTimeout: 3_000 } });
    const [slow, other] = [await client(), await client()];
    await until(() => server.connections === 2);
    for (const byte of '{"a"') {
      slow.send(byte);
      await arrived();
      await clock.advance(1_000);
    }
    expect(await slow.rest()).toMatchObject([{ code: 'too_slow', retryable: true }]);
    expect(await other.ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
  });

  test('for a line begins with its first byte, however long nothing came before', async () => {
    const { client, clock, server } = await timed({ limits: { frameTimeout: 3_000 } });
    const one = await client();
    await until(() => server.connections === 1);
    for (let round = 0; round < 3; round++) {
      await clock.advance(30_000);
      one.send('{"n":');
      await arrived();
      await clock.advance(2_000);
      expect(await one.ask('1}\n')).toEqual({ $: 'ack', count: 1 });
    }
  });

  test('between two pieces that end one line and begin the next is not added up', async () => {
    const { client, clock } = await timed({ limits: { frameTimeout: 3_000 } });
    const one = await client();
    one.send('{"n":');
    for (let round = 0; round < 5; round++) {
      await arrived();
      await clock.advance(2_000);
      expect(await one.ask('1}\n{"n":')).toEqual({ $: 'ack', count: 1 });
    }
  });

  test('of silence is limited; a ping is no silence', async () => {
    const { client, clock, server } = await timed({ limits: { idleTimeout: 5_000 } });
    const [silent, alive] = [await client(), await client()];
    await until(() => server.connections === 2);
    for (let second = 0; second < 8; second++) {
      await clock.advance(1_000);
      expect(await alive.ask({ $: 'ping', id: second })).toEqual({ $: 'pong', id: second });
    }
    expect(await silent.rest()).toMatchObject([{ code: 'idle', retryable: true }]);
  });

  test('in which the spool has not answered is no silence', async () => {
    const written = gate();
    const { client, clock } = await timed({
      limits: { idleTimeout: 5_000 },
      commit: async () => ok(await written.promise),
    });
    const one = await client();
    one.send({ n: 1 });
    await arrived();
    await clock.advance(60_000);
    written.open();
    expect(await one.next()).toEqual({ $: 'ack', count: 1 });
  });

  test('after the last word is limited: who does not hang up is cut off', async () => {
    const { client, clock, server } = await timed({ limits: { maxFrame: 64 } });
    const one = await client();
    one.socket.allowHalfOpen = true;
    one.send(`${'x'.repeat(100)}\n`);
    expect(await one.next()).toMatchObject({ code: 'frame_too_large' });
    await arrived();
    await clock.advance(3_000);
    await until(() => server.connections === 0);
  });
});

describe('bytes', () => {
  const line = (n: number): string => `${JSON.stringify({ n, text: 'x'.repeat(1_000) })}\n`;

  test('of a connection are limited by not reading on, and all of it is answered in the end', async () => {
    const written = gate();
    const { client, events } = await served({
      limits: { maxConnectionBytes: 5_000 },
      commit: async () => ok(await written.promise),
    });
    const one = await client();
    const other = await client();
    for (let n = 0; n < 3_000; n++) one.send(line(n));
    await sleep(50);
    // What the system holds for the two of them is far less than what was sent.
    expect(one.socket.writableLength).toBeGreaterThan(1_000_000);
    written.open();
    expect(await other.ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
    const acks = await one.take(3_000);
    expect(acks.every((reply) => reply?.count === 1)).toBe(true);
    expect(events()).toHaveLength(3_001);
  });

  test('of all connections are limited: who exceeds the limit is told so and closed, the others go on', async () => {
    const written = gate();
    const { client } = await served({
      limits: { maxTotalBytes: 50_000, maxConnectionBytes: 40_000 },
      commit: async () => ok(await written.promise),
    });
    const [one, two] = [await client(), await client()];
    for (let n = 0; n < 40; n++) one.send(line(n));
    await arrived();
    for (let n = 0; n < 30; n++) two.send(line(n));
    await arrived();
    written.open();
    expect((await two.rest()).at(-1)).toMatchObject({ code: 'too_many_bytes', retryable: true });
    expect((await one.take(40)).every((reply) => reply?.count === 1)).toBe(true);
    const three = await client();
    expect(await three.ask(line(1))).toEqual({ $: 'ack', count: 1 });
  });

  test('of lines that have only begun count among those of all connections', async () => {
    const { client } = await served({ limits: { maxFrame: 40_000, maxTotalBytes: 100_000 } });
    const others = await Promise.all(Array.from({ length: 4 }, client));
    for (const other of others) {
      other.send(`{"text":"${'x'.repeat(30_000)}`);
      await arrived();
    }
    expect(others.map(({ isClosed }) => isClosed)).toEqual([false, false, false, true]);
    expect(others[3]?.replies).toMatchObject([{ code: 'too_many_bytes' }]);
    // Ended or gone, they do not count any more.
    expect(await others[0]?.ask('"}\n')).toEqual({ $: 'ack', count: 1 });
    others[1]?.end();
    await arrived();
    expect(await (await client()).ask(`{"text":"${'x'.repeat(35_000)}"}\n`)).toEqual({ $: 'ack', count: 1 });
  });

  test('of answers that nobody reads are limited: such a peer is cut off', async () => {
    const { client, server } = await served();
    const [deaf, other] = [await client(), await client()];
    deaf.socket.pause();
    const id = 'x'.repeat(10_000);
    for (let n = 0; n < 400 && server.connections === 2; n++) {
      deaf.send({ $: 'ping', id });
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => server.connections === 1);
    expect(await other.ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
  });
});

describe('the end', () => {
  test('comes after the answers to what was sent', async () => {
    const { client, server } = await served({ commit: async () => ok(await sleep(30)) });
    const [numbered, plain] = [await client(), await client()];
    await numbered.hello('a');
    numbered.send({ $: 'events', seq: 1, events: some(1) });
    plain.send({ n: 1 }, { n: 2 });
    await arrived();
    await server.close();
    expect(await numbered.rest()).toMatchObject([
      { $: 'ack', seq: 1 },
      { code: 'closing', retryable: true },
    ]);
    expect((await plain.rest()).map((reply) => reply.code ?? reply.count)).toEqual([1, 1, 'closing']);
  });

  test('comes, though a client sends on and on', async () => {
    const { client, server, events } = await served({
      limits: { maxConnectionBytes: 1_000 },
      commit: async () => ok(await sleep(1)),
    });
    const one = await client();
    await one.hello('a');
    let seq = 1;
    const sending = setInterval(() => {
      for (let n = 0; n < 20; n++) one.send({ $: 'events', seq, events: [{ n: seq++, text: 'x'.repeat(200) }] });
    }, 1);
    await until(() => events().length > 100);
    const begun = performance.now();
    await server.close();
    clearInterval(sending);
    expect(performance.now() - begun).toBeLessThan(1_000);
    await one.rest();
    const acked = Math.max(...one.replies.map((reply) => (reply.$ === 'ack' ? (reply.seq as number) : 0)));
    expect(events().length).toBeGreaterThanOrEqual(acked);
  });

  test('comes, though a peer never reads its answers', async () => {
    const { client, server } = await served();
    const deaf = await client();
    deaf.socket.pause();
    for (let n = 0; n < 70; n++) deaf.send({ $: 'ping', id: 'x'.repeat(10_000) });
    await arrived();
    expect(server.connections).toBe(1);
    await server.close();
    await until(() => server.connections === 0);
  });
});
