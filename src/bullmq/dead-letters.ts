import { UnroutedError } from '../core/errors.ts';
import { RESERVED, type SendHeaders } from '../core/headers.ts';
import type { DeadLetter } from '../policies/dead-letter.ts';
import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import type { Lane } from './lane.ts';
import { serialized } from './messages/body.ts';
import { errorToJson, isError } from './messages/error-message.ts';
import { type JobHead, type JobMessage, writeJob } from './messages/job-message.ts';
import { addressOf } from './names.ts';
import { DEAD_LETTER_OF } from './send-options.ts';
import type { BullMQQueueSettings } from './settings.ts';

/** What dead letters need of the worker process. */
export interface DeadLetterParts {
  readonly settings: BullMQQueueSettings;
  readonly events: QueueEventSource;
  /** The way to a collector, which may run elsewhere. */
  readonly laneOf: (key: string) => Lane;
}

/** Hands over tasks that failed for good: to a function in this process, or as a job to another collector. */
export class RemoteDeadLetters {
  readonly #parts: DeadLetterParts;

  constructor(parts: DeadLetterParts) {
    this.#parts = parts;
  }

  /** Resolves once it is handed over, to true, or that failed, which was told. Never rejects. */
  async deliver(
    deadLetter: string | ((letter: DeadLetter) => unknown),
    message: JobMessage,
    error: unknown,
    attempts: number,
  ): Promise<boolean> {
    const { clock } = this.#parts.settings;
    const { value, key, event, topics } = message;
    const headers = userHeadersOf(message);
    const letter: DeadLetter = {
      value,
      collectorKey: key,
      eventId: event,
      error,
      attempts,
      timestamp: clock.wall(),
      ...(topics.length > 0 && { topics }),
      ...(headers !== undefined && { headers }),
    };
    const source = `dead letter of collector "${key}"`;
    try {
      if (typeof deadLetter === 'function') await deadLetter(Object.freeze(letter));
      else await this.#send(deadLetter, letter, message);
      return true;
    } catch (thrown) {
      const { events } = this.#parts;
      const name = QueueEventName.ERROR_ENQUEUEING;
      if (typeof deadLetter === 'string' && events.observed(name)) events.emit(name, { source, error: thrown });
      else events.reportInternal(source, thrown);
      return false;
    }
  }

  /** The id is made of that of the job, so the letter of a job that fails twice is one. */
  async #send(key: string, letter: DeadLetter, failed: JobMessage): Promise<void> {
    const { settings, laneOf } = this.#parts;
    const { seal, serializer, prefix, stackTraces } = settings;
    const trail = trailOf(failed);
    const before = [...trail, failed.key].find((one) => one === key) ?? trail.find((one) => one === failed.key);
    // Collectors that are one another's dead letter would wrap a letter in letters for ever.
    if (before !== undefined) throw new UnroutedError(`the dead letter was in collector "${before}" before`);
    const lane = laneOf(key);
    const jobId = `${laneOf(failed.key).jobIds.of(failed.event)}-${lane.jobIds.of('letter')}`;
    const now = Math.floor(letter.timestamp);
    const error = isError(letter.error) ? errorToJson(letter.error, stackTraces) : letter.error;
    const head: JobHead = {
      event: failed.event,
      key,
      delivery: 'key',
      keys: [key],
      topics: [],
      headers: { ...failed.headers, [DEAD_LETTER_OF]: JSON.stringify([...trail, failed.key]) },
      sentAt: now,
      reply: false,
    };
    const body = writeJob(head, serialized(serializer, { ...letter, error }));
    const data = seal.close('job', addressOf(prefix, lane.queueName, jobId), now, body);
    await lane.queue.add(key, data, { jobId });
  }
}

/** Without those of the library. */
function userHeadersOf({ headers = {} }: JobMessage): SendHeaders | undefined {
  const entries = Object.entries(headers).filter(([name]) => !name.startsWith(RESERVED));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function trailOf({ headers }: JobMessage): string[] {
  try {
    const trail: unknown = JSON.parse(headers?.[DEAD_LETTER_OF] ?? '[]');
    return Array.isArray(trail) ? trail.map(String) : [];
  } catch {
    throw new UnroutedError('it cannot be read where the dead letter was before');
  }
}
