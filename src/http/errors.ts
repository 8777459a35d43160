import { CollectorQueueError, ErrorCode } from '../core/errors.ts';

/** The server answered with a status that is no success. */
export class HttpStatusError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.HTTP_STATUS;
  override readonly retryable: boolean;
  /** What the server answered. */
  readonly status: number;

  constructor(status: number, retryable: boolean) {
    super(`the server answered ${status}`);
    this.status = status;
    this.retryable = retryable;
  }
}

/** There was no answer: no connection, a connection that broke, or none within `requestTimeout`. `cause` says more. */
export class HttpRequestError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.HTTP_REQUEST;
  override readonly retryable: boolean = true;
}
