import type { RateSettings } from '../policies/rate-limit.ts';
import { checkDuration, checkFunction, checkInteger, checkName, checkOptions } from './checks.ts';
import { InvalidArgumentError } from './errors.ts';
import type { Payload } from './payload.ts';
import { hush } from './promise-of.ts';

/**
 * How many attempts of a collector may begin in which time.
 *
 * @typeParam V - the value of the payloads, as it was sent
 */
export interface RateLimitOptions<V = any> {
  /** How many; a whole number of at least 1. */
  readonly limit: number;
  /** In how many milliseconds; more than 0. Any stretch of time so long counts, wherever it begins. */
  readonly interval: number;
  /**
   * What is counted apart: a key made of the payload, a non-empty string, or undefined for one that is not limited. Called once for
   * each task. What it throws, or another key, settles the task as `Err(ProcessorError)`.
   * @default all attempts of the collector are counted together
   */
  readonly per?: ((payload: Payload<V>) => string | undefined) | undefined;
}

/**
 * What controls the flow of a collector's tasks. Tasks that have to wait are parked: they keep no consumer, count against `maxParked`,
 * and come back by themselves.
 *
 * @typeParam V - the value of the payloads, as it was sent
 */
export interface FlowOptions<V = any> {
  /**
   * Attempts of this collector that may run at a time; a whole number of at least 1. An attempt counts until its work ends, also work
   * that was given up.
   * @default Infinity
   */
  readonly concurrency?: number | undefined;
  /** Attempts of this collector that may begin in any window of time; further attempts of a task count too. */
  readonly rateLimit?: RateLimitOptions<V> | undefined;
  /**
   * A key made of the payload, a non-empty string, or undefined for one without. Tasks with the same key run one at a time,
   * in the order in which they were dispatched to this collector; keys run in parallel. A task has its key until it has
   * settled, over all of its attempts and the delays between them, and its work has ended. Called once for each task. What it
   * throws, or another key, settles the task as `Err(ProcessorError)`.
   */
  readonly partitionBy?: ((payload: Payload<V>) => string | undefined) | undefined;
}

/** {@link FlowOptions}, checked. */
export interface FlowSettings {
  readonly concurrency: number | undefined;
  readonly rate: RateSettings | undefined;
  readonly partitionOf: ((payload: Payload) => string | undefined) | undefined;
  /** As they were given. */
  readonly options: FlowOptions;
}

/** The names of the options. */
export const FLOW_OPTIONS = ['concurrency', 'rateLimit', 'partitionBy'] as const;

/**
 * Undefined if none is given.
 * @throws {@link InvalidArgumentError} for the first that is wrong.
 */
export function resolveFlow(owner: string, options: FlowOptions): FlowSettings | undefined {
  const { concurrency = Number.POSITIVE_INFINITY, rateLimit, partitionBy } = options;
  const most = checkInteger(`${owner}: concurrency`, concurrency, { min: 1, infinite: true });
  const rate = rateLimit === undefined ? undefined : resolveRate(owner, rateLimit);
  if (partitionBy !== undefined) checkFunction(`${owner}: partitionBy`, partitionBy);
  const bounded = most !== Number.POSITIVE_INFINITY;
  if (!bounded && rate === undefined && partitionBy === undefined) return undefined;
  return {
    concurrency: bounded ? most : undefined,
    rate,
    partitionOf: checkedKey(`${owner}: the key that partitionBy returns`, partitionBy),
    options: { concurrency, rateLimit, partitionBy },
  };
}

function resolveRate(owner: string, given: RateLimitOptions): RateSettings {
  const name = `${owner}: rateLimit`;
  const { limit, interval, per } = checkOptions<RateLimitOptions>(name, given, ['limit', 'interval', 'per']);
  if (per !== undefined) checkFunction(`${name}.per`, per);
  const settings = {
    limit: checkInteger(`${name}.limit`, limit, { min: 1 }),
    interval: checkDuration(`${name}.interval`, interval),
    keyOf: checkedKey(`${owner}: the key that rateLimit.per returns`, per),
  };
  if (settings.interval === 0) throw new InvalidArgumentError(`${name}.interval`, 'more than 0 milliseconds', '0');
  return settings;
}

type KeyOf = (payload: Payload) => string | undefined;

/** The same function, which throws if it returns no key. */
function checkedKey(name: string, keyOf: KeyOf | undefined): KeyOf | undefined {
  if (keyOf === undefined) return undefined;
  return (payload) => {
    const key: unknown = keyOf(payload);
    hush(key);
    return key === undefined ? undefined : checkName(name, key);
  };
}
