import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { SocketEmitter } from '../../src/socket/index.ts';
import { numbers, type Running, running } from '../socket/daemon-scene.ts';
import { folder, some, until } from '../socket/scene.ts';
import { cli, type Run } from './child.ts';

const fixtures = join(import.meta.dirname, '..', 'fixtures');
const authority = join(fixtures, 'tls-cert.pem');
const certificate = { key: readFileSync(join(fixtures, 'tls-key.pem')), cert: readFileSync(authority) };
const program = join(import.meta.dirname, '..', '..', 'examples', 'spool_client.py');
const env = { TOKEN: 'secret', WRONG: 'guessed' };
const LONG = { timeout: 60_000 };

function portOf({ place }: Running): string {
  return String((place as { port: number }).port);
}

async function python(address: string, more: NodeJS.ProcessEnv, input: string): Promise<Run> {
  const child = spawn('python3', [program, address], { env: { ...process.env, ...more }, stdio: 'pipe' });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  child.stdin.on('error', () => undefined).end(input);
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

describe('a daemon that other machines reach, with a certificate and a token', () => {
  let daemon: Running;
  let reach: string[];
  beforeEach(async () => {
    daemon = await running({ listen: ['tcp:0.0.0.0:0'], certificate, token: 'secret' });
    reach = ['--host', '127.0.0.1', '--port', portOf(daemon)];
  });

  test('is spoken to by send and by spool', LONG, async () => {
    const all = [...reach, '--tls-ca', authority, '--token-env', 'TOKEN'];
    daemon.collector.answer = () => 400;
    const sent = await cli(['send', ...all, '--json'], { env, input: '{"n":0}\n{"n":1}\n' });
    expect([sent.code, sent.stderr, JSON.parse(sent.stdout)]).toEqual([
      0,
      '',
      expect.objectContaining({ acknowledged: 2, failed: 0 }),
    ]);
    await until(async () => (await daemon.daemon.getMetrics()).deadLetters === 2);
    const listed = await cli(['spool', 'export', '--raw', ...all], { env });
    expect(listed).toEqual({ code: 0, stdout: '{"n":0}\n{"n":1}\n', stderr: '' });
    daemon.collector.answer = () => 200;
    expect(await cli(['spool', 'redrive', '--all', ...all], { env })).toMatchObject({ code: 0, stderr: '' });
    await until(() => daemon.collector.taken.length === 2);
  });

  test('is spoken to by a SocketEmitter', async () => {
    const emitter = new SocketEmitter({
      host: '127.0.0.1',
      port: Number(portOf(daemon)),
      tls: { ca: certificate.cert },
      token: 'secret',
    });
    expect((await emitter.store({ n: 1 })).isOk()).toBe(true);
    await emitter.close();
  });

  test('is spoken to by the python client', LONG, async () => {
    const lines = some(3)
      .map((event) => JSON.stringify(event))
      .join('\n');
    const address = `tls://127.0.0.1:${portOf(daemon)}`;
    const { code, stdout, stderr } = await python(address, { SSL_CERT_FILE: authority, SPOOL_TOKEN: 'secret' }, lines);
    expect([code, stdout, stderr]).toEqual([0, '3 events acknowledged, 0 refused\n', '']);
    await until(() => daemon.collector.taken.length === 3);
    expect(numbers(daemon.collector.taken)).toEqual([0, 1, 2]);
    const untrusted = await python(address, { SPOOL_TOKEN: 'secret' }, lines);
    expect([untrusted.code, untrusted.stderr]).toEqual([1, expect.stringMatching(/^no TLS with tls:.*verify/)]);
  });

  test.each<[string, string[], RegExp]>([
    [
      'whose certificate nobody has vouched for',
      ['--tls'],
      /nobody who is trusted here has signed.*--tls-ca\) \(DEPTH_/,
    ],
    [
      'whose certificate is for another name',
      ['--tls-ca', authority, '--tls-name', 'spool.example'],
      /certificate of tcp:127\.0\.0\.1:\d+ is for another name: .*spool\.example.*--tls-name\) \(ERR_TLS_/,
    ],
    ['to which plain text is spoken', [], /ended the connection without a word: does it want TLS \(tls, --tls\)\?/],
    [
      'that wants a token',
      ['--tls-ca', authority],
      /the spool daemon refused: (say hello with the token first|a token is needed)/,
    ],
    ['that wants another token', ['--tls-ca', authority, '--token-env', 'WRONG'], /the token is wrong/],
  ])('%s, is refused at once, in one line', LONG, async (_, flags, message) => {
    const token = flags.includes('WRONG') || message.source.includes('token') ? [] : ['--token-env', 'TOKEN'];
    const begun = performance.now();
    const all = [...reach, ...flags, ...token];
    const runs = await Promise.all([
      cli(['spool', 'stats', ...all], { env }),
      cli(['send', ...all], { env, input: '{"n":1}\n' }),
    ]);
    expect(performance.now() - begun).toBeLessThan(25_000);
    for (const { code, stdout, stderr } of runs) {
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/^collector-queue: [^\n]+\n$/);
      expect(stderr).toMatch(message);
    }
    expect(daemon.collector.batches).toEqual([]);
  });

  test('tells a SocketEmitter without TLS what may be the matter', async () => {
    const warnings: string[] = [];
    const logger = {
      info: () => undefined,
      warn: (_: object, message: string) => void warnings.push(message),
      error: () => undefined,
    };
    const address = { host: '127.0.0.1', port: Number(portOf(daemon)), token: 'secret', logger };
    const emitters = [new SocketEmitter(address), new SocketEmitter({ ...address, tls: true })];
    for (const emitter of emitters) emitter.input({ n: 1 });
    await until(() => warnings.length >= 2);
    await Promise.all(emitters.map((emitter) => emitter.close({ timeout: 0 })));
    expect(warnings.find((text) => text.includes('does it want TLS'))).toBeDefined();
    expect(warnings.find((text) => text.includes('nobody who is trusted here'))).toBeDefined();
    expect(warnings.join()).not.toContain('\n');
  });
});

test('TLS at a plain port is told in one line, and so is a socket that needs none', LONG, async () => {
  const plain = await running({ listen: ['tcp:127.0.0.1:0'] });
  const [spool, send, unix] = await Promise.all([
    cli(['spool', 'stats', '--port', portOf(plain), '--tls-ca', authority]),
    cli(['send', '--port', portOf(plain), '--tls'], { input: '{"n":1}\n' }),
    cli(['send', '--socket', join(folder(), 'd.sock'), '--tls'], { input: '{"n":1}\n' }),
  ]);
  for (const { code, stderr } of [spool, send]) {
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^collector-queue: no daemon answers: what listens at .* does not speak TLS as it should[^\n]*\n$/,
    );
  }
  expect([unix.code, unix.stderr]).toEqual([2, expect.stringMatching(/a Unix socket needs none\n$/)]);
  expect((await plain.daemon.getMetrics()).received).toBe(0);
});

test('a file that is no certificate is refused before anything is sent', LONG, async () => {
  const runs = await Promise.all(
    [join(fixtures, 'tls-key.pem'), join(folder(), 'none')].map((file) =>
      cli(['send', '--port', '1', '--tls-ca', file], { input: '{"n":1}\n' }),
    ),
  );
  for (const { code, stderr } of runs) {
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^collector-queue: --tls-ca \S+ holds no certificate[^\n]*\n$/),
    ]);
  }
});
