import { createHash, randomUUID } from 'node:crypto';
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

/** The ids of a collector's jobs: the same for the same event, so that an event sent twice is one job. */
export class JobIds {
  readonly #ending: string;

  constructor(key: string) {
    this.#ending = `-${createHash('sha256').update(key).digest('hex').slice(0, 12)}`;
  }

  of(eventId: string): string {
    return eventId + this.#ending;
  }

  /** Whatever is not of ours counts as the id of an event itself. */
  eventOf(jobId: string): string {
    const isOurs = jobId.endsWith(this.#ending) && jobId.length > this.#ending.length;
    return isOurs ? jobId.slice(0, -this.#ending.length) : jobId;
  }
}

/** Which job of which queue a message is for; `queue` with its prefix, so that none is moved between two of them. */
export function addressOf(prefix: string, queue: string, jobId: string): Address {
  return { queue: `${prefix}:${queue}`, jobId };
}

/** How much of the id of an event says who has sent it. */
const ORIGIN_LENGTH = 13;

/** Of a run of a queue that sends: what the ids of all its events begin with. 48 bits of chance. */
export function newOrigin(): string {
  return randomUUID().slice(0, ORIGIN_LENGTH);
}

/** A UUID of its own, 74 bits of which are chance. */
export function newEventId(origin: string): string {
  return origin + randomUUID().slice(ORIGIN_LENGTH);
}

/** Where who has sent an event hears of its results; of the id of the event, or of one of its jobs, or of the origin. */
export function resultChannelOf(prefix: string, id: string): string {
  return `${prefix}:@results:${id.slice(0, ORIGIN_LENGTH)}`;
}
