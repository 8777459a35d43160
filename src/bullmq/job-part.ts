import type { Result } from 'neverthrow';
import type { Lane } from './lane.ts';
import type { Envelope } from './messages/seal.ts';
import type { RemoteEvent } from './remote-event.ts';

/** What BullMQ is told of a job. */
export interface JobOptions {
  readonly jobId: string;
  readonly delay?: number;
  readonly priority?: number;
  readonly lifo?: boolean;
}

/**
 * One job of an event, for one collector.
 *
 * held: in memory, until Redis has acknowledged it; sent: in Redis; withdrawn: cancelled before that; failed: refused.
 */
export class JobPart {
  readonly event: RemoteEvent;
  readonly lane: Lane;
  readonly jobId: string;
  /** When it is due; milliseconds since the Unix epoch. */
  readonly due: number;
  /** Let go once Redis has it: an event may be kept for long. */
  data: Envelope | undefined;
  options: JobOptions | undefined;
  /** It was given to the connection at least once: a worker may have it, whether Redis has answered or not. */
  left = false;
  phase: 'held' | 'sent' | 'withdrawn' | 'failed' = 'held';
  result: Result<unknown, unknown> | undefined = undefined;
  /** Whether somebody waits for it. */
  watched = false;
  /** Its result may be there already. */
  toLookUp = false;
  /** Its result may have been told, unheard, and not be there yet. */
  toLookUpTwice = false;
  /** When it was looked up last, or began to be watched, on the queue's clock. */
  lookedAt = 0;
  /** Nobody wants it any more: it is to be taken out of Redis. */
  unwanted = false;
  /** Since when it is looked for in vain, on the queue's clock. */
  missingSince: number | undefined = undefined;
  /** Why what was told of it was not believed. */
  disbelief: Error | undefined = undefined;

  constructor(event: RemoteEvent, lane: Lane, data: Envelope, options: JobOptions) {
    this.event = event;
    this.lane = lane;
    this.jobId = options.jobId;
    this.due = data.due;
    this.data = data;
    this.options = options;
  }

  get key(): string {
    return this.lane.key;
  }

  done(result: Result<unknown, unknown>): void {
    this.event.partDone(this, result);
  }
}
