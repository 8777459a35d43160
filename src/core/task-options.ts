import type { DeadLetter } from '../policies/dead-letter.ts';
import type { Delay } from '../policies/delay.ts';
import type { Expiry } from '../policies/expiry.ts';
import type { RetrySettings } from '../policies/retry.ts';
import {
  checkDuration,
  checkFunction,
  checkInteger,
  checkName,
  checkOptions,
  checkSignal,
  checkTime,
} from './checks.ts';
import { InvalidArgumentError } from './errors.ts';
import { type FlowOptions, type FlowSettings, resolveFlow } from './flow-options.ts';
import { checkHeaders, type SendHeaders } from './headers.ts';

/** How a failed attempt is repeated. */
export interface RetryOptions {
  /**
   * Attempts in all, the first one included; a whole number of at least 1.
   * @default 3
   */
  readonly attempts?: number | undefined;
  /**
   * The upper bound of the first delay, in milliseconds; it doubles with each attempt. The delay is a random part of it
   * (full jitter), so that what failed together does not come back together.
   * @default 1000
   */
  readonly base?: number | undefined;
  /**
   * The upper bound of any delay, in milliseconds.
   * @default 60_000
   */
  readonly cap?: number | undefined;
  /**
   * Whether to try again after this error: what the processor threw, or what its `Err` holds. An error with
   * `retryable: false` is not asked about, it is permanent.
   * @default always
   */
  readonly retryIf?: ((error: any, attempt: number) => boolean) | undefined;
}

