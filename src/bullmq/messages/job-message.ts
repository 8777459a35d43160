import type { Result } from 'neverthrow';
import { Delivery } from '../../core/delivery.ts';
import type { PayloadOptions } from '../../core/payload.ts';
import type { Expiry } from '../../policies/expiry.ts';
import { deserialized, readBody, readHead, reading, writeBody } from './body.ts';
import type { RejectedMessageError } from './errors.ts';
import {
  Fields,
  isAnything,
  isBoolean,
  isDuration,
  isListOf,
  isName,
  isString,
  isTime,
  malformed,
  orNull,
} from './fields.ts';
import type { Serializer } from './serializer.ts';

/** How a send wants failed attempts repeated; the functions of a `retry` option stay where they are. */
export interface JobRetry {
  /** Attempts in all, at least 1; may be Infinity. */
  readonly attempts: number;
  /** Milliseconds. */
  readonly base: number;
  /** Milliseconds. */
  readonly cap: number;
}

/** What a job says: one payload for one collector. Undefined is what was not said. */
export interface JobMessage {
  /** The id of the collector event; the same for all of its jobs. */
  readonly event: string;
  /** The collector's key. */
  readonly key: string;
  readonly value: unknown;
  readonly delivery: Delivery;
  readonly keys: readonly string[];
  readonly topics: readonly string[];
  /** A whole number within ±{@link MOST_PRIORITY}, lowest first. */
  readonly priority?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds since the Unix epoch, by the publisher's clock. */
  readonly sentAt: number;
  /** Milliseconds since the Unix epoch; Infinity for never, whatever the collector says. */
  readonly expiresAt?: number | undefined;
  /** Milliseconds of an attempt, more than 0; Infinity for no limit, whatever the collector says. */
  readonly timeout?: number | undefined;
  readonly retry?: JobRetry | undefined;
  /** Whether somebody may wait for the result. */
  readonly reply: boolean;
}

/** All of it but what a serializer writes. */
export type JobHead = Omit<JobMessage, 'value'>;

/** What goes without saying in a body, since something else says it. */
export interface Implied {
  /** The id of the job does. */
  readonly event: string;
  /** Its queue does, where the message is bound to that. */
  readonly key?: string | undefined;
  /** The envelope does, unless it is made anew. */
  readonly sentAt?: number | undefined;
}

/**
 * What goes without saying. A signed message is bound to its queue, but signed anew for an attempt that comes late; one that is
 * not signed stays as it is, but may be found in another queue.
 *
 * @param due - of the envelope
 */
export function impliedIn(isSigned: boolean, event: string, key: string, due: number): Implied {
  return isSigned ? { event, key } : { event, sentAt: due };
}

export const MOST_PRIORITY = 1_000_000;

const FIELDS = [
  'event',
  'key',
  'delivery',
  'keys',
  'topics',
  'priority',
  'headers',
  'sentAt',
  'expiresAt',
  'timeout',
  'retry',
  'reply',
] as const satisfies readonly (keyof JobMessage)[];

/**
 * The body of a job. The text of its value is what the serializer made of it: once, for however many collectors. What
 * goes without saying is left out: what is implied, that it was sent by its key alone, that it has no topics, that somebody
 * may wait. Of most jobs one field is left. Every byte costs on all three sides.
 */
export function writeJob(head: JobHead, value: string | undefined, implied?: Implied): string {
  const { event, key, delivery, keys, topics, sentAt, reply } = head;
  const isPlain = delivery === Delivery.KEY && keys.length === 1 && keys[0] === key;
  const said = {
    ...head,
    event: event === implied?.event ? undefined : event,
    key: key === implied?.key ? undefined : key,
    sentAt: sentAt === implied?.sentAt ? undefined : sentAt,
    delivery: isPlain ? undefined : delivery,
    keys: isPlain || keys.length === 0 ? undefined : keys,
    topics: topics.length === 0 ? undefined : topics,
    reply: reply ? undefined : reply,
  };
  return writeBody(said, value);
}

/**
 * What the body of a job says. Anybody may have written it: every field is checked, and there is none besides.
 * Never throws.
 */
export function readJob(
  body: string,
  serializer: Serializer,
  implied?: Implied,
): Result<JobMessage, RejectedMessageError> {
  return reading(() => {
    const { line, text } = readBody(body);
    const fields = new Fields('the job', readHead(line)).only(FIELDS);
    return readFields(fields, implied, () => deserialized(serializer, text));
  });
}

/** How it was sent. */
export function payloadOptionsOf({ delivery, keys, topics, priority }: JobMessage): PayloadOptions {
  return {
    delivery,
    keys: keys.length > 0 ? keys : undefined,
    topics: topics.length > 0 ? topics : undefined,
    priority,
  };
}

/** When a job expires, in milliseconds since the Unix epoch: what its send says wins over its collector. */
export function expiresAt({ expiresAt, sentAt }: JobMessage, expiry: Expiry | undefined): number {
  if (expiresAt !== undefined) return expiresAt;
  if (expiry === undefined) return Number.POSITIVE_INFINITY;
  return 'ttl' in expiry ? sentAt + expiry.ttl : expiry.expiresAt;
}

function readFields(fields: Fields, implied: Implied | undefined, value: () => unknown): JobMessage {
  const key = fields.getOr('key', isName, implied?.key);
  const said = fields.optional('delivery', isDelivery);
  const delivery = said ?? Delivery.KEY;
  const keys = fields.optional('keys', isNames) ?? (said === undefined ? [key] : NONE);
  const topics = fields.optional('topics', isNames) ?? NONE;
  if (delivery === Delivery.KEY && keys.length === 0) throw malformed('the job has no keys');
  if (delivery === Delivery.TOPIC && topics.length === 0) throw malformed('the job has no topics');
  return {
    event: fields.getOr('event', isName, implied?.event),
    key,
    delivery,
    keys,
    topics,
    priority: fields.optional('priority', isPriority),
    headers: fields.has('headers')
      ? new Fields('headers', fields.get('headers', isAnything)).every(isString)
      : undefined,
    sentAt: fields.getOr('sentAt', isTime, implied?.sentAt),
    expiresAt: limit(fields.optional('expiresAt', isTimeOrNull)),
    timeout: limit(fields.optional('timeout', isTimeoutOrNull)),
    retry: fields.has('retry') ? readRetry(new Fields('retry', fields.get('retry', isAnything))) : undefined,
    reply: fields.optional('reply', isBoolean) ?? true,
    value: value(),
  };
}

function readRetry(fields: Fields): JobRetry {
  const attempts = fields.only(['attempts', 'base', 'cap']).get('attempts', isCountOrNull);
  return {
    attempts: attempts ?? Number.POSITIVE_INFINITY,
    base: fields.get('base', isDuration),
    cap: fields.get('cap', isDuration),
  };
}

function limit(value: number | null | undefined): number | undefined {
  return value === null ? Number.POSITIVE_INFINITY : value;
}

function isDelivery(value: unknown): value is Delivery {
  return DELIVERIES.includes(value);
}

function isPriority(value: unknown): value is number {
  return Number.isSafeInteger(value) && Math.abs(value as number) <= MOST_PRIORITY;
}

function isTimeout(value: unknown): value is number {
  return isDuration(value) && value > 0;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

const NONE: readonly string[] = [];

const isNames = isListOf(isName);
const isTimeOrNull = orNull(isTime);
const isTimeoutOrNull = orNull(isTimeout);
const isCountOrNull = orNull(isCount);

const DELIVERIES: readonly unknown[] = Object.values(Delivery);
