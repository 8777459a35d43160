import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { numbers, running } from '../socket/daemon-scene.ts';
import { folder, some, until } from '../socket/scene.ts';
import { cli } from './child.ts';

const LONG = { timeout: 30_000 };

test('the command tells its version, and how it is used', LONG, async () => {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));
  const [version, overview] = await Promise.all([cli(['--version']), cli([])]);
  expect(version).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  for (const name of ['daemon', 'spool', 'send', '--help', '--version']) expect(overview.stdout).toContain(name);
  expect(overview.code).toBe(0);
});

test.each([
  [['demon'], /no command 'demon'/],
  [['daemon', '--endpoint', 'x', '--listen', 'here', '--store', '/tmp/none'], /listen\[0\] must be unix:/],
])('%j is refused in one line, and the exit code is 2', LONG, async (args, message) => {
  const { code, stdout, stderr } = await cli(args);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^collector-queue: [^\n]+\n$/);
  expect(stderr).toMatch(message);
});

test('events of a file reach the spool of a running daemon, and can be looked at there', LONG, async () => {
  const { collector, socket, store } = await running();
  await collector.stop();
  const file = join(folder(), 'events.ndjson');
  writeFileSync(
    file,
    `${some(300)
      .map((event) => JSON.stringify(event))
      .join('\n')}\n[{"n":300},{"n":301}]\r\n\n`,
  );
  const sent = await cli(['send', file, '--socket', socket, '--json']);
  expect([sent.code, sent.stderr]).toEqual([0, '']);
  expect(JSON.parse(sent.stdout)).toMatchObject({ acknowledged: 302, failed: 0, badLines: 0 });
  const [exported, locked] = await Promise.all([
    cli(['spool', 'export', '--events', '--raw', '--limit', '2', '--socket', socket]),
    cli(['spool', 'ls', '--store', store]),
  ]);
  expect(exported).toEqual({ code: 0, stdout: '{"n":0}\n{"n":1}\n', stderr: '' });
  expect([locked.code, locked.stderr]).toEqual([
    2,
    'collector-queue: a daemon has this spool open: name its socket with --socket\n',
  ]);
  await collector.start();
  await until(() => collector.taken.length === 302);
  expect(new Set(numbers(collector.taken)).size).toBe(302);
});
