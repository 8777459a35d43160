/**
 * What every emitter has in common, and how one becomes a collector of a queue.
 *
 * ```ts
 * import { CollectorQueue, ok } from 'collector-queue';
 * import { type Emitter, emitterCollector } from 'collector-queue/emitter';
 *
 * const lines: string[] = [];
 * const emitter: Emitter = {
 *   input: (event) => lines.push(JSON.stringify(event)) > 0,
 *   store: async (event) => ok(lines.push(JSON.stringify(event))),
 *   flush: async () => undefined,
 *   close: async () => undefined,
 * };
 * const queue = new CollectorQueue([emitterCollector('lines', emitter)]);
 * await queue.run((publisher) => publisher.publish({ e: 'pv' }).wait());
 * console.log(lines); // [ '{"e":"pv"}' ]
 * ```
 *
 * An emitter of your own that sends batches need not do it all itself: a {@link BatchEmitter} is told how one batch
 * travels, and does the rest, as it does for those of `collector-queue/http` and `collector-queue/redis`.
 *
 * @module
 */

export { InvalidArgumentError } from '../core/errors.ts';
export { BatchEmitter, type BatchEmitterPlan, type CloseReport } from './batch/batch-emitter.ts';
export type { BatchCourier, Consignment, Left } from './batch/consignment.ts';
export { BatchDesk, type Trial, type TrialOutcome } from './batch/desk.ts';
export type { BatchEmitterMetrics } from './batch/metrics.ts';
export type { AttemptFailure, AttemptSuccess, BatchOptions } from './batch/options.ts';
export { PlainCourier, type PlainCourierPlan } from './batch/plain-courier.ts';
export { BATCH_OPTIONS, type BatchDefaults, type BatchSettings, resolveBatchOptions } from './batch/settings.ts';
export type { Ack, EmitterCollector, EmitterCollectorOptions } from './collector.ts';
export { CLOSE_TIMEOUT, checkEmitter, emitterCollector } from './collector.ts';
export { type DeadLetterSink, handOver } from './dead-letter.ts';
export type { CloseOptions, Emitter, FlushOptions } from './emitter.ts';
export { EmitterClosedError } from './errors.ts';
export type { EmitterEvent } from './event.ts';
export { snapshotEvent, snapshotStrings } from './event.ts';
