import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { ExitCode } from '../../src/cli/command.ts';
import { worker as command } from '../../src/cli/worker.ts';
import { readWorkerConfig } from '../../src/cli/worker-options.ts';
import { redisForTest } from '../redis-server.ts';
import { until } from '../socket/scene.ts';
import { cli } from './child.ts';
import { worker } from './worker-scene.ts';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/WORKER.md'), 'utf8');

/** The fenced blocks of a language. */
function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, text = '']) => text);
}

/** Inside the repository, so that the package's name leads to its sources. */
function scratch(): string {
  mkdirSync(join(root, 'reports'), { recursive: true });
  const made = mkdtempSync(join(root, 'reports', 'worker-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test('the modules of the page work, and give the output of the page', { timeout: 60_000 }, async () => {
  const redis = await redisForTest();
  const place = scratch();
  const [module = '', sender = '', dynamic = ''] = blocks('js');
  const [sent, , status] = blocks('text');
  for (const [name, code] of Object.entries({ 'collectors.mjs': module, 'send.mjs': sender, 'dynamic.mjs': dynamic })) {
    writeFileSync(join(place, name), code);
  }
  const env = { REDIS_URL: redis.url };
  await worker([join(place, 'collectors.mjs')], env);
  const run = await promisify(execFile)(process.execPath, ['--import', 'tsx', join(place, 'send.mjs')], {
    env: { ...process.env, ...env },
  });
  expect(run.stdout).toBe(sent);
  let shown = '';
  await until(async () => {
    shown = (await cli(['status'], { env })).stdout;
    return shown === status;
  });
  // It reads a file of the folder that it is started in, which is not there.
  const missing = await cli(['worker', join(place, 'dynamic.mjs')], { env });
  expect([missing.code, missing.stderr]).toEqual([1, expect.stringMatching(/failed: Error: ENOENT/)]);
});

test('the options and exit codes of the page are those that there are', () => {
  const options = [...page.matchAll(/^\| `(--[\w-]+)`/gm)].map(([, name]) => name);
  const known = [...command.usage.matchAll(/^ {2}(--[\w-]+)/gm)].map(([, name]) => name);
  expect(known).toContain('--concurrency');
  expect(options).toEqual(known);
  const codes = [...page.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  const { OK, FAILED, USAGE, UNFINISHED } = ExitCode;
  expect(codes).toEqual([OK, FAILED, USAGE, UNFINISHED]);
});

test('the unit for systemd starts a worker with options that it takes, and has more patience than it needs', () => {
  const unit = readFileSync(join(root, 'examples/deploy/collector-queue-worker.service'), 'utf8');
  const value = (key: string): string =>
    new RegExp(`^${key}=(.*)$`, 'm').exec(unit.replaceAll(/\\\n\s*/g, ''))?.[1] ?? '';
  const [node, program, word, ...args] = value('ExecStart').split(/\s+/);
  expect([node, program, word]).toEqual([
    '/usr/bin/node',
    '/opt/app/node_modules/collector-queue/dist/cli/index.js',
    'worker',
  ]);
  const env = { REDIS_URL: 'redis://h', COLLECTOR_QUEUE_SECRET: 's'.repeat(32) };
  const config = readWorkerConfig(args, env);
  expect(config).toMatchObject({ module: './collectors.js', queue: { concurrency: { min: 1, max: 20 } }, log: 'json' });
  expect(Number(value('TimeoutStopSec')) * 1_000).toBeGreaterThan(config.shutdownTimeout);
  expect(Number(value('RestartPreventExitStatus'))).toBe(ExitCode.USAGE);
  expect(Number(value('SuccessExitStatus'))).toBe(ExitCode.UNFINISHED);
});
