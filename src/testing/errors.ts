import { CollectorQueueError, ErrorCode } from '../core/errors.ts';

/** Something that was sent has not settled, though it should have. The message lists what is left, and where it stands. */
export class UnsettledError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.UNSETTLED;
}
