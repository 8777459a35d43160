import { isUtf8 } from 'node:buffer';
import { ErrorCode, InvalidArgumentError } from '../core/errors.ts';
import type { EmitterEvent } from '../emitter/index.ts';
import type { WrittenEvent } from '../store/index.ts';
import { type LineKind, writtenEvents } from './event-json.ts';

/*
 * The spool protocol, as docs/PROTOCOL.md has it: lines of JSON. An object with a member `$` is a frame, everything else is
 * events as they are.
 */

/** The version that both sides speak. */
export const PROTOCOL_VERSION = 1;

/** What an error reply can say: whether the same may be taken later, and whether the connection ends with it. */
export const SPOOL_ERRORS = {
  bad_json: { retryable: false, closes: false },
  bad_utf8: { retryable: false, closes: false },
  bad_frame: { retryable: false, closes: false },
  gap: { retryable: true, closes: false },
  full: { retryable: true, closes: false },
  disk: { retryable: true, closes: false },
  unauthorized: { retryable: false, closes: true },
  bad_version: { retryable: false, closes: true },
  binary: { retryable: false, closes: true },
  frame_too_large: { retryable: false, closes: true },
  too_slow: { retryable: true, closes: true },
  idle: { retryable: true, closes: true },
  too_many_connections: { retryable: true, closes: true },
  too_many_bytes: { retryable: true, closes: true },
  replaced: { retryable: false, closes: true },
  closing: { retryable: true, closes: true },
} as const;

/** The code of an error reply. */
export type SpoolErrorCode = keyof typeof SPOOL_ERRORS;

/** What a client sends. */
export type ClientFrame =
  | { readonly type: 'lines'; readonly events: readonly WrittenEvent[] }
  | { readonly type: 'hello'; readonly version: number; readonly client: string; readonly token: string | undefined }
  | { readonly type: 'events'; readonly seq: number; readonly events: readonly WrittenEvent[] }
  | { readonly type: 'ping'; readonly id: unknown }
  | { readonly type: 'spool'; readonly id: unknown; readonly command: string; readonly body: Record<string, unknown> };

/** What the daemon answers. */
export type ServerFrame =
  | { readonly $: 'ack'; readonly count: number }
  | { readonly $: 'ack'; readonly seq: number }
  | {
      readonly $: 'welcome';
      readonly version: number;
      readonly committed: number;
      readonly maxFrame: number;
      readonly heartbeat: number;
    }
  | { readonly $: 'pong'; readonly id: unknown }
  | { readonly $: 'spool'; readonly id: unknown; readonly done?: true; readonly [member: string]: unknown }
  | ErrorFrame;

/** A refusal. */
export interface ErrorFrame {
  readonly $: 'error';
  readonly code: SpoolErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly seq?: number;
}

/** A line that cannot be taken, with the reason. */
export class BadLine extends Error {
  readonly reason: SpoolErrorCode;
  /** The number of the frame, if it can be read. */
  readonly seq: number | undefined;

  constructor(reason: SpoolErrorCode, message: string, seq?: number) {
    super(message);
    this.reason = reason;
    this.seq = seq;
  }
}

/** A frame as the line that says it. */
export function lineOf(frame: ServerFrame | object): string {
  return `${JSON.stringify(frame)}\n`;
}

export function errorFrame(code: SpoolErrorCode, message: string, seq?: number): ErrorFrame {
  const { retryable } = SPOOL_ERRORS[code];
  return seq === undefined ? { $: 'error', code, message, retryable } : { $: 'error', code, message, retryable, seq };
}

const REFUSALS: Readonly<Partial<Record<ErrorCode, SpoolErrorCode>>> = {
  [ErrorCode.STORE_FULL]: 'full',
  [ErrorCode.QUEUE_CLOSED]: 'closing',
};

