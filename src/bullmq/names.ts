import { createHash } from 'node:crypto';
import { describe, InvalidArgumentError } from '../core/errors.ts';
import type { Address } from './messages/seal.ts';

/** The BullMQ queue of a collector. BullMQ refuses colons. @throws {@link InvalidArgumentError} for half a character */
export function queueNameOf(key: string): string {
  try {
    return encodeURIComponent(key);
  } catch {
    throw new InvalidArgumentError('Collector: key', 'well-formed text', describe(key));
  }
}

/** The key of a collector, of the name of its queue. */
export function keyOfQueue(name: string): string {
  return decodeURIComponent(name);
}

/** Makes the ids of a collector's jobs: the same for the same event, so that an event sent twice is one job. */
export function jobIdsOf(key: string): (eventId: string) => string {
  const tag = createHash('sha256').update(key).digest('hex').slice(0, 12);
  return (eventId) => `${eventId}-${tag}`;
}

/** Which job of which queue a message is for; `queue` with its prefix, so that none is moved between two of them. */
export function addressOf(prefix: string, queue: string, jobId: string): Address {
  return { queue: `${prefix}:${queue}`, jobId };
}
