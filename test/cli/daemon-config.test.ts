import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/cli/command.ts';
import { readDaemonConfig } from '../../src/cli/daemon-config.ts';
import { thrownBy } from '../core/scene.ts';
import { folder } from '../socket/scene.ts';

const NEEDED = ['--store', '/s', '--endpoint', 'e.example', '--listen', 'unix:/d.sock'];

function read(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return readDaemonConfig(args, env);
}

function file(content: unknown): string {
  const path = join(folder(), 'daemon.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

describe('the configuration of the daemon', () => {
  test('comes from the command line', () => {
    const certificates = join(import.meta.dirname, '../fixtures');
    const { options, healthPort, shutdownTimeout, log } = read(
      [
        ...NEEDED,
        ...['--listen', 'tcp:127.0.0.1:1', '--socket-mode', '0660', '--socket-group', 'root', '--token-env', 'TOKEN'],
        ...['--tls-cert', join(certificates, 'tls-cert.pem'), '--tls-key', join(certificates, 'tls-key.pem')],
        ...['--capacity', '1e6', '--max-bytes', '2G', '--overflow', 'dropOldest', '--max-frame', '512k'],
        ...['--max-connections', '9', '--max-connection-bytes', '1m', '--max-total-bytes', '77'],
        ...['--frame-timeout', '1', '--idle-timeout', '2', '--heartbeat', '3', '--client-ttl', '4'],
        ...['--batch-size', '5', '--byte-limit', '6k', '--concurrency', '7', '--flush-interval', '8'],
        ...['--request-timeout', '9', '--max-retry-delay', '10', '--max-retry-after', '11'],
        ...['--tcp-control', '--no-split-refused'],
        ...['--health-port', '12', '--shutdown-timeout', '13', '--log', 'json'],
      ],
      { TOKEN: 'secret' },
    );
    expect({ healthPort, shutdownTimeout, log }).toEqual({ healthPort: 12, shutdownTimeout: 13, log: 'json' });
    const { certificate, ...others } = options;
    expect(certificate?.cert.toString()).toContain('BEGIN CERTIFICATE');
    expect(others).toEqual({
      store: '/s',
      endpoint: 'e.example',
      listen: ['unix:/d.sock', 'tcp:127.0.0.1:1'],
      socketMode: 0o660,
      socketGroup: 0,
      token: 'secret',
      tcpControl: true,
      capacity: 1_000_000,
      maxBytes: 2 ** 31,
      overflow: 'dropOldest',
      maxFrame: 2 ** 19,
      maxConnections: 9,
      maxConnectionBytes: 2 ** 20,
      maxTotalBytes: 77,
      frameTimeout: 1,
      idleTimeout: 2,
      heartbeat: 3,
      clientTtl: 4,
      forward: {
        batchSize: 5,
        byteLimit: 6_144,
        concurrency: 7,
        flushInterval: 8,
        requestTimeout: 9,
        maxRetryDelay: 10,
        maxRetryAfter: 11,
        splitRefused: false,
      },
    });
  });

  test('comes from a file, where the command line says nothing else', () => {
    const config = file({
      store: '/file',
      endpoint: 'file.example',
      listen: ['unix:/file.sock'],
      batchSize: 1,
      concurrency: 2,
      headers: { 'x-key': 'secret' },
      customRetryCodes: { 400: true },
      anonymous: true,
      splitRefused: false,
      tcpControl: true,
      healthPort: 1,
      shutdownTimeout: 5,
    });
    const { options, healthPort, shutdownTimeout } = read(['--config', config]);
    expect([healthPort, shutdownTimeout]).toEqual([1, 5]);
    expect(options).toEqual({
      store: '/file',
      endpoint: 'file.example',
      listen: ['unix:/file.sock'],
      tcpControl: true,
      forward: {
        splitRefused: false,
        batchSize: 1,
        concurrency: 2,
        headers: { 'x-key': 'secret' },
        customRetryCodes: { 400: true },
        anonymous: true,
      },
    });
    const both = read(['--config', config, '--store', '/s', '--listen', 'unix:/d.sock', '--batch-size', '9']);
    expect(both.options).toMatchObject({ store: '/s', endpoint: 'file.example', listen: ['unix:/d.sock'] });
    expect(both.options.forward).toMatchObject({ batchSize: 9, concurrency: 2 });
    expect(read(['--config', config, '--health-port', '0']).healthPort).toBe(0);
  });

  test('may say in a file what a flag can say, in the same words', () => {
    const config = file({ socketMode: '660', socketGroup: 'root', maxBytes: '1G', maxFrame: '64k', capacity: 5 });
    expect(read([...NEEDED, '--config', config]).options).toMatchObject({
      socketMode: 0o660,
      socketGroup: 0,
      maxBytes: 2 ** 30,
      maxFrame: 65_536,
      capacity: 5,
    });
  });

  test.each([
    [['--store', '/s', '--listen', 'unix:/d'], /^--endpoint is missing; see collector-queue daemon --help$/],
    [['--store', '/s'], /^--listen and --endpoint are missing; see/],
    [[], /^--listen, --store and --endpoint are missing; see/],
    [[...NEEDED, '--shop', '1'], /^Unknown option '--shop'; see collector-queue daemon --help$/],
    [[...NEEDED, '--tcp-control=yes'], /'--tcp-control' does not take an argument/],
    [[...NEEDED, 'here'], /'here'/],
    [[...NEEDED, '--batch-size'], /--batch-size/],
    [[...NEEDED, '--batch-size', '--capacity'], /--batch-size/],
    [[...NEEDED, '--batch-size', 'ten'], /^--batch-size must be a number, but it is 'ten'$/],
    [[...NEEDED, '--batch-size', ''], /--batch-size must be a number/],
    [[...NEEDED, '--max-bytes', '1X'], /^--max-bytes must be a number of bytes.* '1X'$/],
    [[...NEEDED, '--max-bytes', '-1'], /--max-bytes/],
    [[...NEEDED, '--socket-mode', '999'], /^--socket-mode must be three octal digits/],
    [[...NEEDED, '--socket-group', 'no-such-group'], /no group 'no-such-group'/],
    [[...NEEDED, '--token-env', 'NONE'], /^--token-env: the environment has no NONE/],
    [[...NEEDED, '--token-env', 'EMPTY'], /no EMPTY, or an empty one/],
    [[...NEEDED, '--tls-cert', '/x'], /go together/],
    [[...NEEDED, '--tls-cert', '/none', '--tls-key', '/none'], /^--tls-cert \/none cannot be read: .*ENOENT/],
    [[...NEEDED, '--health-port', '65536'], /^--health-port must be a whole number from 0 to 65535/],
    [[...NEEDED, '--shutdown-timeout', '0.5'], /--shutdown-timeout/],
    [[...NEEDED, '--log', 'xml'], /^--log must be text or json, but it is "xml"$/],
    [[...NEEDED, '--config', '/none.json'], /^--config \/none.json cannot be read: .*ENOENT/],
  ])('%j is refused in one line', (args, message) => {
    const thrown = thrownBy(() => read(args, { EMPTY: '' })) as Error;
    expect(thrown).toBeInstanceOf(UsageError);
    expect(thrown.message).toMatch(message);
    expect(thrown.message).not.toContain('\n');
  });

  test.each([
    ['{"store":', /cannot be read: SyntaxError/],
    ['[]', /must hold an object/],
    ['null', /must hold an object/],
    ['{"shop":1}', /no setting 'shop'; there are store, endpoint/],
    ['{"__proto__":1}', /no setting '__proto__'/],
    ['{"maxBytes":"1X"}', /must be a number of bytes/],
    ['{"log":7}', /--log must be text or json, but it is 7/],
    ['{"healthPort":"x"}', /health-port/],
  ])('a file with %s is refused in one line', (content, message) => {
    const thrown = thrownBy(() => read([...NEEDED, '--config', file(content)])) as Error;
    expect(thrown).toBeInstanceOf(UsageError);
    expect(thrown.message).toMatch(message);
    expect(thrown.message).not.toContain('\n');
  });
});
