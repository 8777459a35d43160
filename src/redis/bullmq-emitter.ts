import { createHash, randomUUID } from 'node:crypto';
import { checkName, checkOptions } from '../core/checks.ts';
import { InvalidArgumentError } from '../core/errors.ts';
import {
  BATCH_OPTIONS,
  BatchEmitter,
  type BatchOptions,
  PlainCourier,
  resolveBatchOptions,
  snapshotEvent,
} from '../emitter/index.ts';
import { MemoryEventStore, type StoredEvent, StoreFullError } from '../store/index.ts';
import { type BullMQTarget, checkBullMQTarget, JobLink } from './bullmq-link.ts';
import { RedisConnectionError } from './errors.ts';

/** What `deliver` of a {@link BullMQEmitter} resolves to once the job of an event is in Redis. */
export interface JobAdded {
  readonly jobId: string;
}

/** Options of a {@link BullMQEmitter}: those of every emitter of batches but for the callbacks, and of its queue. */
export interface BullMQEmitterOptions extends Omit<BatchOptions<JobAdded>, 'onSuccess' | 'onFailure'> {
  /** Where BullMQ keeps its jobs. */
  readonly connection: BullMQTarget;
  /**
   * The name of the queue, without `:`.
   * @default 'emitter'
   */
  readonly queueName?: string | undefined;
  /**
   * Of the keys of BullMQ.
   * @default 'bull'
   */
  readonly prefix?: string | undefined;
  /**
   * The most events of a job, and how many must wait for it to be made before `flushInterval` is over; at least 1.
   * @default 10
   */
  readonly batchSize?: number | undefined;
}

/** The queue of an emitter and its workers, by default. */
const DEFAULT_QUEUE = 'emitter';

/** What a job says. */
export interface EmitterJob {
  readonly v: 1;
  readonly events: readonly object[];
}

const OWNER = 'BullMQEmitter';
const JOB_NAME = 'emit';

const NAMES = [
  'connection',
  'queueName',
  'prefix',
  ...BATCH_OPTIONS.filter((name) => name !== 'onSuccess' && name !== 'onFailure'),
] as readonly (keyof BullMQEmitterOptions)[];

/** Workers try as long as it takes, and failed jobs are kept: they are the dead letters. */
const JOB_OPTIONS = {
  attempts: 1_000_000,
  backoff: { type: 'fixed', delay: 5_000, jitter: 0.5 },
  removeOnComplete: { age: 3_600, count: 1_000 },
  removeOnFail: false,
};

/**
 * Turns each batch into a job of BullMQ, which a {@link BullMQEmitterWorker} executes, in whatever process, with an emitter of
 * its own. An event is safe once Redis has answered, and not before; what becomes of it then is told to nobody here, so
 * there are no callbacks. A job that is added again because the answer got lost is the same job.
 *
 * It works as soon as it is made, and connects with the first event.
 */
export class BullMQEmitter extends BatchEmitter<JobAdded> {
  /** @throws {@link InvalidArgumentError} (a TypeError) for an option that is wrong. */
  constructor(options: BullMQEmitterOptions) {
    checkOptions<BullMQEmitterOptions>(OWNER, options, NAMES);
    const { connection, queueName, prefix, ...rest } = options;
    const target = checkBullMQTarget(`${OWNER}: connection`, connection);
    const name = checkQueueName(OWNER, queueName);
    if (prefix !== undefined) checkName(`${OWNER}: prefix`, prefix);
    const settings = resolveBatchOptions<JobAdded, object>(OWNER, rest, { batchSize: 10, flushInterval: 1_000 });
    const { bufferCapacity, overflow } = settings;
    const link = new JobLink(target, { name, prefix, need: OWNER });
    const nonce = randomUUID();
    super({
      settings,
      snapshot: (event) => snapshotEvent(OWNER, event),
      courier: (desk) =>
        new PlainCourier<JobAdded>(desk, {
          ...settings,
          send: async (_texts, signal, events) => {
            const job: EmitterJob = { v: 1, events: events.map(({ event }) => event) };
            const jobId = `${nonce}-${digestOf(events)}`;
            return { jobId: await link.add(JOB_NAME, job, { ...JOB_OPTIONS, jobId }, signal) };
          },
          lost: (message) => new RedisConnectionError(message),
        }),
      memory: () => new MemoryEventStore({ capacity: bufferCapacity, overflow }),
      full: (message) => new StoreFullError(message),
      opening: () => link.prepare(),
      closed: () => link.close(),
    });
  }
}

/** Of these very events, by their ids in the store and what they say. */
function digestOf(events: readonly StoredEvent[]): string {
  const hash = createHash('sha256');
  for (const { id, event } of events) hash.update(JSON.stringify([id, event]));
  return hash.digest('hex').slice(0, 32);
}

/** @throws {@link InvalidArgumentError} */
export function checkQueueName(owner: string, name: unknown = DEFAULT_QUEUE): string {
  const checked = checkName(`${owner}: queueName`, name);
  if (!checked.includes(':')) return checked;
  throw new InvalidArgumentError(`${owner}: queueName`, "without ':', which BullMQ refuses", JSON.stringify(checked));
}
