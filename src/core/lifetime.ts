import { QueueEventName } from '../queue-events/names.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import type { CollectorSet } from './collector-set.ts';
import { asRouterError, LifecycleError, QueueAbortedError, QueueClosedError, ShutdownTimeoutError } from './errors.ts';
import { withUndone } from './lifecycle.ts';
import { logMetrics, type MetricsReader } from './metrics.ts';
import type { Door } from './publisher.ts';
import { type QueueParts, QueueRun } from './run.ts';
import type { Schedules } from './schedules.ts';
import type { ShutdownSettings } from './shutdown-options.ts';
import { tracedSender } from './traced-sends.ts';

/**
 * Where a queue stands.
 *
 *     new ──→ starting ──→ running ──→ closing ──→ closed
 *      ↑         │ failed                            │
 *      └─────────┘            starting ←─────────────┘ initQueue again
 */
export type QueueState = 'new' | 'starting' | 'running' | 'closing' | 'closed';

/** The state machine of a queue: starts runs, and shuts them down. Callers of the same transition share its outcome. */
export class QueueLifetime {
  /** Where payloads go in. */
  readonly door: Door = { intake: undefined };
  metrics: MetricsReader | undefined;
  readonly #parts: QueueParts;
  readonly #collectors: CollectorSet;
  readonly #schedules: Schedules;
  #state: QueueState = 'new';
  #run: QueueRun | undefined;
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

  constructor(parts: QueueParts, collectors: CollectorSet, schedules: Schedules) {
    this.#parts = parts;
    this.#collectors = collectors;
    this.#schedules = schedules;
  }

  /** The run while the queue is up. */
  get up(): QueueRun | undefined {
    return this.#state === 'running' || this.#state === 'closing' ? this.#run : undefined;
  }

  /** The run now, or the last one. */
  get last(): QueueRun | undefined {
    return this.#run;
  }

  get state(): QueueState {
    return this.#state;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get closing(): boolean {
    return this.#state === 'closing';
  }

  /** Whether this run is up and takes payloads. */
  isOpen(run: QueueRun): boolean {
    return this.#run === run && this.#state === 'running';
  }

  /** Resolves once the start under way has ended; undefined if there is none. */
  get starting(): Promise<void> | undefined {
    return this.#state === 'starting' ? this.#starting.catch(() => undefined) : undefined;
  }

  init(): Promise<void> {
    if (this.#state === 'starting' || this.#state === 'running') return this.#starting;
    if (this.#state === 'closing') return this.#reopen();
    const before = this.#state;
    this.#state = 'starting';
    this.#stopRequested = false;
    this.#undone = [];
    this.#starting = this.#start(before);
    return this.#starting;
  }

  shutDown(settings: ShutdownSettings): Promise<void> {
    switch (this.#state) {
      case 'starting':
        this.#stopRequested = true;
        return this.#stopStarting(settings.timeout);
      case 'running':
        this.#state = 'closing';
        this.#closing = this.#shutDown(this.#run as QueueRun, settings);
    }
    this.#reopenRequested = false;
    return this.#closing;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.up?.pool.pause();
    this.#tell(QueueEventName.PAUSED);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.up?.pool.resume();
    this.#tell(QueueEventName.RESUMED);
  }

  /** Gives the run a router that knows the collectors as they are now, and tasks the plans of now. */
  connect(run: QueueRun): void {
    this.#collectors.replan(run.planner);
    const { instrument } = run;
    if (instrument !== undefined) this.#collectors.instrument(instrument);
    try {
      run.dispatcher.use(this.#collectors.router());
      run.intake.countFromAcceptance(this.#collectors.countFromAcceptance);
    } catch (thrown) {
      throw asRouterError(thrown);
    }
  }

  async #start(before: QueueState): Promise<void> {
    const { clock } = this.#parts.settings;
    let run: QueueRun | undefined;
    try {
      run = new QueueRun(this.#parts);
      await this.#collectors.open(run.ledger, () => this.#stopRequested);
      if (this.#stopRequested) throw new QueueClosedError('the queue was shut down while it was being initialised');
      this.connect(run);
    } catch (error) {
      this.#undone = await this.#collectors.close(clock, Number.POSITIVE_INFINITY);
      run?.stop();
      this.#state = before;
      throw withUndone(error, this.#undone);
    }
    this.#run = run;
    const sender = this.#parts.settings.overseer?.oversee(run) ?? run.intake;
    this.door.intake = this.#collectors.areToldElsewhere ? sender : tracedSender(sender, 'in-process');
    this.metrics = run.metricsReader();
    this.#state = 'running';
    if (this.#paused) run.pool.pause();
    this.#stopLogging = logMetrics(run.metricsReader(), this.#parts.settings);
    this.#schedules.start(run.intake);
  }

  /** A shutdown during the start, which undoes itself as soon as the set-up under way ends. */
  async #stopStarting(timeout: number): Promise<void> {
    const ended = this.#starting.catch(() => undefined);
    if (!(await settlesWithin(ended, this.#parts.settings.clock, timeout))) {
      const message = `the set-up under way did not end within ${timeout} ms; it will be undone when it does`;
      throw new LifecycleError(message, [new Error(message)]);
    }
    if (this.#undone.length > 0) throw new LifecycleError('not every collector was shut down', this.#undone);
  }

  async #reopen(): Promise<void> {
    this.#reopenRequested = true;
    await this.#closing.catch(() => undefined);
    if (this.#reopenRequested) return this.init();
    throw new QueueClosedError('the queue was shut down before it was initialised again');
  }

  async #shutDown(run: QueueRun, { drain, timeout, scheduled }: ShutdownSettings): Promise<void> {
    const { clock } = this.#parts.settings;
    this.#schedules.rest();
    run.intake.close();
    if (drain) {
      this.resume();
      if (scheduled === 'cancel') {
        run.giveUpScheduled(new QueueClosedError('the queue was shut down before the time of the payload came'));
      }
      run.planner.flushBatches();
      const over = run.onIdle().then(() => run.deadLettersSettled());
      if (await settlesWithin(over, clock, timeout)) this.#tell(QueueEventName.DRAINED);
      else run.giveUpAll(new ShutdownTimeoutError(`not settled within the ${timeout} ms of the shutdown`));
    } else {
      await Promise.resolve();
      run.giveUpAll(new QueueAbortedError('the queue was shut down without draining'));
      const over = run.onIdle().then(() => run.deadLettersSettled());
      await settlesWithin(over, clock, timeout);
    }
    const errors = await this.#collectors.close(clock, timeout);
    run.stop();
    this.#stopLogging();
    this.#state = 'closed';
    this.#tell(QueueEventName.SHUTDOWN);
    if (errors.length > 0) throw new LifecycleError('not every collector was shut down', errors);
  }

  #tell(name: 'paused' | 'resumed' | 'drained' | 'shutdown'): void {
    const { events } = this.#parts;
    if (events.observed(name)) events.emit(name, {});
  }
}
