import { CollectorQueueError, ErrorCode } from '../core/errors.ts';

/**
 * Redis did not answer: it could not be reached, the connection broke, or an answer took too long. `cause` says more. A
 * send that ends with it may have been accepted all the same; sent again by the same event it would not run twice.
 */
export class BrokerUnavailableError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.BROKER_UNAVAILABLE;
  override readonly retryable: boolean = true;
}

/** Redis answered with an error: out of memory, read only, no permission. `cause` is what it said. */
export class BrokerRefusedError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.BROKER_REFUSED;
  override readonly retryable: boolean = true;
}

/** No collector was announced, and none was given: nothing could be routed. */
export class NoCollectorsError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.NO_COLLECTORS;
  override readonly retryable: boolean = true;
}

/**
 * The job is not in Redis any more, and its result is not known: removed by hand, forgotten with the data of Redis, or
 * finished so long ago that it is kept no more (`keepCompleted`).
 */
export class JobLostError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.JOB_LOST;
  override readonly retryable: boolean = true;
}

/** The job ended its worker process more than `poisonLimit` times while nothing else ran there. It is not tried again. */
export class PoisonError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.POISON;
}
