/** What an emitter of batches has done since it was made, and what it holds now. */
export interface BatchEmitterMetrics {
  /** Events in the store now, those in flight too. */
  readonly size: number;
  /** Events in requests now, or about to be. */
  readonly inFlight: number;
  /** Events that were taken. */
  readonly accepted: number;
  /** Events that were not taken: full, closed, a disk that fails. */
  readonly refused: number;
  /** Events that were taken, and thrown out for younger ones or refused by the store afterwards. */
  readonly dropped: number;
  /** Events that a server took. */
  readonly sent: number;
  /** Events that went to the dead letter, or would have if there was one. */
  readonly deadLettered: number;
  /** Requests that got an answer, or none. */
  readonly requests: number;
  /** Of these, how many failed. */
  readonly failedRequests: number;
  /** Bytes of what these requests carried, before compression. */
  readonly bytes: number;
  /** Milliseconds until a server that failed is tried again; 0 if nothing is waited for. */
  readonly retryDelay: number;
}

/** The counts among them. */
export class Counters {
  accepted = 0;
  refused = 0;
  dropped = 0;
  sent = 0;
  deadLettered = 0;
  requests = 0;
  failedRequests = 0;
  bytes = 0;
}
