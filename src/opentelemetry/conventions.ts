/**
 * Names and values of the semantic conventions for messaging, 1.44 (in development):
 * https://opentelemetry.io/docs/specs/semconv/messaging/
 */

export const AttributeName = {
  SYSTEM: 'messaging.system',
  OPERATION_NAME: 'messaging.operation.name',
  OPERATION_TYPE: 'messaging.operation.type',
  DESTINATION: 'messaging.destination.name',
  MESSAGE_ID: 'messaging.message.id',
  BATCH_COUNT: 'messaging.batch.message_count',
  ERROR_TYPE: 'error.type',
  /** The way of a payload: `key`, `topic` or `broadcast`. */
  DELIVERY: 'messaging.collector_queue.delivery',
  TOPICS: 'messaging.collector_queue.topics',
  PRIORITY: 'messaging.collector_queue.priority',
  /** 1 for the first. */
  ATTEMPT: 'messaging.collector_queue.attempt',
} as const;

/** Both `messaging.operation.name` and `messaging.operation.type`. */
export type OperationName = 'send' | 'process';

export const MetricName = {
  SENT: 'messaging.client.sent.messages',
  CONSUMED: 'messaging.client.consumed.messages',
  SEND_DURATION: 'messaging.client.operation.duration',
  PROCESS_DURATION: 'messaging.process.duration',
} as const;

/** Bounds of the histograms, in seconds. */
export const DURATION_BUCKETS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

/** In place of a label that has no name of its own. */
export const OTHER = '_OTHER';
