import type { DeadLetter } from '../policies/dead-letter.ts';
import type { Middleware, TaskPolicy } from '../policies/policy.ts';
import { Revocations } from '../policies/revocation.ts';
import { QueueEventSource, type QueueEvents } from '../queue-events/queue-events.ts';
import type { PeriodicHandle } from '../schedule/periodic.ts';
import { Timers } from '../schedule/timers.ts';
import { checkInteger, checkName, checkOptions, checkTime } from './checks.ts';
import type { AnyCollector } from './collector.ts';
import { CollectorSet } from './collector-set.ts';
import { describe, InvalidArgumentError, QueueClosedError } from './errors.ts';
import type { CollectorEvent } from './event.ts';
import { checkHealth, type HealthOptions, healthOf, type QueueHealth } from './health.ts';
import { KeptResults } from './kept-results.ts';
import { QueueLifetime } from './lifetime.ts';
import { reportError } from './log.ts';
import { loadOf, type QueueMetrics } from './metrics.ts';
import { checkMiddleware } from './middleware.ts';
import { mostAbandoned, type QueueOptions, type QueueSettings, resolveOptions } from './options.ts';
import type { Payload } from './payload.ts';
import { EventPublisher, notInitialized } from './publisher.ts';
import { redrive } from './redrive.ts';
import type { ResultList } from './results.ts';
import type { QueueParts, QueueRun } from './run.ts';
import { runWith } from './run-with.ts';
import { type EveryOptions, Schedules } from './schedules.ts';
import { checkShutdown, type ShutdownOptions } from './shutdown-options.ts';
import { Surroundings } from './surroundings.ts';
import type { AnyTopics } from './types.ts';

/**
 * An in-process queue of payloads, an autoscaling pool of consumers, and the collectors that they hand payloads to.
 * Nothing is persisted: what has not settled when the process ends is lost.
 *
 * @typeParam C - the collectors
 * @typeParam T - the topics and their values
 */
export class CollectorQueue<C extends AnyCollector = any, T = AnyTopics> {
  readonly #settings: QueueSettings;
  readonly #events: QueueEventSource;
  readonly #collectors: CollectorSet;
  readonly #publisher: EventPublisher<C, T>;
  readonly #lifetime: QueueLifetime;
  readonly #schedules: Schedules;
  readonly #revocations: Revocations = new Revocations();
  readonly #kept: KeptResults | undefined;
  readonly #surroundings: Surroundings;

