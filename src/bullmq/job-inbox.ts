import type { Job, Queue } from 'bullmq';
import { err, type Result } from 'neverthrow';
import { RejectedMessageError } from './messages/errors.ts';
import { impliedIn, type JobMessage, readJob } from './messages/job-message.ts';
import type { Envelope } from './messages/seal.ts';
import { addressOf, type JobIds } from './names.ts';
import type { Notes } from './notes.ts';
import type { BullMQQueueSettings } from './settings.ts';

/** What an inbox works with. */
export interface InboxParts {
  readonly settings: BullMQQueueSettings;
  readonly notes: Notes;
  readonly key: string;
  readonly queueName: string;
  readonly jobIds: JobIds;
  /** Where a job is stored. */
  readonly keyFor: (jobId: string) => string;
}

/** Takes jobs that anybody may have written: believed, or put in quarantine. */
export class JobInbox {
  readonly #parts: InboxParts;
  /** Jobs that are being removed. */
  readonly #unreadable: Set<string> = new Set();

  constructor(parts: InboxParts) {
    this.#parts = parts;
  }

  /** What the job says, if it is to be believed. First its signature is looked at, then whether it was done before. */
  open(job: Job): Result<JobMessage, RejectedMessageError> | Promise<Result<JobMessage, RejectedMessageError>> {
    const { settings, queueName } = this.#parts;
    const { seal, clock, prefix } = settings;
    if (!Number.isSafeInteger(job.attemptsMade)) return this.#mend(job);
    const body = seal.open('job', addressOf(prefix, queueName, job.id as string), job.data, clock.wall());
    if (body.isErr()) return err(body.error);
    return seal.signs ? this.#readUnlessDone(job, body.value) : this.#read(job, body.value);
  }

  async #readUnlessDone(job: Job, body: string): Promise<Result<JobMessage, RejectedMessageError>> {
    const { notes, queueName } = this.#parts;
    if (!(await notes.isDone(queueName, job.id as string))) return this.#read(job, body);
    return err(new RejectedMessageError('replayed', 'its job is done'));
  }

  /** Its count of attempts is no number: it could be moved nowhere. */
  async #mend(job: Job): Promise<Result<JobMessage, RejectedMessageError>> {
    await this.#parts.notes.resetAttempts(this.#parts.keyFor(job.id as string));
    job.attemptsMade = 0;
    return err(new RejectedMessageError('malformed', 'atm of the job cannot be read'));
  }

  #read({ id, data }: Job, body: string): Result<JobMessage, RejectedMessageError> {
    const { settings, key, jobIds } = this.#parts;
    const { seal, serializer } = settings;
    const implied = impliedIn(seal.signs, jobIds.eventOf(id as string), key, (data as Envelope).due);
    const message = readJob(body, serializer, implied);
    if (message.isErr() || message.value.key === key) return message;
    return err(new RejectedMessageError('malformed', `it is for collector "${message.value.key}"`));
  }

  /** Keeps a job that is not believed, which leaves its queue. */
  async quarantine(job: Job, { reason, message }: RejectedMessageError): Promise<void> {
    const { settings, notes, key } = this.#parts;
    await notes.quarantine({
      collectorKey: key,
      jobId: job.id as string,
      reason,
      detail: message,
      timestamp: settings.clock.wall(),
      data: job.data,
    });
    job.opts.removeOnFail = true;
  }

  /**
   * Looks at a job that stalled: if what is stored of it cannot be read, BullMQ cannot make a job of it, and it would go
   * round for ever. Such a job is kept in quarantine, and removed as soon as nobody has it.
   */
  async inspect(jobId: string, queue: Queue): Promise<void> {
    const { settings, notes, key } = this.#parts;
    const { clock, lockDuration } = settings;
    const stored = await notes.stored(queue.toKey(jobId));
    const problem = problemWith(stored);
    if (problem === undefined || this.#unreadable.has(jobId)) return;
    this.#unreadable.add(jobId);
    const timestamp = clock.wall();
    await notes.quarantine({ collectorKey: key, jobId, reason: 'malformed', detail: problem, timestamp, data: stored });
    for (let tries = 0; tries < REMOVALS; tries++) {
      if ((await queue.remove(jobId)) === 1) break;
      // A worker has taken it again, in vain; its lock ends by itself.
      await new Promise<void>((resolve) => clock.setTimer(resolve, lockDuration / 4, true));
    }
    this.#unreadable.delete(jobId);
  }
}

/** How often a job that cannot be read is tried to be removed. */
const REMOVALS = 20;

/** What is wrong with a job as it is stored; undefined if BullMQ can read it, or it is gone. */
function problemWith(stored: Readonly<Record<string, string>>): string | undefined {
  const texts = ['data', 'opts', 'progress', 'parent'].filter((field) => stored[field] && !isJson(stored[field]));
  const counts = ['atm', 'ats', 'stc'].filter((field) => stored[field] && !/^\d+$/.test(stored[field]));
  const wrong = [...texts, ...counts];
  return wrong.length === 0 ? undefined : `${wrong.join(', ')} of the job cannot be read`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
