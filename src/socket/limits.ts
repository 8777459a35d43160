/** What a peer may ask of the daemon. */
export interface SpoolLimits {
  /** The longest line, in bytes. */
  readonly maxFrame: number;
  /** Connections at once. */
  readonly maxConnections: number;
  /** Bytes of lines of one connection that are not answered; more is not read meanwhile. */
  readonly maxConnectionBytes: number;
  /** Bytes of lines of all connections that are not answered. */
  readonly maxTotalBytes: number;
  /** How long a line may take from its first byte to its last, in milliseconds. */
  readonly frameTimeout: number;
  /** How long a connection may be silent, in milliseconds. */
  readonly idleTimeout: number;
  /** How often clients should let hear from them, in milliseconds. */
  readonly heartbeat: number;
}