  /**
   * @param collectors - at least one; keys must differ
   * @throws {@link InvalidArgumentError} for a wrong option, an unknown option name, no collectors, a key that occurs
   * twice, a dead letter for a collector that is not there. The message names the option, what was expected and what came.
   */
  constructor(collectors: readonly C[], options: QueueOptions<T> = {}) {
    this.#settings = resolveOptions(options);
    this.#surroundings = new Surroundings(this.#settings.schemas);
    this.#collectors = new CollectorSet(collectors, this.#settings.router, this.#surroundings);
    const { clock, logger } = this.#settings;
    this.#events = new QueueEventSource(
      () => clock.wall(),
      (argument, expected, value) => new InvalidArgumentError(`queue.events: ${argument}`, expected, describe(value)),
      (source, error) => {
        reportError(logger, source, error);
      },
    );
    const timers = new Timers(clock);
    this.#schedules = new Schedules(timers, clock, this.#events);
    this.#kept = this.#settings.results && new KeptResults(this.#settings.results, clock);
    const parts: QueueParts = {
      settings: this.#settings,
      events: this.#events,
      timers,
      revocations: this.#revocations,
      kept: this.#kept,
      surroundings: this.#surroundings,
      hasCollector: (key) => this.#collectors.has(key),
    };
    this.#lifetime = new QueueLifetime(parts, this.#collectors, this.#schedules);
    this.#publisher = new EventPublisher(this.#lifetime.door);
  }

  get events(): QueueEvents {
    return this.#events;
  }

  /** Payloads that wait for a consumer; 0 while the queue is not up. */
  get size(): number {
    return this.#lifetime.up?.pool.waiting ?? 0;
  }

  /** Consumers alive, busy or idle; 0 while the queue is not up. */
  get consumerCount(): number {
    return this.#lifetime.up?.pool.consumers ?? 0;
  }

  /** Busy ÷ consumers, now; 0 while the queue is not up. */
  get currentLoad(): number {
    return loadOf(this.#lifetime.up?.pool.busy ?? 0, this.consumerCount);
  }

  /** Whether {@link CollectorQueue.pause} is in effect. */
  get isPaused(): boolean {
    return this.#lifetime.paused;
  }

  /**
   * Whether more work was left behind by time limits than `maxAbandoned` allows, or as much as there may be consumers:
   * each keeps one.
   */
  get isSaturated(): boolean {
    return (this.#lifetime.up?.ledger.abandoned ?? 0) > mostAbandoned(this.#settings);
  }

  /** The keys of the collectors, in order of registration. */
  get collectorKeys(): string[] {
    return this.#collectors.keys();
  }

  /** The send side. It can be had before `initQueue`, but sends only from then on. */
  getPublisher(): EventPublisher<C, T> {
    return this.#publisher;
  }

  /**
   * Sets the collectors up, in their order, and starts. Does nothing if the queue is up; concurrent callers share one
   * outcome. Rejects with a {@link LifecycleError} if a set-up fails, after those already up were shut down in reverse;
   * it may be called again then, as after a shutdown. Rejects with a {@link QueueClosedError} if a shutdown came in
   * between.
   */
  initQueue(): Promise<void> {
    return this.#lifetime.init();
  }

  /**
   * Refuses new payloads, finishes the accepted ones (a paused queue is resumed for that) or gives up on them, then
   * shuts the collectors down in reverse. Idempotent: concurrent callers share one outcome, that of the first. Before
   * `initQueue` it does nothing; during `initQueue` it waits for the set-up under way and lets what is up be shut down.
   *
   * Resolves after everything was tried; rejects with a {@link LifecycleError} if a shutdown failed.
   *
   * @throws {@link InvalidArgumentError} for a wrong option
   */
  async shutDownQueue(options: ShutdownOptions = {}): Promise<void> {
    return this.#lifetime.shutDown(checkShutdown(options));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutDownQueue();
  }

  /**
   * Initialises the queue, runs the body with its publisher, and shuts the queue down, whatever the body does. Resolves
   * to what the body returns; rejects with what it throws, or else with what the shutdown rejects with.
   */
  async run<R>(body: (publisher: EventPublisher<C, T>) => R | Promise<R>, shutdown: ShutdownOptions = {}): Promise<R> {
    return runWith(this, this.#publisher, this.#events, body, shutdown);
  }

  /** No consumer takes anything more until `resume()`; what runs goes on, what is sent waits. Outlasts `initQueue`. */
  pause(): void {
    this.#lifetime.pause();
  }

  resume(): void {
    this.#lifetime.resume();
  }

  /** Takes out everything that waits; it settles as `Err(ClearedError)`. Returns how many payloads that were. */
  clear(): number {
    return this.#lifetime.up?.clear() ?? 0;
  }

  /** Resolves once everything accepted has settled and no consumer is busy. */
  async onIdle(): Promise<void> {
    return this.#lifetime.up?.onIdle();
  }

  /** Resolves once nothing waits for a consumer. */
  async onEmpty(): Promise<void> {
    return this.#lifetime.up?.admission.sizeBelow(1);
  }

  /**
   * Resolves once fewer than `size` payloads wait.
   * @throws {@link InvalidArgumentError} for what is no whole number of at least 1 (as a rejection)
   */
  async onSizeLessThan(size: number): Promise<void> {
    checkInteger('onSizeLessThan: size', size, { min: 1 });
    return this.#lifetime.up?.admission.sizeBelow(size);
  }

  /**
   * What the queue has measured since `initQueue`, also after a shutdown.
   * @throws {@link NotInitializedError} before the first `initQueue`
   */
  getMetrics(): QueueMetrics {
    const { clock } = this.#settings;
    const { metrics } = this.#lifetime;
    if (metrics === undefined) throw notInitialized();
    return metrics.read(clock.now(), clock.wall());
  }

  /**
   * How the queue is now, for probes and to find what is stuck; at any time, also before `initQueue` and after a shutdown.
   * @throws {@link InvalidArgumentError} for a wrong option
   */
  health(options: HealthOptions = {}): QueueHealth {
    const { oldest } = checkHealth(options);
    return healthOf(this.#lifetime, this.#settings, oldest);
  }

  /**
   * Adds a collector, last in order. While the queue is up, it is set up first; payloads that are dispatched from then
   * on can match it. Rejects with an {@link InvalidArgumentError} for a key that is taken, or a `deadLetter` that names
   * no collector; a {@link LifecycleError} if the set-up fails; a {@link QueueClosedError} while the queue shuts down.
   * Then it was not added.
   */
  async addCollector(collector: AnyCollector): Promise<void> {
    if (this.#lifetime.starting !== undefined) await this.#lifetime.starting;
    if (this.#lifetime.closing) throw new QueueClosedError('the queue is shutting down: no collector can be added');
    const run = this.#lifetime.up;
    if (run === undefined) this.#collectors.register(collector);
    else await this.#collectors.add(collector, run.ledger, () => this.#connectAdded(run));
  }

  /**
   * Removes a collector. Nothing is handed to it any more; once its unfinished tasks have ended it is shut down, and
   * free for another queue. Resolves to false if there is none with this key. Rejects with a {@link LifecycleError} if
   * its shutdown fails; it is removed all the same.
   */
  async removeCollector(key: string): Promise<boolean> {
    checkName('removeCollector: key', key);
    if (this.#lifetime.starting !== undefined) await this.#lifetime.starting;
    const place = this.#collectors.unreserve(key);
    if (place === undefined) return false;
    const run = this.#lifetime.up;
    try {
      if (run !== undefined) this.#lifetime.connect(run);
    } catch (error) {
      this.#collectors.restore(place);
      throw error;
    }
    run?.planner.flushBatch(place.collector);
    await this.#collectors.closeOne(place.collector).finally(() => run?.planner.forgetBatch(place.collector));
    return true;
  }

  /**
   * Wraps every attempt at a task in a middleware, of all collectors: the first one used is outermost, and all are outside of
   * the collectors' own policies. A policy's other methods are asked before those of the collectors. At any time, also
   * before `initQueue`: it takes effect for the attempts that begin from then on (the other methods of a policy: for the
   * payloads that are dispatched from then on), and outlasts a shutdown.
   *
   * @throws {@link InvalidArgumentError} for what is neither a function nor a policy
   */
  use(middleware: Middleware | TaskPolicy): this {
    this.#surroundings.use(checkMiddleware(middleware));
    this.#collectors.rewrap();
    this.#replan();
    this.#lifetime.up?.intake.countFromAcceptance(this.#collectors.countFromAcceptance);
    return this;
  }

  /**
   * Revokes a collector: its tasks settle as `Err(RevokedError)` instead of being attempted, those too that wait or are
   * parked; what runs goes on. Until {@link CollectorQueue.restore}, or until a time. Outlasts a shutdown.
   *
   * @throws {@link InvalidArgumentError} for an empty key, a time that is no date
   */
  revoke(collectorKey: string, options: RevokeOptions = {}): void {
    checkName('revoke: collectorKey', collectorKey);
    const { until } = checkOptions<RevokeOptions>('revoke', options, ['until']);
    const time = until === undefined ? Number.POSITIVE_INFINITY : checkTime('revoke: until', until);
    this.#revocations.revoke(collectorKey, time);
    this.#replan();
  }

  /** Ends a revocation. False if the collector was not revoked. */
  restore(collectorKey: string): boolean {
    checkName('restore: collectorKey', collectorKey);
    const restored = this.#revocations.restore(collectorKey, this.#settings.clock.wall());
    this.#replan();
    return restored;
  }

  /**
   * Publishes a payload again and again while the queue is up: by a cron expression (croner's syntax), or every so many
   * milliseconds. By default a time is left out while the payload before has not settled; `missed` counts those.
   *
   * @returns a handle that tells when it runs next, and stops it
   * @throws {@link InvalidArgumentError} for a malformed expression, one that never comes, an unknown time zone, an
   * interval below 1 ms, a wrong option
   */
  every(cadence: string | number, make: () => Payload, options: EveryOptions = {}): PeriodicHandle {
    return this.#schedules.every(cadence, make, options);
  }

  /**
   * The results of an event that has settled, by its id, for as long as the option `results` keeps them. Undefined while
   * it has not settled, and for an unknown id.
   */
  result(id: string): ResultList | undefined {
    checkName('result: id', id);
    return this.#kept?.get(id);
  }

  /**
   * Sends the payloads of dead letters again, each to the collector that failed, with its topics and headers. They count
   * as new: all attempts are left.
   *
   * @throws {@link InvalidArgumentError} for what is no dead letter, or one of a collector that is not in the queue; then
   * nothing was sent
   */
  redrive(letters: DeadLetter | readonly DeadLetter[]): CollectorEvent[] {
    return redrive(letters, (key) => this.#collectors.has(key), this.#publisher);
  }

  /** Lets a collector that was set up take part. */
  #connectAdded(run: QueueRun): void {
    if (this.#lifetime.isOpen(run)) this.#lifetime.connect(run);
    else throw new QueueClosedError('the queue was shut down while the collector was set up');
  }

  #replan(): void {
    const { up } = this.#lifetime;
    if (up !== undefined) this.#collectors.replan(up.planner);
  }
}

/** Options of {@link CollectorQueue.revoke}. */
export interface RevokeOptions {
  /**
   * When it ends by itself: a Date, or milliseconds since the Unix epoch.
   * @default never
   */
  readonly until?: Date | number | undefined;
}
