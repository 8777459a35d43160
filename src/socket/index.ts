/**
 * Hands events to the spool daemon of the machine, which keeps and sends them: they survive the end of the process that
 * made them.
 *
 * ```ts
 * import { SocketEmitter } from 'collector-queue/socket';
 *
 * const emitter = new SocketEmitter({ path: '/run/collector-queue/daemon.sock' });
 * const stored = await emitter.store({ e: 'pv', p: 'srv', tv: 'example-1.0', url: 'https://example.com/' });
 * console.log(stored.isOk()); // the daemon has synced it to its disk
 * await emitter.close();
 * ```
 *
 * The daemon is the command `collector-queue daemon`, or a {@link SpoolDaemon} of your own.
 *
 * @module
 */

export { InvalidArgumentError } from '../core/errors.ts';
export {
  type SocketCloseReport,
  SocketEmitter,
  type SocketEmitterMetrics,
  type SocketEmitterOptions,
  type SocketFlushOptions,
} from './client/index.ts';
export { type Control, controlOf, type SpoolStores, type VerifyReport } from './control.ts';
export { askSpool, greetSpool, type SpoolAddress } from './control-client.ts';
export { SpoolDaemon, type StopReport } from './daemon.ts';
export { DeadLetters, type SpooledDeadLetter } from './dead-letters.ts';
export { ListenError, SpoolRefusedError, SpoolTimeoutError, SpoolUnreachableError } from './errors.ts';
export { HealthServer } from './health.ts';
export { type ListenAddress, nameOf as listenAddressName, parseListenAddress } from './listen-address.ts';
export { prometheusText, type SpoolMetrics } from './metrics.ts';
export type { ForwardOptions, SpoolDaemonOptions } from './options.ts';
export { PROTOCOL_VERSION, SPOOL_ERRORS, type SpoolErrorCode } from './protocol.ts';
export type { Certificate } from './spool-server.ts';
