import { MissingPackageError, UnusablePackageError } from '../core/errors.ts';
import { asRedisError, RedisConnectionError } from './errors.ts';
import type { KnownTarget } from './target.ts';

/**
 * The one file that knows ioredis and redis, which are loaded when a connection is first needed: those that are opened here
 * never connect again by themselves, and keep no command for later. Who needs a connection opens the next, at a pace of
 * their own.
 */

/** One connection, from its beginning to its end. */
export interface Connection {
  /** Resolves when it can be used; rejects if it never can. */
  readonly ready: Promise<void>;
  /** Resolves to the reply; rejects with a {@link RedisReplyError} or a {@link RedisConnectionError}. */
  command(words: readonly string[]): Promise<unknown>;
  /** Calls back with each message of a channel. This connection is then good for nothing else. */
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
  /** Ends it at once. What is under way rejects. May be called again. */
  destroy(): void;
}

/** What both packages have. */
interface Client {
  on(event: string, listener: (...args: never[]) => void): unknown;
  connect(): Promise<unknown>;
}

interface Ioredis extends Client {
  readonly stream?: { unref?(): unknown; destroy?(): unknown };
  call(...words: readonly string[]): Promise<unknown>;
  subscribe(channel: string): Promise<unknown>;
  disconnect(): void;
}

interface NodeRedis extends Client {
  sendCommand(words: readonly string[]): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  unref(): void;
  destroy(): void;
}

export interface ConnectionOptions {
  /** Whether it keeps the process alive. */
  readonly keepsAlive: boolean;
  /** Called once, when it has ended, in whatever way. */
  readonly ended: () => void;
}

/** Opens connections. */
export interface Dialer {
  /** Rejects with a {@link MissingPackageError} or an {@link UnusablePackageError} if no package can do so. */
  load(): Promise<void>;
  /** Begins to connect. Rejects as `load` does. */
  dial(options: ConnectionOptions): Promise<Connection>;
}

/** Of a connection that is being made. Milliseconds. */
const CONNECT_TIMEOUT = 10_000;

/** No offline queue, no repetition: what is not answered on this connection has failed. */
export const IOREDIS: Readonly<Record<string, unknown>> = {
  lazyConnect: true,
  enableReadyCheck: false,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: null,
  connectTimeout: CONNECT_TIMEOUT,
};
const NODE_REDIS = { disableOfflineQueue: true };
const NODE_REDIS_SOCKET = { reconnectStrategy: false, connectTimeout: CONNECT_TIMEOUT };

/** How the packages are imported. */
export interface Loaders {
  readonly ioredis: () => Promise<{ Redis: new (url: string, options: object) => unknown }>;
  readonly redis: () => Promise<{ createClient(options: object): unknown }>;
}

const LOADERS: Loaders = {
  ioredis: () => import('ioredis'),
  redis: () => import('redis') as unknown as ReturnType<Loaders['redis']>,
};

type Make = (options: ConnectionOptions) => Connection;

/**
 * @param need - what needs a package, for the message
 */
export function dialerTo(target: KnownTarget, need: string, loaders: Loaders = LOADERS): Dialer {
  const make = (): Promise<Make> | Make => (target.kind === 'url' ? loaded(target.url, need, loaders) : likeIt(target));
  return {
    load: async () => void (await make()),
    dial: async (options) => (await make())(options),
  };
}

/** With the options of a client that was given, but for what a single connection must not do. */
function likeIt(target: Exclude<KnownTarget, { kind: 'url' }>): Make {
  if (target.kind === 'ioredis') {
    return (options) => new IoredisConnection(target.client.duplicate(IOREDIS) as Ioredis, options);
  }
  const { client } = target;
  const { options: given = {} } = client as { options?: { socket?: object } };
  const overrides = { ...NODE_REDIS, socket: { ...given.socket, ...NODE_REDIS_SOCKET } };
  return (options) => new NodeRedisConnection(client.duplicate(overrides) as NodeRedis, options);
}

