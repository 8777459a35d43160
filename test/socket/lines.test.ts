import { setTimeout as sleep } from 'node:timers/promises';
import { err, ok } from 'neverthrow';
import { describe, expect, test } from 'vitest';
import { StoreFullError } from '../../src/store/index.ts';
import { gate } from '../core/scene.ts';
import { served, some, until } from './scene.ts';

const TLS_HELLO = Buffer.from('160301020001000100fc0303aabbccdd0a00', 'hex');

describe('a line of events', () => {
  test('is answered by how many became durable, as soon as they are', async () => {
    const written = gate();
    const { client, events } = await served({ commit: async () => ok(await written.promise) });
    const one = await client();
    one.send({ e: 'pv', p: 'web', tv: 'x' });
    await sleep(20);
    expect(one.replies).toEqual([]);
    written.open();
    expect(await one.next()).toEqual({ $: 'ack', count: 1 });
    expect(await one.ask([{ a: 1 }, { a: 2 }])).toEqual({ $: 'ack', count: 2 });
    expect(events()).toEqual([{ e: 'pv', p: 'web', tv: 'x' }, { a: 1 }, { a: 2 }]);
  });

  test('is the same however its bytes arrive', async () => {
    const { client, batches, events } = await served();
    const one = await client();
    const bytes = Buffer.from('{"text":"€ü😀"}\r\n[{"n":1},{"n":2}]\n');
    for (let at = 0; at <= bytes.length; at++) {
      batches.length = 0;
      one.send(bytes.subarray(0, at));
      await new Promise((resolve) => setImmediate(resolve));
      one.send(bytes.subarray(at));
      expect(await one.take(2)).toEqual([
        { $: 'ack', count: 1 },
        { $: 'ack', count: 2 },
      ]);
      expect(events()).toEqual([{ text: '€ü😀' }, { n: 1 }, { n: 2 }]);
    }
    for (const byte of bytes) one.send(Buffer.of(byte));
    expect(await one.take(2)).toHaveLength(2);
  });

  test('may follow others without waiting: each has its answer, in order', async () => {
    const { client, events } = await served();
    const one = await client();
    one.send(
      some(500)
        .map((event) => `${JSON.stringify(event.n % 7 === 0 ? [event, event] : event)}\n`)
        .join(''),
    );
    const counts = (await one.take(500)).map((reply) => reply?.count);
    expect(counts).toEqual(some(500).map(({ n }) => (n % 7 === 0 ? 2 : 1)));
    expect(events()).toEqual(some(500).flatMap((event) => (event.n % 7 === 0 ? [event, event] : [event])));
  });

  test('that is empty is ignored, one with no events is answered', async () => {
    const { client } = await served();
    const one = await client();
    one.send('\n\r\n\n', [], { n: 1 });
    expect(await one.take(2)).toEqual([
      { $: 'ack', count: 0 },
      { $: 'ack', count: 1 },
    ]);
  });

  test('that is wrong has its answer in its turn, and ends nothing', async () => {
    const written = gate();
    const { client, events } = await served({ commit: async () => ok(await written.promise) });
    const one = await client();
    one.send({ n: 1 }, '{"n":\n', { n: 2 }, [1], Buffer.from([0x22, 0xff, 0x22, 0x0a]), { $: 'what' }, [{ n: 3 }]);
    await sleep(20);
    expect(one.replies).toEqual([]);
    written.open();
    expect((await one.take(7)).map((reply) => reply?.code ?? reply?.count)).toEqual([
      1,
      'bad_json',
      1,
      'bad_frame',
      'bad_utf8',
      'bad_frame',
      1,
    ]);
    expect(events()).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  });

  test('is refused as a whole with the reason; those beside it are not', async () => {
    const commit = async ({ events }: { readonly events: readonly object[] }) =>
      JSON.stringify(events).includes('large') ? err(new StoreFullError('no room')) : ok(undefined);
    const { client, events } = await served({ commit });
    const one = await client();
    one.send({ n: 1 }, { n: 2 }, [{ n: 3 }, { large: 1 }], { n: 4 });
    expect((await one.take(4)).map((reply) => reply?.code ?? reply?.count)).toEqual([1, 1, 'full', 1]);
    expect(events()).toEqual([{ n: 1 }, { n: 2 }, { n: 4 }]);
  });

  test('may be the last: who has nothing more to say still gets the answers', async () => {
    const { client } = await served({ commit: async () => ok(await sleep(30)) });
    const one = await client();
    one.send({ n: 1 }, [1]);
    one.socket.end('{"n":2}\n{"half":');
    expect((await one.rest()).map((reply) => reply.code ?? reply.count)).toEqual([1, 'bad_frame', 1]);
  });

  test('needs a hello before it may be numbered', async () => {
    const { client } = await served();
    const one = await client();
    expect(await one.ask({ $: 'events', seq: 1, events: [] })).toMatchObject({ code: 'bad_frame', seq: 1 });
    expect(await one.ask({ $: 'ping', id: 7 })).toEqual({ $: 'pong', id: 7 });
  });
});

