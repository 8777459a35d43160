import { checkBoolean, checkOptions } from '../core/checks.ts';
import { InvalidArgumentError } from '../core/errors.ts';
import { RESERVED, type SendHeaders } from '../core/headers.ts';
import { resolveSendOptions, type SendOptions, TASK_OPTIONS } from '../core/task-options.ts';
import type { Delay } from '../policies/delay.ts';
import type { JobRetry } from './messages/job-message.ts';

/** Options of one send. */
/** Why there is neither `partitionBy` nor `partitionKey`. */
export const NO_ORDER_BY_KEY = 'the jobs of a collector have no order by key over all processes';

/** What a send in one process may say, and one to many may not, each with the reason. */
const REFUSED: Readonly<Record<RefusedName, string>> = {
  dedupeKey: 'repeats may come from other processes',
  dedupeWindow: 'repeats may come from other processes',
  partitionKey: NO_ORDER_BY_KEY,
};

type RefusedName = 'dedupeKey' | 'dedupeWindow' | 'partitionKey';

/** Options of one send. */
export interface RemoteSendOptions extends Omit<SendOptions, RefusedName> {
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
  readonly headers: SendHeaders | undefined;
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

/** Which collectors a dead letter has failed in. */
export const DEAD_LETTER_OF: string = `${RESERVED}dead-letter-of`;

/** @throws {@link InvalidArgumentError} for the first that is wrong. */
export function resolveRemote(owner: string, options: RemoteSendOptions, now: number): RemoteSendSettings {
  refuse(owner, options);
  const { reply = true, ...rest } = checkOptions<RemoteSendOptions>(owner, options, ALLOWED);
  const { timeout, retry, expiry, delay, signal, headers } = resolveSendOptions(owner, rest, now);
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
    headers,
    reply: checkBoolean(`${owner}: reply`, reply),
  };
}

const ALLOWED: readonly (keyof RemoteSendOptions)[] = [...TASK_OPTIONS, 'headers', 'reply'];

/** They have a meaning elsewhere, so they are worth a reason. */
function refuse(owner: string, options: object): void {
  if (typeof options !== 'object' || options === null) return;
  for (const [name, reason] of Object.entries(REFUSED)) {
    if (name in options) throw new InvalidArgumentError(`${owner}: ${name}`, `left out: ${reason}`, 'given');
  }
}
