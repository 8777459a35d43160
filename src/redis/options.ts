import type { BatchOptions } from '../emitter/index.ts';

/** What {@link RedisEmitter.deliver} resolves to once Redis has the event. */
export interface RedisDelivered {
  /** How many events the list held then. */
  readonly length: number;
}

/**
 * Options of a {@link RedisEmitter}. All durations are milliseconds, and at most 2,147,483,647: what a timer can hold. Redis
 * has a batch as a whole, or not at all.
 */
export interface RedisEmitterOptions extends BatchOptions<RedisDelivered> {
  /**
   * The list that events are pushed to.
   * @default 'snowplow'
   */
  readonly key?: string | undefined;
  /**
   * The most events of a batch, which is one command, and how many must wait for it to leave before `flushInterval` is over;
   * at least 1. Clamped to the capacity of the buffer, with a warning.
   * @default 100
   */
  readonly batchSize?: number | undefined;
  /**
   * How long an event may wait for its batch to fill, at least 1; `false` for as long as it takes.
   * @default 100
   */
  readonly flushInterval?: number | false | undefined;
}

/** The list that events are pushed to and taken from, by default: that of Snowplow's trackers. */
export const DEFAULT_KEY = 'snowplow';
