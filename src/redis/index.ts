/**
 * Redis as the next stop of events: a list that an emitter fills and a forwarder empties, and queue events that other
 * processes hear of.
 *
 * ```ts
 * import { RedisEmitter } from 'collector-queue/redis';
 *
 * const emitter = new RedisEmitter('redis://localhost:6379', { deadLetter: (events, reason) => console.error(reason, events) });
 * emitter.input({ e: 'pv', page: 'Home' });
 * await emitter.close();
 * ```
 *
 * @module
 */

export { InvalidArgumentError, MissingPackageError, UnusablePackageError } from '../core/errors.ts';
export type { CloseReport } from '../emitter/index.ts';
export { BullMQEmitter, type BullMQEmitterOptions, type JobAdded } from './bullmq-emitter.ts';
export { BullMQEmitterWorker, type BullMQEmitterWorkerOptions } from './bullmq-emitter-worker.ts';
export type { BullMQTarget } from './bullmq-link.ts';
export { RedisConnectionError, RedisReplyError } from './errors.ts';
export type { RemoteErrorInfo, RemoteQueueEvent } from './event-lines.ts';
export type { RedisForwarderOptions } from './forwarder-options.ts';
export {
  type ListenQueueEventsOptions,
  listenQueueEvents,
  type RemoteQueueEventStream,
} from './listen-queue-events.ts';
export type { RedisDelivered, RedisEmitterOptions } from './options.ts';
export {
  type PublishQueueEventsOptions,
  publishQueueEvents,
  type QueueEventPublication,
} from './publish-queue-events.ts';
export { RedisEmitter } from './redis-emitter.ts';
export {
  RedisForwarder,
  type RedisForwarderMetrics,
  type StopOptions,
  type StopReport,
} from './redis-forwarder.ts';
export type { IoredisClient, NodeRedisClient, RedisTarget } from './target.ts';
