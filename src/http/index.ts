/**
 * Sends events over HTTP, in batches, with retries, bounds and, if you like, a durable store.
 *
 * ```ts
 * import { HttpEmitter } from 'collector-queue/http';
 *
 * const emitter = new HttpEmitter('collector.example.com', {
 *   onFailure: (_sent, events, { error, willRetry }) => console.error(events.length, error.message, willRetry),
 * });
 * emitter.input({ e: 'pv', p: 'srv', tv: 'example-1.0', url: 'https://example.com/' });
 * await emitter.close();
 * ```
 *
 * @module
 */

export { InvalidArgumentError } from '../core/errors.ts';
export type { CloseReport, DeadLetterSink } from '../emitter/index.ts';
export type { Codec } from './codec.ts';
export type { Delivered, FailedStatus } from './delivered.ts';
export { HttpRequestError, HttpStatusError } from './errors.ts';
export { HttpEmitter } from './http-emitter.ts';
export { json, ndjson } from './json.ts';
export type { HttpEmitterMetrics } from './metrics.ts';
export type { FailureInfo, HttpEmitterOptions, RateLimit, SuccessInfo } from './options.ts';
export { passthrough, snowplow } from './snowplow.ts';
export type { Method, Protocol } from './urls.ts';
