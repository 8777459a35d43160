/**
 * Every error of the library has a stable {@link CollectorQueueError.code | code}; match on that, never on a message.
 * Misuse (a wrong argument, a call in the wrong state) throws; work that fails settles its event with an `Err`.
 */

/** The stable codes, one per error class; those of the add-ons too. */
export const ErrorCode = {
  INVALID_ARGUMENT: 'CQ_INVALID_ARGUMENT',
  NOT_INITIALIZED: 'CQ_NOT_INITIALIZED',
  LIFECYCLE: 'CQ_LIFECYCLE',
  PROCESSOR: 'CQ_PROCESSOR',
  SCHEMA: 'CQ_SCHEMA',
  BROKEN_SCHEMA: 'CQ_BROKEN_SCHEMA',
  ROUTER: 'CQ_ROUTER',
  ROUTER_TIMEOUT: 'CQ_ROUTER_TIMEOUT',
  UNROUTED: 'CQ_UNROUTED',
  QUEUE_FULL: 'CQ_QUEUE_FULL',
  DROPPED: 'CQ_DROPPED',
  PARKED_FULL: 'CQ_PARKED_FULL',
  DELIVERY_TIMEOUT: 'CQ_DELIVERY_TIMEOUT',
  EXPIRED: 'CQ_EXPIRED',
  REVOKED: 'CQ_REVOKED',
  CANCELLED: 'CQ_CANCELLED',
  CLEARED: 'CQ_CLEARED',
  QUEUE_CLOSED: 'CQ_QUEUE_CLOSED',
  QUEUE_ABORTED: 'CQ_QUEUE_ABORTED',
  SHUTDOWN_TIMEOUT: 'CQ_SHUTDOWN_TIMEOUT',
  WAIT_TIMEOUT: 'CQ_WAIT_TIMEOUT',
  MISSING_PACKAGE: 'CQ_MISSING_PACKAGE',
  UNUSABLE_PACKAGE: 'CQ_UNUSABLE_PACKAGE',
  EMITTER_CLOSED: 'CQ_EMITTER_CLOSED',
  STORE_FULL: 'CQ_STORE_FULL',
  STORE_CLOSED: 'CQ_STORE_CLOSED',
  STORE_DISK: 'CQ_STORE_DISK',
  STORE_LOCKED: 'CQ_STORE_LOCKED',
  STORE_DAMAGED: 'CQ_STORE_DAMAGED',
  HTTP_STATUS: 'CQ_HTTP_STATUS',
  HTTP_REQUEST: 'CQ_HTTP_REQUEST',
  REDIS_REPLY: 'CQ_REDIS_REPLY',
  REDIS_CONNECTION: 'CQ_REDIS_CONNECTION',
  SPOOL_REFUSED: 'CQ_SPOOL_REFUSED',
  SPOOL_TIMEOUT: 'CQ_SPOOL_TIMEOUT',
  SPOOL_UNREACHABLE: 'CQ_SPOOL_UNREACHABLE',
  LISTEN: 'CQ_LISTEN',
  BROKER_UNAVAILABLE: 'CQ_BROKER_UNAVAILABLE',
  BROKER_REFUSED: 'CQ_BROKER_REFUSED',
  NO_COLLECTORS: 'CQ_NO_COLLECTORS',
  JOB_LOST: 'CQ_JOB_LOST',
  POISON: 'CQ_POISON',
  REJECTED_MESSAGE: 'CQ_REJECTED_MESSAGE',
  UNSENDABLE_RESULT: 'CQ_UNSENDABLE_RESULT',
  REMOTE: 'CQ_REMOTE',
  UNSETTLED: 'CQ_UNSETTLED',
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/**
 * The base of every error that the library makes while it works.
 * Only {@link InvalidArgumentError} stands apart, because a wrong argument is a `TypeError` to JavaScript.
 */
export abstract class CollectorQueueError extends Error {
  /** Stable across releases. */
  abstract readonly code: ErrorCode;
  /** Whether sending the same payload again may succeed. */
  readonly retryable: boolean = false;

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A wrong argument or option. The message names the option, what was expected and what came. */
export class InvalidArgumentError extends TypeError {
  readonly code: ErrorCode = ErrorCode.INVALID_ARGUMENT;
  readonly retryable: boolean = false;
  override readonly name: string = 'InvalidArgumentError';
  /** The option or argument, as the caller wrote it: `CollectorQueue: maxConsumers`. */
  readonly argument: string;
  /** What would have been right, in words. */
  readonly expected: string;

  constructor(argument: string, expected: string, received: string) {
    super(`${argument} must be ${expected}, but it is ${received}`);
    this.argument = argument;
    this.expected = expected;
  }
}

/** Thrown by a send on a queue that was never initialised. */
export class NotInitializedError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.NOT_INITIALIZED;
}

/** One or more lifecycles failed to set up or to shut down. {@link LifecycleError.errors | errors} holds every cause. */
export class LifecycleError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.LIFECYCLE;
  /** Every failure, in the order in which it happened; also of the roll-back. */
  readonly errors: readonly unknown[];

  constructor(message: string, errors: readonly unknown[]) {
    super(message, { cause: errors[0] });
    this.errors = errors;
  }
}

