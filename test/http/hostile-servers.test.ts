import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { gate } from '../core/scene.ts';
import { emitterTo, event, ids, idsOf, inputIds, still, wired } from './scene.ts';
import {
  type Behaviour,
  dripsBody,
  dripsHeaders,
  endless,
  headersOnly,
  neverAnswers,
  resetAfterBody,
  resetBeforeBody,
  resetInReply,
  status,
} from './server.ts';

/** A server that takes connections and does this with each. */
async function listening(take: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    sockets.push(socket);
    take(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}

/** The platform's fetch, and a promise of the first headers of a reply that it got. */
function watched(): { readonly fetch: typeof fetch; readonly answered: Promise<void> } {
  const { promise, open } = gate();
  const watching: typeof fetch = async (...request) => {
    const response = await fetch(...request);
    open();
    return response;
  };
  return { fetch: watching, answered: promise };
}

describe('a connection that breaks', () => {
  test.each<[string, Behaviour]>([
    ['before the body was read', resetBeforeBody],
    ['after the body was read', resetAfterBody],
    ['in the reply to a failure', resetInReply(500)],
  ])('%s: the batch is sent again, whole', async (_, behaviour) => {
    const scene = await wired([behaviour]);
    inputIds(scene, 1, 3);
    await scene.emitter.flush();
    expect(scene.told).toMatchObject([{ outcome: 'failed', willRetry: true, sent: 0 }]);
    await scene.emitter.flush();
    expect(scene.told[1]).toMatchObject({ outcome: 'sent', attempt: 2 });
    expect(idsOf(scene.told[1]?.events ?? [])).toEqual(ids(1, 3));
    expect(scene.server.requests).toHaveLength(2);
  });

  test('in the reply to a success changes nothing: the server took the events', async () => {
    const scene = await wired([resetInReply(200)]);
    inputIds(scene, 1, 3);
    await scene.emitter.flush();
    expect(scene.told).toMatchObject([{ outcome: 'sent', status: 200 }]);
    expect(scene.emitter.getMetrics()).toMatchObject({ size: 0, sent: 3 });
  });

  test('in the reply to a refusal changes nothing: the events go to the dead letter', async () => {
    const letters: unknown[] = [];
    const scene = await wired([resetInReply(400)], { deadLetter: (events) => letters.push(...idsOf(events)) });
    inputIds(scene, 1, 3);
    await scene.emitter.flush();
    expect(letters).toEqual(ids(1, 3));
  });

  test('at once, or none at all, is a failure without status', async () => {
    const port = await listening((socket) => void socket.resetAndDestroy());
    const resetting = emitterTo(`http://127.0.0.1:${port}`, {});
    const nobody = emitterTo('http://127.0.0.1:9', {});
    const nowhere = emitterTo('http://nowhere.invalid', {});
    for (const scene of [resetting, nobody, nowhere]) {
      inputIds(scene, 1);
      await scene.emitter.flush();
      expect(scene.told).toMatchObject([{ outcome: 'failed', status: undefined, willRetry: true }]);
      expect(scene.told[0]).toMatchObject({ error: { code: 'CQ_HTTP_REQUEST', cause: expect.any(Error) } });
    }
  });

  test('by a server that speaks no HTTP is a failure like any other', async () => {
    const port = await listening((socket) => void socket.end('220 mail.example ESMTP\r\n'));
    const scene = emitterTo(`http://127.0.0.1:${port}`, {});
    inputIds(scene, 1);
    await scene.emitter.flush();
    expect(scene.told).toMatchObject([{ outcome: 'failed', status: undefined, willRetry: true }]);
  });
});

describe('a server that stalls', () => {
  test('without an answer: the request ends after requestTimeout, and its connection is closed', async () => {
    const scene = await wired([neverAnswers]);
    inputIds(scene, 1, 10);
    await scene.server.received(1);
    await scene.clock.advance(29_999);
    expect(scene.told).toEqual([]);
    await scene.clock.advance(1);
    expect(scene.told).toMatchObject([{ outcome: 'failed', status: undefined, willRetry: true }]);
    expect(scene.told[0]).toMatchObject({ error: { message: expect.stringContaining('30000 ms') } });
    await scene.server.disconnected(await scene.server.received(1));
    await scene.emitter.flush();
    expect(scene.told[1]).toMatchObject({ outcome: 'sent' });
  });

  test('while it is connected to: the TLS handshake ends after requestTimeout', async () => {
    let connected: () => void = () => undefined;
    const connection = new Promise<void>((resolve) => {
      connected = resolve;
    });
    const port = await listening(() => connected());
    const scene = emitterTo(`https://127.0.0.1:${port}`, { requestTimeout: 1_000 });
    inputIds(scene, 1, 10);
    await connection;
    await scene.clock.advance(999);
    expect(scene.told).toEqual([]);
    await scene.clock.advance(1);
    expect(scene.told).toMatchObject([{ outcome: 'failed', status: undefined, willRetry: true }]);
  });

  test('in its headers, a byte a second: the request ends after requestTimeout', async () => {
    const scene = await wired([dripsHeaders], { requestTimeout: 5_000 });
    inputIds(scene, 1, 10);
    await scene.server.received(1);
    await scene.clock.advance(4_999);
    expect(scene.told).toEqual([]);
    await scene.clock.advance(1);
    expect(scene.told).toMatchObject([{ outcome: 'failed', status: undefined }]);
    await scene.server.disconnected(await scene.server.received(1));
  });

  test.each<[string, Behaviour, object]>([
    ['after a success, without its body', headersOnly(200), { outcome: 'sent', status: 200, duration: 5_000 }],
    ['after a success, a byte a second', dripsBody(200), { outcome: 'sent', status: 200, duration: 5_000 }],
    ['after a failure, without its body', headersOnly(503), { outcome: 'failed', status: 503, willRetry: true }],
    ['after a failure, a byte a second', dripsBody(500), { outcome: 'failed', status: 500, willRetry: true }],
    ['after a refusal, without its body', headersOnly(400), { outcome: 'failed', status: 400, willRetry: false }],
  ])('%s: ends after requestTimeout, with the outcome of its status', async (_, behaviour, outcome) => {
    const { fetch, answered } = watched();
    const scene = await wired([behaviour], { requestTimeout: 5_000, deadLetter: () => undefined, fetch });
    inputIds(scene, 1, 10);
    await answered;
    await still(scene);
    await scene.clock.advance(4_999);
    expect(scene.told).toEqual([]);
    await scene.clock.advance(1);
    await scene.attempts(1);
    expect(scene.told).toMatchObject([outcome]);
    await scene.server.disconnected(await scene.server.received(1));
  });

  test('does not hold up close', async () => {
    const { fetch, answered } = watched();
    const scene = await wired([headersOnly(200)], { fetch });
    inputIds(scene, 1, 10);
    await answered;
    await still(scene);
    const closing = scene.emitter.close({ timeout: 100 });
    await scene.clock.advance(100);
    expect(await closing).toEqual({ undelivered: 0 });
  });
});

describe('a reply', () => {
  test('of the usual size is read to its end, so that the connection is used again', async () => {
    const script = [200, 500, 400, 204, 301, 413, 503, 200].map((code) => status(code, {}, 'x'.repeat(10_000)));
    const scene = await wired(script, { deadLetter: () => undefined });
    for (let id = 1; id <= script.length; id++) {
      inputIds(scene, id);
      await scene.emitter.flush();
      // The socket is free once its reply was read, which undici sees in a later turn.
      await still(scene);
    }
    expect(scene.server.requests.length).toBeGreaterThan(script.length);
    // Two at most: one that was just read may not be free yet when the next request begins.
    expect(scene.server.connections).toBeLessThanOrEqual(2);
  });

  test.each([
    [200, { outcome: 'sent' }],
    [500, { outcome: 'failed', willRetry: true }],
  ])('of %d without end is cut: little of it is read, and the outcome is that of its status', async (code, outcome) => {
    let sent = 0;
    const huge = endless(code, (bytes) => {
      sent = bytes;
    });
    const scene = await wired([huge]);
    inputIds(scene, 1, 10);
    await scene.attempts(1);
    expect(scene.told).toMatchObject([outcome]);
    await scene.server.disconnected(await scene.server.received(1));
    // What the sockets of both sides hold goes on top.
    expect(sent).toBeLessThan(20_000_000);
    expect(scene.emitter.getMetrics().size).toBe(code === 200 ? 0 : 10);
  });

  test('that says little in many bytes, compressed, is cut, too', async () => {
    const { gzipSync } = await import('node:zlib');
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const scene = await wired([
      { late: (response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb) },
    ]);
    inputIds(scene, 1, 10);
    await scene.attempts(1);
    expect(scene.told).toMatchObject([{ outcome: 'sent' }]);
  });

  test('that is no gzip, although it says so, does not change the outcome', async () => {
    const scene = await wired([status(200, { 'content-encoding': 'gzip' }, 'not gzip')]);
    inputIds(scene, 1, 10);
    await scene.attempts(1);
    expect(scene.told).toMatchObject([{ outcome: 'sent' }]);
  });

  test('with early hints before it is the one that counts', async () => {
    const scene = await wired([
      {
        late: (response) => {
          response.writeEarlyHints({ link: '</a>; rel=preload' });
          response.writeHead(200).end('ok');
        },
      },
    ]);
    inputIds(scene, 1);
    await scene.emitter.flush();
    expect(scene.told).toMatchObject([{ outcome: 'sent', status: 200 }]);
  });
});

test('nothing of all this is left to a process as an unhandled rejection', async () => {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', listener);
  onTestFinished(() => void process.off('unhandledRejection', listener));
  const script = [
    resetBeforeBody,
    resetAfterBody,
    resetInReply(200),
    endless(200),
    headersOnly(200),
    neverAnswers,
    status(400),
  ];
  const scene = await wired(script, {
    batchSize: 1,
    concurrency: 3,
    onSuccess: () => Promise.reject(new Error('callback')),
    onFailure: () => Promise.reject(new Error('callback')),
    deadLetter: () => Promise.reject(new Error('dead letter')),
  });
  inputIds(scene, 1, 12);
  void scene.emitter.deliver(event(13));
  for (let round = 0; round < 20; round++) {
    await still(scene);
    await scene.clock.advance(20_000);
  }
  const closing = scene.emitter.close({ timeout: 0 });
  await scene.clock.advance(10_000);
  await closing;
  for (let turn = 0; turn < 20; turn++) await still(scene);
  expect(unhandled).toEqual([]);
});
