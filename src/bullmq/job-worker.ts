import type { Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Err, err, type Result } from 'neverthrow';
import type { AnyCollector } from '../core/collector.ts';
import { CancelledError, ExpiredError, stackOf } from '../core/errors.ts';
import { CancelTask } from '../policies/control.ts';
import { delayAfter, type RetrySettings } from '../policies/retry.ts';
import { QueueEventName, type TaskQueueEvent } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import { JobPayload } from './assignment.ts';
import type { Audience } from './audience.ts';
import type { RemoteDeadLetters } from './dead-letters.ts';
import { PoisonError } from './errors.ts';
import { JobInbox } from './job-inbox.ts';
import { backoffStrategy, failedForGood, givenBack, isGivenUp, retryLater } from './job-outcome.ts';
import { type JobRunner, reasonOf } from './job-runner.ts';
import type { Lane } from './lane.ts';
import type { BullMQ } from './library.ts';
import type { RejectedMessageError } from './messages/errors.ts';
import { expiresAt, type JobMessage, payloadOptionsOf } from './messages/job-message.ts';
import type { Envelope } from './messages/seal.ts';
import { addressOf } from './names.ts';
import type { Notes } from './notes.ts';
import { processPermits } from './permits.ts';
import { ResultSender } from './result-sender.ts';
import { Scaler } from './scaler.ts';
import type { BullMQQueueSettings } from './settings.ts';
import type { Tally } from './tally.ts';

/** What the workers of a process share. */
export interface WorkerParts {
  readonly settings: BullMQQueueSettings;
  readonly bullmq: BullMQ;
  readonly working: Redis;
  readonly notes: Notes;
  readonly runner: JobRunner;
  readonly deadLetters: RemoteDeadLetters;
  readonly events: QueueEventSource;
  readonly tally: Tally;
  readonly audience: Audience;
  /** Whether the process gives up on what runs. */
  readonly isClosing: () => boolean;
}

/** BullMQ is never to fail a job because it stalled: it cannot tell the guilty from those beside them. */
const STALLS = 1_000_000_000;

/** How soon a worker asks again after Redis was away. */
const RETRY_PAUSE = 1_000;

const ONE_ATTEMPT: RetrySettings = { attempts: 1, base: 0, cap: 0, retryIf: () => false };

/** One job under way. */
interface Assignment {
  readonly job: Job;
  readonly token: string;
  readonly message: JobMessage;
  readonly retry: RetrySettings;
  readonly number: number;
  startedAt: number | undefined;
}

/**
 * Works on the jobs of one collector.
 *
 *     taken → opened → (quarantine)          not believed: the processor never hears of it
 *               → expired?                   too late
 *               → a permit                   beside others, or alone if a process ended under it
 *               → the processor              job-runner.ts
 *               → completed | again later | failed for good → dead letter
 */
export class JobWorker {
  readonly key: string;
  busy = 0;
  /** In no order. An array, since what was in a set of many comings and goings outlives two collections by V8. */
  readonly #underWay: Assignment[] = [];
  readonly #parts: WorkerParts;
  readonly #collector: AnyCollector;
  readonly #lane: Lane;
  readonly #inbox: JobInbox;
  readonly #worker: Worker;
  readonly #results: ResultSender;
  readonly #scaler: Scaler;

