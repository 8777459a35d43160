/** What {@link HttpEmitter.deliver} resolves to once a server took the event. */
export interface Delivered {
  /** What the server answered. */
  readonly status: number;
}

/** What else {@link FailureInfo} tells. */
export interface FailedStatus {
  /** What the server answered; undefined if there was no answer. */
  readonly status: number | undefined;
}
