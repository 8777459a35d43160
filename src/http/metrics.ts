import type { BatchEmitterMetrics } from '../emitter/index.ts';

/** What an {@link HttpEmitter} has done since it was made, and what it holds now. */
export type HttpEmitterMetrics = BatchEmitterMetrics;