  constructor(parts: WorkerParts, collector: AnyCollector, lane: Lane) {
    const { settings, bullmq, working, notes, events } = parts;
    this.key = collector.key;
    this.#parts = parts;
    this.#collector = collector;
    this.#lane = lane;
    this.#inbox = new JobInbox({
      settings,
      notes,
      key: this.key,
      queueName: lane.queueName,
      jobIds: lane.jobIds,
      keyFor: (jobId) => lane.queue.toKey(jobId),
    });
    this.#results = new ResultSender(parts, lane);
    const range = settings.concurrencyOf.get(this.key) ?? settings.concurrency;
    this.#worker = new bullmq.Worker(lane.queueName, (job, token) => this.#work(job, token ?? ''), {
      connection: working,
      prefix: settings.prefix,
      ...(settings.name === undefined ? {} : { name: settings.name }),
      autorun: false,
      concurrency: range.min,
      lockDuration: settings.lockDuration,
      stalledInterval: settings.stalledInterval,
      maxStalledCount: STALLS,
      removeOnComplete: settings.keepCompleted as { count: number },
      removeOnFail: settings.keepFailed as { count: number },
      runRetryDelay: RETRY_PAUSE,
      settings: { backoffStrategy },
    });
    this.#worker.on('error', (error) => events.reportInternal(`worker of collector "${this.key}"`, error));
    this.#worker.on('stalled', (jobId) => {
      this.#inbox.inspect(jobId, lane.queue).catch((error) => events.reportInternal(`stalled job ${jobId}`, error));
    });
    this.#scaler = new Scaler(this, range, settings.idleTimeout, settings.clock, (from, to) => {
      if (events.observed(QueueEventName.SCALED)) events.emit(QueueEventName.SCALED, { from, to });
    });
  }

  get concurrency(): number {
    return this.#worker.concurrency;
  }

  set concurrency(concurrency: number) {
    this.#worker.concurrency = concurrency;
    // Its loop waits for one of the jobs that run; this lets it look again.
    void this.#worker.pause(true).then(() => this.#worker.resume());
  }

  async waiting(): Promise<number> {
    return this.#lane.queue.getJobCountByTypes('wait', 'prioritized');
  }

  /** Resolves once it is connected, and takes jobs from then on. */
  async start(): Promise<void> {
    await this.#worker.waitUntilReady();
    this.#worker.run().catch((error) => this.#parts.events.reportInternal(`worker of collector "${this.key}"`, error));
  }

  /** Takes nothing more; resolves once what it has is done. */
  async close(): Promise<void> {
    this.#scaler.stop();
    await this.#worker.close();
  }

  /** Lets go of what cannot be waited for. */
  drop(): void {
    this.#scaler.stop();
    void this.#worker.close(true).catch(() => undefined);
    const backend = this.#worker.getBackend();
    void backend.disconnectBlocking(false).catch(() => undefined);
  }

  /** How many attempts a job of this event had before, if it runs. */
  attemptsBefore(eventId: string): number | undefined {
    for (const { message, number } of this.#underWay) if (message.event === eventId) return number - 1;
    return undefined;
  }

  async #work(job: Job, token: string): Promise<Envelope | null> {
    this.busy++;
    this.#scaler.jobBegan();
    let assignment: Assignment | undefined;
    try {
      const opening = this.#inbox.open(job);
      const opened = opening instanceof Promise ? await opening : opening;
      if (opened.isErr()) return await this.#reject(job, token, opened.error);
      assignment = this.#assignment(job, token, opened.value);
      this.#underWay.push(assignment);
      if (expiresAt(opened.value, this.#collector.settings.expiry) <= this.#parts.settings.clock.wall()) {
        return await this.#expired(assignment);
      }
      const alone = job.stalledCounter > 0;
      const permitted = processPermits.take(alone);
      if (permitted !== undefined) await permitted;
      let result: Result<unknown, unknown>;
      try {
        result = await (alone ? this.#runAlone(assignment) : this.#run(assignment));
      } finally {
        processPermits.give(alone);
      }
      return result.isOk() ? this.#succeed(assignment, result) : await this.#conclude(assignment, result);
    } finally {
      this.busy--;
      if (assignment !== undefined) this.#forget(assignment);
    }
  }

  #forget(assignment: Assignment): void {
    const last = this.#underWay.pop() as Assignment;
    if (last !== assignment) this.#underWay[this.#underWay.indexOf(assignment)] = last;
  }

  #assignment(job: Job, token: string, message: JobMessage): Assignment {
    const { retry } = this.#collector.settings;
    const wanted = message.retry === undefined ? retry : { ...message.retry, retryIf: retry?.retryIf ?? (() => true) };
    const number = job.attemptsMade + 1;
    return { job, token, message, retry: wanted ?? ONE_ATTEMPT, number, startedAt: undefined };
  }

  #run(assignment: Assignment): Promise<Result<unknown, unknown>> {
    const { message, number } = assignment;
    const { runner, settings, events } = this.#parts;
    const started = (attempt: number): void => {
      assignment.startedAt = settings.clock.now();
      if (!events.observed(QueueEventName.STARTED)) return;
      events.emit(QueueEventName.STARTED, { ...this.#describe(assignment), attempt });
    };
    const { key, event: eventId, headers, value } = message;
    const told = { key, eventId, before: number - 1, headers, started };
    return runner.run(new JobPayload(value, payloadOptionsOf(message), told), message.timeout);
  }

  /** A process ended under this job. Now it runs alone; if that happens again, it is known which job it was. */
  async #runAlone(assignment: Assignment): Promise<Result<unknown, unknown>> {
    const { notes, settings } = this.#parts;
    const jobId = assignment.job.id as string;
    const times = await notes.startAlone(this.#lane.queueName, jobId);
    const result =
      times > settings.poisonLimit
        ? err(new PoisonError(`the job ended its worker ${times - 1} times while nothing else ran there`))
        : await this.#run(assignment);
    await notes.endAlone(this.#lane.queueName, jobId);
    return result;
  }

  /** What becomes of the job. Throws what BullMQ is to be told. */
  async #conclude(assignment: Assignment, { error }: Err<unknown, unknown>): Promise<Envelope | null> {
    const { isClosing, settings } = this.#parts;
    const { job, token, retry, number } = assignment;
    if (isClosing() && isGivenUp(error)) throw await givenBack(job, token);
    if (error instanceof CancelTask) {
      return this.#fail(assignment, new CancelledError(error.message, { cause: error.cause }), false);
    }
    let delay: number | undefined;
    try {
      delay = delayAfter(retry, error, number, { clock: settings.clock, reasonOf }, Math.random);
    } catch (thrown) {
      return this.#fail(assignment, thrown, true);
    }
    if (delay === undefined) return this.#fail(assignment, error, !(error instanceof CancelledError));
    this.#tellRetrying(assignment, error, delay);
    await this.#sealAnew(assignment, delay);
    throw retryLater(job, error, delay);
  }

  /** A retry that comes late is not to be too old for its signature. */
  async #sealAnew({ job }: Assignment, delay: number): Promise<void> {
    const { seal, maxAge, clock, prefix } = this.#parts.settings;
    const { due, body } = job.data as Envelope;
    const next = clock.wall() + delay;
    if (!seal.signs || next - due < maxAge / 2) return;
    await job.updateData(seal.close('job', addressOf(prefix, this.#lane.queueName, job.id as string), next, body));
  }

  #succeed(assignment: Assignment, result: Result<unknown, unknown>): Envelope | null {
    const { events } = this.#parts;
    if (events.observed(QueueEventName.FINISHED)) {
      events.emit(QueueEventName.FINISHED, { ...this.#describe(assignment), duration: this.#duration(assignment) });
    }
    const { job, token, message } = assignment;
    const envelope = message.reply ? this.#results.seal(job, message.event, result) : null;
    this.#results.conclude(job, token, envelope, true);
    return envelope;
  }

  async #fail(assignment: Assignment, error: unknown, isDead: boolean): Promise<never> {
    const { events, deadLetters, settings } = this.#parts;
    const { job, token, message, number } = assignment;
    if (events.observed(QueueEventName.ERROR_TASK)) {
      events.emit(QueueEventName.ERROR_TASK, {
        ...this.#describe(assignment),
        duration: this.#duration(assignment),
        error,
        stack: stackOf(error),
      });
    }
    const { deadLetter } = this.#collector.settings;
    if (isDead && deadLetter !== undefined && (await deadLetters.deliver(deadLetter, message, error, number))) {
      if (events.observed(QueueEventName.DEAD_LETTERED)) {
        events.emit(QueueEventName.DEAD_LETTERED, { ...this.#describe(assignment), error });
      }
    }
    const envelope = this.#results.seal(job, message.event, err(error));
    this.#results.conclude(job, token, message.reply ? envelope : null, true);
    throw failedForGood(error, envelope, settings.stackTraces);
  }

  #expired(assignment: Assignment): Promise<never> {
    const { events } = this.#parts;
    const error = new ExpiredError(`expired before collector "${this.key}" attempted it`);
    if (events.observed(QueueEventName.EXPIRED)) {
      events.emit(QueueEventName.EXPIRED, { ...this.#describe(assignment), error });
    }
    return this.#fail(assignment, error, false);
  }

  async #reject(job: Job, token: string, error: RejectedMessageError): Promise<never> {
    const { events, tally, settings } = this.#parts;
    await this.#inbox.quarantine(job, error);
    tally.quarantined++;
    events.reportInternal(`quarantine of collector "${this.key}"`, error);
    const envelope = this.#results.seal(job, job.id as string, err(error));
    this.#results.conclude(job, token, envelope, false);
    throw failedForGood(error, envelope, settings.stackTraces);
  }

  #tellRetrying(assignment: Assignment, error: unknown, delay: number): void {
    const { events, settings } = this.#parts;
    const executeTime = settings.clock.wall() + delay;
    const described = { ...this.#describe(assignment), retryDelay: delay, executeTime };
    if (events.observed(QueueEventName.RETRYING)) events.emit(QueueEventName.RETRYING, { ...described, error });
    if (delay === 0 || !events.observed(QueueEventName.SCHEDULED)) return;
    events.emit(QueueEventName.SCHEDULED, { id: assignment.message.event, task: this.key, delay, executeTime });
  }

  #duration({ startedAt }: Assignment): number | undefined {
    return startedAt === undefined ? undefined : this.#parts.settings.clock.now() - startedAt;
  }

  #describe({ message, number, retry }: Assignment): Omit<TaskQueueEvent<'started'>, 'status' | 'timestamp'> {
    return {
      id: message.event,
      task: this.key,
      attempt: number,
      retries: Math.max(0, retry.attempts - number),
      retryDelay: undefined,
      executeTime: undefined,
    };
  }
}
