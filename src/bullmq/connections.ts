import type { Redis, RedisOptions } from 'ioredis';
import { asError, describeThrown } from '../core/errors.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import { isInstance } from './connection-options.ts';
import { BrokerUnavailableError } from './errors.ts';
import type { IORedis } from './library.ts';
import type { Connection } from './options.ts';
import { type RedisMaker, redisMaker } from './redis-client.ts';
import type { BullMQQueueSettings } from './settings.ts';

/** How long a socket may take to close by itself; behind a server that was stopped it never does. Milliseconds. */
const CLOSING = 300;

/** The longest pause between two attempts to connect again. */
const LONGEST_PAUSE = 1_000;

/** What Redis says to those who may not come in; trying again does not help. */
const FORBIDDEN = /^(WRONGPASS|NOAUTH|NOPERM|ERR (AUTH|invalid password|Client sent AUTH))/;

type Settings = Pick<BullMQQueueSettings, 'connection' | 'connectTimeout' | 'clock' | 'name'>;

/**
 * The connections of one run that are shared by all of its queues. BullMQ makes those that block, for workers, from `working`;
 * that for results is made from {@link Connections.template}.
 *
 * - `sending`: fails at once while Redis is away. For publishers.
 * - `working`: waits until Redis is back. For workers, who must not lose what they have done.
 */
export class Connections {
  /** Never connected: what all of ours are duplicates of. */
  readonly template: Redis;
  readonly #make: RedisMaker;
  readonly #settings: Settings;
  readonly #report: (error: Error) => void;
  readonly #open: Redis[] = [];

  constructor(library: IORedis, settings: Settings, report: (error: Error) => void) {
    this.#make = redisMaker(library);
    this.#settings = settings;
    this.#report = report;
    this.template = new this.#make({
      ...baseOptions(library, settings.connection),
      lazyConnect: true,
      maxRetriesPerRequest: null,
      enableOfflineQueue: true,
      retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), LONGEST_PAUSE),
      disconnectTimeout: CLOSING,
    } as RedisOptions);
  }

  /** Connects, within `connectTimeout`. Rejects with a {@link BrokerUnavailableError}. */
  sending(): Promise<Redis> {
    return this.#connect({ maxRetriesPerRequest: 0, enableOfflineQueue: false, autoResendUnfulfilledCommands: false });
  }

  working(): Promise<Redis> {
    return this.#connect({});
  }

  /** Lets every connection go, whatever waits for an answer. */
  drop(): void {
    for (const client of this.#open.splice(0)) client.disconnect();
  }

  async #connect(options: RedisOptions): Promise<Redis> {
    const { clock, connectTimeout } = this.#settings;
    const client = this.template.duplicate(options as object);
    this.#open.push(client);
    let last: Error | undefined;
    client.on('ready', () => {
      last = undefined;
    });
    const ready = new Promise<void>((resolve, reject) => {
      client.once('ready', () => resolve());
      client.once('end', () => reject(unavailable('the connection was given up', last)));
      client.on('error', (error: Error) => {
        // An outage is told once, not at each attempt to connect.
        if (last?.message !== error.message) this.#report(error);
        last = error;
        if (FORBIDDEN.test(error.message)) reject(unavailable(error.message, error));
      });
    });
    try {
      if (await settlesWithin(ready, clock, connectTimeout)) return client;
    } catch (error) {
      client.disconnect();
      throw error;
    }
    client.disconnect();
    const why = last === undefined ? 'no answer' : describeThrown(last);
    throw unavailable(`Redis could not be reached within ${connectTimeout} ms (connectTimeout): ${why}`, last);
  }
}

function unavailable(message: string, cause: unknown): BrokerUnavailableError {
  return new BrokerUnavailableError(message, cause === undefined ? undefined : { cause });
}

function baseOptions(library: IORedis, connection: Connection): RedisOptions {
  if (typeof connection === 'string') return new library.Redis(connection, { lazyConnect: true }).options;
  return isInstance(connection) ? connection.options : connection;
}

/** Errors of Redis that pass by themselves: it starts, or is busy with a script. */
const PASSING = /^(LOADING|BUSY|TRYAGAIN|MASTERDOWN|CLUSTERDOWN)\b/;

/** Whether Redis did not answer, rather than that it refused. */
export function isAway(error: unknown): boolean {
  if (error instanceof BrokerUnavailableError) return true;
  const { name, message } = asError(error);
  return name !== 'ReplyError' || PASSING.test(message);
}
