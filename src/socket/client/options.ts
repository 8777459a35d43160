import type { ConnectionOptions } from 'node:tls';
import type { Logger } from '../../core/log.ts';
import type { DeadLetterSink, FlushOptions } from '../../emitter/index.ts';
import type { Clock } from '../../schedule/clock.ts';
import type { EventStore, StoreOverflow } from '../../store/index.ts';

/** Options of a {@link SocketEmitter}. All durations are milliseconds, and at most 2,147,483,647; all sizes are bytes. */
export interface SocketEmitterOptions {
  /** The Unix socket of the daemon. Either this, or `host` and `port`. */
  readonly path?: string | undefined;
  /** The host of a daemon that listens on TCP. */
  readonly host?: string | undefined;
  /** From 1 to 65,535. */
  readonly port?: number | undefined;
  /**
   * Speaks TLS: `true`, or what `tls.connect` of Node wants to know (`ca`, `servername`). With `host` and `port` alone.
   * @default false
   */
  readonly tls?: boolean | ConnectionOptions | undefined;
  /** What the daemon wants to hear, if it was started with a token. */
  readonly token?: string | undefined;
  /**
   * The name under which the daemon knows this emitter: 1 to 150 characters. No other process and no other emitter may use
   * it, and no earlier one may have; if the daemon knows it already, a random part is added.
   * @default the name of the host, the id of the process and a random UUID
   */
  readonly client?: string | undefined;
  /**
   * The most events that it holds in memory, those that wait for their acknowledgement too; at least 1.
   * @default 10_000
   */
  readonly bufferCapacity?: number | undefined;
  /**
   * What becomes of an event for which there is no room: it is refused, or the oldest that was not sent yet is thrown out
   * for it.
   * @default 'dropNewest'
   */
  readonly overflow?: StoreOverflow | undefined;
  /**
   * The most events in a frame; at least 1.
   * @default 100
   */
  readonly batchSize?: number | undefined;
  /**
   * While so many bytes of frames are sent and not acknowledged, no other is sent; at least 1.
   * @default 1_048_576
   */
  readonly windowBytes?: number | undefined;
  /**
   * How long `store` waits for the acknowledgement, and `flush` for all of them; at least 1.
   * @default 30_000
   */
  readonly storeTimeout?: number | undefined;
  /**
   * How long the daemon may take to accept the connection and to answer the hello; at least 1.
   * @default 5_000
   */
  readonly connectTimeout?: number | undefined;
  /**
   * The most that is waited between two attempts to connect, or to send what the daemon has no room for; at least 0.
   * @default 5_000
   */
  readonly maxRetryDelay?: number | undefined;
  /**
   * Keeps events while the daemon is away, or has no room; what it holds already is sent too. It is opened, but never
   * closed, by the emitter, and must serve nothing else that takes from it. An event that it refuses waits in memory, as
   * without one.
   */
  readonly spill?: EventStore | undefined;
  /**
   * Where events go that nobody will send any more: those that the daemon refuses for good, that are thrown out for younger
   * ones, or that are left at the end and have no `spill` to go to. If it fails, or there is none, they are logged as lost,
   * and counted.
   */
  readonly deadLetter?: DeadLetterSink | undefined;
  /** Told of what goes wrong, never of events; without one, what loses events becomes a process warning. */
  readonly logger?: Logger | undefined;
  /**
   * @default the machine's
   */
  readonly clock?: Clock | undefined;
}

/** Options of {@link SocketEmitter.flush}. */
export interface SocketFlushOptions extends FlushOptions {
  /**
   * The longest that it waits, in milliseconds; `Infinity` is allowed.
   * @default `storeTimeout`
   */
  readonly timeout?: number | undefined;
}
