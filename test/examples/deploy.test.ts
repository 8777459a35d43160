import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SpoolDaemon } from 'collector-queue/socket';
import { describe, expect, test } from 'vitest';
import { readDaemonConfig } from '../../src/cli/daemon-config.ts';

const folder = resolve(import.meta.dirname, '../../examples/deploy');
const file = join(folder, 'daemon.json');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

/** The daemon's settings for a command line that names the file where it will be installed. */
function configOf(args: readonly string[]) {
  expect(args).toContain('/etc/collector-queue/daemon.json');
  return readDaemonConfig(
    args.map((arg) => (arg === '/etc/collector-queue/daemon.json' ? file : arg)),
    {},
  );
}

/** The lines of a unit by section and key, those that are continued as one; empty ones and comments do not count. */
function unitOf(text: string): Map<string, string[]> {
  const entries = new Map<string, string[]>();
  let section = '';
  for (const line of text.replaceAll(/\\\n\s*/g, '').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, head] = /^\[(\w+)\]$/.exec(line) ?? [];
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (head !== undefined) section = head;
    else if (key !== undefined)
      entries.set(`${section}.${key}`, [...(entries.get(`${section}.${key}`) ?? []), value ?? '']);
    else throw new Error(`what is this? ${line}`);
  }
  return entries;
}

describe('the unit for systemd', () => {
  const unit = unitOf(read('collector-queue.service'));
  const service = (key: string): string | undefined => unit.get(`Service.${key}`)?.at(-1);
  const [node, program, word, ...args] = (service('ExecStart') ?? '').split(/\s+/);
  const config = configOf(args);

  test('starts the daemon with settings that it takes', () => {
    expect([node, program, word]).toEqual([
      '/usr/bin/node',
      '/opt/collector-queue/node_modules/collector-queue/dist/cli/index.js',
      'daemon',
    ]);
    expect(config.options.listen).toEqual(['unix:%t/collector-queue/daemon.sock']);
    expect(config.options.socketMode).toBe(0o660);
  });

  test('has folders for the socket and the spool, for a user of its own', () => {
    expect(service('DynamicUser')).toBe('yes');
    expect(service('RuntimeDirectory')).toBe('collector-queue');
    expect(service('StateDirectory')).toBe('collector-queue');
    expect(config.options.store.startsWith(`%S/${service('StateDirectory')}/`)).toBe(true);
    expect(service('ProtectSystem')).toBe('strict');
  });

  test('stops it with the signal that it knows, and with more time than it takes', () => {
    expect(service('KillSignal')).toBe('SIGTERM');
    expect(Number(service('TimeoutStopSec')) * 1_000).toBeGreaterThan(config.shutdownTimeout);
    expect(service('ExecReload')).toBe('/bin/kill -HUP $MAINPID');
  });

  test('allows as many files as its connections and its store need', () => {
    expect(Number(service('LimitNOFILE'))).toBeGreaterThanOrEqual((config.options.maxConnections ?? 1_000) + 256);
  });

  test('lets Node compile what it runs', () => {
    expect(service('MemoryDenyWriteExecute')).toBeUndefined();
  });
});

describe('the Dockerfile', () => {
  const lines = read('Dockerfile')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const of = (instruction: string): string[] =>
    lines.filter((line) => line.startsWith(`${instruction} `)).map((line) => line.slice(instruction.length + 1));
  const config = configOf(JSON.parse(of('CMD')[0] ?? '[]') as string[]);

  test('installs what is published, without scripts, and does not run as root', () => {
    expect(of('FROM')).toEqual(['node:20-slim']);
    expect(of('RUN')[0]).toMatch(/^npm ci --ignore-scripts --omit=dev\b/);
    expect(lines.findLastIndex((line) => line.startsWith('USER '))).toBeGreaterThan(-1);
    expect(of('USER').at(-1)).toBe('node');
  });

  test('starts the daemon itself, so that it gets the signals', () => {
    expect(JSON.parse(of('ENTRYPOINT')[0] ?? '')).toEqual([
      'node',
      'node_modules/collector-queue/dist/cli/index.js',
      'daemon',
    ]);
    expect(of('STOPSIGNAL')).toEqual(['SIGTERM']);
  });

  test('keeps the spool in a volume', () => {
    const volumes = JSON.parse(of('VOLUME')[0] ?? '[]') as string[];
    expect(volumes.some((volume) => config.options.store.startsWith(`${volume}/`))).toBe(true);
  });

  test('asks for the health where the daemon tells it', () => {
    expect(of('HEALTHCHECK')[0]).toContain(`http://127.0.0.1:${config.healthPort}/health`);
  });
});

test('the settings are such that a daemon takes them', () => {
  const { options } = readDaemonConfig(['--config', file, '--listen', 'unix:/run/a.sock', '--store', 'spool'], {});
  const most = { ...options, maxConnections: 1 }; // what this process may open is another matter
  expect(new SpoolDaemon(most)).toBeInstanceOf(SpoolDaemon);
});
