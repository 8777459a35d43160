import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type ListenAddress, SpoolDaemon, type SpoolDaemonOptions } from '../../src/socket/index.ts';
import { CollectorDouble, type Sent } from './collector-double.ts';
import { LineClient, type Place } from './line-client.ts';
import { folder, placeOf } from './scene.ts';

export const quiet = { info: (): void => undefined, warn: (): void => undefined, error: (): void => undefined };

/** A daemon in this process, and the collector that it sends to. */
export interface Running {
  readonly daemon: SpoolDaemon;
  readonly collector: CollectorDouble;
  readonly store: string;
  readonly socket: string;
  readonly place: Place;
  client(): Promise<LineClient>;
  /** The same once more, on the same spool and socket. */
  again(options?: Partial<SpoolDaemonOptions>): Promise<Running>;
}

export async function running(options: Partial<SpoolDaemonOptions> = {}): Promise<Running> {
  const place = folder();
  return start(await CollectorDouble.started(), join(place, 'spool'), join(place, 'run', 'd.sock'), options);
}

/** Not started yet; it ends with the test. */
export function made(options: Pick<SpoolDaemonOptions, 'store' | 'listen'> & Partial<SpoolDaemonOptions>): SpoolDaemon {
  const daemon = new SpoolDaemon({ endpoint: 'http://127.0.0.1:9', logger: quiet, ...options });
  onTestFinished(async () => void (await daemon.stop({ timeout: 0 })));
  return daemon;
}

async function start(
  collector: CollectorDouble,
  store: string,
  socket: string,
  options: Partial<SpoolDaemonOptions>,
): Promise<Running> {
  const daemon = made({
    store,
    endpoint: collector.url,
    listen: [`unix:${socket}`],
    ...options,
    forward: { flushInterval: 10, maxRetryDelay: 20, ...options.forward },
  });
  await daemon.start();
  const place = placeOf(daemon.addresses[0] as ListenAddress);
  return {
    daemon,
    collector,
    store,
    socket,
    place,
    client: async () => {
      const client = await LineClient.connected(place);
      onTestFinished(() => client.end());
      return client;
    },
    again: (more = {}) => start(collector, store, socket, { ...options, ...more }),
  };
}

/** What was sent, without when that was. */
export function plain(sent: readonly Sent[]): object[] {
  return sent.map(({ stm: _, ...event }) => event);
}

export function numbers(sent: readonly Sent[]): unknown[] {
  return sent.map(({ n }) => n);
}
