import type { Redis } from 'ioredis';
import { describe, InvalidArgumentError } from '../core/errors.ts';
import type { Connection } from './options.ts';

const EXPECTED = 'a redis:// or rediss:// URL, ioredis options, or an ioredis instance';

/** @throws {@link InvalidArgumentError} for what is no connection; the message does not repeat it, it has passwords. */
export function checkConnection(name: string, connection: unknown): Connection {
  if (typeof connection === 'string') return checkUrl(name, connection);
  if (typeof connection !== 'object' || connection === null || Array.isArray(connection)) {
    throw new InvalidArgumentError(name, EXPECTED, describe(connection));
  }
  if ((connection as { isCluster?: unknown }).isCluster === true) {
    throw new InvalidArgumentError(name, 'one Redis', 'a cluster');
  }
  const options = isInstance(connection) ? connection.options : connection;
  if ((options as { keyPrefix?: unknown }).keyPrefix) {
    throw new InvalidArgumentError(name, 'without keyPrefix: the option prefix is for that', 'with one');
  }
  return connection as Connection;
}

export function isInstance(connection: unknown): connection is Redis {
  const { connect, duplicate } = connection as Partial<Redis>;
  return typeof connect === 'function' && typeof duplicate === 'function';
}

function checkUrl(name: string, text: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : undefined;
  if (protocol === 'redis:' || protocol === 'rediss:') return text;
  throw new InvalidArgumentError(name, EXPECTED, protocol === undefined ? 'no URL' : `a URL of ${protocol}//`);
}
