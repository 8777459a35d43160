/**
 * The same collectors on BullMQ: payloads wait in Redis, and any number of processes work on them.
 *
 * ```ts
 * import { Collector, ok } from 'collector-queue';
 * import { BullMQCollectorQueue } from 'collector-queue/bullmq';
 *
 * const square = new Collector('square', async (payload) => ok(payload.value ** 2));
 * const queue = new BullMQCollectorQueue([square], { connection: 'redis://localhost:6379' });
 * const results = await queue.run((publisher) => publisher.publish(7).wait());
 * console.log(results.first().unwrapOr(0)); // 49
 * ```
 *
 * @module
 */

export {
  InvalidArgumentError,
  LifecycleError,
  MissingPackageError,
  NotInitializedError,
  QueueClosedError,
  UnusablePackageError,
} from '../core/errors.ts';
export { BullMQCollectorQueue } from './bullmq-collector-queue.ts';
export {
  BrokerRefusedError,
  BrokerUnavailableError,
  JobLostError,
  NoCollectorsError,
  PoisonError,
} from './errors.ts';
export type { RedisHealth, RemoteHealth, RemoteHealthOptions } from './health.ts';
export type { CollectorCounts } from './inspection.ts';
export {
  RejectedMessageError,
  type RejectionReason,
  RemoteError,
  type RemoteErrorDetails,
  UnsendableResultError,
} from './messages/errors.ts';
export { jsonSerializer, type Serializer } from './messages/serializer.ts';
export type { Secret } from './messages/signing-key.ts';
export type { QuarantinedMessage } from './notes.ts';
export type { BullMQQueueOptions, ConcurrencyRange, Connection, KeepOptions, Role } from './options.ts';
export { type Observation, type ObservedQueue, QueueObserver, type QueueObserverOptions } from './queue-observer.ts';
export type { RemoteSendOptions } from './send-options.ts';
