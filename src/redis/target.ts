import { describe, InvalidArgumentError } from '../core/errors.ts';

/** A client of the package `ioredis`, as far as it is used here. */
export interface IoredisClient {
  readonly status: string;
  call(...words: [command: string, ...words: string[]]): Promise<unknown>;
  duplicate(override?: object): unknown;
}

/** A client of the package `redis`, as far as it is used here. */
export interface NodeRedisClient {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  sendCommand(words: string[]): Promise<unknown>;
  duplicate(overrides?: object): unknown;
}

/**
 * Where Redis is: `redis://user:password@host:port/db`, `rediss://…` for TLS, or a client of the package `ioredis` or
 * `redis`, which its owner connects and closes.
 */
export type RedisTarget = string | URL | IoredisClient | NodeRedisClient;

/** A target that was looked at. */
export type KnownTarget =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'ioredis'; readonly client: IoredisClient }
  | { readonly kind: 'redis'; readonly client: NodeRedisClient };

const EXPECTED = 'a URL as redis://host:6379 or rediss://host, or a client of ioredis or redis';

/** @throws {@link InvalidArgumentError} for what is neither a URL nor a client; it never shows a password. */
export function checkTarget(name: string, target: unknown): KnownTarget {
  if (typeof target === 'string' || target instanceof URL) return { kind: 'url', url: checkUrl(name, String(target)) };
  if (typeof target === 'object' && target !== null) {
    const { call, sendCommand, duplicate, status, isReady, isCluster } = target as Record<string, unknown>;
    if (isCluster === true) throw new InvalidArgumentError(name, `${EXPECTED}, of one server`, 'one of a cluster');
    if (typeof duplicate === 'function' && typeof call === 'function' && typeof status === 'string') {
      return { kind: 'ioredis', client: target as IoredisClient };
    }
    if (typeof duplicate === 'function' && typeof sendCommand === 'function' && typeof isReady === 'boolean') {
      return { kind: 'redis', client: target as NodeRedisClient };
    }
  }
  throw new InvalidArgumentError(name, EXPECTED, describe(target));
}

function checkUrl(name: string, url: string): string {
  const { protocol, hostname } = URL.canParse(url) ? new URL(url) : { protocol: '', hostname: '' };
  if ((protocol === 'redis:' || protocol === 'rediss:') && hostname !== '') return url;
  const what =
    protocol === '' ? 'a string that is no URL' : `a URL of ${protocol}//${hostname === '' ? ' without host' : ''}`;
  throw new InvalidArgumentError(name, EXPECTED, what);
}