/** A processor threw or rejected; `cause` is what it threw. */
export class ProcessorError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.PROCESSOR;
  override readonly retryable: boolean = true;
  /** The key of the collector whose processor failed. */
  readonly collectorKey: string;

  constructor(collectorKey: string, cause: unknown) {
    super(`the processor of collector "${collectorKey}" failed: ${describeThrown(cause)}`, { cause });
    this.collectorKey = collectorKey;
  }
}

/** One thing that is wrong with a value, by a schema. */
export interface SchemaIssue {
  readonly message: string;
  /** The keys that lead to it, from the value inwards; empty if it is the value as a whole. */
  readonly path: readonly PropertyKey[];
}

/** A value does not fit the schema of its collector or topic. The message names the first issues by their paths. */
export class SchemaError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.SCHEMA;
  /** All that is wrong, in the order of the schema. */
  readonly issues: readonly SchemaIssue[];

  constructor(message: string, issues: readonly SchemaIssue[]) {
    super(message);
    this.issues = issues;
  }
}

/** A schema threw, rejected (`cause` is the reason), or answered with what is no answer. */
export class BrokenSchemaError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.BROKEN_SCHEMA;
  override readonly retryable: boolean = true;
}

/** A router threw, chose what is no collector of its queue, or returned no ResultList. */
export class RouterError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.ROUTER;
}

/** A router's `handleEvent` took longer than the queue's `routerTimeout`. */
export class RouterTimeoutError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.ROUTER_TIMEOUT;
  override readonly retryable: boolean = true;
}

/** No collector matched, and the queue has `onUnrouted: 'error'`. */
export class UnroutedError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.UNROUTED;
}

/** Refused: `maxSize` payloads wait already. */
export class QueueFullError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.QUEUE_FULL;
  override readonly retryable: boolean = true;
}

/** Accepted, then dropped in favour of a newer or more urgent payload (`overflow: 'dropOldest'`). */
export class DroppedError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.DROPPED;
  override readonly retryable: boolean = true;
}

/** A task had to be parked while `maxParked` were parked already. */
export class ParkedFullError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.PARKED_FULL;
  override readonly retryable: boolean = true;
}

/** An attempt exceeded the `timeout` of its collector or send. */
export class DeliveryTimeoutError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.DELIVERY_TIMEOUT;
  override readonly retryable: boolean = true;
  /** The key of the collector that took too long. */
  readonly collectorKey: string;

  constructor(collectorKey: string, timeout: number) {
    super(`collector "${collectorKey}" took longer than ${timeout} ms (timeout)`);
    this.collectorKey = collectorKey;
  }
}

