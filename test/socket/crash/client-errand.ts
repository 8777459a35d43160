/** What a client that may be killed is to do. */
export interface ClientErrand {
  /** The socket of the daemon. */
  readonly path: string;
  /** Nobody else's, and nobody's before. */
  readonly name: string;
  /** The file of acknowledged ids. */
  readonly notes: string;
  /** The file of ids that it has made events of. */
  readonly issued: string;
  /** The folder of its spill, if it has one. */
  readonly spill: string | undefined;
}

/** What it says. */
export interface FromClient {
  /** It can do with some ids. */
  readonly wants?: true;
  /** So many more are acknowledged, and noted. */
  readonly acked?: number;
  /** The daemon had lost its number. */
  readonly forgotten?: string;
}

/** Ids to be sent; without them it is to end. */
export interface ToClient {
  readonly ids?: readonly number[];
}
