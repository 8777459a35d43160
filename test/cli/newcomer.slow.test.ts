import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { running } from '../socket/daemon-scene.ts';
import { folder, until } from '../socket/scene.ts';
import { Child, cli, ENTRY } from './child.ts';

const LONG = { timeout: 60_000 };

async function listener(): Promise<number> {
  const server: Server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await until(() => server.listening);
  return (server.address() as { port: number }).port;
}

/** Each ends with this code, and one line that says this. */
async function allSay(
  cases: readonly (readonly [args: readonly string[], code: number, message: RegExp])[],
): Promise<void> {
  for (const [args, code, message] of cases) {
    const run = await cli(args, { input: '{"n":1}\n' });
    expect({ args, ...run }).toEqual({
      args,
      code,
      stdout: '',
      stderr: expect.stringMatching(/^collector-queue: [^\n]+\n$/),
    });
    expect(run.stderr).toMatch(message);
  }
}

test('a wrong command line ends with 2, and names what is wrong and where to read on', LONG, async () => {
  await allSay([
    [['--verbose'], 2, /there is no command '--verbose'; see collector-queue --help/],
    [['daemon'], 2, /--listen, --store and --endpoint are missing; see collector-queue daemon --help/],
    [['daemon', '--sotre', 'x'], 2, /Unknown option '--sotre'; see collector-queue daemon --help/],
    [['spool', 'list', '--store', 'x'], 2, /spool needs one of ls, tail, .*; see collector-queue spool --help/],
    [['spool', 'ls', '--sokcet', 'x'], 2, /Unknown option '--sokcet'; see collector-queue spool --help/],
    [['spool', 'ls', '--socket', 'x', '--port', '1'], 2, /either --socket, or --host and --port/],
    [['spool', 'ls', '--socket', 'x', '--store', 'y'], 2, /either --store, or a running daemon/],
    [['spool', 'ls', '--host', 'x'], 2, /need a --port/],
    [['send', '--tls'], 2, /need a --port/],
    [['send', '--socket', 'x', '--timeout', 'soon'], 2, /--timeout must be a number, but it is 'soon'/],
  ]);
});

test('a spool that is not there, or that a daemon has open, is told', LONG, async () => {
  const { store } = await running();
  const place = folder();
  writeFileSync(join(place, 'file'), '');
  await allSay([
    [['spool', 'ls', '--store', join(place, 'none')], 2, /--store \S+\/none: there is no spool/],
    [['spool', 'ls', '--store', place], 2, /there is no spool/],
    [['spool', 'ls', '--store', join(place, 'file')], 2, /there is no spool/],
    [['spool', 'ls', '--store', store], 2, /a daemon has this spool open: name its socket with --socket/],
  ]);
  expect(existsSync(join(place, 'none'))).toBe(false);
});

test('no daemon, or none that can be reached, is told', LONG, async () => {
  const place = folder();
  writeFileSync(join(place, 'file'), '');
  await allSay([
    [
      ['spool', 'ls', '--socket', join(place, 'd.sock')],
      1,
      /there is no socket unix:\S+: does the daemon run\? \(ENOENT\)/,
    ],
    [
      ['spool', 'ls', '--socket', join(place, 'file')],
      1,
      /nobody listens at unix:\S+: does the daemon run\? \(ECONNREFUSED\)/,
    ],
    [['spool', 'ls', '--port', '9'], 1, /nobody listens at tcp:127\.0\.0\.1:9/],
    [['send', join(place, 'none'), '--port', '9'], 1, /ENOENT: no such file or directory, open '\S+none'/],
    [['send', place, '--port', '9'], 1, /\S+ is a folder/],
  ]);
});

