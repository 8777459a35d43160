import type { Redis, RedisOptions } from 'ioredis';
import type { IORedis } from './library.ts';
import { WriteGroups } from './write-groups.ts';

type Command = Parameters<Redis['sendCommand']>[0];
type CommandStream = Parameters<Redis['sendCommand']>[1];

/** Makes clients. */
export type RedisMaker = new (options: RedisOptions) => Redis;

/** What is changed of them. */
interface Base extends Pick<Redis, 'commandQueue' | 'options'> {
  status: string;
  readonly stream: Redis['stream'] | undefined;
  disconnect(reconnect?: boolean): void;
  sendCommand(command: Command, stream?: CommandStream): unknown;
  duplicate(options?: RedisOptions): unknown;
}

/**
 * Clients of ioredis with two changes:
 *
 * - They can be let go in any state. One that waits for its next attempt to connect would otherwise cancel that attempt and
 *   stay as it is: no `end` is ever told, and no command that waits is ever answered, which BullMQ waits for when it closes.
 * - Commands of one tick are written in {@link WriteGroups}. `enableAutoPipelining` of ioredis does not serve: it sends
 *   nothing more until all of a pipeline is answered, so that we and Redis would work in turn.
 */
export function redisMaker({ Redis }: IORedis): RedisMaker {
  return class Client extends (Redis as unknown as new (options: RedisOptions) => Base) {
    readonly #groups = new WriteGroups();

    override sendCommand(command: Command, stream?: CommandStream): unknown {
      // What has a stream of its own is a pipeline, which is one write already.
      const isLast =
        stream === undefined && this.stream !== undefined && this.#groups.join(this.stream, this.commandQueue.length);
      const answer = super.sendCommand(command, stream);
      if (isLast) this.#groups.end();
      return answer;
    }

    override disconnect(reconnect = false): void {
      // In this state ioredis ends it in order.
      if (!reconnect && this.status === 'reconnecting') this.status = 'wait';
      super.disconnect(reconnect);
    }

    /** It connects at once. */
    override duplicate(options: RedisOptions = {}): unknown {
      return new Client({ ...this.options, lazyConnect: false, ...options });
    }
  } as unknown as RedisMaker;
}
