import { checkBoolean, checkName, checkOptions } from '../core/checks.ts';
import { describe, InvalidArgumentError } from '../core/errors.ts';
import { resolveSendOptions, type SendOptions, TASK_OPTIONS } from '../core/task-options.ts';
import type { Delay } from '../policies/delay.ts';
import type { JobRetry } from './messages/job-message.ts';

/** Options of one send. */
/** Why there is neither `partitionBy` nor `partitionKey`. */
export const NO_ORDER_BY_KEY = 'the jobs of a collector have no order by key over all processes';

/** What a send in one process may say, and one to many may not, each with the reason. */
const REFUSED = {
  dedupeKey: 'repeats may come from other processes',
  dedupeWindow: 'repeats may come from other processes',
  partitionKey: NO_ORDER_BY_KEY,
} as const;

/** Options of one send. */
export interface RemoteSendOptions extends Omit<SendOptions, keyof typeof REFUSED> {
  /** Texts that go along; the processor finds them in `attempt.headers`. Names do not begin with `collector-queue.`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /**
   * Whether anybody may ever ask for the results. False spares their storage.
   * @default true
   */
  readonly reply?: boolean | undefined;
}

/** {@link RemoteSendOptions}, checked; times as milliseconds since the Unix epoch. */
export interface RemoteSendSettings {
  readonly timeout: number | undefined;
  readonly retry: JobRetry | undefined;
  readonly expiresAt: number | undefined;
  readonly delay: Delay | undefined;
  readonly signal: AbortSignal | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly reply: boolean;
}

export const NO_OPTIONS: RemoteSendSettings = Object.freeze({
  timeout: undefined,
  retry: undefined,
  expiresAt: undefined,
  delay: undefined,
  signal: undefined,
  headers: undefined,
  reply: true,
});

/** What the library's own headers begin with. */
const RESERVED = 'collector-queue.';

/** Which collectors a dead letter has failed in. */
export const DEAD_LETTER_OF: string = `${RESERVED}dead-letter-of`;

/** @throws {@link InvalidArgumentError} for the first that is wrong. */
export function resolveRemote(owner: string, options: RemoteSendOptions, now: number): RemoteSendSettings {
  refuse(owner, options);
  const {
    headers,
    reply = true,
    ...rest
  } = checkOptions<RemoteSendOptions>(owner, options, [...TASK_OPTIONS, 'headers', 'reply']);
  const { timeout, retry, expiry, delay, signal } = resolveSendOptions(owner, rest, now);
  const given = options.retry;
  if (typeof given === 'object' && given.retryIf !== undefined) {
    throw new InvalidArgumentError(
      `${owner}: retry.retryIf`,
      'an option of the collector: functions do not travel',
      'given',
    );
  }
  return {
    timeout,
    retry: retry && { attempts: retry.attempts, base: retry.base, cap: retry.cap },
    expiresAt: expiry && Math.ceil('ttl' in expiry ? now + expiry.ttl : expiry.expiresAt),
    delay,
    signal,
    headers: headers === undefined ? undefined : checkHeaders(`${owner}: headers`, headers),
    reply: checkBoolean(`${owner}: reply`, reply),
  };
}

/** They have a meaning elsewhere, so they are worth a reason. */
function refuse(owner: string, options: object): void {
  if (typeof options !== 'object' || options === null) return;
  for (const [name, reason] of Object.entries(REFUSED)) {
    if (name in options) throw new InvalidArgumentError(`${owner}: ${name}`, `left out: ${reason}`, 'given');
  }
}

function checkHeaders(name: string, headers: unknown): Readonly<Record<string, string>> {
  const prototype: unknown =
    typeof headers === 'object' && headers !== null ? Object.getPrototypeOf(headers) : undefined;
  if (prototype !== Object.prototype && prototype !== null) {
    throw new InvalidArgumentError(name, 'a plain object of strings', describe(headers));
  }
  const entries = Object.entries(headers as object);
  for (const [header, value] of entries) {
    checkName(`${name}: name`, header);
    if (header.startsWith(RESERVED) || header === '__proto__') {
      throw new InvalidArgumentError(
        name,
        `without __proto__ and names that begin with ${RESERVED}`,
        `given "${header}"`,
      );
    }
    if (typeof value !== 'string') throw new InvalidArgumentError(`${name}["${header}"]`, 'a string', describe(value));
  }
  return Object.fromEntries(entries) as Record<string, string>;
}