test('a daemon that cannot start says what is in its way', LONG, async () => {
  const { store, socket } = await running();
  const place = folder();
  const port = await listener();
  writeFileSync(join(place, 'file'), '');
  writeFileSync(join(place, 'bad.json'), '{');
  const start = (options: Record<string, string>): string[] => {
    const all = {
      store: join(place, 's'),
      endpoint: 'http://127.0.0.1:9',
      listen: `unix:${join(place, 'd.sock')}`,
      ...options,
    };
    return ['daemon', ...Object.entries(all).flatMap(([name, value]) => [`--${name}`, value])];
  };
  await allSay([
    [start({ store }), 1, /event store \S+ is open already, here or in another process/],
    [start({ listen: `unix:${socket}` }), 1, /somebody listens at \S+ already/],
    [start({ listen: `unix:${join(place, 'file')}` }), 1, /exists and is no socket: it is left alone/],
    [
      start({ listen: `tcp:127.0.0.1:${port}` }),
      1,
      /cannot listen at tcp:127\.0\.0\.1:\d+: another program listens there \(EADDRINUSE\)/,
    ],
    [
      start({ listen: 'tcp:192.0.2.1:1', 'token-env': 'PATH' }),
      1,
      /this machine has no such address \(EADDRNOTAVAIL\)/,
    ],
    [start({ listen: 'tcp:0.0.0.0:0' }), 1, /can be reached from other machines: that needs a token/],
    [start({ 'health-port': String(port) }), 1, /port \d+ for health: .*EADDRINUSE/],
    [start({ store: join(place, 'file') }), 1, /could not be opened: .*ENOTDIR/],
    [start({ endpoint: 'http://' }), 2, /endpoint must be the name of a host, or a URL/],
    [start({ config: join(place, 'none.json') }), 2, /--config \S+ cannot be read: .*ENOENT/],
    [start({ config: place }), 2, /--config \S+ cannot be read: .*EISDIR/],
    [start({ config: join(place, 'bad.json') }), 2, /--config \S+ cannot be read: SyntaxError/],
  ]);
});

test('what this user may not do is told', LONG, async () => {
  const place = folder();
  chmodSync(place, 0o755);
  const [locked, open] = [join(place, 'locked'), join(place, 'open')];
  mkdirSync(locked, { mode: 0o700 });
  mkdirSync(open);
  chmodSync(open, 0o777);
  writeFileSync(join(place, 'secret.json'), '{}', { mode: 0o000 });
  const socket = join(open, 'd.sock');
  const child = new Child([
    'daemon',
    '--store',
    join(locked, 's'),
    '--listen',
    `unix:${socket}`,
    '--endpoint',
    'http://127.0.0.1:9',
  ]);
  onTestFinished(async () => void (await child.kill('SIGKILL')));
  await child.wrote('listening at');
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) {
    // Without root there is no other user: what is ours is taken from us.
    for (const path of [locked, socket]) chmodSync(path, 0o000);
    onTestFinished(() => chmodSync(locked, 0o700));
  } else chownSync(locked, 0, 0);
  const user = isRoot ? { uid: 65_534, gid: 65_534 } : {};
  const as = (...args: string[]) => {
    const { status, stderr, error } = spawnSync(process.execPath, ['--import', 'tsx', ENTRY, ...args], {
      ...user,
      env: { PATH: process.env.PATH, TMPDIR: open, HOME: open },
      input: '{"n":1}\n',
      encoding: 'utf8',
    });
    expect(error).toBeUndefined();
    return { status, stderr };
  };
  const cases: [string[], number, RegExp][] = [
    [['spool', 'ls', '--socket', socket], 1, /this user may not use the socket unix:\S+.*\(EACCES\)/],
    [['send', '--socket', socket], 1, /this user may not use the socket/],
    [['spool', 'ls', '--store', join(locked, 's')], 2, /this user may not look into it \(EACCES\)/],
    [
      ['daemon', '--store', join(locked, 's'), '--listen', `unix:${open}/x`, '--endpoint', 'x'],
      1,
      /could not be opened: .*EACCES/,
    ],
    [
      ['daemon', '--store', join(open, 's'), '--listen', `unix:${locked}/x`, '--endpoint', 'x'],
      1,
      /cannot listen at .*: this user may not \(EACCES\)/,
    ],
    [['daemon', '--config', join(place, 'secret.json')], 2, /cannot be read: .*EACCES/],
  ];
  for (const [args, code, message] of cases) {
    const { status, stderr } = as(...args);
    expect({ args, status, stderr }).toEqual({ args, status: code, stderr: expect.stringMatching(message) });
    expect(stderr).toMatch(/^collector-queue: [^\n]+\n$/);
  }
});

test('the table of exit codes lists those that there are', async () => {
  const { ExitCode } = await import('../../src/cli/command.ts');
  const page = readFileSync(join(import.meta.dirname, '../../docs/SPOOL.md'), 'utf8');
  const table = page.split('## Exit codes')[1] ?? '';
  const codes = [...table.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  // That it could not finish in time is a code of the worker's alone.
  expect(codes).toEqual(Object.values(ExitCode).filter((code) => code !== ExitCode.UNFINISHED));
});
