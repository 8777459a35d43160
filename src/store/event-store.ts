import type { Result } from 'neverthrow';
import type { EmitterEvent } from '../emitter/index.ts';
import type { StoreRefusal } from './errors.ts';

/** Names a stored event, as long as it is stored. Two equal events have two. */
export type EventId = number | string;

/** An event with the id that it was given. */
export interface StoredEvent {
  readonly id: EventId;
  readonly event: EmitterEvent;
}

/** How much {@link EventStore.take} may hand out. */
export interface TakeLimits {
  /** At most so many events; a whole number of at least 1. */
  readonly count: number;
  /**
   * At most so many bytes, counting each event as its JSON; but one event at least, however large it is.
   * @default Infinity
   */
  readonly bytes?: number | undefined;
}

/** What becomes of an event for which there is no room. */
export const StoreOverflow = {
  /** It is refused. */
  DROP_NEWEST: 'dropNewest',
  /** The oldest event that is not in flight is thrown out for it. */
  DROP_OLDEST: 'dropOldest',
} as const;
export type StoreOverflow = (typeof StoreOverflow)[keyof typeof StoreOverflow];

/**
 * Where an emitter keeps what is not yet delivered. Oldest first; bounded; removal is by id, never by position.
 *
 * An event is waiting, then in flight (handed out by `take`), then gone (`ack`) or waiting again (`release`), as old as
 * it was. What is in flight is not handed out a second time; if the store outlives the process, what was in flight
 * when it ended waits again. Whoever made a store closes it.
 */
export interface EventStore {
  /** How many events it holds, those in flight too. */
  readonly size: number;
  /**
   * How many it can hold, if that is known: `input` of an emitter can then refuse at once.
   */
  readonly capacity?: number;
  readonly overflow?: StoreOverflow;

  /** Makes a store ready that needs it; the other methods do so by themselves. */
  open?(): Promise<void>;

  /**
   * Keeps an event: resolves to `Ok(id)` once it is as safe as this store can make it, or to an `Err` with the reason. Never
   * rejects.
   */
  add(event: EmitterEvent): Promise<Result<EventId, StoreRefusal>>;

  /** The same, at once. A store has it if it needs no input or output to keep an event. */
  addNow?(event: EmitterEvent): Result<EventId, StoreRefusal>;

  /**
   * Hands out the oldest events that wait; an empty list if there are none. They are in flight until `ack` or `release`.
   * Rejects if the store cannot be opened or read; a later call may succeed.
   */
  take(limits: TakeLimits): Promise<StoredEvent[]>;

  /** Removes events for good. An id that it does not hold is ignored. */
  ack(ids: readonly EventId[]): Promise<void>;

  /** Lets events wait again. An id that is not in flight is ignored. */
  release(ids: readonly EventId[]): Promise<void>;

  /** Calls back with each event that is thrown out for another. Returns what ends that. */
  onDrop?(listener: DropListener): () => void;

  /** Calls back when events have come, whoever added them. Returns what ends that. */
  onAdd?(listener: () => void): () => void;

  /** Refuses new events and lets go of what it uses. Idempotent. */
  close(): Promise<void>;
}

/** Told of an event that was thrown out for another. */
export type DropListener = (dropped: StoredEvent) => void;
