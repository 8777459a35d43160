import { QueueEventName } from '../queue-events/names.ts';
import { QueueEventSource, type QueueEvents } from '../queue-events/queue-events.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import { checkFunction, checkInteger, checkName } from './checks.ts';
import type { AnyCollector } from './collector.ts';
import { CollectorSet } from './collector-set.ts';
import {
  asRouterError,
  describe,
  InvalidArgumentError,
  LifecycleError,
  QueueAbortedError,
  QueueClosedError,
  ShutdownTimeoutError,
} from './errors.ts';
import { withUndone } from './lifecycle.ts';
import { reportError } from './log.ts';
import { loadOf, logMetrics, type MetricsReader, type QueueMetrics } from './metrics.ts';
import { type QueueOptions, type QueueSettings, resolveOptions } from './options.ts';
import { type Door, EventPublisher, notInitialized } from './publisher.ts';
import { QueueRun } from './run.ts';
import { checkShutdown, type ShutdownOptions } from './shutdown-options.ts';
import type { AnyTopics } from './types.ts';

/**
 * Where a queue stands.
 *
 *     new ──→ starting ──→ running ──→ closing ──→ closed
 *      ↑         │ failed                            │
 *      └─────────┘            starting ←─────────────┘ initQueue again
 */
type QueueState = 'new' | 'starting' | 'running' | 'closing' | 'closed';

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
  readonly #door: Door = { intake: undefined };
  #state: QueueState = 'new';
  #run: QueueRun | undefined;
  #metrics: MetricsReader | undefined;
  #stopLogging: () => void = () => undefined;
  #paused = false;
  /** The start or the shutdown under way, which concurrent callers share. */
  #starting: Promise<void> = Promise.resolve();
  #closing: Promise<void> = Promise.resolve();
  /** A shutdown was asked for while the queue starts. */
  #stopRequested = false;
  /** What was asked for last while the queue closes: to be initialised again. */
  #reopenRequested = false;
  /** What failed when the last start was undone. */
  #undone: readonly unknown[] = [];

  /**
   * @param collectors - at least one; keys must differ
   * @throws {@link InvalidArgumentError} for a wrong option, an unknown option name, no collectors, a key that occurs
   * twice. The message names the option, what was expected and what came.
   */
  constructor(collectors: readonly C[], options: QueueOptions<T> = {}) {
    this.#settings = resolveOptions(options);
    this.#collectors = new CollectorSet(collectors, this.#settings.router);
    const { clock, logger } = this.#settings;
    this.#events = new QueueEventSource(
      () => clock.wall(),
      (argument, expected, value) => new InvalidArgumentError(`queue.events: ${argument}`, expected, describe(value)),
      (source, error) => {
        reportError(logger, source, error);
      },
    );
    this.#publisher = new EventPublisher(this.#door);
  }

  get events(): QueueEvents {
    return this.#events;
  }

  /** Payloads that wait for a consumer; 0 while the queue is not up. */
  get size(): number {
    return this.#up?.pool.waiting ?? 0;
  }

  /** Consumers alive, busy or idle; 0 while the queue is not up. */
  get consumerCount(): number {
    return this.#up?.pool.consumers ?? 0;
  }

  /** Busy ÷ consumers, now; 0 while the queue is not up. */
  get currentLoad(): number {
    return loadOf(this.#up?.pool.busy ?? 0, this.consumerCount);
  }

  /** Whether {@link CollectorQueue.pause} is in effect. */
  get isPaused(): boolean {
    return this.#paused;
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
    if (this.#state === 'starting' || this.#state === 'running') return this.#starting;
    if (this.#state === 'closing') return this.#reopen();
    const before = this.#state;
    this.#state = 'starting';
    this.#stopRequested = false;
    this.#undone = [];
    this.#starting = this.#start(before);
    return this.#starting;
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
    const { drain, timeout } = checkShutdown(options);
    switch (this.#state) {
      case 'starting':
        this.#stopRequested = true;
        return this.#stopStarting(timeout);
      case 'running':
        this.#state = 'closing';
        this.#closing = this.#shutDown(this.#run as QueueRun, drain, timeout);
    }
    this.#reopenRequested = false;
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutDownQueue();
  }

  /**
   * Initialises the queue, runs the body with its publisher, and shuts the queue down, whatever the body does. Resolves
   * to what the body returns; rejects with what it throws, or else with what the shutdown rejects with.
   */
  async run<R>(body: (publisher: EventPublisher<C, T>) => R | Promise<R>, shutdown: ShutdownOptions = {}): Promise<R> {
    checkFunction('run: body', body);
    checkShutdown(shutdown);
    await this.initQueue();
    let value: R;
    try {
      value = await body(this.#publisher);
    } catch (thrown) {
      await this.shutDownQueue(shutdown).catch((error) =>
        this.#events.reportInternal('shutdown after a failed run', error),
      );
      throw thrown;
    }
    await this.shutDownQueue(shutdown);
    return value;
  }

  /** No consumer takes anything more until `resume()`; what runs goes on, what is sent waits. Outlasts `initQueue`. */
  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#up?.pool.pause();
    this.#tell(QueueEventName.PAUSED);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#up?.pool.resume();
    this.#tell(QueueEventName.RESUMED);
  }

  /** Takes out everything that waits; it settles as `Err(ClearedError)`. Returns how many payloads that were. */
  clear(): number {
    return this.#up?.clear() ?? 0;
  }

  /** Resolves once everything accepted has settled and no consumer is busy. */
  async onIdle(): Promise<void> {
    return this.#up?.onIdle();
  }

  /** Resolves once nothing waits for a consumer. */
  async onEmpty(): Promise<void> {
    return this.#up?.admission.sizeBelow(1);
  }

  /**
   * Resolves once fewer than `size` payloads wait.
   * @throws {@link InvalidArgumentError} for what is no whole number of at least 1 (as a rejection)
   */
  async onSizeLessThan(size: number): Promise<void> {
    checkInteger('onSizeLessThan: size', size, { min: 1 });
    return this.#up?.admission.sizeBelow(size);
  }

  /**
   * What the queue has measured since `initQueue`, also after a shutdown.
   * @throws {@link NotInitializedError} before the first `initQueue`
   */
  getMetrics(): QueueMetrics {
    const { clock } = this.#settings;
    if (this.#metrics === undefined) throw notInitialized();
    return this.#metrics.read(clock.now(), clock.wall());
  }

  /**
   * Adds a collector, last in order. While the queue is up, it is set up first; payloads that are dispatched from then
   * on can match it. Rejects with an {@link InvalidArgumentError} for a key that is taken, a {@link LifecycleError} if
   * the set-up fails, a {@link QueueClosedError} while the queue shuts down; then it was not added.
   */
  async addCollector(collector: AnyCollector): Promise<void> {
    if (this.#state === 'starting') await this.#starting.catch(() => undefined);
    if (this.#state === 'closing') throw new QueueClosedError('the queue is shutting down: no collector can be added');
    const run = this.#up;
    if (run === undefined) this.#collectors.reserve(collector, 'addCollector: collector');
    else await this.#collectors.add(collector, run.ledger, () => this.#connectAdded(run));
  }

  /**
   * Removes a collector. Nothing is handed to it any more; once its unfinished tasks have ended it is shut down, and
   * free for another queue. Resolves to false if there is none with this key. Rejects with a {@link LifecycleError} if
   * its shutdown fails; it is removed all the same.
   */
  async removeCollector(key: string): Promise<boolean> {
    checkName('removeCollector: key', key);
    if (this.#state === 'starting') await this.#starting.catch(() => undefined);
    const place = this.#collectors.unreserve(key);
    if (place === undefined) return false;
    try {
      if (this.#up !== undefined) this.#connect(this.#up);
    } catch (error) {
      this.#collectors.restore(place);
      throw error;
    }
    await this.#collectors.closeOne(place.collector);
    return true;
  }

  /** Lets a collector that was set up take part. */
  #connectAdded(run: QueueRun): void {
    if (this.#run !== run || this.#state !== 'running') {
      throw new QueueClosedError('the queue was shut down while the collector was set up');
    }
    this.#connect(run);
  }

  /** The run while the queue is up. */
  get #up(): QueueRun | undefined {
    return this.#state === 'running' || this.#state === 'closing' ? this.#run : undefined;
  }

  async #start(before: QueueState): Promise<void> {
    const { clock } = this.#settings;
    let run: QueueRun | undefined;
    try {
      run = new QueueRun(this.#settings, this.#events);
      await this.#collectors.open(run.ledger, () => this.#stopRequested);
      if (this.#stopRequested) throw new QueueClosedError('the queue was shut down while it was being initialised');
      this.#connect(run);
    } catch (error) {
      this.#undone = await this.#collectors.close(clock, Number.POSITIVE_INFINITY);
      run?.stop();
      this.#state = before;
      throw withUndone(error, this.#undone);
    }
    this.#run = run;
    this.#door.intake = run.intake;
    this.#metrics = run.metricsReader();
    this.#state = 'running';
    if (this.#paused) run.pool.pause();
    this.#stopLogging = logMetrics(run.metricsReader(), this.#settings);
  }

  /** Gives the run a router that knows the collectors as they are now. */
  #connect(run: QueueRun): void {
    try {
      run.dispatcher.use(this.#collectors.router());
    } catch (thrown) {
      throw asRouterError(thrown);
    }
  }

  /** A shutdown during the start, which undoes itself as soon as the set-up under way ends. */
  async #stopStarting(timeout: number): Promise<void> {
    const ended = this.#starting.catch(() => undefined);
    if (!(await settlesWithin(ended, this.#settings.clock, timeout))) {
      const message = `the set-up under way did not end within ${timeout} ms; it will be undone when it does`;
      throw new LifecycleError(message, [new Error(message)]);
    }
    if (this.#undone.length > 0) throw new LifecycleError('not every collector was shut down', this.#undone);
  }

  async #reopen(): Promise<void> {
    this.#reopenRequested = true;
    await this.#closing.catch(() => undefined);
    if (this.#reopenRequested) return this.initQueue();
    throw new QueueClosedError('the queue was shut down before it was initialised again');
  }

  async #shutDown(run: QueueRun, drain: boolean, timeout: number): Promise<void> {
    const { clock } = this.#settings;
    run.intake.close();
    if (drain) {
      this.resume();
      if (await settlesWithin(run.onIdle(), clock, timeout)) this.#tell(QueueEventName.DRAINED);
      else run.giveUpAll(new ShutdownTimeoutError(`not settled within the ${timeout} ms of the shutdown`));
    } else {
      await Promise.resolve();
      run.giveUpAll(new QueueAbortedError('the queue was shut down without draining'));
      await settlesWithin(run.onIdle(), clock, timeout);
    }
    const errors = await this.#collectors.close(clock, timeout);
    run.stop();
    this.#stopLogging();
    this.#state = 'closed';
    this.#tell(QueueEventName.SHUTDOWN);
    if (errors.length > 0) throw new LifecycleError('not every collector was shut down', errors);
  }

  #tell(name: 'paused' | 'resumed' | 'drained' | 'shutdown'): void {
    if (this.#events.observed(name)) this.#events.emit(name, {});
  }
}
