import type { Job } from 'bullmq';
import type { Result } from 'neverthrow';
import { asError } from '../core/errors.ts';
import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import type { Audience } from './audience.ts';
import type { Lane } from './lane.ts';
import { writeNews } from './messages/news.ts';
import { writeResult } from './messages/result-message.ts';
import { type Envelope, MOST_SKEW } from './messages/seal.ts';
import { addressOf, resultChannelOf } from './names.ts';
import type { Notes } from './notes.ts';
import type { BullMQQueueSettings } from './settings.ts';

/** What a sender of results works with. */
export interface ResultSenderParts {
  readonly settings: BullMQQueueSettings;
  readonly notes: Notes;
  readonly events: QueueEventSource;
  readonly audience: Audience;
}

/** Seals the results of a collector's jobs, and tells them to who has sent the jobs. */
export class ResultSender {
  readonly #parts: ResultSenderParts;
  readonly #lane: Lane;
  /** Why Redis did not let the last one be concluded: told once, not for each job. */
  #refusal: string | undefined;

  constructor(parts: ResultSenderParts, lane: Lane) {
    this.#parts = parts;
    this.#lane = lane;
  }

  seal({ id }: Job, eventId: string, result: Result<unknown, unknown>): Envelope {
    const { settings, events } = this.#parts;
    const { seal, serializer, stackTraces, clock, prefix } = settings;
    const { body, problem } = writeResult(result, serializer, { stackTraces });
    const name = QueueEventName.ERROR_STORING_RESULT;
    if (problem !== undefined && events.observed(name)) events.emit(name, { id: eventId, error: problem });
    return seal.close('result', addressOf(prefix, this.#lane.queueName, id as string), clock.wall(), body);
  }

  /**
   * The job is about to end in Redis: this is written on the connection on which it is moved then, and holds only while the
   * worker has the job, as the move does.
   *
   * @param envelope - null if nobody wants the result
   */
  conclude(job: Job, token: string, envelope: Envelope | null, isDone: boolean): void {
    const { settings, notes, audience } = this.#parts;
    const jobId = job.id as string;
    const channel = resultChannelOf(settings.prefix, jobId);
    const news = envelope !== null && audience.mayListen(channel) ? writeNews(jobId, envelope) : undefined;
    const ttl = isDone && settings.seal.signs ? settings.maxAge + MOST_SKEW : 0;
    if (ttl === 0 && news === undefined) return;
    const at = settings.clock.now();
    const lockKey = `${this.#lane.queue.toKey(jobId)}:lock`;
    const told =
      ttl === 0 && news !== undefined && this.#hasLock(job)
        ? notes.tell(channel, news)
        : notes.conclude({ queue: this.#lane.queueName, jobId, lockKey, token, ttl, channel, news });
    told.then(
      (listeners) => {
        this.#refusal = undefined;
        if (listeners === 0) audience.nobody(channel, at);
      },
      (error) => {
        if (news !== undefined) audience.nobody(channel, at);
        this.#refused(error);
      },
    );
  }

  /** Whether the lock cannot have run out since BullMQ, by its own clock, asked for the job. If not, only Redis knows. */
  #hasLock({ processedOn = 0 }: Job): boolean {
    return Date.now() - processedOn < this.#parts.settings.lockDuration;
  }

  #refused(error: unknown): void {
    const { message } = asError(error);
    if (message === this.#refusal) return;
    this.#refusal = message;
    this.#parts.events.reportInternal(`telling of results of queue "${this.#lane.queueName}"`, error);
  }
}
