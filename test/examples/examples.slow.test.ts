import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { QueueMetrics } from 'collector-queue';
import { afterEach, describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const program = resolve(root, 'examples/08-http-service.ts');

/** Each test takes some seconds, and a busy machine some more. */
const LIMIT = 60_000;

describe('the HTTP service of the examples', () => {
  let child: ChildProcess | undefined;
  afterEach(() => child?.kill('SIGKILL'));

  /** Starts it on a free port. `output` grows while it runs. */
  async function start(databaseLatency: number) {
    const output = { stdout: '', stderr: '' };
    const service = spawn(process.execPath, ['--import', 'tsx', program], {
      cwd: root,
      env: { ...process.env, PORT: '0', DATABASE_LATENCY: String(databaseLatency) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = service;
    service.stderr.on('data', (data) => {
      output.stderr += data;
    });
    const exit = once(service, 'close');
    const listening = new Promise<string>((found, failed) => {
      service.stdout.on('data', (data) => {
        output.stdout += data;
        const url = /listening on (\S+)\n/.exec(output.stdout)?.[1];
        if (url !== undefined) found(url);
      });
      exit.then(() => failed(new Error(`it ended before it listened: ${output.stderr}`)), failed);
    });
    return { url: await listening, service, exit, output };
  }

  const post = (url: string, body: string) => fetch(`${url}/readings`, { method: 'POST', body });

  /** Waits until the service has as many requests as said at work and in the queue. */
  async function untilBusy(url: string, inFlight: number, qsize: number): Promise<QueueMetrics> {
    for (;;) {
      const metrics = (await (await fetch(`${url}/metrics`)).json()) as QueueMetrics;
      if (metrics.inFlight === inFlight && metrics.qsize === qsize) return metrics;
      await delay(5);
    }
  }

  test(
    'answers each request with its result, and tells a mistake of the client from its own',
    async () => {
      const { url, service, exit, output } = await start(1);
      const good = await post(url, '{"celsius": 100}');
      expect([good.status, await good.json()]).toEqual([200, { fahrenheit: 212 }]);
      for (const body of ['{"celsius": "hot"}', '{}', 'null', 'no JSON', '']) {
        const bad = await post(url, body);
        expect([bad.status, await bad.json()]).toEqual([422, { error: 'celsius must be a number' }]);
      }
      expect((await fetch(`${url}/elsewhere`)).status).toBe(404);
      service.kill('SIGTERM');
      expect(await exit).toEqual([0, null]);
      expect(output.stderr).toBe('');
    },
    LIMIT,
  );

  test(
    'answers what is in flight when it is told to end, takes nothing more, and exits cleanly',
    async () => {
      const { url, service, exit, output } = await start(1_000);
      expect((await post(url, '{}')).status).toBe(422);
      const inFlight = [1, 2, 3, 4].map((celsius) => post(url, JSON.stringify({ celsius })));
      await untilBusy(url, 2, 2);

      const refused = await post(url, '{"celsius": 5}');
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
      expect(await refused.json()).toEqual({ error: 'CQ_QUEUE_FULL' });

      service.kill('SIGTERM');
      while (!output.stdout.includes('finishing')) await delay(5);
      await expect(post(url, '{"celsius": 6}')).rejects.toThrow('fetch failed');

      const answers = await Promise.all(inFlight);
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      expect(new Set(answers.map(({ headers }) => headers.get('connection')))).toEqual(new Set(['close']));
      const bodies = await Promise.all(answers.map((answer) => answer.json()));
      expect(bodies).toEqual(
        [33.8, 35.6, 37.4, 39.2].map((fahrenheit) => ({ fahrenheit: expect.closeTo(fahrenheit) })),
      );
      expect(await exit).toEqual([0, null]);
      const expectedOutput = /\n\/\* Output:\n(.*)\*\/\n$/s.exec(readFileSync(program, 'utf8'))?.[1];
      expect(output.stdout.replace(/:\d+\n/, ':8080\n')).toBe(expectedOutput);
      expect(output.stderr).toBe('');
    },
    LIMIT,
  );

  test(
    'starts nothing for a client that hung up',
    async () => {
      const { url, service, exit, output } = await start(1_000);
      const atWork = [1, 2].map((celsius) => post(url, JSON.stringify({ celsius })));
      await untilBusy(url, 2, 0);
      const client = new AbortController();
      const body = '{"celsius": 3}';
      const given = fetch(`${url}/readings`, { method: 'POST', body, signal: client.signal }).catch(() => 'given up');
      await untilBusy(url, 2, 1);
      client.abort();
      expect(await given).toBe('given up');
      expect((await untilBusy(url, 2, 0)).cancelled).toBe(1);
      const answers = await Promise.all(atWork);
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      service.kill('SIGTERM');
      expect(await exit).toEqual([0, null]);
      expect(output.stderr).toBe('');
    },
    LIMIT,
  );
});
