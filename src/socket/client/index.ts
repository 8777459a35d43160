export type { SocketEmitterMetrics } from './metrics.ts';
export type { SocketEmitterOptions, SocketFlushOptions } from './options.ts';
export { type SocketCloseReport, SocketEmitter } from './socket-emitter.ts';
