/** The names of the queue events. */
export const QueueEventName = {
  ENQUEUED: 'enqueued',
  REJECTED: 'rejected',
  DROPPED: 'dropped',
  UNROUTED: 'unrouted',
  SCHEDULED: 'scheduled',
  STARTED: 'started',
  FINISHED: 'finished',
  ERROR_TASK: 'error-task',
  RETRYING: 'retrying',
  TIMEOUT: 'timeout',
  EXPIRED: 'expired',
  LOCKED: 'locked',
  PARKED: 'parked',
  REVOKED: 'revoked',
  DEAD_LETTERED: 'dead-lettered',
  CHECKING_PERIODIC: 'checking-periodic',
  SCHEDULING_PERIODIC: 'scheduling-periodic',
  SCALED: 'scaled',
  SATURATED: 'saturated',
  PAUSED: 'paused',
  RESUMED: 'resumed',
  IDLE: 'idle',
  DRAINED: 'drained',
  SHUTDOWN: 'shutdown',
  ERROR_ENQUEUEING: 'error-enqueueing',
  ERROR_DEQUEUEING: 'error-dequeueing',
  ERROR_SCHEDULING: 'error-scheduling',
  ERROR_STORING_RESULT: 'error-storing-result',
  ERROR_INTERNAL: 'error-internal',
} as const;
export type QueueEventName = (typeof QueueEventName)[keyof typeof QueueEventName];

/** What every queue event carries. */
export interface QueueEventBase<N extends QueueEventName> {
  /** The name of the event, so that a listener for several can tell them apart. */
  readonly status: N;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
}

/** An event of a whole payload. */
export interface PayloadQueueEvent<N extends QueueEventName> extends QueueEventBase<N> {
  /** The id of the CollectorEvent that the sender holds. */
  readonly id: string;
}

/** An event of a payload that failed as a whole. */
export interface FailedPayloadQueueEvent<N extends QueueEventName> extends PayloadQueueEvent<N> {
  readonly error: unknown;
}

/** An event of one task: one payload for one collector. */
export interface TaskQueueEvent<N extends QueueEventName> extends PayloadQueueEvent<N> {
  /** The key of the collector. */
  readonly task: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Attempts that are left after this one. */
  readonly retries: number;
  /** Milliseconds until the next attempt, where one is planned. */
  readonly retryDelay: number | undefined;
  /** When the next attempt is due, where one is planned; milliseconds since the Unix epoch. */
  readonly executeTime: number | undefined;
}

/** A task that meets an error on its way. */
export interface TroubledTaskQueueEvent<N extends QueueEventName> extends TaskQueueEvent<N> {
  readonly error: unknown;
}

/** The end of a task. */
export interface EndedTaskQueueEvent<N extends QueueEventName> extends TaskQueueEvent<N> {
  /** Milliseconds from the start of the attempt to its end; undefined if nobody listened when it started. */
  readonly duration: number | undefined;
}

/** A task that ended with an `Err`. */
export interface FailedTaskQueueEvent<N extends QueueEventName> extends EndedTaskQueueEvent<N> {
  /** What the `Err` holds. */
  readonly error: unknown;
  /** The stack of the error, or of its cause if a processor threw that; undefined for what has none. */
  readonly stack: string | undefined;
}

/** A payload, or one task of it, waits for its time. */
export interface ScheduledQueueEvent extends PayloadQueueEvent<'scheduled'> {
  /** The key of the collector; undefined if the whole payload waits. */
  readonly task: string | undefined;
  /** Milliseconds until then. */
  readonly delay: number;
  /** Milliseconds since the Unix epoch. */
  readonly executeTime: number;
}

/** A task found its lock taken. */
export interface LockedQueueEvent extends TaskQueueEvent<'locked'> {
  /** The name of the lock. */
  readonly lock: string;
}

/**
 * What a parked task waits for, named after the option that makes it wait; all but `retry` before an attempt:
 *
 * - `partition`: its turn among the tasks of its key (`partitionBy`, `partitionKey`)
 * - `delay`: its time (`delay` or `at` of its collector)
 * - `policy`: a policy of your own (`policies` of its collector)
 * - `batch`: company, or the call for its batch (`batch`)
 * - `rate-limit`: its turn to begin (`rateLimit`)
 * - `concurrency`: a free slot (`concurrency`)
 * - `lock`: its lock (`lock`)
 * - `retry`: its next attempt (`retry`, `RetryTask`)
 */
export type ParkReason = 'partition' | 'delay' | 'policy' | 'batch' | 'rate-limit' | 'concurrency' | 'lock' | 'retry';

/** A task was parked. */
export interface ParkedQueueEvent extends TaskQueueEvent<'parked'> {
  /** What it waits for. Once it is there, the task is asked about again, and may be parked for another reason. */
  readonly reason: ParkReason;
}

/** A payload was cancelled, or one task of it was refused because its collector is revoked. */
export interface RevokedQueueEvent extends FailedPayloadQueueEvent<'revoked'> {
  /** The key of the collector; undefined if it is the whole payload. */
  readonly task: string | undefined;
}

