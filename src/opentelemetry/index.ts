/**
 * Spans and metrics of OpenTelemetry, by its conventions for messaging. Needs `@opentelemetry/api`.
 *
 * ```ts
 * import { NodeSDK } from '@opentelemetry/sdk-node';
 * import { CollectorQueueInstrumentation } from 'collector-queue/opentelemetry';
 *
 * new NodeSDK({ instrumentations: [new CollectorQueueInstrumentation()] }).start();
 * ```
 *
 * @module
 */

export { InvalidArgumentError } from '../core/errors.ts';
export { CollectorQueueInstrumentation } from './instrumentation.ts';
export type { InstrumentationOptions, InstrumentationSettings } from './options.ts';