/** Whichever package is installed. */
async function loaded(url: string, need: string, loaders: Loaders): Promise<Make> {
  const ioredis = await loadedPackage('ioredis', need, loaders.ioredis);
  if (!(ioredis instanceof MissingPackageError)) {
    return (options) => new IoredisConnection(new ioredis.Redis(url, IOREDIS) as Ioredis, options);
  }
  const redis = await loadedPackage('redis', need, loaders.redis);
  if (redis instanceof MissingPackageError) throw ioredis;
  const settings = { url, ...NODE_REDIS, socket: NODE_REDIS_SOCKET };
  return (options) => new NodeRedisConnection(redis.createClient(settings) as NodeRedis, options);
}

async function loadedPackage<T>(name: string, need: string, load: () => Promise<T>): Promise<T | MissingPackageError> {
  try {
    return await load();
  } catch (error) {
    if (isMissing(name, error)) return new MissingPackageError(name, need, error);
    throw new UnusablePackageError(name, need, error);
  }
}

/** Whether there is no such package; and not one that lacks another. */
function isMissing(name: string, error: unknown): boolean {
  const { code } = error as { code?: unknown };
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return false;
  return new RegExp(`Cannot find (package|module) '${name}'`).test(String(error));
}

/** What the two have in common: the first sign of an end is the end. */
abstract class OpenedConnection<C extends Client> implements Connection {
  readonly ready: Promise<void>;
  protected readonly client: C;
  readonly #ended: () => void;
  #hasEnded = false;
  #failed: (error: unknown) => void = () => undefined;

  constructor(client: C, { ended, keepsAlive }: ConnectionOptions) {
    this.client = client;
    this.#ended = ended;
    // What the client tells first says most; after it, that it is closed.
    const end = (error: unknown): void => {
      this.#failed(asRedisError(error ?? new Error('the connection was closed')));
      this.destroy();
    };
    this.ready = new Promise((resolve, reject) => {
      this.#failed = reject;
      for (const event of ['error', 'end', 'close', 'terminated']) client.on(event, end as () => void);
      client.connect().then(() => {
        if (!keepsAlive) this.letGo();
        resolve();
      }, end);
    });
    // Whoever waits for it hears of it.
    this.ready.catch(() => undefined);
  }

  async command(words: readonly string[]): Promise<unknown> {
    if (this.#hasEnded) throw new RedisConnectionError('the connection to Redis is closed');
    try {
      return await this.request(words);
    } catch (thrown) {
      throw asRedisError(thrown);
    }
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    try {
      await this.listen(channel, listener);
    } catch (thrown) {
      throw asRedisError(thrown);
    }
  }

  destroy(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#failed(new RedisConnectionError('the connection to Redis was given up'));
    try {
      this.cut();
    } catch {
      // It was closed already.
    }
    this.#ended();
  }

  protected abstract request(words: readonly string[]): Promise<unknown>;
  protected abstract listen(channel: string, listener: (message: string) => void): Promise<unknown>;
  protected abstract letGo(): void;
  protected abstract cut(): void;
}

class IoredisConnection extends OpenedConnection<Ioredis> {
  protected request(words: readonly string[]): Promise<unknown> {
    return this.client.call(...words);
  }

  protected listen(channel: string, listener: (message: string) => void): Promise<unknown> {
    this.client.on('message', (from: string, message: string) => {
      if (from === channel) listener(message);
    });
    return this.client.subscribe(channel);
  }

  protected letGo(): void {
    this.client.stream?.unref?.();
  }

  protected cut(): void {
    // On its own it would wait for the other side to agree, which one that hangs never does.
    this.client.disconnect();
    this.client.stream?.destroy?.();
  }
}

class NodeRedisConnection extends OpenedConnection<NodeRedis> {
  protected request(words: readonly string[]): Promise<unknown> {
    return this.client.sendCommand(words);
  }

  protected listen(channel: string, listener: (message: string) => void): Promise<unknown> {
    return this.client.subscribe(channel, listener);
  }

  protected letGo(): void {
    this.client.unref();
  }

  protected cut(): void {
    this.client.destroy();
  }
}
