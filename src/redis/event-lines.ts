import { describeThrown } from '../core/errors.ts';
import { type QueueEventMap, QueueEventName } from '../queue-events/names.ts';

/** What is told of an error in another process: never its stack, nor what it holds. */
export interface RemoteErrorInfo {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
}

/** A queue event of another process. Where it has an error, that is a {@link RemoteErrorInfo}. */
export type RemoteQueueEvent<N extends QueueEventName = QueueEventName> = QueueEventMap[N] & {
  /** The process that it happened in. */
  readonly origin: string;
};

/** A message that is longer is not looked at. */
const LONGEST_MESSAGE = 1 << 20;
const LONGEST_TEXT = 1_000;

const NAMES: ReadonlySet<unknown> = new Set(Object.values(QueueEventName));

/** One line of JSON: names, numbers and texts of the event, and its error; nothing that a payload holds. */
export function lineOf(event: QueueEventMap[QueueEventName], origin: string): string {
  const line: Record<string, unknown> = { origin };
  for (const [name, value] of Object.entries(event)) {
    if (name === 'stack') continue;
    if (name === 'error') line.error = infoOf(value);
    else if (typeof value === 'string') line[name] = value.slice(0, LONGEST_TEXT);
    else if (typeof value === 'number' || typeof value === 'boolean') line[name] = value;
  }
  return JSON.stringify(line);
}

function infoOf(error: unknown): RemoteErrorInfo {
  try {
    const { name, message, code } = error as Partial<Record<'name' | 'message' | 'code', unknown>>;
    if (error instanceof Error) {
      const info = { name: String(name), message: String(message).slice(0, LONGEST_TEXT) };
      return typeof code === 'string' ? { ...info, code } : info;
    }
  } catch {
    // One that cannot be read is described as far as it goes.
  }
  // What is no error may be a value of the user's: its kind is all that is told.
  return { name: typeof error, message: typeof error === 'string' ? 'a string' : describeThrown(error) };
}

/** The events in a message, and how many of its lines were none. */
export function eventsIn(message: string): {
  readonly events: readonly RemoteQueueEvent[];
  readonly malformed: number;
} {
  if (message.length > LONGEST_MESSAGE) return { events: [], malformed: 1 };
  const lines = message.split('\n').filter((line) => line !== '');
  const events = lines.map(eventIn).filter((event) => event !== undefined);
  return { events, malformed: lines.length - events.length };
}

function eventIn(line: string): RemoteQueueEvent | undefined {
  try {
    const event = JSON.parse(line) as RemoteQueueEvent;
    const { status, timestamp, origin } = event;
    const isOne = NAMES.has(status) && typeof timestamp === 'number' && typeof origin === 'string';
    return isOne ? event : undefined;
  } catch {
    return undefined;
  }
}
