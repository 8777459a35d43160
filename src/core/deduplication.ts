import type { Clock, Timer } from '../schedule/clock.ts';
import { ErrorCode } from './errors.ts';
import type { CollectorEvent, QueuedEvent } from './event.ts';
import type { Ledger } from './ledger.ts';
import { SharedSource } from './shared-event.ts';
import type { DedupeSettings } from './task-options.ts';

/** What was sent with a key. */
interface Sent {
  readonly source: SharedSource;
  /** Until then it counts even after it has settled; on the queue's clock. */
  readonly until: number;
}

/** Keys that mean nothing any more are let go of this often, in milliseconds. */
const SWEEP = 1_000;

/** Where there is no room for another key, they are looked at earlier: so many at once, of more so many per millisecond. */
const SWEPT_PER_MILLISECOND = 1_000;

/**
 * Sends that repeat one before them: nothing is done for them, and they share what becomes of it. A repeat comes while the
 * first is not settled, or within its window. What did not run to its end, because it was dropped, cancelled, given up,
 * leaves its key free at once.
 */
export class Deduplication {
  readonly #clock: Clock;
  readonly #ledger: Ledger;
  readonly #maxKeys: number;
  readonly #sent: Map<string, Sent> = new Map();
  #sweeper: Timer | undefined = undefined;
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, ledger: Ledger, maxKeys: number) {
    this.#clock = clock;
    this.#ledger = ledger;
    this.#maxKeys = maxKeys;
  }

  /** Whether a send with this key is a repeat. */
  knows({ key }: DedupeSettings): boolean {
    const known = this.#sent.get(key);
    return known !== undefined && counts(known, this.#clock.now());
  }

  /** Whether one more key would be one too many, of those that mean something. */
  isFullFor({ key }: DedupeSettings): boolean {
    if (this.#sent.size < this.#maxKeys || this.#sent.has(key)) return false;
    const now = this.#clock.now();
    // Nobody may make the queue look at a million keys for each send that it refuses.
    if (now - this.#sweptAt >= this.#sent.size / SWEPT_PER_MILLISECOND - 1) this.#sweep(now);
    return this.#sent.size >= this.#maxKeys;
  }

  /**
   * The event of a repeat, or of the first, which is sent by `send`. It must be accepted for the key to be remembered: what
   * is refused is tried again by the next.
   */
  send({ key, window }: DedupeSettings, signal: AbortSignal | undefined, send: () => QueuedEvent): CollectorEvent {
    const now = this.#clock.now();
    const known = this.#sent.get(key);
    if (known !== undefined && counts(known, now)) {
      this.#ledger.deduplicated++;
      return known.source.join(signal);
    }
    const event = send();
    this.#sent.delete(key);
    if (event.status === 'settled') return event;
    const source = new SharedSource(event);
    this.#sent.set(key, { source, until: now + window });
    this.#sweepLater();
    return source.join(signal);
  }

  /** Looks no more for keys to let go of. */
  stop(): void {
    this.#sweeper?.cancel();
  }

  #sweepLater(): void {
    this.#sweeper ??= this.#clock.setTimer(
      () => {
        this.#sweeper = undefined;
        this.#sweep(this.#clock.now());
        if (this.#sent.size > 0) this.#sweepLater();
      },
      SWEEP,
      true,
    );
  }

  #sweep(now: number): void {
    this.#sweptAt = now;
    for (const [key, sent] of this.#sent) if (!counts(sent, now)) this.#sent.delete(key);
  }
}

/** Whether a send with its key is a repeat. */
function counts({ source, until }: Sent, now: number): boolean {
  const list = source.event.getResult();
  if (list === undefined) return true;
  return now < until && !list.errs().some(isUndone);
}

/** What processors fail with is anything, and may throw when it is looked at. */
function isUndone(error: unknown): boolean {
  try {
    return UNDONE.has((error as { code?: unknown } | null | undefined)?.code);
  } catch {
    return false;
  }
}

/** Codes of what did not run to its end. */
const UNDONE: ReadonlySet<unknown> = new Set([
  ErrorCode.DROPPED,
  ErrorCode.PARKED_FULL,
  ErrorCode.EXPIRED,
  ErrorCode.REVOKED,
  ErrorCode.CANCELLED,
  ErrorCode.CLEARED,
  ErrorCode.QUEUE_CLOSED,
  ErrorCode.QUEUE_ABORTED,
  ErrorCode.SHUTDOWN_TIMEOUT,
]);