/** What can be said of a task for all payloads of a collector, or for one send, which wins. Durations are milliseconds. */
export interface TaskOptions {
  /**
   * How long an attempt may take. Then its signal fires, and it counts as failed with a `DeliveryTimeoutError`. Work that
   * does not heed the signal keeps its consumer; see `maxAbandoned`.
   * @default Infinity
   */
  readonly timeout?: number | undefined;
  /**
   * Repeats failed attempts; a number stands for `{ attempts }`.
   * @default 1
   */
  readonly retry?: number | RetryOptions | undefined;
  /**
   * Milliseconds after its acceptance from which a payload is not attempted any more: it settles as `Err(ExpiredError)`.
   * @default Infinity
   */
  readonly ttl?: number | undefined;
  /** The same as a point in time: a Date, or milliseconds since the Unix epoch. Excludes `ttl`. */
  readonly expiresAt?: Date | number | undefined;
  /** Milliseconds to wait after the acceptance. For a send: the whole payload waits, before it is routed. */
  readonly delay?: number | undefined;
  /** The same as a point in time: a Date, or milliseconds since the Unix epoch. Excludes `delay`. */
  readonly at?: Date | number | undefined;
  /** Cancels: one send with all of its tasks, or all of a collector's tasks. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * What can be said of the tasks of a collector alone.
 *
 * @typeParam V - the value of the payloads, as it was sent
 */
export interface CollectorTaskOptions<V = any> extends TaskOptions, FlowOptions<V> {
  /**
   * The name of a lock that one task of the queue can hold at a time; a task that finds it taken is parked and tries
   * again after `delay` milliseconds (1,000 by default), which costs no attempt.
   */
  readonly lock?: string | { readonly name: string; readonly delay?: number | undefined } | undefined;
  /**
   * Where tasks go that failed for good, attempts exhausted or error permanent: the key of a collector of the queue,
   * which gets the {@link DeadLetter} as its value, or a function. Not for what was cancelled, has expired or was given
   * up at a shutdown.
   */
  readonly deadLetter?: string | ((letter: DeadLetter<V>) => unknown) | undefined;
}

/** Options of one send. */
export interface SendOptions extends TaskOptions {
  /** Texts that go along; the processor finds them in `attempt.headers`. Names do not begin with `collector-queue.`. */
  readonly headers?: SendHeaders | undefined;
  /**
   * What makes this send a repeat of another one: a send with the same key that has not settled, or was accepted less than its
   * `dedupeWindow` ago. Nothing is done for a repeat: it gets an event of its own, with the same outcome; to cancel that
   * detaches it. The other options of a repeat do not count, but for its `signal`. A non-empty string.
   */
  readonly dedupeKey?: string | undefined;
  /**
   * For how many milliseconds from its acceptance on a send with a `dedupeKey` has repeats, even if it has settled.
   * @default 0, only while it has not settled
   */
  readonly dedupeWindow?: number | undefined;
  /**
   * Tasks with the same key run one at a time in each collector, in the order in which they were dispatched to it; a non-empty
   * string. Wins over `partitionBy` of the collector, and needs none.
   */
  readonly partitionKey?: string | undefined;
}

/** {@link TaskOptions}, checked. Undefined is what was not given. */
interface TaskSettings {
  readonly timeout: number | undefined;
  readonly retry: RetrySettings | undefined;
  readonly expiry: Expiry | undefined;
  readonly delay: Delay | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What makes a send a repeat. */
export interface DedupeSettings {
  readonly key: string;
  readonly window: number;
}

/** {@link SendOptions}, checked. */
export interface SendSettings extends TaskSettings {
  readonly dedupe: DedupeSettings | undefined;
  readonly partitionKey: string | undefined;
  readonly headers: SendHeaders | undefined;
}

export interface CollectorTaskSettings extends TaskSettings {
  readonly flow: FlowSettings | undefined;
  readonly lock: { readonly name: string; readonly delay: number } | undefined;
  readonly deadLetter: string | ((letter: DeadLetter) => unknown) | undefined;
}

export const TASK_OPTIONS = ['timeout', 'retry', 'ttl', 'expiresAt', 'delay', 'at', 'signal'] as const;

const SEND_OPTIONS = [...TASK_OPTIONS, 'headers', 'dedupeKey', 'dedupeWindow', 'partitionKey'] as const;

const RETRY_OPTIONS = ['attempts', 'base', 'cap', 'retryIf'] as const;

/** @throws {@link InvalidArgumentError} for the first that is wrong. */
function resolveTaskOptions(owner: string, options: TaskOptions): TaskSettings {
  const { timeout, retry, signal } = options;
  checkSignal(owner, signal);
  return {
    timeout: timeout === undefined ? undefined : checkTimeout(`${owner}: timeout`, timeout),
    retry: retry === undefined ? undefined : resolveRetry(owner, retry),
    expiry: resolveExpiry(owner, options),
    delay: resolveDelay(owner, options),
    signal,
  };
}

/** @throws {@link InvalidArgumentError} for the first that is wrong. */
export function resolveCollectorTaskOptions(owner: string, options: CollectorTaskOptions): CollectorTaskSettings {
  const { lock, deadLetter } = options;
  return {
    ...resolveTaskOptions(owner, options),
    lock: lock === undefined ? undefined : resolveLock(owner, lock),
    deadLetter: deadLetter === undefined ? undefined : checkDeadLetter(owner, deadLetter),
    flow: resolveFlow(owner, options),
  };
}

/** @throws {@link InvalidArgumentError} for the first that is wrong; for a time of expiry that has passed, too. */
export function resolveSendOptions(owner: string, options: SendOptions, now: number): SendSettings {
  const { headers, partitionKey, ...rest } = checkOptions<SendOptions>(owner, options, SEND_OPTIONS);
  const settings = resolveTaskOptions(owner, rest);
  const { expiry } = settings;
  if (expiry !== undefined && 'expiresAt' in expiry && expiry.expiresAt <= now) {
    const time = new Date(expiry.expiresAt).toISOString();
    throw new InvalidArgumentError(`${owner}: expiresAt`, 'a time in the future', time);
  }
  if (partitionKey !== undefined) checkName(`${owner}: partitionKey`, partitionKey);
  return {
    ...settings,
    partitionKey,
    dedupe: resolveDedupe(owner, rest),
    headers: headers === undefined ? undefined : checkHeaders(`${owner}: headers`, headers),
  };
}

function resolveDedupe(owner: string, { dedupeKey, dedupeWindow }: SendOptions): DedupeSettings | undefined {
  if (dedupeKey === undefined) {
    if (dedupeWindow === undefined) return undefined;
    throw new InvalidArgumentError(`${owner}: dedupeWindow`, 'absent without a dedupeKey', 'given');
  }
  return {
    key: checkName(`${owner}: dedupeKey`, dedupeKey),
    window: dedupeWindow === undefined ? 0 : checkDuration(`${owner}: dedupeWindow`, dedupeWindow),
  };
}

function checkTimeout(name: string, timeout: unknown): number {
  const checked = checkDuration(name, timeout, true);
  if (checked === 0) throw new InvalidArgumentError(name, 'more than 0 milliseconds', '0');
  return checked;
}

function resolveRetry(owner: string, retry: number | RetryOptions): RetrySettings {
  const given = typeof retry === 'number' ? { attempts: retry } : retry;
  const {
    attempts = 3,
    base = 1_000,
    cap = 60_000,
    retryIf = always,
  } = checkOptions<RetryOptions>(`${owner}: retry`, given, RETRY_OPTIONS);
  checkFunction(`${owner}: retry.retryIf`, retryIf);
  return {
    attempts: checkInteger(`${owner}: retry.attempts`, attempts, { min: 1, infinite: true }),
    base: checkDuration(`${owner}: retry.base`, base),
    cap: checkDuration(`${owner}: retry.cap`, cap),
    retryIf,
  };
}

function always(): boolean {
  return true;
}

function resolveExpiry(owner: string, { ttl, expiresAt }: TaskOptions): Expiry | undefined {
  if (ttl === undefined) {
    return expiresAt === undefined ? undefined : { expiresAt: checkTime(`${owner}: expiresAt`, expiresAt) };
  }
  if (expiresAt !== undefined) throw new InvalidArgumentError(`${owner}: expiresAt`, 'absent beside ttl', 'given');
  return { ttl: checkDuration(`${owner}: ttl`, ttl, true) };
}

function resolveDelay(owner: string, { delay, at }: TaskOptions): Delay | undefined {
  if (delay === undefined) return at === undefined ? undefined : { at: checkTime(`${owner}: at`, at) };
  if (at !== undefined) throw new InvalidArgumentError(`${owner}: at`, 'absent beside delay', 'given');
  return { delay: checkDuration(`${owner}: delay`, delay) };
}

function resolveLock(owner: string, lock: unknown): { name: string; delay: number } {
  if (typeof lock === 'string') return { name: checkName(`${owner}: lock`, lock), delay: 1_000 };
  const { name, delay = 1_000 } = checkOptions<{ name: string; delay?: number }>(`${owner}: lock`, lock, [
    'name',
    'delay',
  ]);
  return { name: checkName(`${owner}: lock.name`, name), delay: checkDuration(`${owner}: lock.delay`, delay) };
}

function checkDeadLetter(owner: string, deadLetter: unknown): string | ((letter: DeadLetter) => unknown) {
  if (typeof deadLetter === 'string') return checkName(`${owner}: deadLetter`, deadLetter);
  checkFunction(`${owner}: deadLetter`, deadLetter, "a collector's key or a function");
  return deadLetter as (letter: DeadLetter) => unknown;
}
