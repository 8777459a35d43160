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
 * @module
 */

export { InvalidArgumentError } from '../core/errors.ts';
export type { Ack, EmitterCollector, EmitterCollectorOptions } from './collector.ts';
export { CLOSE_TIMEOUT, checkEmitter, emitterCollector } from './collector.ts';
export { type DeadLetterSink, handOver } from './dead-letter.ts';
export type { CloseOptions, Emitter, FlushOptions } from './emitter.ts';
export { EmitterClosedError } from './errors.ts';
export type { EmitterEvent } from './event.ts';
export { snapshotEvent, snapshotStrings } from './event.ts';
