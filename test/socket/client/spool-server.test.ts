import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { err, ok } from 'neverthrow';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/schedule/clock.ts';
import { SocketEmitter } from '../../../src/socket/client/index.ts';
import { Clients } from '../../../src/socket/clients.ts';
import type { Commit, SpoolBatch } from '../../../src/socket/lane.ts';
import { SpoolServer } from '../../../src/socket/spool-server.ts';
import { StoreFullError } from '../../../src/store/index.ts';
import { numbered } from './scene.ts';

interface Spool {
  readonly path: string;
  readonly stored: unknown[];
  restart(): Promise<void>;
}

/** The server of the daemon, without its store: what is committed is kept in memory. */
async function spool(refuses: (batch: SpoolBatch) => boolean): Promise<Spool> {
  const folder = mkdtempSync(join(tmpdir(), 'spool-'));
  const path = join(folder, 'd.sock');
  const stored: unknown[] = [];
  const committed = new Map<string, number>();
  const commit: Commit = async (batch) => {
    await delay(Math.random() * 3);
    if (refuses(batch)) return err(new StoreFullError('the spool is full'));
    stored.push(...batch.events.map(({ event }) => event));
    if (batch.mark !== undefined) committed.set(batch.mark.client, batch.mark.seq);
    return ok(undefined);
  };
  const make = async (): Promise<SpoolServer> => {
    const server = new SpoolServer(
      {
        addresses: [{ type: 'unix', path }],
        sharing: { mode: 0o600, group: undefined } as never,
        limits: {
          maxFrame: 100_000,
          maxConnections: 10,
          maxConnectionBytes: 1_000_000,
          maxTotalBytes: 10_000_000,
          frameTimeout: 10_000,
          idleTimeout: 10_000,
          heartbeat: 1_000,
        },
        token: undefined,
        tcpControl: false,
        certificate: undefined,
        clock: systemClock,
      },
      { clients: new Clients(commit, committed), commit, control: async function* () {} },
    );
    await server.listen();
    return server;
  };
  let server = await make();
  onTestFinished(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  return {
    path,
    stored,
    restart: async () => {
      await server.close();
      server = await make();
    },
  };
}

describe('with the server of the daemon', () => {
  test('each event is durable exactly once and in order, though it is shut down and started again', async () => {
    const { path, stored, restart } = await spool(() => false);
    const emitter = new SocketEmitter({ path, maxRetryDelay: 5, batchSize: 3 });
    const outcomes: Promise<boolean>[] = [];
    for (let round = 0; round < 20; round++) {
      for (const event of numbered(20, round * 20)) outcomes.push(emitter.store(event).then((result) => result.isOk()));
      await delay(Math.random() * 5);
      if (round % 4 === 3) await restart();
    }
    expect(await emitter.flush({ timeout: 5_000 })).toBe(true);
    expect(stored).toEqual(numbered(400));
    expect((await Promise.all(outcomes)).every((isOk) => isOk)).toBe(true);
    expect(emitter.getMetrics().reconnects).toBeGreaterThan(0);
    await emitter.close();
  });

  test('each event is durable exactly once and in order, though there is no room at times', async () => {
    const { path, stored } = await spool(() => Math.random() < 0.3);
    const emitter = new SocketEmitter({ path, maxRetryDelay: 5, batchSize: 3 });
    for (let round = 0; round < 40; round++) {
      for (const event of numbered(20, round * 20)) emitter.input(event);
      await delay(Math.random() * 5);
    }
    expect(await emitter.flush({ timeout: 5_000 })).toBe(true);
    expect(stored).toEqual(numbered(800));
    await emitter.close();
  });
});
