/**
 * The in-process event pipeline for Node services: publish a payload, an autoscaling pool of async consumers takes it
 * from a FIFO, LIFO or priority queue, a router hands it to the right collectors, and the send gives back an event that
 * settles to a list of `Ok`/`Err` results.
 *
 * ```ts
 * import { Collector, CollectorQueue } from 'collector-queue';
 *
 * const square = new Collector('square', async (payload) => payload.value ** 2);
 * const queue = new CollectorQueue([square]);
 * const results = await queue.run((publisher) => publisher.publish(7).wait());
 * console.log(results.first().unwrapOr(0)); // 49
 * ```
 *
 * @module
 */

export type { Result, ResultAsync } from 'neverthrow';
export { Err, err, errAsync, Ok, ok, okAsync } from 'neverthrow';
export { Overflow } from './core/admission.ts';
export {
  type BatchCall,
  BatchCollector,
  type BatchCollectorOptions,
  type BatchItem,
  type BatchOptions,
  type BatchProcessor,
} from './core/batch-collector.ts';
export type {
  AnyCollector,
  Attempt,
  CollectorOptions,
  Context,
  ErrorOf,
  Processor,
  ValueOf,
} from './core/collector.ts';
export { Collector } from './core/collector.ts';
export { Delivery, QueueType } from './core/delivery.ts';
export type { SchemaIssue } from './core/errors.ts';
export {
  BrokenSchemaError,
  CancelledError,
  ClearedError,
  CollectorQueueError,
  DeliveryTimeoutError,
  DroppedError,
  ErrorCode,
  ExpiredError,
  InvalidArgumentError,
  LifecycleError,
  NotInitializedError,
  ParkedFullError,
  ProcessorError,
  QueueAbortedError,
  QueueClosedError,
  QueueFullError,
  RevokedError,
  RouterError,
  RouterTimeoutError,
  SchemaError,
  ShutdownTimeoutError,
  UnroutedError,
  WaitTimeoutError,
} from './core/errors.ts';
export type { CollectorEvent, EventStatus, WaitOptions } from './core/event.ts';
export type { FlowOptions, RateLimitOptions } from './core/flow-options.ts';
export type { SendHeaders } from './core/headers.ts';
export type { HealthOptions, QueueHealth, RunningTask } from './core/health.ts';
export type { ResultsOptions } from './core/kept-results.ts';
export type { LatencyFigures, LatencyMetrics, LatencyOptions } from './core/latency.ts';
export type { Extension, Lifecycle, LifecycleGenerator, LifecycleObject } from './core/lifecycle.ts';
export type { QueueState } from './core/lifetime.ts';
export type { Logger } from './core/log.ts';
export type { QueueMetrics } from './core/metrics.ts';
export type { QueueOptions, Scaling } from './core/options.ts';
export type { PayloadOptions } from './core/payload.ts';
export { Payload } from './core/payload.ts';
export { EventPublisher } from './core/publisher.ts';
export type { RevokeOptions } from './core/queue.ts';
export { CollectorQueue } from './core/queue.ts';
export type { AnyResultOf, Outcome, Outcomes, ResultOf } from './core/results.ts';
export { ResultList } from './core/results.ts';
export type { Collectors, Deliver, RouterClass } from './core/router.ts';
export { Router } from './core/router.ts';
export type { EveryOptions } from './core/schedules.ts';
export type { ShutdownOptions } from './core/shutdown-options.ts';
export { SimpleRouter } from './core/simple-router.ts';
export type { CollectorTaskOptions, RetryOptions, SendOptions, TaskOptions } from './core/task-options.ts';
export type { TopicInputs, TopicSchemas } from './core/topic-schemas.ts';
export type { SendTrace, TaskCompanion, TaskTrace, TracedEngine } from './core/tracing.ts';
export { TracingChannelName } from './core/tracing.ts';
export type {
  AnyTopics,
  Explained,
  Intersection,
  IsAny,
  KeyName,
  KeysIn,
  OutcomesFor,
  OutcomesOf,
  Sendable,
  TakenBy,
  TakenByAll,
  TopicName,
  TopicsIn,
  TopicTypes,
  ValueFor,
  ValueOfTopics,
  WithKey,
} from './core/types.ts';
export { topicTypes } from './core/types.ts';
export type { RetryTaskOptions } from './policies/control.ts';
export { CancelTask, RetryTask, TaskControl } from './policies/control.ts';
export type { DeadLetter } from './policies/dead-letter.ts';
export type { Middleware, Next, PolicyTask, TaskPolicy } from './policies/policy.ts';
export type {
  EndedTaskQueueEvent,
  FailedPayloadQueueEvent,
  FailedTaskQueueEvent,
  InternalErrorQueueEvent,
  LockedQueueEvent,
  ParkedQueueEvent,
  ParkReason,
  PayloadQueueEvent,
  PeriodicQueueEvent,
  QueueEventBase,
  QueueEventMap,
  RevokedQueueEvent,
  SaturatedQueueEvent,
  ScaledQueueEvent,
  ScheduledQueueEvent,
  SchedulingPeriodicQueueEvent,
  TaskQueueEvent,
  TroubledTaskQueueEvent,
} from './queue-events/names.ts';
export { QueueEventName } from './queue-events/names.ts';
export type { QueueEventListener, QueueEvents } from './queue-events/queue-events.ts';
export type { QueueEventStream } from './queue-events/stream.ts';
export type { StreamOptions } from './queue-events/stream-options.ts';
export type { Clock, Timer } from './schedule/clock.ts';
export type { PeriodicHandle, PeriodicOptions } from './schedule/periodic.ts';
