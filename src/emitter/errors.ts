import { CollectorQueueError, ErrorCode } from '../core/errors.ts';

/** The emitter was closed: before the event came, or before the event was delivered. */
export class EmitterClosedError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.EMITTER_CLOSED;
}
