import { type QueueEventMap, QueueEventName } from './names.ts';

/** Options of {@link QueueEvents.stream}. They are checked, and read once, when the stream is made. */
export interface StreamOptions<N extends QueueEventName = QueueEventName> {
  /**
   * What the stream is about: names, at least one; or a function, called with every event as it comes, that says
   * whether it belongs. Names are cheaper: nothing is made for an event of another name. A function that throws leaves
   * the event out, and is reported as `error-internal`. It hears of internal errors too, which then count as listened
   * to: they become no process warnings, even if it leaves them out.
   * @default every event
   */
  readonly filter?: readonly N[] | ((event: QueueEventMap[QueueEventName]) => boolean) | undefined;
  /**
   * How many events may wait while the consumer is busy, from 1. One too many drops the oldest.
   * @default 1000
   */
  readonly bufferSize?: number | undefined;
  /** Ends the stream when it aborts. Nothing is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/** Makes the error for a wrong argument. */
export type RefuseArgument = (argument: string, expected: string, value: unknown) => Error;

/** Resolved options of a stream. */
export interface StreamSettings {
  readonly names: readonly QueueEventName[];
  readonly filter: ((event: QueueEventMap[QueueEventName]) => unknown) | undefined;
  readonly bufferSize: number;
  readonly signal: AbortSignal | undefined;
}

const NAMES: readonly QueueEventName[] = Object.values(QueueEventName);
const OPTIONS: readonly string[] = ['filter', 'bufferSize', 'signal'] satisfies (keyof StreamOptions)[];

/** Throws what `refuse` makes of the first option that is wrong. */
export function resolveStream(options: unknown, refuse: RefuseArgument): StreamSettings {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw refuse('stream: options', 'an object', options);
  }
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) throw refuse('stream: options', `made of ${OPTIONS.join(', ')}`, unknown);
  const { filter, bufferSize = 1000, signal } = options as StreamOptions;
  const names = typeof filter === 'function' || filter === undefined ? NAMES : checkNames(filter, refuse);
  if (!Number.isSafeInteger(bufferSize) || bufferSize < 1) {
    throw refuse('stream: bufferSize', 'a whole number of at least 1', bufferSize);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw refuse('stream: signal', 'an AbortSignal', signal);
  }
  return { names, filter: typeof filter === 'function' ? filter : undefined, bufferSize, signal };
}

/** Each name once: an event comes once, however often its name was given. */
function checkNames(filter: unknown, refuse: RefuseArgument): QueueEventName[] {
  if (!Array.isArray(filter) || filter.length === 0) {
    throw refuse('stream: filter', 'a function or a non-empty array of names of queue events', filter);
  }
  const wrong = filter.findIndex((name) => !NAMES.includes(name));
  if (wrong !== -1) throw refuse(`stream: filter[${wrong}]`, 'the name of a queue event', filter[wrong]);
  return [...new Set(filter)];
}
