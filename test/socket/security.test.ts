import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { InvalidArgumentError } from 'collector-queue';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ListenError, listenAddressName, parseListenAddress, SpoolDaemon } from '../../src/socket/index.ts';
import { isLocal } from '../../src/socket/listen-address.ts';
import { makeRoom } from '../../src/socket/unix-socket.ts';
import { rejectionOf, thrownBy } from '../core/scene.ts';
import { made, quiet } from './daemon-scene.ts';
import { LineClient, type Place } from './line-client.ts';
import { folder, placeOf, served, until } from './scene.ts';

const fixtures = join(import.meta.dirname, '..', 'fixtures');
const certificate = {
  key: readFileSync(join(fixtures, 'tls-key.pem')),
  cert: readFileSync(join(fixtures, 'tls-cert.pem'), 'utf8'),
};

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

/** A socket as a process leaves it that was killed. */
async function staleSocket(path: string): Promise<void> {
  const server = createServer().listen(path);
  await until(() => server.listening);
  // Closing would remove it.
  const { renameSync } = await import('node:fs');
  renameSync(path, `${path}.kept`);
  await new Promise((resolve) => server.close(resolve));
  renameSync(`${path}.kept`, path);
}

describe('a Unix socket', () => {
  test('is for its owner alone, and so is the folder that is made for it', async () => {
    const path = join(folder(), 'a', 'b', 'd.sock');
    await served({ listen: `unix:${path}` });
    expect([modeOf(path), modeOf(join(path, '..')), modeOf(join(path, '../..'))]).toEqual([0o600, 0o700, 0o700]);
  });

  test('leaves a folder that is there as it is', async () => {
    const shared = folder();
    chmodSync(shared, 0o755);
    await served({ listen: `unix:${join(shared, 'd.sock')}` });
    expect(modeOf(shared)).toBe(0o755);
  });

  test('is shared as far as it is told to be', async () => {
    const path = join(folder(), 'd.sock');
    const group = process.getgid?.() ?? 0;
    await served({ listen: `unix:${path}`, sharing: { mode: 0o660, group } });
    expect([modeOf(path), statSync(path).gid]).toEqual([0o660, group]);
  });

  test('belongs to the group that is named, or is not opened where that may not be, and that is said', async () => {
    const path = join(folder(), 'd.sock');
    const daemon = made({ store: join(folder(), 's'), listen: [`unix:${path}`], socketGroup: 4_242_424 });
    if (process.getuid?.() === 0) {
      // Root may give files to any group.
      await daemon.start();
      expect(statSync(path).gid).toBe(4_242_424);
      await daemon.stop();
    } else {
      expect(await rejectionOf(daemon.start())).toBeInstanceOf(ListenError);
      expect(existsSync(path)).toBe(false);
    }
  });

  test('is gone when its server ends', async () => {
    const { server, place } = await served();
    await server.close();
    expect(existsSync((place as { path: string }).path)).toBe(false);
  });

  test('that somebody left behind is replaced', async () => {
    const path = join(folder(), 'd.sock');
    await staleSocket(path);
    expect(statSync(path).isSocket()).toBe(true);
    const { client } = await served({ listen: `unix:${path}` });
    expect(await (await client()).ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
  });

  test('at which somebody answers is left to them', async () => {
    const { client, place } = await served();
    const path = (place as { path: string }).path;
    const error = await rejectionOf(served({ listen: `unix:${path}` }));
    expect(error).toBeInstanceOf(ListenError);
    expect((error as Error).message).toContain(`somebody listens at ${path}`);
    expect(await (await client()).ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
  });

  test.each(['a file', 'a folder', 'a link to a socket', 'a link to nowhere'])(
    'is not made in the place of %s, which is left alone',
    async (what) => {
      const place = folder();
      const path = join(place, 'd.sock');
      if (what === 'a file') writeFileSync(path, 'precious');
      else if (what === 'a folder') mkdirSync(path);
      else {
        if (what === 'a link to a socket') await staleSocket(join(place, 'other.sock'));
        symlinkSync(join(place, 'other.sock'), path);
      }
      const error = await rejectionOf(makeRoom(path));
      expect(error).toBeInstanceOf(ListenError);
      expect((error as Error).message).toMatch(/is no socket: it is left alone/);
      if (what === 'a file') expect(readFileSync(path, 'utf8')).toBe('precious');
    },
  );

  test('cannot be where there is no room for it, which is said in our words', async () => {
    const file = join(folder(), 'file');
    writeFileSync(file, '');
    const error = await rejectionOf(served({ listen: `unix:${join(file, 'd.sock')}` }));
    expect(error).toBeInstanceOf(ListenError);
    expect((error as Error).message).toMatch(/^cannot listen at unix:.*\/file\/d\.sock: .*EEXIST|ENOTDIR/);
  });
});

describe('an address', () => {
  test.each([
    ['unix:/run/d.sock', { type: 'unix', path: '/run/d.sock' }],
    ['unix:relative.sock', { type: 'unix', path: 'relative.sock' }],
    ['tcp:127.0.0.1:4321', { type: 'tcp', host: '127.0.0.1', port: 4_321 }],
    ['tcp:[::1]:0', { type: 'tcp', host: '::1', port: 0 }],
    ['tcp:localhost:1', { type: 'tcp', host: 'localhost', port: 1 }],
  ])('%s is read, and written the same', (text, address) => {
    expect(parseListenAddress('listen', text)).toEqual(address);
    expect(listenAddressName(parseListenAddress('listen', text))).toBe(text);
  });

  test.each(['', 'unix:', '/run/d.sock', 'tcp:1', 'tcp::1', 'tcp:h:', 'tcp:h:-1', 'tcp:h:1x', 'tcp:::1:5', 'udp:h:1'])(
    '%j is refused',
    (text) => {
      expect(thrownBy(() => parseListenAddress('listen', text))).toBeInstanceOf(InvalidArgumentError);
    },
  );

  test.each([
    ['tcp:127.0.0.1:1', true],
    ['tcp:127.8.9.1:1', true],
    ['tcp:[::1]:1', true],
    ['tcp:localhost:1', true],
    ['unix:/x', true],
    ['tcp:0.0.0.0:1', false],
    ['tcp:[::]:1', false],
    ['tcp:[::ffff:127.0.0.1]:1', false],
    ['tcp:127.evil.example:1', false],
    ['tcp:192.168.1.1:1', false],
  ])('%s can be reached from here alone: %s', (text, local) => {
    expect(isLocal(parseListenAddress('listen', text))).toBe(local);
  });
});

describe('TCP', () => {
  test('beyond this machine is refused without a token, with the reason, and nothing stays open', async () => {
    const daemon = made({ store: join(folder(), 's'), listen: ['tcp:127.0.0.1:0', 'tcp:0.0.0.0:0'] });
    const error = await rejectionOf(daemon.start());
    expect(error).toBeInstanceOf(ListenError);
    expect((error as Error).message).toBe('tcp:0.0.0.0:0 can be reached from other machines: that needs a token');
    expect(daemon.addresses).toEqual([]);
  });

  test('where the port is taken says so', async () => {
    const { place } = await served({ listen: 'tcp:127.0.0.1:0' });
    const { port } = place as { port: number };
    const error = await rejectionOf(served({ listen: `tcp:127.0.0.1:${port}` }));
    expect(error).toBeInstanceOf(ListenError);
    expect((error as Error).message).toMatch(/cannot listen at tcp:127\.0\.0\.1:\d+: .*EADDRINUSE/);
  });

  test('with a token takes nothing before a hello that has it', async () => {
    const { client, events } = await served({ listen: 'tcp:0.0.0.0:0', token: 'secret' });
    for (const wrong of [
      { n: 1 },
      { $: 'spool', id: 1, command: 'ls' },
      { $: 'events', seq: 1, events: [] },
      { $: 'hello', version: 1, client: 'a' },
      { $: 'hello', version: 1, client: 'a', token: 'secret ' },
      { $: 'hello', version: 1, client: 'a', token: '' },
    ]) {
      const one = await client();
      one.send(wrong, { n: 2 });
      expect(await one.rest()).toMatchObject([{ code: 'unauthorized', retryable: false }]);
    }
    const one = await client();
    expect(await one.ask({ $: 'ping', id: 1 })).toEqual({ $: 'pong', id: 1 });
    expect(await one.hello('a', { token: 'secret' })).toBe(0);
    expect(await one.ask({ n: 3 })).toEqual({ $: 'ack', count: 1 });
    expect(events()).toEqual([{ n: 3 }]);
  });

  test('does not tell a client that has no token what versions there are', async () => {
    const { client } = await served({ listen: 'tcp:127.0.0.1:0', token: 'secret' });
    const one = await client();
    expect(await one.ask({ $: 'hello', version: 1, client: 'a', token: 'no' })).toMatchObject({ code: 'unauthorized' });
  });

  test.each([
    ['with no token are refused', {}, false],
    ['with a token are done', { token: 'secret' }, true],
    ['with no token are done where that is wanted', { tcpControl: true }, true],
  ])('commands of operators %s', async (_, options, isDone) => {
    const { client } = await served({ listen: 'tcp:127.0.0.1:0', ...options });
    const one = await client();
    await one.hello('a', options);
    const answer = await one.ask({ $: 'spool', id: 7, command: 'ls' });
    if (isDone) expect(answer).toEqual({ $: 'spool', id: 7, done: true });
    else
      expect(answer).toEqual({
        $: 'spool',
        id: 7,
        done: true,
        error: expect.stringMatching(/^over TCP only a daemon with a token \(--token-env\), or with --tcp-control, /),
      });
    expect(await one.ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
  });

  test('a token is for TCP: who may open the Unix socket needs none', async () => {
    const { client } = await served({ token: 'secret' });
    expect(await (await client()).ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
  });
});

describe('TLS', () => {
  async function connected(place: Place, options = {}): Promise<LineClient> {
    const socket = connectTls({ ...(place as { host: string; port: number }), ca: certificate.cert, ...options });
    onTestFinished(() => void socket.destroy());
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    return new LineClient(socket);
  }

  test('speaks the same protocol, with the certificate that was given', async () => {
    const { place, events } = await served({ listen: 'tcp:127.0.0.1:0', certificate, token: 'secret' });
    const one = await connected(place);
    await one.hello('a', { token: 'secret' });
    expect(await one.ask({ $: 'events', seq: 1, events: [{ n: 1 }] })).toEqual({ $: 'ack', seq: 1 });
    expect(events()).toEqual([{ n: 1 }]);
    expect(await rejectionOf(connected(place, { ca: [] }))).toMatchObject({ code: /SELF_SIGNED/ });
  });

  test('ends the connection of who does not speak it, and goes on', async () => {
    const { client, place, server } = await served({ listen: 'tcp:127.0.0.1:0', certificate });
    const plain = await client();
    plain.send({ n: 1 });
    expect(await plain.rest()).toEqual([]);
    expect(await (await connected(place)).ask({ n: 2 })).toEqual({ $: 'ack', count: 1 });
    expect(server.connections).toBe(1);
  });

  test('does not wait for ever for a handshake', async () => {
    const { client, server } = await served({
      listen: 'tcp:127.0.0.1:0',
      certificate,
      limits: { frameTimeout: 100 },
    });
    const silent = await client();
    await silent.rest();
    await server.close();
  });

  test('tells of a connection too many as without it', async () => {
    const { place } = await served({ listen: 'tcp:127.0.0.1:0', certificate, limits: { maxConnections: 1 } });
    const one = await connected(place);
    expect(await (await connected(place)).rest()).toMatchObject([{ code: 'too_many_connections' }]);
    expect(await one.ask({ n: 2 })).toEqual({ $: 'ack', count: 1 });
  });

  test('with a certificate that is none is refused in one line, and nothing stays open', async () => {
    const place = folder();
    const daemon = new SpoolDaemon({
      store: join(place, 's'),
      endpoint: 'x.example',
      listen: [`unix:${join(place, 'd.sock')}`, 'tcp:127.0.0.1:0'],
      certificate: { key: 'no', cert: 'no' },
      logger: quiet,
    });
    expect(await rejectionOf(daemon.start())).toBeInstanceOf(ListenError);
    expect(existsSync(join(place, 'd.sock'))).toBe(false);
  });
});

test('every connection has its place', async () => {
  const daemon = made({ store: join(folder(), 's'), listen: ['tcp:127.0.0.1:0', 'tcp:127.0.0.1:0'] });
  await daemon.start();
  expect(daemon.addresses).toHaveLength(2);
  for (const address of daemon.addresses) {
    const one = await LineClient.connected(placeOf(address));
    expect(await one.ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
    one.end();
  }
});
