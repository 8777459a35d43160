import { checkInteger, checkName } from '../core/checks.ts';
import { type AnyCollector, Collector } from '../core/collector.ts';
import { describe, InvalidArgumentError } from '../core/errors.ts';
import type { CollectorEvent } from '../core/event.ts';
import { reportError } from '../core/log.ts';
import type { QueueMetrics } from '../core/metrics.ts';
import { checkMiddleware } from '../core/middleware.ts';
import { EventPublisher, notInitialized } from '../core/publisher.ts';
import { redrive } from '../core/redrive.ts';
import { runWith } from '../core/run-with.ts';
import { checkShutdown, type ShutdownOptions } from '../core/shutdown-options.ts';
import type { AnyTopics } from '../core/types.ts';
import type { DeadLetter } from '../policies/dead-letter.ts';
import type { Middleware, TaskPolicy } from '../policies/policy.ts';
import { QueueEventName } from '../queue-events/names.ts';
import { QueueEventSource, type QueueEvents } from '../queue-events/queue-events.ts';
import { checkHealth, type RemoteHealth, type RemoteHealthOptions, remoteHealthOf } from './health.ts';
import { type CollectorCounts, clearLane, countsOf, idle } from './inspection.ts';
import { JobMiddleware } from './job-middleware.ts';
import { RemoteMetricsReader } from './metrics.ts';
import { queueNameOf } from './names.ts';
import type { QuarantinedMessage } from './notes.ts';
import type { BullMQQueueOptions, Role } from './options.ts';
import { RemoteLifetime } from './remote-lifetime.ts';
import { NO_ORDER_BY_KEY, type RemoteSendOptions } from './send-options.ts';
import { type BullMQQueueSettings, resolveOptions } from './settings.ts';

/**
 * The face of a `CollectorQueue`, with its payloads in Redis and its collectors in any number of processes. A payload
 * is handed to each selected collector at least once; nothing that Redis acknowledged is lost with a process.
 *
 * @typeParam C - the collectors
 * @typeParam T - the topics and their values
 */
export class BullMQCollectorQueue<C extends AnyCollector = any, T = AnyTopics> {
  readonly #settings: BullMQQueueSettings;
  /** In order of registration. The run that is up reads it, too. */
  readonly #collectors: AnyCollector[];
  readonly #events: QueueEventSource;
  readonly #lifetime: RemoteLifetime;
  readonly #publisher: EventPublisher<C, T, RemoteSendOptions>;
  readonly #middleware: JobMiddleware = new JobMiddleware();
  #metrics: RemoteMetricsReader | undefined;
  #paused = false;

