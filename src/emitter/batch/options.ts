import type { Logger } from '../../core/log.ts';
import type { Clock } from '../../schedule/clock.ts';
import type { EventStore, StoreOverflow } from '../../store/index.ts';
import type { DeadLetterSink } from '../dead-letter.ts';
import type { EmitterEvent } from '../event.ts';

/** What every emitter of batches tells `onSuccess` of an attempt. */
export interface AttemptSuccess {
  /** Failed attempts in a row before this one, plus 1. */
  readonly attempt: number;
  /** From the start of the attempt to its end. Milliseconds. */
  readonly duration: number;
}

/** What every emitter of batches tells `onFailure` of an attempt. */
export interface AttemptFailure {
  /** Why it failed; or what the dead letter failed with. */
  readonly error: Error;
  /** Whether the events will be sent again. If not, they went to the dead letter. */
  readonly willRetry: boolean;
  /** Failed attempts in a row, this one included. */
  readonly attempt: number;
  /** Milliseconds until the emitter tries again; 0 if at once, or never. */
  readonly delay: number;
}

/**
 * Options that every emitter of batches has. All durations are milliseconds, and at most 2,147,483,647: what a timer can
 * hold.
 *
 * @typeParam R - what the other side says when it takes a batch
 * @typeParam F - what else `onFailure` is told
 */
export interface BatchOptions<R extends object = object, F extends object = object> {
  /**
   * The most events of a batch, and how many must wait for it to leave before `flushInterval` is over; at least 1. Clamped
   * to the capacity of the buffer, with a warning.
   */
  readonly batchSize?: number | undefined;
  /**
   * The most bytes of a batch; at least 1. An event that alone is larger is sent alone.
   * @default Infinity
   */
  readonly byteLimit?: number | undefined;
  /**
   * The limit of one attempt, at least 1. A dead letter that returns a promise gets as long.
   * @default 30_000
   */
  readonly requestTimeout?: number | undefined;
  /**
   * The most that exponential back-off waits; at least 0.
   * @default 60_000
   */
  readonly maxRetryDelay?: number | undefined;
  /**
   * The most events that it holds in memory; at least 1. With an `eventStore`: that wait for the store to have them.
   * @default 10_000
   */
  readonly bufferCapacity?: number | undefined;
  /**
   * Where events wait. It is opened, but never closed, by the emitter; what it holds already is sent too. It must not
   * serve anything else that takes from it.
   * @default a `MemoryEventStore` of `bufferCapacity`
   */
  readonly eventStore?: EventStore | undefined;
  /** Told of each attempt that succeeded. What it throws is logged. */
  readonly onSuccess?: ((events: readonly EmitterEvent[], info: R & AttemptSuccess) => unknown) | undefined;
  /**
   * Told of each attempt that failed: how many events of the same batch were sent before, and those of this attempt. What
   * it throws is logged.
   */
  readonly onFailure?:
    | ((sentCount: number, failedEvents: readonly EmitterEvent[], info: F & AttemptFailure) => unknown)
    | undefined;
  /**
   * Parallel attempts; at least 1. Above 1, events may arrive in another order.
   * @default 1
   */
  readonly concurrency?: number | undefined;
  /**
   * How long an event may wait for its batch to fill, at least 1; `false` for as long as it takes.
   * @default 1_000
   */
  readonly flushInterval?: number | false | undefined;
  /**
   * What becomes of an event for which there is no room. Not with an `eventStore`, which decides by itself.
   * @default 'dropNewest'
   */
  readonly overflow?: StoreOverflow | undefined;
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
