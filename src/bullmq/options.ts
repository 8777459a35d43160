import type { Redis, RedisOptions } from 'ioredis';
import type { QueueType } from '../core/delivery.ts';
import type { LatencyOptions } from '../core/latency.ts';
import type { Logger } from '../core/log.ts';
import type { Router, RouterClass } from '../core/router.ts';
import type { TopicSchemas } from '../core/topic-schemas.ts';
import type { TopicTypes } from '../core/types.ts';
import type { Clock } from '../schedule/clock.ts';
import type { Serializer } from './messages/serializer.ts';
import type { Secret } from './messages/signing-key.ts';

/** Where Redis is: a URL (`redis://`, `rediss://`), ioredis options, or an ioredis instance whose options are taken. */
export type Connection = string | RedisOptions | Redis;

/** What a process does. */
export type Role = 'both' | 'publisher' | 'worker';

/** How many jobs of a collector a worker process runs at a time; the autoscaler moves it between `min` and `max`. */
export interface ConcurrencyRange {
  /** @default 1 */
  readonly min?: number | undefined;
  /** @default 100 */
  readonly max?: number | undefined;
}

/** How long finished jobs, with their results, are kept in Redis. What is exceeded first counts. */
export interface KeepOptions {
  /** Milliseconds, counted in whole seconds. */
  readonly age?: number | undefined;
  /** Jobs of each collector. */
  readonly count?: number | undefined;
}

/**
 * Options of a `BullMQCollectorQueue`. All durations are milliseconds. They are checked, and resolved to a complete
 * frozen object, when the queue is constructed.
 *
 * @typeParam T - the topics and their values
 */
export interface BullMQQueueOptions<T = any> {
  /** Where Redis is. The queue makes connections of its own, also of a given instance. */
  readonly connection: Connection;
  /**
   * What the names of all keys in Redis begin with; queues with another prefix know nothing of this one.
   * @default 'collector-queue'
   */
  readonly prefix?: string | undefined;
  /**
   * What this process does: send, run the collectors, or both.
   * @default 'both'
   */
  readonly role?: Role | undefined;
  /**
   * The name of this worker in Redis's list of clients.
   * @default none
   */
  readonly name?: string | undefined;
  /**
   * How many jobs of each collector this process runs at a time. A range lets the autoscaler decide.
   * @default { min: 1, max: 100 }
   */
  readonly concurrency?: number | ConcurrencyRange | undefined;
  /** The same for single collectors, by key. */
  readonly concurrencyOf?: Readonly<Record<string, number | ConcurrencyRange>> | undefined;
  /**
   * How long consumers that are not needed stay, in a range of `concurrency`.
   * @default 1000
   */
  readonly idleTimeout?: number | undefined;
  /**
   * The order in which this process's sends are worked on. LIFO excludes priorities.
   * @default QueueType.FIFO
   */
  readonly queueType?: QueueType | undefined;
  /**
   * The priority of payloads that have none: a whole number within ±1,000,000, lowest first.
   * @default 1000
   */
  readonly defaultPriority?: number | undefined;
  /**
   * Selects the collectors, in the process that sends. A router with a `handleEvent` of its own is refused.
   * @default SimpleRouter
   */
  readonly router?: Router | RouterClass | undefined;
  /**
   * What a payload that matches no collector gives: `Ok(undefined)` or `Err(UnroutedError)`.
   * @default 'ok'
   */
  readonly onUnrouted?: 'ok' | 'error' | undefined;
  /**
   * What becomes of sends while Redis is away: they fail at once, or up to so many jobs wait in memory for it. What was
   * sent before that was known, within `sendTimeout`, waits beside them.
   * @default 'fail'
   */
  readonly whenAway?: 'fail' | { readonly queue: number } | undefined;
  /**
   * How long `initQueue` waits for Redis.
   * @default 10_000
   */
  readonly connectTimeout?: number | undefined;
  /**
   * How long Redis may take to acknowledge a send, before it counts as away; and to answer on the connection for results,
   * before that is made anew.
   * @default 5000
   */
  readonly sendTimeout?: number | undefined;
  /**
   * How long `wait()` waits unless it is told otherwise.
   * @default 30_000
   */
  readonly waitTimeout?: number | undefined;
  /**
   * How often results that are waited for are looked up, in case the news of them was lost, or their job was.
   * @default 5000
   */
  readonly lookupInterval?: number | undefined;
  /**
   * How often workers announce their collectors, and publishers without collectors of their own read the announcements.
   * @default 10_000
   */
  readonly registryInterval?: number | undefined;
  /**
   * How long an announcement outlives the last worker. As long are payloads kept for a collector that has no worker.
   * @default 86_400_000, a day
   */
  readonly registryTtl?: number | undefined;
  /**
   * How long `initQueue` of a publisher waits for a first announcement.
   * @default 0
   */
  readonly registryTimeout?: number | undefined;
  /**
   * Signs jobs and results: at least 32 bytes, the same on every process. Two, while keys are changed: the first signs,
   * both verify. Given as undefined it is refused: leave it out if nothing is to be signed.
   * @default none
   */
  readonly secret?: Secret | readonly Secret[];
  /**
   * How long after its due time a signed message is believed; as long is remembered which jobs were done.
   * @default 86_400_000, a day
   */
  readonly maxAge?: number | undefined;
  /**
   * How values travel.
   * @default JSON
   */
  readonly serializer?: Serializer | undefined;
  /**
   * Whether the stacks of errors travel, too.
   * @default false
   */
  readonly stackTraces?: boolean | undefined;
  /** @default { age: 3_600_000, count: 1000 } */
  readonly keepCompleted?: KeepOptions | undefined;
  /** @default { age: 604_800_000, count: 10_000 } */
  readonly keepFailed?: KeepOptions | undefined;
  /**
   * How long a worker may be silent before its jobs are given to others.
   * @default 30_000
   */
  readonly lockDuration?: number | undefined;
  /**
   * How often workers look for jobs of workers that are silent.
   * @default 30_000
   */
  readonly stalledInterval?: number | undefined;
  /**
   * How often a job may end the process in which nothing else runs, before it is failed as poison; from 0.
   * @default 2
   */
  readonly poisonLimit?: number | undefined;
  /** How many tasks of a worker may wait for their lock or policy at a time. @default 100_000 */
  readonly maxParked?: number | undefined;
  /** Where internal errors are logged. Without one, they become process warnings. */
  readonly logger?: Logger | undefined;
  /**
   * Whether `getMetrics().latency` tells how long the jobs that run in this process take, as percentiles, retries one by
   * one. Its `wait` is from the worker's taking a job to the call of its processor, not the time in Redis.
   * @default false
   */
  readonly latency?: boolean | LatencyOptions | undefined;
  /** The topics and the types of their values. Types only. */
  readonly topics?: TopicTypes<T> | undefined;
  /**
   * Standard Schemas by topics, which are exact names. They check and transform values in the process that works on them,
   * as they came, at each attempt; a process that only publishes does not ask them.
   */
  readonly schemas?: TopicSchemas<NoInfer<T>> | undefined;
  /** The time by which waits, expiry and signatures go; for tests. Redis and BullMQ have their own. */
  readonly clock?: Clock | undefined;
}
