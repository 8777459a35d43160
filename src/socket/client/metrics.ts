/** What a {@link SocketEmitter} has done since it was made, and what it holds now. */
export interface SocketEmitterMetrics {
  /** Events in memory now: those that wait, that are sent and not acknowledged, and that are on their way to the spill. */
  readonly size: number;
  /** Of these, how many have a number, and wait for their acknowledgement. */
  readonly unacknowledged: number;
  /** Events that were taken. */
  readonly accepted: number;
  /** Events that the daemon has acknowledged as durable. */
  readonly acknowledged: number;
  /** Events that were not taken: full, closed. */
  readonly refused: number;
  /** Events that were taken, and never sent: thrown out for younger ones, or withdrawn when their `store` timed out. */
  readonly dropped: number;
  /** Events that went to the dead letter, or would have if there was one. Those that were dropped are not among them. */
  readonly deadLettered: number;
  /** Events that went to the spill. They are counted once more when they are acknowledged. */
  readonly spilled: number;
  /** How often it was connected again, after the first time. */
  readonly reconnects: number;
  /** Bytes of frames that were sent, repeats too. */
  readonly bytes: number;
  /** Whether the daemon is there now. */
  readonly connected: boolean;
}

/** The counts among them. */
export class Counters {
  accepted = 0;
  acknowledged = 0;
  refused = 0;
  dropped = 0;
  deadLettered = 0;
  spilled = 0;
  reconnects = 0;
  bytes = 0;
}
