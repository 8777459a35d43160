import { type BullMQCollectorQueue, RejectedMessageError } from '../bullmq/index.ts';
import { describeThrown, ProcessorError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { LogFormat } from './log.ts';

/** A job that runs here. */
interface RunningJob {
  readonly collector: string;
  readonly event: string;
}

type Queue = Pick<BullMQCollectorQueue, 'events' | 'counts'>;

/** Logs what operators want to know of a worker, and counts. Values of payloads and results are never logged. */
export class WorkerLog {
  /** Jobs that ended here, one way or the other. Attempts that are followed by others do not count. */
  ended = 0;
  readonly #queue: Queue;
  readonly #log: Logger;
  readonly #format: LogFormat;
  readonly #running: Map<string, RunningJob> = new Map();
  #isRedisAway = false;

  constructor(queue: Queue, log: Logger, format: LogFormat) {
    this.#queue = queue;
    this.#log = log;
    this.#format = format;
    this.#listen();
  }

  /** Jobs that were begun and have not ended; after the shutdown those that were given back. */
  get running(): readonly RunningJob[] {
    return [...this.#running.values()];
  }

  #listen(): void {
    const { events } = this.#queue;
    events.on('started', ({ task, id }) => {
      this.#running.set(keyOf(task, id), { collector: task, event: id });
    });
    events.on('finished', ({ task, id }) => {
      this.#running.delete(keyOf(task, id));
      this.ended++;
    });
    events.on('error-task', ({ task, id, attempt, error, stack }) => {
      this.#running.delete(keyOf(task, id));
      this.ended++;
      const fields = { collector: task, event: id, attempt, error: inWords(error) };
      // In a line for people there is no room for it.
      this.#log.error(this.#format === 'json' ? { ...fields, stack } : fields, 'job failed');
    });
    events.on('retrying', ({ task, id, attempt, retries, retryDelay, error }) => {
      this.#running.delete(keyOf(task, id));
      const fields = {
        collector: task,
        event: id,
        attempt,
        retries,
        retryDelay: Math.round(retryDelay ?? 0),
        error: inWords(error),
      };
      this.#log.warn(fields, 'job failed, and is tried again');
    });
    events.on('dead-lettered', ({ task, id }) => {
      this.#log.warn({ collector: task, event: id }, 'job went to the dead letters');
    });
    events.on('saturated', ({ abandoned }) => {
      this.#log.warn({ abandoned }, 'too many jobs exceeded their time limit, and run on');
    });
    events.on('error-internal', ({ source, error }) => this.#trouble(source, error));
  }

  #trouble(source: string, error: unknown): void {
    if (isOfConnection(error)) this.#redisIsAway(error);
    else if (error instanceof RejectedMessageError) {
      this.#log.warn({ source, reason: error.reason }, 'job was not believed: it is in quarantine');
    } else this.#log.error({ source, error: inWords(error) }, 'internal error');
  }

  /** Told once, not at each attempt to connect. */
  #redisIsAway(error: unknown): void {
    if (this.#isRedisAway) return;
    this.#isRedisAway = true;
    const since = performance.now();
    this.#log.error({ error: inWords(error) }, 'Redis is away; trying again');
    // It is answered when Redis is back.
    this.#queue.counts().then(
      () => {
        this.#isRedisAway = false;
        this.#log.info({ seconds: (performance.now() - since) / 1_000 }, 'Redis is back');
      },
      () => {
        this.#isRedisAway = false;
      },
    );
  }
}

function keyOf(collector: string, event: string): string {
  return `${event} ${collector}`;
}

/** What a processor threw, rather than that it threw. */
function inWords(error: unknown): string {
  return describeThrown(error instanceof ProcessorError ? error.cause : error);
}

const CODES: readonly unknown[] = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
];

function isOfConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return CODES.includes((error as NodeJS.ErrnoException).code) || /^Connection is closed|^LOADING /.test(error.message);
}
