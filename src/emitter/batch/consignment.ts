import type { StoredEvent } from '../../store/index.ts';
import type { EmitterEvent } from '../event.ts';

/** A batch that was taken from the store. */
export interface Consignment {
  readonly events: readonly StoredEvent[];
  /** Fires when the emitter closes, and ends all that is done for it. */
  readonly stop: AbortSignal;
  /** Called as soon as the store is told that so many of its events are not in flight any more. */
  readonly gone: (count: number) => void;
}

/** What was given back to the store of a batch. */
export interface Left {
  readonly left: number;
  /** Whether that is because the server is to be left alone for a while. */
  readonly failed: boolean;
}

/**
 * Takes batches to the other side. Every event of a batch is, in the end, sent, refused or released, by the emitter's
 * {@link BatchDesk}.
 */
export interface BatchCourier {
  /** The most events that it takes at once; how many must wait for that is `batchSize`. */
  readonly most: number;
  /** The bytes that are left for events in a batch; `Infinity` where nothing is measured. */
  readonly room: number;
  /** The bytes that an event takes of them; asked only where `room` is finite. */
  sizeOf(event: EmitterEvent): number;
  /** Never rejects. */
  deliver(consignment: Consignment): Promise<Left>;
}
