import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ok, type Result } from 'neverthrow';
import { onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../src/schedule/clock.ts';
import { Clients } from '../../src/socket/clients.ts';
import type { Commit, SpoolBatch } from '../../src/socket/lane.ts';
import type { SpoolLimits } from '../../src/socket/limits.ts';
import { type ListenAddress, parseListenAddress } from '../../src/socket/listen-address.ts';
import { SpoolServer, type SpoolServerSettings } from '../../src/socket/spool-server.ts';
import { LineClient, type Place } from './line-client.ts';

export type Numbered = { readonly n: number };

/** Short enough for the path of a socket, and gone after the test. */
export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'cq-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A clock whose time of day can be moved. */
export class ShiftedClock implements Clock {
  shift = 0;
  readonly now: Clock['now'] = systemClock.now;
  readonly setTimer: Clock['setTimer'] = systemClock.setTimer;
  readonly yieldTurn: Clock['yieldTurn'] = systemClock.yieldTurn;

  wall(): number {
    return Date.now() + this.shift;
  }
}

export interface ServedOptions extends Partial<Omit<SpoolServerSettings, 'limits' | 'addresses'>> {
  readonly limits?: Partial<SpoolLimits>;
  readonly listen?: string;
  /** What becomes of a batch before it is kept. */
  readonly commit?: (batch: SpoolBatch) => Promise<Result<unknown, Error>>;
  readonly committed?: ReadonlyMap<string, number>;
}

/** A server without its store: what is committed is kept in memory. */
export interface Served {
  readonly server: SpoolServer;
  readonly place: Place;
  /** What was committed, in order. */
  readonly batches: SpoolBatch[];
  readonly events: () => unknown[];
  client(): Promise<LineClient>;
}

const LIMITS: SpoolLimits = {
  maxFrame: 100_000,
  maxConnections: 50,
  maxConnectionBytes: 1_000_000,
  maxTotalBytes: 10_000_000,
  frameTimeout: 10_000,
  idleTimeout: 60_000,
  heartbeat: 5_000,
};

export async function served(options: ServedOptions = {}): Promise<Served> {
  const { limits, commit = async () => ok(undefined), committed = new Map(), listen, ...settings } = options;
  const address = parseListenAddress('listen', listen ?? `unix:${join(folder(), 'd.sock')}`);
  const batches: SpoolBatch[] = [];
  const keep: Commit = async (batch) => {
    const outcome = await commit(batch);
    if (outcome.isOk()) batches.push(batch);
    return outcome;
  };
  const server = new SpoolServer(
    {
      sharing: { mode: 0o600, group: undefined },
      token: undefined,
      tcpControl: false,
      certificate: undefined,
      clock: systemClock,
      ...settings,
      limits: { ...LIMITS, ...limits },
      addresses: [address],
    },
    { clients: new Clients(keep, committed), commit: keep, control: async function* () {} },
  );
  await server.listen();
  const clients: LineClient[] = [];
  onTestFinished(async () => {
    for (const client of clients) client.end();
    await server.close();
  });
  const place = placeOf(server.addresses[0] as ListenAddress);
  return {
    server,
    place,
    batches,
    events: () => batches.flatMap(({ events }) => events.map(({ event }) => event)),
    client: async () => {
      const client = await LineClient.connected(place);
      clients.push(client);
      return client;
    },
  };
}

export function placeOf(address: ListenAddress): Place {
  return address.type === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
}

/** Numbered events. */
export function some(count: number, from = 0): Numbered[] {
  return Array.from({ length: count }, (_, at) => ({ n: from + at }));
}

/** Resolves once it is so; the test's own time limit ends the wait. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
