import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const program = join(root, 'examples/16-durable-ingestion.ts');

/** It starts two processes, each of which takes a second or some more. */
const LIMIT = 60_000;

interface Ingested {
  readonly name: string;
  readonly id: string;
}

/** What a collector got. It can be started and stopped on one port, which nobody else is given meanwhile. */
class Collector {
  readonly got: Ingested[] = [];
  readonly #answer: (event: Ingested) => number;
  #server: Server | undefined;
  #port = 0;

  constructor(answer: (event: Ingested) => number = () => 200) {
    this.#answer = answer;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    this.#server = createServer(async (request, response) => {
      const events = JSON.parse(await text(request)) as Ingested[];
      const status = Math.max(...events.map(this.#answer));
      if (status === 200) this.got.push(...events);
      response.writeHead(status).end();
    }).listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    if (this.#server === undefined) return;
    const closed = once(this.#server.close(), 'close');
    this.#server.closeAllConnections();
    await closed;
    this.#server = undefined;
  }
}

describe('the durable ingestion of the examples', () => {
  let folder: string;
  let collector: Collector;
  let child: ChildProcess | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingestion-'));
  });
  afterEach(async () => {
    child?.kill('SIGKILL');
    await collector.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts it on a free port, with a store in the folder. */
  async function start() {
    const output = { stdout: '', stderr: '' };
    const service = spawn(process.execPath, ['--import', 'tsx', program], {
      cwd: root,
      env: { ...process.env, PORT: '0', COLLECTOR: collector.url, STORE: join(folder, 'events') },
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
        const url = /listens on ([^\s,]+), /.exec(output.stdout)?.[1];
        if (url !== undefined) found(url);
      });
      exit.then(() => failed(new Error(`it ended before it listened: ${output.stderr}`)), failed);
    });
    const url = await listening;
    const post = (body: unknown) =>
      fetch(`${url}/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    return { url, post, service, exit, output };
  }

  test(
    'delivers every event that it acknowledged, although the collector was dead and the process was killed',
    async () => {
      collector = new Collector();
      await collector.start();
      await collector.stop();
      const first = await start();

      // Four clients post, one event after another, until the process is gone.
      const offered = new Set<string>();
      const acknowledged = new Set<string>();
      const client = async (number: number): Promise<void> => {
        for (let count = 0; ; count++) {
          const name = `${number}-${count}`;
          offered.add(name);
          const answer = await first.post({ name }).catch(() => undefined);
          if (answer === undefined) return;
          expect(answer.status).toBe(202);
          acknowledged.add(name);
        }
      };
      const clients = Promise.all([1, 2, 3, 4].map(client));
      while (acknowledged.size < 100) await delay(1);
      first.service.kill('SIGKILL');
      expect(await first.exit).toEqual([null, 'SIGKILL']);
      await clients;
      expect(first.output.stderr).toBe('');
      expect(collector.got).toEqual([]);

      await collector.start();
      const second = await start();
      const names = () => new Set(collector.got.map(({ name }) => name));
      await expect.poll(() => [...acknowledged].filter((name) => !names().has(name)), { timeout: 20_000 }).toEqual([]);
      expect([...names()].filter((name) => !offered.has(name))).toEqual([]);
      expect(new Set(collector.got.map(({ id }) => id)).size).toBe(names().size);

      second.service.kill('SIGTERM');
      expect(await second.exit).toEqual([0, null]);
      expect(second.output.stderr).toBe('');
      expect(second.output.stdout).toMatch(/, \d+ events wait\n0 events stay in the store\n$/);
    },
    LIMIT,
  );

  test(
    'says no to what is no event, puts aside what the collector refuses, and leaves the rest for the next start',
    async () => {
      collector = new Collector(({ name }) => (name === 'unheard of' ? 400 : 503));
      await collector.start();
      const { url, post, service, exit, output } = await start();
      expect((await post({ cents: 1 })).status).toBe(400);
      expect((await post({ name: 'unheard of' })).status).toBe(202);

      const refused = join(folder, 'events.refused.ndjson');
      await expect.poll(() => existsSync(refused) && readFileSync(refused, 'utf8'), { timeout: 10_000 }).toBeTruthy();
      expect(JSON.parse(readFileSync(refused, 'utf8'))).toMatchObject({
        reason: 'the server answered 400',
        event: { name: 'unheard of' },
      });
      expect((await post({ name: 'waits' })).status).toBe(202);
      const metrics = await (await fetch(`${url}/metrics`)).json();
      expect(metrics).toMatchObject({ accepted: 2, deadLettered: 1, sent: 0, size: 1 });

      service.kill('SIGTERM');
      expect(await exit).toEqual([0, null]);
      expect(output.stderr).toBe('');
      const expectedOutput = /\n\/\* Output:\n(.*)\*\/\n$/s.exec(readFileSync(program, 'utf8'))?.[1];
      expect(output.stdout.replace(/process \d+/, 'process 4711').replace(/:\d+,/, ':8080,')).toBe(expectedOutput);
    },
    LIMIT,
  );
});
