import { CollectorQueueError, describeThrown, ErrorCode } from '../core/errors.ts';

/** What no repetition changes: the key holds something else, or this user may never do that. */
const PERMANENT: ReadonlySet<string> = new Set(['WRONGTYPE', 'NOPERM']);

/**
 * Redis answered with an error. `reply` is its first word: `OOM`, `READONLY`, `MISCONF`, `LOADING`, `NOAUTH`, … can be over
 * some time, and are tried again; `WRONGTYPE` and `NOPERM` are not.
 */
export class RedisReplyError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.REDIS_REPLY;
  override readonly retryable: boolean;
  /** The first word of the reply; `ERR` where Redis is no more precise. */
  readonly reply: string;

  constructor(reply: string, retryable: boolean, options?: { readonly cause?: unknown }) {
    super(`Redis answered: ${reply}`, options);
    this.reply = /^[A-Z][A-Z0-9]*/.exec(reply)?.[0] ?? 'ERR';
    this.retryable = retryable;
  }
}

/**
 * There was no reply: no connection, one that was lost, or none within the time limit. What was asked for may have been
 * done all the same. `cause` says more.
 */
export class RedisConnectionError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.REDIS_CONNECTION;
  override readonly retryable: boolean = true;
}

/** What a client threw, as one of ours. */
export function asRedisError(thrown: unknown): Error {
  if (thrown instanceof RedisReplyError || thrown instanceof RedisConnectionError) return thrown;
  if (!isReply(thrown))
    return new RedisConnectionError(`no reply of Redis: ${describeThrown(thrown)}`, { cause: thrown });
  const word = /^[A-Z][A-Z0-9]*/.exec(thrown.message)?.[0] ?? 'ERR';
  return new RedisReplyError(thrown.message, !PERMANENT.has(word), { cause: thrown });
}

/** By name: there may be several versions of either package in one process. */
const REPLY_CLASSES: readonly unknown[] = ['ReplyError', 'ErrorReply'];

function isReply(thrown: unknown): thrown is Error {
  if (!(thrown instanceof Error)) return false;
  for (let type = Object.getPrototypeOf(thrown); type !== null; type = Object.getPrototypeOf(type)) {
    if (REPLY_CLASSES.includes(type.constructor?.name)) return true;
  }
  return thrown.name === 'ReplyError';
}