describe('what is no line of this protocol', () => {
  test.each([
    ['a client hello of TLS', TLS_HELLO],
    ['one that comes byte by byte', TLS_HELLO.subarray(0, 1)],
    ['NUL bytes', Buffer.alloc(64)],
    ['bytes with a NUL in text that never ends', Buffer.from('{"a":"\0')],
    ['a line with a control character', Buffer.from('{"a":"\x01"}\n')],
  ])('%s: is told so once, and the connection ends', async (_, bytes) => {
    const { client } = await served();
    const [other, one] = [await client(), await client()];
    one.send(bytes);
    const replies = await one.rest();
    expect(replies).toMatchObject([{ $: 'error', code: 'binary', retryable: false }]);
    expect(await other.ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
  });

  test('a request of HTTP is told line by line that it is no JSON', async () => {
    const { client } = await served();
    const one = await client();
    one.send('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    expect((await one.take(2)).map((reply) => reply?.code)).toEqual(['bad_json', 'bad_json']);
    expect(await one.ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
  });

  test.each([
    ['ended', 1],
    ['not ended', 2],
  ])('a line that is too long, %s, is told so, and the connection ends', async (ended, more) => {
    const { client, events } = await served({ limits: { maxFrame: 64 } });
    const [other, one, exact] = [await client(), await client(), await client()];
    const line = (length: number): string => `{"a":"${'x'.repeat(length - 8)}"}`;
    expect(await exact.ask(`${line(64)}\r\n`)).toEqual({ $: 'ack', count: 1 });
    one.send(line(64 + more) + (ended === 'ended' ? '\n' : ''));
    expect(await one.rest()).toMatchObject([{ code: 'frame_too_large', retryable: false }]);
    expect(await other.ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
    expect(events()).toHaveLength(2);
  });

  test('comes after the answers to what stands before it, and nothing behind it is read', async () => {
    const { client, events } = await served({ commit: async () => ok(await sleep(20)), limits: { maxFrame: 64 } });
    const one = await client();
    one.send({ n: 1 }, { n: 2 }, `${'x'.repeat(100)}\n`, { n: 3 });
    expect((await one.rest()).map((reply) => reply.code ?? reply.count)).toEqual([1, 1, 'frame_too_large']);
    expect(events()).toEqual([{ n: 1 }, { n: 2 }]);
  });
});

test('nobody is disturbed by others who send rubbish', async () => {
  const { client, events, server } = await served({ limits: { maxFrame: 1_000 } });
  const rubbish = [
    TLS_HELLO,
    Buffer.alloc(10),
    '{"\n',
    'x'.repeat(2_000),
    '[1]\n',
    '{"$":"events","seq":3,"events":[]}\n',
  ];
  const working = await client();
  await working.hello('working');
  for (let n = 1; n <= 30; n++) {
    const other = await client();
    other.send(rubbish[n % rubbish.length] as string | Buffer);
    expect(await working.ask({ $: 'events', seq: n, events: [{ n }] })).toEqual({ $: 'ack', seq: n });
    if (n % 2 === 0) other.end();
  }
  expect(events()).toEqual(some(30, 1));
  await until(() => server.connections <= 31);
});