  /**
   * @param collectors - at least one; keys must differ. A publisher may have none: it routes to those that workers have
   * announced in Redis.
   * @throws {@link InvalidArgumentError} for a wrong option, an unknown option name, no collectors, a key that occurs
   * twice, a dead letter for a collector that is not there, a router that does more than select.
   */
  constructor(collectors: readonly C[], options: BullMQQueueOptions<T>) {
    this.#settings = resolveOptions(options);
    this.#collectors = checkCollectors(collectors, this.#settings.role);
    const { clock, logger } = this.#settings;
    this.#events = new QueueEventSource(
      () => clock.wall(),
      (argument, expected, value) => new InvalidArgumentError(`queue.events: ${argument}`, expected, describe(value)),
      (source, error) => {
        reportError(logger, source, error);
      },
    );
    this.#lifetime = new RemoteLifetime({
      settings: this.#settings,
      events: this.#events,
      collectors: this.#collectors,
      middleware: this.#middleware,
    });
    this.#publisher = new EventPublisher(this.#lifetime.door);
  }

  get events(): QueueEvents {
    return this.#events;
  }

  /** What this process does. */
  get role(): Role {
    return this.#settings.role;
  }

  /** Payloads of this process that Redis has not acknowledged; what waits in Redis is told by `counts()`. */
  get size(): number {
    return this.#lifetime.up?.tally.pending ?? 0;
  }

  /** Jobs that this process may work on at a time; 0 for a publisher, and while the queue is not up. */
  get consumerCount(): number {
    return this.#lifetime.up?.crew?.concurrency ?? 0;
  }

  /** Busy ÷ consumers of this process, now; 0 while the queue is not up. */
  get currentLoad(): number {
    const crew = this.#lifetime.up?.crew;
    return crew === undefined || crew.concurrency === 0 ? 0 : crew.busy / crew.concurrency;
  }

  /** Whether this process has paused the queue, and not resumed it. */
  get isPaused(): boolean {
    return this.#paused;
  }

  /** The keys of the collectors, in order of registration: those given, or else those announced. */
  get collectorKeys(): string[] {
    const given = this.#collectors.map(({ key }) => key);
    return given.length > 0 ? given : (this.#lifetime.up?.collectorKeys ?? []);
  }

  /** The send side. It can be had before `initQueue`, but sends only from then on; never in the role `worker`. */
  getPublisher(): EventPublisher<C, T, RemoteSendOptions> {
    return this.#publisher;
  }

  /**
   * Connects to Redis, and, in a process that works, sets the collectors up, announces them and starts. Does nothing if
   * the queue is up; concurrent callers share one outcome. Rejects with a {@link BrokerUnavailableError} if Redis is not
   * reached within `connectTimeout`, a {@link NoCollectorsError} if a publisher finds none, a {@link LifecycleError} if a
   * set-up fails, a {@link MissingPackageError} without bullmq or ioredis. What was begun is undone then, and it may be
   * called again.
   */
  async initQueue(): Promise<void> {
    await this.#lifetime.init();
  }

  /**
   * Refuses new payloads, sees those that were sent to Redis, waits for the results that somebody waits for, lets the
   * jobs end that run here, gives the rest back to Redis, and shuts the collectors down in reverse. Resolves within the
   * time limit, whatever Redis does; jobs in Redis stay there. Rejects with a {@link LifecycleError} if a shutdown failed.
   *
   * @throws {@link InvalidArgumentError} for a wrong option
   */
  async shutDownQueue(options: ShutdownOptions = {}): Promise<void> {
    return this.#lifetime.shutDown(checkShutdown(options));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutDownQueue();
  }

  /** Initialises the queue, runs the body with its publisher, and shuts the queue down, whatever the body does. */
  async run<R>(
    body: (publisher: EventPublisher<C, T, RemoteSendOptions>) => R | Promise<R>,
    shutdown: ShutdownOptions = {},
  ): Promise<R> {
    return runWith(this, this.#publisher, this.#events, body, shutdown);
  }

  /**
   * No worker of any process takes anything more from this queue's collectors, until `resume()`; what runs goes on. It
   * is kept in Redis, and outlasts this process. Resolves once it is in effect.
   */
  async pause(): Promise<void> {
    await Promise.all(this.#lifetime.need().lanes.map(({ queue }) => queue.pause()));
    this.#paused = true;
    this.#tell(QueueEventName.PAUSED);
  }

  /** Ends a pause, of this or another process. */
  async resume(): Promise<void> {
    await Promise.all(this.#lifetime.need().lanes.map(({ queue }) => queue.resume()));
    this.#paused = false;
    this.#tell(QueueEventName.RESUMED);
  }

  /**
   * Takes out everything that waits in Redis, whoever sent it. What this process waits for settles as
   * `Err(ClearedError)`, elsewhere as `Err(JobLostError)`. Resolves to how many jobs that were.
   */
  async clear(): Promise<number> {
    const run = this.#lifetime.need();
    const cleared = await Promise.all(run.lanes.map((lane) => clearLane(run, lane)));
    return cleared.reduce((sum, count) => sum + count, 0);
  }

  /** Resolves once nothing waits, is delayed or runs in Redis, whoever sent it, and all that was sent here is there. */
  async onIdle(): Promise<void> {
    const run = this.#lifetime.up;
    if (run !== undefined) await idle(run, this.#settings.clock);
  }

  /** How many jobs of each collector stand where in Redis, by the collector's key. */
  async counts(): Promise<ReadonlyMap<string, CollectorCounts>> {
    return countsOf(this.#lifetime.need().lanes);
  }

  /** Messages that were not believed, the latest first; at most 10,000 are kept. */
  async quarantined(count = 100): Promise<readonly QuarantinedMessage[]> {
    checkInteger('quarantined: count', count, { min: 1 });
    return this.#lifetime.need().notes.quarantined(count);
  }

  /**
   * What this process has measured since `initQueue`. Of its sends: offered, accepted (acknowledged by Redis), rejected,
   * inFlight, settled (as far as somebody waited), cancelled, unrouted; `qsize` is what Redis has not acknowledged. Of its workers:
   * busy, consumers, load, serviceTime, waitTime and rates. What nobody in this process can know is 0.
   *
   * @throws {@link NotInitializedError} before the first `initQueue`
   */
  getMetrics(): QueueMetrics {
    const run = this.#lifetime.last;
    if (run === undefined) throw notInitialized();
    if (this.#metrics?.run !== run) this.#metrics = new RemoteMetricsReader(run, this.#settings.clock);
    return this.#metrics.read();
  }

  /**
   * How this process is, for probes and to find what is stuck, and whether Redis answers; at any time, also before
   * `initQueue` and after a shutdown. Resolves within its `timeout`, and never rejects but for a wrong option, with an
   * {@link InvalidArgumentError}.
   */
  async health(options: RemoteHealthOptions = {}): Promise<RemoteHealth> {
    return remoteHealthOf(this.#lifetime, this.#paused, this.#settings.clock, checkHealth(options));
  }

  /**
   * Adds a collector, last in order. While the queue is up and works, it is set up first. Rejects with an
   * {@link InvalidArgumentError} for a key that is taken, a `deadLetter` that names no collector, and on a publisher that
   * has none of its own; a {@link LifecycleError} if the set-up fails; a {@link QueueClosedError} while the queue shuts
   * down. Then it was not added.
   */
  async addCollector(collector: AnyCollector): Promise<void> {
    const argument = 'addCollector: collector';
    checkCollector(argument, collector, this.#collectors);
    checkDeadLetter(collector, [...this.#collectors, collector]);
    if (this.#collectors.length === 0) {
      throw new InvalidArgumentError(argument, 'added to a queue that has collectors of its own', 'not');
    }
    const run = await this.#lifetime.settledRun('collector can be added');
    this.#collectors.push(collector);
    try {
      await run?.add(collector);
    } catch (error) {
      this.#drop(collector);
      throw error;
    }
  }

  /**
   * Removes a collector from this process: it sends nothing more to it, and works on it no more; what waits for it in
   * Redis stays for other processes. Once its unfinished jobs have ended it is shut down, and free for another queue.
   * Resolves to false if there is none with this key. Rejects with a {@link LifecycleError} if its shutdown fails; it is
   * removed all the same.
   */
  async removeCollector(key: string): Promise<boolean> {
    checkName('removeCollector: key', key);
    const run = await this.#lifetime.settledRun(undefined);
    const collector = this.#collectors.find((one) => one.key === key);
    if (collector === undefined) return false;
    this.#drop(collector);
    await run?.remove(collector);
    return true;
  }

  /**
   * Wraps every attempt that this process makes in a middleware: the first one used is outermost, and all are outside of
   * the collectors' own policies. A policy's other methods are asked before those of the collectors. At any time, also
   * before `initQueue`: it takes effect for the attempts that begin from then on, and outlasts a shutdown. A process that
   * only publishes makes no attempts.
   *
   * @throws {@link InvalidArgumentError} for what is neither a function nor a policy
   */
  use(middleware: Middleware | TaskPolicy): this {
    this.#middleware.use(checkMiddleware(middleware));
    return this;
  }

  /**
   * Forgets a collector that no worker has any more, so that publishers without collectors of their own stop routing to
   * it. Jobs that wait for it stay. While a worker has it, it comes back with the next announcement.
   */
  async forgetCollector(key: string): Promise<void> {
    checkName('forgetCollector: key', key);
    await this.#lifetime.need().notes.retract(key);
  }

  /**
   * Sends the payloads of dead letters again, each to the collector that failed, with its topics and headers. They count
   * as new: all attempts are left.
   *
   * @throws {@link InvalidArgumentError} for what is no dead letter; then nothing was sent
   */
  redrive(letters: DeadLetter | readonly DeadLetter[]): CollectorEvent[] {
    return redrive(letters, (key) => this.collectorKeys.includes(key), this.#publisher as EventPublisher);
  }

  #drop(collector: AnyCollector): void {
    this.#collectors.splice(this.#collectors.indexOf(collector), 1);
  }

  #tell(name: 'paused' | 'resumed'): void {
    if (this.#events.observed(name)) this.#events.emit(name, {});
  }
}

function checkCollectors(collectors: readonly AnyCollector[], role: Role): AnyCollector[] {
  const owner = 'BullMQCollectorQueue: collectors';
  if (!Array.isArray(collectors) || (collectors.length === 0 && role !== 'publisher')) {
    throw new InvalidArgumentError(owner, 'a non-empty array of Collectors', describe(collectors));
  }
  const checked: AnyCollector[] = [];
  for (const [at, collector] of collectors.entries()) {
    checkCollector(`${owner}[${at}]`, collector, checked);
    checked.push(collector);
  }
  for (const collector of checked) checkDeadLetter(collector, checked);
  return checked;
}

function checkCollector(argument: string, collector: unknown, others: readonly AnyCollector[]): void {
  if (!(collector instanceof Collector)) throw new InvalidArgumentError(argument, 'a Collector', describe(collector));
  const { key, settings } = collector;
  queueNameOf(key);
  if (collector.batch !== undefined) {
    const expected = 'a Collector whose processor takes one payload: jobs are taken one by one';
    throw new InvalidArgumentError(argument, expected, 'a BatchCollector');
  }
  if (settings.flow?.partitionOf !== undefined) {
    throw new InvalidArgumentError(`Collector "${key}": partitionBy`, `left out: ${NO_ORDER_BY_KEY}`, 'given');
  }
  if (others.some((other) => other.key === key)) {
    throw new InvalidArgumentError(argument, 'of a key of its own', `another "${key}"`);
  }
}

/** A misspelt key would lose what goes there. */
function checkDeadLetter({ key, settings }: AnyCollector, all: readonly AnyCollector[]): void {
  const { deadLetter } = settings;
  if (typeof deadLetter !== 'string' || (deadLetter !== key && all.some((one) => one.key === deadLetter))) return;
  const expected = 'the key of another collector of the queue';
  throw new InvalidArgumentError(`Collector "${key}": deadLetter`, expected, `"${deadLetter}"`);
}
