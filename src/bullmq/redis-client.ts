import type { Redis, RedisOptions } from 'ioredis';
import type { IORedis } from './library.ts';

/** Makes clients. */
export type RedisMaker = new (options: RedisOptions) => Redis;

/** What is changed of them. */
interface Base {
  status: string;
  readonly options: RedisOptions;
  disconnect(reconnect?: boolean): void;
  duplicate(options?: RedisOptions): unknown;
}

/**
 * A client of ioredis that can be let go in any state. One that waits for its next attempt to connect would otherwise
 * cancel that attempt and stay as it is: no `end` is ever told, and no command that waits is ever answered, which BullMQ
 * waits for when it closes.
 */
export function lettingGo({ Redis }: IORedis): RedisMaker {
  return class LettingGo extends (Redis as unknown as new (options: RedisOptions) => Base) {
    override disconnect(reconnect = false): void {
      // In this state ioredis ends it in order.
      if (!reconnect && this.status === 'reconnecting') this.status = 'wait';
      super.disconnect(reconnect);
    }

    /** For a connection that blocks: it connects at once. */
    override duplicate(options: RedisOptions = {}): unknown {
      return new LettingGo({ ...this.options, lazyConnect: false, ...options });
    }
  } as unknown as RedisMaker;
}
