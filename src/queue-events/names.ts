/** The names of the queue events. */
export const QueueEventName = {
  ENQUEUED: 'enqueued',
  REJECTED: 'rejected',
  DROPPED: 'dropped',
  UNROUTED: 'unrouted',
  STARTED: 'started',
  FINISHED: 'finished',
  ERROR_TASK: 'error-task',
  PARKED: 'parked',
  REVOKED: 'revoked',
  SCALED: 'scaled',
  PAUSED: 'paused',
  RESUMED: 'resumed',
  IDLE: 'idle',
  DRAINED: 'drained',
  SHUTDOWN: 'shutdown',
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
}

/** A change of the number of consumers. */
export interface ScaledQueueEvent extends QueueEventBase<'scaled'> {
  readonly from: number;
  readonly to: number;
}

/** An error that has no event of a payload to settle. */
export interface InternalErrorQueueEvent extends QueueEventBase<'error-internal'> {
  /** What failed: `listener of "finished"`. */
  readonly source: string;
  readonly error: unknown;
}

/** The queue events by name. */
export interface QueueEventMap {
  /** A payload was accepted. */
  readonly enqueued: PayloadQueueEvent<'enqueued'>;
  /** A payload was refused: the queue is full or closed. */
  readonly rejected: FailedPayloadQueueEvent<'rejected'>;
  /** An accepted payload was dropped by an overflow. */
  readonly dropped: FailedPayloadQueueEvent<'dropped'>;
  /** No collector matched a payload. */
  readonly unrouted: PayloadQueueEvent<'unrouted'>;
  /** A collector's processor is about to be called. */
  readonly started: TaskQueueEvent<'started'>;
  /** A task ended with an `Ok`. */
  readonly finished: EndedTaskQueueEvent<'finished'>;
  /** A task ended with an `Err`. */
  readonly 'error-task': FailedTaskQueueEvent<'error-task'>;
  /** A task was parked by a policy. */
  readonly parked: TaskQueueEvent<'parked'>;
  /** An accepted payload was cancelled, cleared or given up at shutdown. */
  readonly revoked: FailedPayloadQueueEvent<'revoked'>;
  /** The number of consumers changed. */
  readonly scaled: ScaledQueueEvent;
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
  /** A listener threw or rejected. */
  readonly 'error-internal': InternalErrorQueueEvent;
}
