import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const command = join(root, 'src/cli/index.ts');
const program = join(root, 'examples/spool_client.py');

const { status, error, stderr } = spawnSync('python3', ['-c', 'import sys; assert sys.version_info >= (3, 8)']);
const missing = status === 0 ? undefined : `no python3 that is new enough: ${error?.message ?? stderr}`;
if (missing !== undefined) console.log(`the python client is not tested: ${missing}`);

/** It starts several processes, each of which takes a second or some more. */
const LIMIT = 60_000;

describe.skipIf(missing !== undefined)('the python client of the examples', () => {
  let folder: string;
  let socket: string;
  let collector: Server;
  const delivered: Record<string, unknown>[] = [];
  const children = new Set<ChildProcess>();

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cq-'));
    socket = join(folder, 'daemon.sock');
    delivered.length = 0;
    collector = createServer(async (request, response) => {
      const { data } = (await json(request)) as { data: Record<string, unknown>[] };
      delivered.push(...data.map(({ stm, ...event }) => event));
      response.end();
    }).listen(0, '127.0.0.1');
    await once(collector, 'listening');
  });
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    children.clear();
    collector.closeAllConnections();
    await new Promise((resolve) => collector.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });

  function start(file: string, args: readonly string[]): ChildProcess {
    const child = spawn(file, args, { cwd: root, stdio: 'pipe' });
    children.add(child);
    return child;
  }

  /** Resolves once it listens. */
  async function startDaemon(): Promise<ChildProcess> {
    const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
    const daemon = start(process.execPath, [
      ...['--import', 'tsx', command, 'daemon', '--log', 'json'],
      ...['--listen', `unix:${socket}`, '--store', join(folder, 'spool'), '--endpoint', endpoint],
    ]);
    let log = '';
    for await (const text of daemon.stderr as NodeJS.ReadableStream) {
      log += text;
      if (log.includes('listening at')) return daemon;
    }
    throw new Error(`the daemon did not start: ${log}`);
  }

  /** What it says, once it has ended. */
  async function outcomeOf(client: ChildProcess) {
    const said = { stdout: '', stderr: '' };
    client.stdout?.on('data', (text) => {
      said.stdout += text;
    });
    client.stderr?.on('data', (text) => {
      said.stderr += text;
    });
    const [code] = await once(client, 'close');
    return { code, ...said };
  }

  test(
    'hands over what it can carry, and says what it cannot',
    async () => {
      await startDaemon();
      const client = start('python3', [program, socket]);
      const done = outcomeOf(client);
      const deep = `{"deep":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
      client.stdin?.end(
        ['{"n":1}', '', '7', '[{"n":9}]', '{"n":1e999}', deep, '{"n":2,"t":"ü\\ud83d\\ude00"}'].join('\n'),
      );
      const { code, stdout, stderr } = await done;
      expect(stdout).toBe('2 events acknowledged, 4 refused\n');
      expect(stderr.match(/^refused: /gm)).toHaveLength(4);
      expect(code).toBe(1);
      await expect.poll(() => delivered, { timeout: 10_000 }).toEqual([{ n: 1 }, { n: 2, t: 'ü😀' }]);
    },
    LIMIT,
  );

  test(
    'sends each event once, although the daemon is killed and started again meanwhile',
    async () => {
      const client = start('python3', [program, socket]);
      const done = outcomeOf(client);
      const total = 20_000;
      const padding = 'x'.repeat(200);
      const events = Array.from({ length: total }, (_, n) => ({ n, padding }));
      client.stdin?.end(events.map((event) => JSON.stringify(event)).join('\n'));
      for (let kills = 0; kills < 3; kills++) {
        const before = delivered.length;
        const daemon = await startDaemon();
        // Some of it must have come; or all, on a machine that is fast.
        await expect.poll(() => delivered.length > before || client.exitCode !== null, { timeout: 20_000 }).toBe(true);
        await delay(10 * kills);
        daemon.kill('SIGKILL');
        await once(daemon, 'exit');
      }
      await startDaemon();
      const { code, stdout } = await done;
      expect(stdout).toBe(`${total} events acknowledged, 0 refused\n`);
      expect(code).toBe(0);
      const numbers = () => new Set(delivered.map(({ n }) => n)).size;
      await expect.poll(numbers, { timeout: 20_000 }).toBe(total);
      // Those that were under way to the collector when the daemon was killed may come twice: a few requests of 100.
      expect(delivered.length - total).toBeLessThanOrEqual(3 * 4 * 100 * 2);
    },
    LIMIT,
  );
});
