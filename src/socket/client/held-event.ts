import type { Result } from 'neverthrow';
import { describe, InvalidArgumentError } from '../../core/errors.ts';
import { type EmitterEvent, snapshotEvent } from '../../emitter/index.ts';
import type { EventId } from '../../store/index.ts';
import { OWNER } from './settings.ts';

/**
 * Where an event is that the emitter holds:
 *
 *     spilling → waiting   the spill refused it
 *     spilling → done      the spill has it
 *     waiting  → framed    it got a number, and may have been sent since
 *     waiting  → done      dropped, withdrawn, left at the end
 *     framed   → done      acknowledged, refused for good, left at the end
 */
export type Place = 'spilling' | 'waiting' | 'framed' | 'done';

/** An event as its JSON, written once however often it is sent, and who waits for what becomes of it. */
export class HeldEvent {
  readonly text: string;
  readonly bytes: number;
  /** Events are numbered as they are accepted. */
  readonly order: number;
  /** What the spill calls it, if it came from there. */
  readonly spillId: EventId | undefined;
  place: Place = 'waiting';
  /** Tells its `store` what became of it; undefined if nobody waits, or no longer. */
  settle: ((outcome: Result<void, Error>) => void) | undefined = undefined;
  /** When that is given up; a time of the clock. */
  deadline = 0;

  constructor(text: string, order: number, spillId?: EventId) {
    this.text = text;
    this.bytes = Buffer.byteLength(text);
    this.order = order;
    this.spillId = spillId;
  }

  /** The event itself again. */
  value(): EmitterEvent {
    return JSON.parse(this.text) as EmitterEvent;
  }
}

/** @throws {@link InvalidArgumentError} for what cannot be carried, and for an event that would be read as a frame. */
export function snapshotForSocket(event: EmitterEvent): EmitterEvent {
  const snapshot = snapshotEvent(OWNER, event);
  if (!Object.hasOwn(snapshot, '$')) return snapshot;
  throw new InvalidArgumentError(`${OWNER}: event.$`, 'left to the frames of the protocol', describe(snapshot.$));
}
