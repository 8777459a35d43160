import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  askSpool,
  greetSpool,
  SocketEmitter,
  SpoolRefusedError,
  SpoolUnreachableError,
} from '../../src/socket/index.ts';
import { rejectionOf } from '../core/scene.ts';
import { running } from './daemon-scene.ts';
import { folder, until } from './scene.ts';

const fixtures = join(import.meta.dirname, '..', 'fixtures');
const certificate = {
  key: readFileSync(join(fixtures, 'tls-key.pem')),
  cert: readFileSync(join(fixtures, 'tls-cert.pem')),
};
const ca = certificate.cert;

async function withCertificate(): Promise<{ host: string; port: number }> {
  const { place } = await running({ listen: ['tcp:127.0.0.1:0'], certificate, token: 'secret' });
  return place as { host: string; port: number };
}

/** A listener that does this with each connection. */
async function listener(act: (socket: import('node:net').Socket) => void): Promise<{ host: string; port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
    act(socket);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await until(() => server.listening);
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port };
}

describe('a daemon with a certificate and a token', () => {
  test('is spoken to by those that know both', async () => {
    const place = await withCertificate();
    await greetSpool({ ...place, tls: { ca }, token: 'secret' });
    const answers: object[] = [];
    for await (const answer of askSpool({ ...place, tls: { ca }, token: 'secret' }, 'stats')) answers.push(answer);
    expect(answers).toMatchObject([{ stats: { stored: 0 } }]);
    const emitter = new SocketEmitter({ ...place, tls: { ca }, token: 'secret' });
    expect((await emitter.store({ n: 1 })).isOk()).toBe(true);
    await emitter.close();
  });

  test.each([
    [
      'nobody vouches for it',
      { tls: {} },
      /nobody who is trusted here has signed.*--tls-ca\) \(DEPTH_ZERO_SELF_SIGNED_CERT\)$/,
    ],
    [
      'the name is another',
      { tls: { ca, servername: 'a.example' } },
      /is for another name: .*a\.example.* \(ERR_TLS_CERT/,
    ],
    ['it is spoken to in plain text', {}, /ended the connection without a word: does it want TLS \(tls, --tls\)\?$/],
  ])('is not reached where %s, and that will not pass', async (_, options, message) => {
    const place = await withCertificate();
    const error = (await rejectionOf(greetSpool({ ...place, token: 'secret', ...options }))) as SpoolUnreachableError;
    expect(error).toBeInstanceOf(SpoolUnreachableError);
    expect([error.message.match(message)?.[0] !== undefined, error.retryable]).toEqual([true, false]);
    expect(error.message).not.toContain('\n');
  });

  test.each([undefined, 'guess'])('refuses who has the token %s', async (token) => {
    const place = await withCertificate();
    const error = await rejectionOf(greetSpool({ ...place, tls: { ca }, token }));
    expect(error).toBeInstanceOf(SpoolRefusedError);
    expect(error).toMatchObject({ reason: 'unauthorized', retryable: false });
  });

  test('tells an emitter that does not speak as it does what may be the matter', async () => {
    const place = await withCertificate();
    const warnings: string[] = [];
    const warn = (_: object, message: string): void => void warnings.push(message);
    const logger = { info: () => undefined, warn, error: () => undefined };
    const emitters = [{}, { tls: true }].map((tls) => new SocketEmitter({ ...place, ...tls, token: 'secret', logger }));
    for (const emitter of emitters) emitter.input({ n: 1 });
    await until(() => warnings.length >= 2);
    await Promise.all(emitters.map((emitter) => emitter.close({ timeout: 0 })));
    expect(warnings.some((text) => text.includes('does it want TLS'))).toBe(true);
    expect(warnings.some((text) => text.includes('nobody who is trusted here'))).toBe(true);
    expect(warnings.join('')).not.toContain('\n');
  });
});

describe('where there is no daemon', () => {
  test('that may pass', async () => {
    const gone = await listener((socket) => socket.end());
    const cases = [
      [{ path: join(folder(), 'd.sock') }, /there is no socket unix:.*: does the daemon run\? \(ENOENT\)/],
      [{ port: 9 }, /nobody listens at tcp:127\.0\.0\.1:9: does the daemon run\? \(ECONNREFUSED\)/],
      [{ ...gone, tls: {} }, /ended the connection during the TLS handshake.*\(ECONNRESET\)/],
    ] as const;
    for (const [address, message] of cases) {
      const error = await rejectionOf(greetSpool(address));
      expect(error).toMatchObject({ retryable: true, message: expect.stringMatching(message) });
    }
  });

  test('but another program, that will not', async () => {
    const cases = [
      [{ ...(await listener((socket) => socket.end('hello\n'))) }, /no line of the protocol: is it another program/],
      [
        { ...(await listener((socket) => socket.end('hello\n'))), tls: {} },
        /does not speak TLS as it should \(ERR_SSL_/,
      ],
      [{ ...(await listener((socket) => socket.end())) }, /ended the connection without a word/],
    ] as const;
    for (const [address, message] of cases) {
      const error = await rejectionOf(greetSpool(address));
      expect(error).toMatchObject({ retryable: false, message: expect.stringMatching(message) });
    }
  });
});