/** A schedule is looked at, or publishes. */
export interface PeriodicQueueEvent<N extends QueueEventName> extends QueueEventBase<N> {
  /** The name of the schedule. */
  readonly schedule: string;
  /** Runs that were missed since the last one: the one before was not over, or the process was not there. */
  readonly missed: number;
}

/** A schedule has published a payload. */
export interface SchedulingPeriodicQueueEvent extends PeriodicQueueEvent<'scheduling-periodic'> {
  /** The id of the CollectorEvent of the payload. */
  readonly id: string;
}

/** A change of the number of consumers. */
export interface ScaledQueueEvent extends QueueEventBase<'scaled'> {
  readonly from: number;
  readonly to: number;
}

/** More work was left behind by time limits than `maxAbandoned` allows. */
export interface SaturatedQueueEvent extends QueueEventBase<'saturated'> {
  /** How much runs on although nobody waits for it any more. Each keeps a consumer. */
  readonly abandoned: number;
}

/** An error that has no event of a payload to settle. */
export interface InternalErrorQueueEvent<N extends QueueEventName = 'error-internal'> extends QueueEventBase<N> {
  /** What failed: `listener of "finished"`. */
  readonly source: string;
  readonly error: unknown;
}

/** The queue events by name. */
export interface QueueEventMap {
  /** A payload was accepted. */
  readonly enqueued: PayloadQueueEvent<'enqueued'>;
  /** A payload was refused: the queue is full or closed, or its signal had fired. */
  readonly rejected: FailedPayloadQueueEvent<'rejected'>;
  /** An accepted payload was dropped by an overflow. */
  readonly dropped: FailedPayloadQueueEvent<'dropped'>;
  /** No collector matched a payload. */
  readonly unrouted: PayloadQueueEvent<'unrouted'>;
  /** A payload or a task waits for its time: `delay`, `at`, or a retry that has a delay. */
  readonly scheduled: ScheduledQueueEvent;
  /** A collector's processor is about to be called. */
  readonly started: TaskQueueEvent<'started'>;
  /** A task ended with an `Ok`. */
  readonly finished: EndedTaskQueueEvent<'finished'>;
  /** A task ended with an `Err`, for good. */
  readonly 'error-task': FailedTaskQueueEvent<'error-task'>;
  /** An attempt failed, and another one follows. */
  readonly retrying: TroubledTaskQueueEvent<'retrying'>;
  /** An attempt exceeded its time limit. `retrying` or `error-task` follows. */
  readonly timeout: TroubledTaskQueueEvent<'timeout'>;
  /** A task was not attempted because it had expired. `error-task` follows. */
  readonly expired: TroubledTaskQueueEvent<'expired'>;
  /** A task found its lock taken, and will try again. */
  readonly locked: LockedQueueEvent;
  /** A task was parked by a policy. */
  readonly parked: ParkedQueueEvent;
  /** An accepted payload was cancelled, cleared or given up at shutdown; or a task of a revoked collector was refused. */
  readonly revoked: RevokedQueueEvent;
  /** A task that failed for good was handed to its dead letter. */
  readonly 'dead-lettered': TroubledTaskQueueEvent<'dead-lettered'>;
  /** The time of a schedule has come. */
  readonly 'checking-periodic': PeriodicQueueEvent<'checking-periodic'>;
  /** A schedule has published a payload. */
  readonly 'scheduling-periodic': SchedulingPeriodicQueueEvent;
  /** The number of consumers changed. */
  readonly scaled: ScaledQueueEvent;
  /** More work was left behind than `maxAbandoned` allows; told each time that limit is passed. */
  readonly saturated: SaturatedQueueEvent;
  /** `pause()` took effect. */
  readonly paused: QueueEventBase<'paused'>;
  /** `resume()` took effect. */
  readonly resumed: QueueEventBase<'resumed'>;
  /** Everything accepted has settled, and no consumer is busy. */
  readonly idle: QueueEventBase<'idle'>;
  /** A shutdown has seen everything accepted settle within its time limit. */
  readonly drained: QueueEventBase<'drained'>;
  /** A shutdown is complete. */
  readonly shutdown: QueueEventBase<'shutdown'>;
  /** A payload that the queue itself sends, a schedule's or a dead letter, was refused. */
  readonly 'error-enqueueing': InternalErrorQueueEvent<'error-enqueueing'>;
  /** A payload was taken, and its router failed. */
  readonly 'error-dequeueing': FailedPayloadQueueEvent<'error-dequeueing'>;
  /** A schedule could not make its payload. */
  readonly 'error-scheduling': InternalErrorQueueEvent<'error-scheduling'>;
  /** A result could not be kept. Never in process; for engines whose results leave the process. */
  readonly 'error-storing-result': FailedPayloadQueueEvent<'error-storing-result'>;
  /**
   * A listener, the filter of a stream, a policy or a function for dead letters threw or rejected; or something that
   * nobody listened for as `error-enqueueing` or `error-scheduling`.
   */
  readonly 'error-internal': InternalErrorQueueEvent;
}
