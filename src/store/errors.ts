import {
  CollectorQueueError,
  ErrorCode,
  type InvalidArgumentError,
  type MissingPackageError,
  type UnusablePackageError,
} from '../core/errors.ts';

/** Why a store did not take an event. */
export type StoreRefusal =
  | StoreFullError
  | StoreClosedError
  | StoreDiskError
  | StoreLockedError
  | StoreDamagedError
  | MissingPackageError
  | UnusablePackageError
  | InvalidArgumentError;

/** The store holds as many events, or bytes, as it may. */
export class StoreFullError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.STORE_FULL;
  override readonly retryable: boolean;

  /** @param fitsNever - there would not be room in an empty store */
  constructor(message: string, fitsNever = false) {
    super(message);
    this.retryable = !fitsNever;
  }
}

/** The store was closed. */
export class StoreClosedError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.STORE_CLOSED;
}

/** The disk could not be written or read: it is full, say. `cause` is what the database said. */
export class StoreDiskError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.STORE_DISK;
  override readonly retryable: boolean = true;
}

/** Another process, or another store of this one, has the folder open. */
export class StoreLockedError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.STORE_LOCKED;
  override readonly retryable: boolean = true;
}

/** The files of the store are damaged beyond what could be mended. `cause` is what the database said. */
export class StoreDamagedError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.STORE_DAMAGED;
}
