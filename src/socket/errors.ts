import { CollectorQueueError, ErrorCode } from '../core/errors.ts';
import type { SpoolErrorCode } from './protocol.ts';

/** The spool daemon refused. {@link SpoolRefusedError.reason | reason} is the code of its reply. */
export class SpoolRefusedError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.SPOOL_REFUSED;
  override readonly retryable: boolean;
  readonly reason: SpoolErrorCode;

  constructor(reason: SpoolErrorCode, message: string, retryable: boolean) {
    super(`the spool daemon refused: ${message} (${reason})`);
    this.reason = reason;
    this.retryable = retryable;
  }
}

/** The spool daemon did not acknowledge the event in time (`storeTimeout`). It may have it all the same. */
export class SpoolTimeoutError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.SPOOL_TIMEOUT;
  override readonly retryable: boolean = true;
}

/** There is no connection to the spool daemon; the message says why. Retryable where that may pass by itself. */
export class SpoolUnreachableError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.SPOOL_UNREACHABLE;
  override readonly retryable: boolean;

  constructor(message: string, retryable: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.retryable = retryable;
  }
}

/** The daemon could not listen where it should; the message says why. */
export class ListenError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.LISTEN;
}
