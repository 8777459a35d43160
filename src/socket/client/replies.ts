import type { SpoolErrorCode } from '../protocol.ts';

/** What the daemon says to a client that said hello. */
export type Reply =
  | {
      readonly type: 'welcome';
      readonly committed: number;
      /** The longest line that it takes, in bytes, without its end. */
      readonly maxFrame: number;
      /** Milliseconds. */
      readonly heartbeat: number;
    }
  | { readonly type: 'ack'; readonly seq: number }
  | { readonly type: 'pong' }
  | Refusal;

/** An error reply. */
export interface Refusal {
  readonly type: 'error';
  /** Of a daemon that is newer, perhaps one that is not known here. */
  readonly code: SpoolErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  /** The number of the frame that it is about, if it is about one. */
  readonly seq: number | undefined;
}

/** Reads a line of the daemon; undefined for what cannot be one. Frames of other kinds come from newer daemons: `other`. */
export function parseReply(line: Buffer): Reply | { readonly type: 'other' } | undefined {
  let frame: Record<string, unknown>;
  try {
    frame = JSON.parse(line.toString('utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  if (typeof frame !== 'object' || frame === null || typeof frame.$ !== 'string') return undefined;
  const { committed, maxFrame, heartbeat, seq, code, message, retryable } = frame;
  switch (frame.$) {
    case 'welcome':
      if (!isCount(committed) || !isPositive(maxFrame) || !isPositive(heartbeat)) return undefined;
      return { type: 'welcome', committed, maxFrame, heartbeat };
    case 'ack':
      return isCount(seq) ? { type: 'ack', seq } : undefined;
    case 'pong':
      return { type: 'pong' };
    case 'error':
      if (typeof code !== 'string') return undefined;
      return {
        type: 'error',
        code: code as SpoolErrorCode,
        message: String(message ?? ''),
        retryable: retryable === true,
        seq: isCount(seq) ? seq : undefined,
      };
    default:
      return { type: 'other' };
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}
