import {
  checkDuration,
  checkInteger,
  checkMethods,
  checkName,
  checkOneOf,
  checkOptions,
  LOGGER_METHODS,
} from '../core/checks.ts';
import { describe, InvalidArgumentError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { type Ack, CLOSE_TIMEOUT, type CloseOptions, checkEmitter, type Emitter } from '../emitter/index.ts';
import { systemClock } from '../schedule/clock.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import { checkQueueName, type EmitterJob } from './bullmq-emitter.ts';
import {
  type BullMQTarget,
  checkBullMQTarget,
  clientFor,
  cut,
  type KnownBullMQTarget,
  loadBullMQ,
  type OwnClient,
  type Packages,
} from './bullmq-link.ts';
import { handToEmitter } from './handing-over.ts';
import { Trouble } from './trouble.ts';

/** Options of a {@link BullMQEmitterWorker}. */
export interface BullMQEmitterWorkerOptions {
  /** Where BullMQ keeps its jobs. */
  readonly connection: BullMQTarget;
  /** What executes the jobs: an `HttpEmitter`, for example. It is neither opened nor closed. */
  readonly emitter: Emitter;
  /**
   * The name of the queue.
   * @default 'emitter'
   */
  readonly queueName?: string | undefined;
  /**
   * Of the keys of BullMQ.
   * @default 'bull'
   */
  readonly prefix?: string | undefined;
  /**
   * When an event is done with: once its receiver has it, or once the emitter keeps it as safely as it can.
   * @default 'delivered'
   */
  readonly ack?: Ack | undefined;
  /**
   * Jobs at once; from 1.
   * @default 10
   */
  readonly concurrency?: number | undefined;
  /** Told of what goes wrong, never of events; without one, the first failure of a row becomes a process warning. */
  readonly logger?: Logger | undefined;
}

const OWNER = 'BullMQEmitterWorker';

const NAMES = [
  'connection',
  'emitter',
  'queueName',
  'prefix',
  'ack',
  'concurrency',
  'logger',
] as const satisfies readonly (keyof BullMQEmitterWorkerOptions)[];

/** What is used of a worker of BullMQ. */
interface JobWorker {
  on(event: 'error', listener: (error: Error) => void): unknown;
  close(force?: boolean): Promise<void>;
}

interface Job {
  readonly data: unknown;
  updateData(data: object): Promise<void>;
}

/**
 * Executes the jobs of {@link BullMQEmitter}s with an emitter. A job ends when the emitter has all of its events. Those that it
 * does not take yet stay in the job, which runs again; those that it refuses for good stay in a job that has failed, with
 * the reason. A worker that is killed leaves its jobs to others: at least once.
 */
export class BullMQEmitterWorker {
  readonly #target: KnownBullMQTarget;
  readonly #emitter: Emitter;
  readonly #ack: Ack;
  readonly #name: string;
  readonly #prefix: string | undefined;
  readonly #concurrency: number;
  readonly #trouble: Trouble;
  #running: { readonly worker: JobWorker; readonly client: OwnClient } | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;

  /** @throws {@link InvalidArgumentError} (a TypeError) for an option that is wrong. */
  constructor(options: BullMQEmitterWorkerOptions) {
    checkOptions<BullMQEmitterWorkerOptions>(OWNER, options, NAMES);
    const { connection, emitter, queueName, prefix, ack = 'delivered', concurrency = 10, logger } = options;
    this.#target = checkBullMQTarget(`${OWNER}: connection`, connection);
    checkEmitter(`${OWNER}: emitter`, emitter);
    this.#emitter = emitter;
    this.#ack = checkOneOf(`${OWNER}: ack`, ack, ['stored', 'delivered'] as const);
    if (ack === 'delivered' && emitter.deliver === undefined) {
      const expected = "'stored' with an emitter that cannot tell what becomes of an event";
      throw new InvalidArgumentError(`${OWNER}: ack`, expected, "'delivered'");
    }
    this.#name = checkQueueName(OWNER, queueName);
    this.#prefix = prefix === undefined ? undefined : checkName(`${OWNER}: prefix`, prefix);
    this.#concurrency = checkInteger(`${OWNER}: concurrency`, concurrency, { min: 1 });
    if (logger !== undefined) checkMethods(`${OWNER}: logger`, logger, LOGGER_METHODS);
    this.#trouble = new Trouble(OWNER, logger);
  }

  /**
   * Begins to take jobs, and does not wait for Redis. Rejects with a {@link MissingPackageError} if bullmq or ioredis is not
   * installed.
   */
  async start(): Promise<void> {
    await this.#closing;
    const packages = await loadBullMQ(OWNER);
    if (this.#running !== undefined) return;
    this.#closing = undefined;
    const client = clientFor(packages, this.#target, { maxRetriesPerRequest: null });
    client.on('error', (error) => this.#trouble.tell('Redis is away', error, 0));
    client.on('ready', () => this.#trouble.over());
    const worker = new packages.bullmq.Worker(this.#name, (job) => this.#execute(packages, job), {
      connection: client as never,
      concurrency: this.#concurrency,
      // A stall says that a worker was killed, not that its job is to blame.
      maxStalledCount: 1_000_000,
      ...(this.#prefix === undefined ? {} : { prefix: this.#prefix }),
    }) as unknown as JobWorker;
    worker.on('error', (error) => this.#trouble.tell('a job was disturbed', error, 0));
    this.#running = { worker, client };
  }

  /** Takes no more jobs, waits for those under way within `timeout`, and ends. Every call shares one outcome. */
  close(options: CloseOptions = {}): Promise<void> {
    const { timeout = CLOSE_TIMEOUT } = checkOptions<CloseOptions>(`${OWNER}.close`, options, ['timeout']);
    this.#closing ??= this.#close(checkDuration(`${OWNER}.close: timeout`, timeout));
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(timeout: number): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const { worker, client } = running;
    const closing = worker.close().catch((error: unknown) => this.#trouble.tell('closing', error, 0));
    const isInTime = await settlesWithin(closing, systemClock, timeout);
    // It waits for its jobs, and for Redis, however long that takes.
    if (!isInTime) void worker.close(true).catch(() => undefined);
    cut(client);
    this.#running = undefined;
  }

  async #execute({ bullmq }: Packages, job: Job): Promise<{ readonly delivered: number }> {
    const events = eventsOf(job.data);
    if (events === undefined) throw new bullmq.UnrecoverableError(`the job holds no events: ${describe(job.data)}`);
    const texts = events.map((event, at) => ({ text: JSON.stringify(event), digest: String(at) }));
    const { dead, done, again, failure } = await handToEmitter(this.#emitter, this.#ack, texts);
    const left = [...again, ...dead.map(({ taken }) => taken)].map(({ digest }) => events[Number(digest)]);
    if (left.length === 0) return { delivered: done.length };
    // What is done is not done again.
    await job.updateData({ v: 1, events: left });
    if (failure !== undefined) throw failure;
    throw new bullmq.UnrecoverableError(`${dead.length} events were refused: ${dead[0]?.reason.message}`);
  }
}

/** Anyone who can write to Redis may have written it. */
function eventsOf(data: unknown): EmitterJob['events'] | undefined {
  const { v, events } = (data ?? {}) as { v?: unknown; events?: unknown };
  if (v !== 1 || !Array.isArray(events)) return undefined;
  return events.every((event) => typeof event === 'object' && event !== null) ? events : undefined;
}