/** What a client is told when its events could not be made durable. */
export function refusalOf(error: Error, seq?: number): ErrorFrame {
  const code = ('code' in error ? REFUSALS[error.code as ErrorCode] : undefined) ?? 'disk';
  const frame = errorFrame(code, error.message, seq);
  // What can never fit must not be tried for ever.
  const isFinal = 'retryable' in error && error.retryable === false && code !== 'closing';
  return isFinal ? { ...frame, retryable: false } : frame;
}

/** @throws {@link BadLine} for what is no line of this protocol. */
export function parseLine(line: Buffer): ClientFrame {
  const value = parseJson(line);
  if (Array.isArray(value)) return { type: 'lines', events: eventsOf(line, 'array', value) };
  if (typeof value !== 'object' || value === null) {
    throw new BadLine('bad_frame', `a line must be an event or an array of events, but it is ${kindOf(value)}`);
  }
  return '$' in value
    ? parseFrame(line, value as Record<string, unknown>)
    : { type: 'lines', events: eventsOf(line, 'event', [value]) };
}

/** Bytes that JSON text cannot have: control characters but tab, line feed and carriage return (RFC 8259, section 7). */
export function isBinary(bytes: Buffer): boolean {
  return bytes.some((byte) => byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d);
}

function parseJson(line: Buffer): unknown {
  const isText = isUtf8(line);
  if (isText) {
    try {
      return JSON.parse(line.toString('utf8'));
    } catch {
      // Told below.
    }
  }
  if (isBinary(line)) throw new BadLine('binary', 'these bytes are in no JSON text: is this another protocol, or TLS?');
  if (!isText) throw new BadLine('bad_utf8', 'the line is not UTF-8');
  throw new BadLine('bad_json', 'the line is not JSON');
}

function parseFrame(line: Buffer, frame: Record<string, unknown>): ClientFrame {
  switch (frame.$) {
    case 'hello':
      return parseHello(frame);
    case 'events':
      return parseEvents(line, frame);
    case 'ping':
      return { type: 'ping', id: frame.id };
    case 'spool':
      if (typeof frame.command === 'string')
        return { type: 'spool', id: frame.id, command: frame.command, body: frame };
      throw new BadLine('bad_frame', 'a spool frame must have a command');
    default:
      throw new BadLine('bad_frame', 'a member named $ must be hello, events, ping or spool');
  }
}

/** The longest name that a client may have. */
const LONGEST_CLIENT = 200;

function parseHello({ version, client, token }: Record<string, unknown>): ClientFrame {
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) {
    throw new BadLine('bad_frame', 'a hello must have a version, a whole number of at least 1');
  }
  if (typeof client !== 'string' || client === '' || client.length > LONGEST_CLIENT) {
    throw new BadLine('bad_frame', `a hello must have a client, a name of 1 to ${LONGEST_CLIENT} characters`);
  }
  if (token !== undefined && typeof token !== 'string') throw new BadLine('bad_frame', 'a token must be a string');
  return { type: 'hello', version, client, token };
}

function parseEvents(line: Buffer, { seq, events }: Record<string, unknown>): ClientFrame {
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1) {
    throw new BadLine('bad_frame', 'an events frame must have a seq, a whole number of at least 1');
  }
  if (!Array.isArray(events)) throw new BadLine('bad_frame', 'an events frame must have an array of events', seq);
  return { type: 'events', seq, events: eventsOf(line, 'frame', events, seq) };
}

function eventsOf(line: Buffer, kind: LineKind, events: readonly unknown[], seq?: number): readonly WrittenEvent[] {
  const wrong = events.find((event) => typeof event !== 'object' || event === null || Array.isArray(event));
  if (wrong !== undefined)
    throw new BadLine('bad_frame', `an event must be an object, but there is ${kindOf(wrong)}`, seq);
  try {
    return writtenEvents(line, kind, events as readonly EmitterEvent[]);
  } catch (thrown) {
    // JSON that is read and cannot be written: nested too deeply, a number that is too large.
    if (thrown instanceof InvalidArgumentError) throw new BadLine('bad_frame', thrown.message, seq);
    throw thrown;
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}
