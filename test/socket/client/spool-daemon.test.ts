import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SocketEmitter } from '../../../src/socket/client/index.ts';
import { SpoolDaemon } from '../../../src/socket/daemon.ts';
import { numbered } from './scene.ts';

test('events reach the collector through the daemon, once each and in order, though the daemon is started again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'spool-'));
  const received: unknown[] = [];
  const collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push(...(JSON.parse(Buffer.concat(chunks).toString()) as { data: unknown[] }).data);
      response.end();
    });
  });
  await new Promise<void>((resolve) => {
    collector.listen(0, '127.0.0.1', resolve);
  });
  const path = join(folder, 'd.sock');
  const makeDaemon = (): SpoolDaemon =>
    new SpoolDaemon({
      store: join(folder, 'spool'),
      endpoint: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
      listen: [`unix:${path}`],
      forward: { concurrency: 1, flushInterval: 10 },
    });
  let daemon = makeDaemon();
  await daemon.start();
  const emitter = new SocketEmitter({ path, maxRetryDelay: 20, batchSize: 10 });
  onTestFinished(async () => {
    await emitter.close({ timeout: 0 });
    await daemon.stop({ timeout: 0 });
    collector.closeAllConnections();
    collector.close();
    rmSync(folder, { recursive: true });
  });
  const stored: Promise<boolean>[] = [];
  for (let round = 0; round < 4; round++) {
    for (const { n } of numbered(200, round * 200)) {
      stored.push(emitter.store({ n: String(n) }).then((result) => result.isOk()));
    }
    if (round === 1) {
      await new Promise(setImmediate);
      await daemon.stop({ timeout: 0 });
      daemon = makeDaemon();
      await daemon.start();
    }
  }
  expect((await Promise.all(stored)).every((isOk) => isOk)).toBe(true);
  await daemon.stop({ timeout: 5_000 });
  const numbers = received.map((event) => Number((event as { n: string }).n));
  expect([...new Set(numbers)]).toEqual(numbered(800).map(({ n }) => n));
});
