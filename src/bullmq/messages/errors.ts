import { CollectorQueueError, ErrorCode } from '../../core/errors.ts';

/** Why a message is not believed. */
export type RejectionReason =
  /** Not what a message looks like. */
  | 'malformed'
  /** Of a version of the wire format that is not known here. */
  | 'version'
  /** No signature, although a secret is set. */
  | 'unsigned'
  /** A signature, although no secret is set. */
  | 'unexpected signature'
  /** Signed with a key that is none of the active ones. */
  | 'unknown key'
  /** Forged, altered, or made for another queue, job or time. */
  | 'wrong signature'
  /** Its due time is longer ago than `maxAge`. */
  | 'too old'
  /** Its due time has not come. */
  | 'too early'
  /** Its job has completed already. */
  | 'replayed';

/**
 * A message on Redis that is not believed: the processor never runs for it, or the result that it brings does not count.
 * `reason` says why in one word or two, the message says more.
 */
export class RejectedMessageError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.REJECTED_MESSAGE;
  readonly reason: RejectionReason;

  constructor(reason: RejectionReason, detail: string, options?: { readonly cause?: unknown }) {
    super(`the message is rejected (${reason}): ${detail}`, options);
    this.reason = reason;
  }
}

/** A collector did its work, but what came of it cannot be sent back: it is no JSON, or too large. */
export class UnsendableResultError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.UNSENDABLE_RESULT;
}

/** What is known of an error that was made in another process. */
export interface RemoteErrorDetails {
  /** @default 'RemoteError' */
  readonly name?: string | undefined;
  /** @default ErrorCode.REMOTE */
  readonly code?: string | number | undefined;
  /** @default true */
  readonly retryable?: boolean | undefined;
  /** As the other process wrote it. */
  readonly stack?: string | undefined;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[] | undefined;
}

/**
 * An error of another process: of a processor, or of a queue there. It has the `name`, `message` and `code` of the
 * original, and is of this class, whatever the class of the original is: match on `code`. `cause` and `errors` hold what
 * those of the original were, errors again as RemoteErrors.
 */
export class RemoteError extends CollectorQueueError {
  /** The code of the original, which is any string or number if it was no error of the library. */
  readonly code: ErrorCode;
  /** What the original says; true if it says nothing, as then it is tried again, too. */
  override readonly retryable: boolean;
  /** The `errors` of the original, if it had such a list: an AggregateError, a LifecycleError. */
  readonly errors?: readonly unknown[];

  constructor(message: string, details: RemoteErrorDetails = {}) {
    super(message, 'cause' in Object(details) ? { cause: details.cause } : undefined);
    this.name = details.name ?? 'RemoteError';
    this.code = (details.code ?? ErrorCode.REMOTE) as ErrorCode;
    this.retryable = details.retryable ?? true;
    if (details.errors !== undefined) this.errors = details.errors;
    // The place where it was read tells nothing.
    this.stack = details.stack ?? `${this.name}: ${message}\n    at another process`;
  }
}
