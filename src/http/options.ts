import type { Logger } from '../core/log.ts';
import type { DeadLetterSink, EmitterEvent } from '../emitter/index.ts';
import type { Clock } from '../schedule/clock.ts';
import type { EventStore, StoreOverflow } from '../store/index.ts';
import type { Codec } from './codec.ts';
import type { Method, Protocol } from './urls.ts';

/** What {@link HttpEmitterOptions.onSuccess} is told of an attempt. */
export interface SuccessInfo {
  /** What the server answered. */
  readonly status: number;
  /** Failed attempts in a row before this one, plus 1. */
  readonly attempt: number;
  /** From the start of the request to its end. Milliseconds. */
  readonly duration: number;
}

/** What {@link HttpEmitterOptions.onFailure} is told of an attempt. */
export interface FailureInfo {
  /** What the server answered; undefined if there was no answer. */
  readonly status: number | undefined;
  /** An {@link HttpStatusError}, an {@link HttpRequestError}, or what the dead letter failed with. */
  readonly error: Error;
  /** Whether the events will be sent again. If not, they went to the dead letter. */
  readonly willRetry: boolean;
  /** Failed attempts in a row, this one included. */
  readonly attempt: number;
  /** Milliseconds until the emitter tries again; 0 if at once, or never. */
  readonly delay: number;
}

/** At most so many requests begin in any window of this length. */
export interface RateLimit {
  /** A whole number of at least 1. */
  readonly requests: number;
  /** Milliseconds, at least 1. */
  readonly interval: number;
}

/** Options of an {@link HttpEmitter}. All durations are milliseconds, and at most 2,147,483,647: what a timer can hold. */
export interface HttpEmitterOptions {
  /**
   * Used where the endpoint names none.
   * @default 'https'
   */
  readonly protocol?: Protocol | undefined;
  /** From 1 to 65,535. Used where the endpoint names none. */
  readonly port?: number | undefined;
  /**
   * POST sends a batch in a request, GET one event.
   * @default 'post'
   */
  readonly method?: Method | undefined;
  /**
   * The most events of a request, and how many must wait for it to be made before `flushInterval` is over; at least 1.
   * Clamped to the capacity of the buffer, with a warning.
   * @default 10, or 1 with GET
   */
  readonly batchSize?: number | undefined;
  /**
   * The most bytes of a request's body (of a query, with GET), envelope included, before compression; and how many must wait
   * for it to be made. At least 1. An event that alone is larger is sent alone.
   * @default Infinity
   */
  readonly byteLimit?: number | undefined;
  /**
   * The limit of a whole exchange, at least 1: connecting, the headers of the reply, its body. A dead letter that returns a
   * promise gets as long.
   * @default 30_000
   */
  readonly requestTimeout?: number | undefined;
  /**
   * The most that exponential back-off waits; at least 0.
   * @default 60_000
   */
  readonly maxRetryDelay?: number | undefined;
  /**
   * The most that a server's `Retry-After` is waited for; at least 0.
   * @default 3_600_000
   */
  readonly maxRetryAfter?: number | undefined;
  /**
   * The most events that it holds in memory; at least 1. With an `eventStore`: that wait for the store to have them.
   * @default 10_000
   */
  readonly bufferCapacity?: number | undefined;
  /**
   * Whether events with an answer of this status are sent again, where that shall be otherwise: `{ 404: false, 401: true }`.
   * A success stays a success: 2xx is ignored, with a warning.
   * @default {}
   */
  readonly customRetryCodes?: Readonly<Record<number, boolean>> | undefined;
  /**
   * Whether a request of several events that is refused for what is in it (400, 422) is tried again in halves, so that the
   * events that are to blame become dead letters alone. At most 8 × log2(n) more requests for a batch of n; then what is
   * refused stays together. An answer that concerns the whole endpoint (401, 403, 410) never splits.
   * @default false
   */
  readonly splitRefused?: boolean | undefined;
  /**
   * Where events wait. It is opened, but never closed, by the emitter; what it holds already is sent too. It must not
   * serve anything else that takes from it.
   * @default a `MemoryEventStore` of `bufferCapacity`
   */
  readonly eventStore?: EventStore | undefined;
  /** Told of each request that succeeded. What it throws is logged. */
  readonly onSuccess?: ((events: readonly EmitterEvent[], info: SuccessInfo) => unknown) | undefined;
  /**
   * Told of each request that failed: how many events of the same batch were sent before, and those of this request. What
   * it throws is logged.
   */
  readonly onFailure?:
    | ((sentCount: number, failedEvents: readonly EmitterEvent[], info: FailureInfo) => unknown)
    | undefined;
  /**
   * Parallel requests; at least 1. Above 1, events may arrive in another order.
   * @default 1
   */
  readonly concurrency?: number | undefined;
  /** How many requests may begin within a time; no limit by default. */
  readonly rateLimit?: RateLimit | undefined;
  /**
   * How long an event may wait for its batch to fill, at least 1; `false` for as long as it takes.
   * @default 1_000
   */
  readonly flushInterval?: number | false | undefined;
  /**
   * Sent with each request; they win over those of the wire format. Without those of the connection: content-length,
   * transfer-encoding, keep-alive, expect, upgrade.
   */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /**
   * Asks the collector to anonymise, by the header `SP-Anonymous: *`.
   * @default false
   */
  readonly anonymous?: boolean | undefined;
  /**
   * The wire format.
   * @default snowplow()
   */
  readonly codec?: Codec | undefined;
  /**
   * What becomes of an event for which there is no room. Not with an `eventStore`, which decides by itself.
   * @default 'dropNewest'
   */
  readonly overflow?: StoreOverflow | undefined;
  /**
   * Bodies of more than so many bytes are sent with gzip.
   * @default undefined, which is never
   */
  readonly compression?: { readonly gzipAbove: number } | undefined;
  /**
   * Makes the requests.
   * @default the platform's
   */
  readonly fetch?: typeof fetch | undefined;
  /** Told of what goes wrong, never of events; without one, that becomes process warnings. */
  readonly logger?: Logger | undefined;
  /**
   * Where events go that will not be sent any more. They leave the store once it has them. If it fails, they stay, and are
   * tried again later. Without one they are logged as lost, and counted.
   */
  readonly deadLetter?: DeadLetterSink | undefined;
  /**
   * @default the machine's
   */
  readonly clock?: Clock | undefined;
}
