import type { Queue } from 'bullmq';
import { NotInitializedError } from '../core/errors.ts';
import { Connections } from './connections.ts';
import { type CollectorCounts, countsOfLane } from './inspection.ts';
import { type Library, loadLibrary } from './library.ts';
import { keyOfQueue, queueNameOf } from './names.ts';
import { type Notes, RedisNotes } from './notes.ts';
import type { BullMQQueueOptions } from './options.ts';
import { type BullMQQueueSettings, resolveOptions } from './settings.ts';

/** Options of a {@link QueueObserver}, as those of a `BullMQCollectorQueue`. */
export type QueueObserverOptions = Pick<BullMQQueueOptions, 'connection' | 'prefix' | 'connectTimeout' | 'registryTtl'>;

/** The jobs of one collector. */
export interface ObservedQueue extends CollectorCounts {
  /** The key of the collector. */
  readonly key: string;
  /** Whether a worker has announced it within `registryTtl`. */
  readonly announced: boolean;
  /**
   * How long the job that comes next has waited since it was due, in milliseconds; undefined if none waits. Where all
   * have one priority it is the oldest.
   */
  readonly nextAge: number | undefined;
}

/** What there is in Redis. */
export interface Observation {
  /** Those that were announced, in order; then those that nobody announces any more, by their keys. */
  readonly queues: readonly ObservedQueue[];
  /** Messages that were not believed. */
  readonly quarantined: number;
}

/** How often is looked for queues that nobody announces. It costs Redis something. Milliseconds. */
const SEARCH_INTERVAL = 30_000;

/** Looks at the queues of all collectors with one prefix; it sends nothing and works on nothing. */
export class QueueObserver {
  readonly #settings: BullMQQueueSettings;
  readonly #queues: Map<string, Queue> = new Map();
  #opened:
    | { readonly connections: Connections; readonly notes: Notes; readonly queueOf: (name: string) => Queue }
    | undefined;
  #found: readonly string[] = [];
  #searchedAt = Number.NEGATIVE_INFINITY;

  /** @throws {@link InvalidArgumentError} for a wrong option */
  constructor(options: QueueObserverOptions) {
    this.#settings = resolveOptions({ ...options, role: 'publisher' });
  }

  /**
   * Connects. Rejects with a {@link BrokerUnavailableError} if Redis is not reached within `connectTimeout`, a
   * {@link MissingPackageError} without bullmq or ioredis.
   */
  async open(): Promise<void> {
    if (this.#opened !== undefined) return;
    const library = await loadLibrary();
    // An outage is told by what is asked for.
    const connections = new Connections(library.ioredis, this.#settings, () => undefined);
    const redis = await connections.sending();
    this.#opened = {
      connections,
      notes: new RedisNotes(redis, this.#settings.prefix),
      queueOf: (name) => this.#newQueue(library, redis, name),
    };
  }

  /** Rejects with what Redis, or the connection to it, says. @throws {@link NotInitializedError} if it is not open */
  async read(): Promise<Observation> {
    if (this.#opened === undefined)
      throw new NotInitializedError('the observer is not open: await observer.open() first');
    const { notes } = this.#opened;
    const { clock, registryTtl } = this.#settings;
    const announced = (await notes.announced(clock.wall(), registryTtl)).map(({ key }) => queueNameOf(key));
    await this.#search(notes);
    const others = this.#found.filter((name) => !announced.includes(name)).sort();
    const [quarantined, ...queues] = await Promise.all([
      notes.quarantineSize(),
      ...[...announced, ...others].map((name, at) => this.#look(name, at < announced.length)),
    ]);
    return { queues, quarantined };
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    this.#opened?.connections.drop();
    await Promise.allSettled([...this.#queues.values()].map((queue) => queue.close()));
    this.#queues.clear();
    this.#opened = undefined;
  }

  async #search(notes: Notes): Promise<void> {
    const now = this.#settings.clock.now();
    if (now - this.#searchedAt < SEARCH_INTERVAL) return;
    this.#found = (await notes.queues()).filter(isOfCollector);
    this.#searchedAt = now;
  }

  async #look(name: string, announced: boolean): Promise<ObservedQueue> {
    const queue = this.#queues.get(name) ?? this.#opened?.queueOf(name);
    if (queue === undefined) throw new NotInitializedError('the observer was closed');
    this.#queues.set(name, queue);
    const [counts, next] = await Promise.all([
      countsOfLane({ queue }),
      queue.getJobs(['wait', 'prioritized'], 0, 0, true),
    ]);
    const due = next.map((job) => dueOf(job));
    const nextAge = due.length === 0 ? undefined : Math.max(0, this.#settings.clock.wall() - Math.min(...due));
    return { key: keyOfQueue(name), ...counts, announced, nextAge };
  }

  #newQueue({ bullmq }: Library, connection: object, name: string): Queue {
    const { prefix } = this.#settings;
    const queue: Queue = new bullmq.Queue(name, { connection, prefix, skipMetasUpdate: true });
    queue.on('error', () => undefined);
    return queue;
  }
}

/** The queues of collectors have names that were made of their keys. */
function isOfCollector(name: string): boolean {
  try {
    return queueNameOf(keyOfQueue(name)) === name;
  } catch {
    return false;
  }
}

function dueOf({ data, timestamp }: { readonly data: unknown; readonly timestamp: number }): number {
  const { due } = (data ?? {}) as { due?: unknown };
  return typeof due === 'number' && Number.isFinite(due) ? due : timestamp;
}
