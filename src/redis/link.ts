import { type Connection, type ConnectionOptions, type Dialer, dialerTo, type Loaders } from './connection.ts';
import { asRedisError, RedisConnectionError } from './errors.ts';
import type { IoredisClient, KnownTarget, NodeRedisClient } from './target.ts';

/** A way to send commands, over one connection after another. */
export interface Link {
  /**
   * Resolves to the reply. Rejects with a {@link RedisReplyError}, or with a {@link RedisConnectionError} if there is none.
   * Aborting gives up on it: nothing more is sent then, but what was sent may be done.
   */
  send(words: readonly string[], signal?: AbortSignal): Promise<unknown>;
  /** Loads the package that it needs, if that is left to it. Rejects with a {@link MissingPackageError} if there is none. */
  prepare(): Promise<void>;
  /** Ends connections of its own. A later command opens another. */
  close(): void;
}

/** Over the client that was given, or over connections of its own to a URL. */
export function linkTo(target: KnownTarget, need: string, loaders?: Loaders): Link {
  if (target.kind === 'url') return new OwnLink(dialerTo(target, need, loaders), { keepsAlive: false });
  return new LentLink(target);
}

const GIVEN_UP = 'the command was given up before it was sent';

/** Opens a connection when a command needs one, and cuts it when a command is given up: so nothing piles up behind it. */
export class OwnLink implements Link {
  readonly #dialer: Dialer;
  readonly #keepsAlive: boolean;
  #opening: Promise<Connection> | undefined = undefined;
  #connection: Connection | undefined = undefined;

  constructor(dialer: Dialer, { keepsAlive }: Pick<ConnectionOptions, 'keepsAlive'>) {
    this.#dialer = dialer;
    this.#keepsAlive = keepsAlive;
  }

  async send(words: readonly string[], signal?: AbortSignal): Promise<unknown> {
    const giveUp = (): void => this.close();
    signal?.addEventListener('abort', giveUp);
    try {
      const connection = await this.#opened();
      await connection.ready;
      if (signal?.aborted === true) throw new RedisConnectionError(GIVEN_UP);
      return await connection.command(words);
    } catch (thrown) {
      throw asRedisError(thrown);
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  async prepare(): Promise<void> {
    await this.#dialer.load();
  }

  close(): void {
    this.#opening = undefined;
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  #opened(): Promise<Connection> {
    if (this.#opening !== undefined) return this.#opening;
    const ifCurrent = (then: () => void): void => {
      if (this.#opening === opening) then();
    };
    const opening = this.#open(ifCurrent);
    this.#opening = opening;
    opening.catch(() => ifCurrent(() => this.close()));
    return opening;
  }

  async #open(ifCurrent: (then: () => void) => void): Promise<Connection> {
    const connection = await this.#dialer.dial({
      keepsAlive: this.#keepsAlive,
      ended: () => ifCurrent(() => this.close()),
    });
    let isCurrent = false;
    ifCurrent(() => {
      isCurrent = true;
      this.#connection = connection;
    });
    // It was closed while the package was loaded.
    if (!isCurrent) connection.destroy();
    return connection;
  }
}

/** So long a client that is not connected is waited for, between two looks at it. Milliseconds. */
const LOOK_AGAIN = 20;
const MOST_LOOKS = 100;

/**
 * Uses the client of somebody else. While a command that was given up has no reply yet, no other is sent: else a server that
 * hangs would find, when it goes on, a copy for each time that somebody tried.
 */
class LentLink implements Link {
  readonly #target: Extract<KnownTarget, { client: unknown }>;
  #unanswered = 0;

  constructor(target: Extract<KnownTarget, { client: unknown }>) {
    this.#target = target;
  }

  async send(words: readonly string[], signal?: AbortSignal): Promise<unknown> {
    await this.#ready(signal);
    if (signal?.aborted === true) throw new RedisConnectionError(GIVEN_UP);
    if (this.#unanswered > 0) {
      throw new RedisConnectionError('the client still waits for the reply to a command that was given up');
    }
    let isGivenUp = false;
    const giveUp = (): void => {
      isGivenUp = true;
      this.#unanswered++;
    };
    signal?.addEventListener('abort', giveUp);
    try {
      return await this.#call(words);
    } catch (thrown) {
      throw asRedisError(thrown);
    } finally {
      signal?.removeEventListener('abort', giveUp);
      if (isGivenUp) this.#unanswered--;
    }
  }

  async prepare(): Promise<void> {
    // Its owner has.
  }

  close(): void {
    // It is for its owner to close.
  }

  async #call(words: readonly string[]): Promise<unknown> {
    const { kind, client } = this.#target;
    return kind === 'ioredis' ? client.call(...(words as [string])) : client.sendCommand([...words]);
  }

  /** A command that its client keeps for later may be sent long after it was given up; so none is given to it then. */
  async #ready(signal: AbortSignal | undefined): Promise<void> {
    for (let look = 0; look < MOST_LOOKS && signal?.aborted !== true; look++) {
      if (isReady(this.#target)) return;
      if (isHopeless(this.#target)) break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
    }
    if (!isReady(this.#target)) throw new RedisConnectionError('the client is not connected');
  }
}

function isReady({ kind, client }: Extract<KnownTarget, { client: unknown }>): boolean {
  // One that connects with its first command has to be given one.
  if (kind === 'ioredis') return (client as IoredisClient).status === 'ready' || client.status === 'wait';
  return (client as NodeRedisClient).isReady;
}

/** Whether only its owner can connect it. */
function isHopeless({ kind, client }: Extract<KnownTarget, { client: unknown }>): boolean {
  return kind === 'ioredis' ? client.status === 'end' || client.status === 'reconnecting' : !client.isOpen;
}
