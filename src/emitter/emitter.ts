import type { Result } from 'neverthrow';
import type { EmitterEvent } from './event.ts';

/** Options of {@link Emitter.flush}. */
export interface FlushOptions {
  /**
   * Whether the promise waits for the outcome; otherwise it resolves at once.
   * @default true
   */
  readonly wait?: boolean | undefined;
}

/** Options of {@link Emitter.close}. */
export interface CloseOptions {
  /**
   * The longest that it may take, in milliseconds.
   * @default 10_000
   */
  readonly timeout?: number | undefined;
}

/**
 * Sends events to an outside system. Everything that does so has this face, so that applications, and
 * {@link emitterCollector}, need not know which one it is.
 *
 * Load and state (full, closed) are no misuse: `input` answers `false`, the others resolve to an `Err`.
 */
export interface Emitter {
  /**
   * Makes it ready; again, if it was closed. Called when the collector is set up. An emitter that needs nothing has none.
   */
  open?(): Promise<void>;

  /**
   * Takes an event, and says at once whether it did: `false` if it is full or closed. Never waits, and tells nothing of
   * what becomes of the event.
   *
   * @throws {@link InvalidArgumentError} (a TypeError) that names the path of a value which cannot be carried.
   */
  input(event: EmitterEvent): boolean;

  /**
   * Resolves to `Ok` once the event is kept as safely as this emitter can; to an `Err` if it was not taken. Does not wait
   * for room, and never rejects.
   */
  store(event: EmitterEvent): Promise<Result<unknown, Error>>;

  /**
   * Resolves to the outcome of this very event: `Ok` once the other side took it, `Err` once nobody will try any more.
   * Never rejects. An emitter that cannot tell has none.
   */
  deliver?(event: EmitterEvent): Promise<Result<unknown, Error>>;

  /** Resolves once every event that it holds now was sent, or has failed for now. */
  flush(options?: FlushOptions): Promise<unknown>;

  /** Refuses new events, flushes, and stops. Idempotent: every call shares one outcome. */
  close(options?: CloseOptions): Promise<unknown>;
}