/** Its `ttl` or `expiresAt` had passed before it could be attempted. */
export class ExpiredError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.EXPIRED;
}

/** The collector is revoked (`queue.revoke`). */
export class RevokedError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.REVOKED;

  constructor(collectorKey: string) {
    super(`collector "${collectorKey}" is revoked`);
  }
}

/** Cancelled: by `event.cancel(reason)`, a signal or a {@link CancelTask}; `cause` is the reason. */
export class CancelledError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.CANCELLED;
}

/** Waited until `queue.clear()` took it out. */
export class ClearedError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.CLEARED;
}

/** Sent to a queue that shuts down or was shut down. */
export class QueueClosedError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.QUEUE_CLOSED;
}

/** Not settled when `shutDownQueue({ drain: false })` gave up on the rest. */
export class QueueAbortedError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.QUEUE_ABORTED;
}

/** Not settled when the time limit of `shutDownQueue` was reached. */
export class ShutdownTimeoutError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.SHUTDOWN_TIMEOUT;
}

/** `wait({ timeout })` reached its limit. The event itself goes on. */
export class WaitTimeoutError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.WAIT_TIMEOUT;
  override readonly retryable: boolean = true;
}

/** An optional package that an add-on needs is not installed. The message says how to get it. */
export class MissingPackageError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.MISSING_PACKAGE;
  /** The name of the package. */
  readonly packageName: string;

  constructor(packageName: string, need: string, cause: unknown) {
    super(`${need} needs the package ${packageName}: npm install ${packageName}`, { cause });
    this.packageName = packageName;
  }
}

/** An optional package that an add-on needs is installed, and cannot be loaded. `cause` says why. */
export class UnusablePackageError extends CollectorQueueError {
  readonly code: ErrorCode = ErrorCode.UNUSABLE_PACKAGE;
  /** The name of the package. */
  readonly packageName: string;

  constructor(packageName: string, need: string, cause: unknown) {
    super(`${need} needs the package ${packageName}, which is there but cannot be loaded: ${describeThrown(cause)}`, {
      cause,
    });
    this.packageName = packageName;
  }
}

/** What a router threw, as an error of the router. */
export function asRouterError(thrown: unknown): RouterError {
  if (thrown instanceof RouterError) return thrown;
  return new RouterError(`the router failed: ${describeThrown(thrown)}`, { cause: thrown });
}

/** Words for anything that can be thrown; never throws itself, whatever the value does. */
export function describeThrown(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return `${thrown.name}: ${thrown.message}`;
    return typeof thrown === 'string' ? thrown : describe(thrown);
  } catch {
    return 'a value that cannot be described';
  }
}

/** An error for anything that can be thrown: itself, if it is one. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(describeThrown(thrown), { cause: thrown });
}

/** Words for a value in an error message: short, one line, and never user data of any size. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value.length > 40 ? `a string of ${value.length} characters` : JSON.stringify(value);
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'bigint':
      return `the bigint ${value}n`;
    case 'symbol':
      return 'a symbol';
    case 'function':
      return describeFunction(value);
    default:
      return describeObject(value);
  }
}

function describeFunction(value: object): string {
  try {
    const name = (value as { name?: unknown }).name;
    return typeof name === 'string' && name !== '' ? `the function ${name}` : 'a function';
  } catch {
    return 'a function';
  }
}

function describeObject(value: unknown): string {
  if (value === null) return 'null';
  try {
    if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : `an array of length ${value.length}`;
    const name = (value as object).constructor?.name;
    return typeof name === 'string' && name !== '' && name !== 'Object' ? `a ${name}` : 'an object';
  } catch {
    return 'an object';
  }
}

/** The stack of an error, or of what a processor threw; undefined for what has none. Never throws. */
export function stackOf(error: unknown): string | undefined {
  try {
    const { stack } = (error instanceof ProcessorError && error.cause instanceof Error ? error.cause : error) as Error;
    return typeof stack === 'string' ? stack : undefined;
  } catch {
    return undefined;
  }
}
