import { LifecycleError, NotInitializedError, QueueClosedError } from '../core/errors.ts';
import { withUndone } from '../core/lifecycle.ts';
import type { QueueState } from '../core/lifetime.ts';
import type { Door, Sender } from '../core/publisher.ts';
import type { ShutdownSettings } from '../core/shutdown-options.ts';
import { tracedSender } from '../core/traced-sends.ts';
import { QueueEventName } from '../queue-events/names.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import { loadLibrary } from './library.ts';
import { type RemoteParts, RemoteRun } from './remote-run.ts';

/** A run that never came up is undone as fast as that. */
const UNDOING: ShutdownSettings = { drain: false, timeout: 5_000, scheduled: 'cancel' };

/** The state machine of a queue: starts runs, and shuts them down. Callers of the same transition share its outcome. */
export class RemoteLifetime {
  readonly door: Door = { intake: undefined };
  readonly #parts: RemoteParts;
  #state: QueueState = 'new';
  #run: RemoteRun | undefined;
  #startingRun: RemoteRun | undefined;
  #starting: Promise<void> = Promise.resolve();
  #closing: Promise<void> = Promise.resolve();
  /** A shutdown was asked for while the queue starts. */
  #stopRequested = false;
  /** What was asked for last while the queue closes: to be initialised again. */
  #reopenRequested = false;

  constructor(parts: RemoteParts) {
    this.#parts = parts;
  }

  /** The run while the queue is up. */
  get up(): RemoteRun | undefined {
    return this.#state === 'running' || this.#state === 'closing' ? this.#run : undefined;
  }

  get state(): QueueState {
    return this.#state;
  }

  /** The run now, or the last one. */
  get last(): RemoteRun | undefined {
    return this.#run;
  }

  /** @throws {@link NotInitializedError} while the queue is not up */
  need(): RemoteRun {
    const { up } = this;
    if (up === undefined) throw new NotInitializedError('the queue is not up: await queue.initQueue() first');
    return up;
  }

  /**
   * The run that is up, if there is one, after the start under way.
   *
   * @param refusal - what cannot be done while the queue closes; then it rejects with a {@link QueueClosedError}
   */
  async settledRun(refusal: string | undefined): Promise<RemoteRun | undefined> {
    if (this.#state === 'starting') await this.#starting.catch(() => undefined);
    if (this.#state === 'closing' && refusal !== undefined) {
      throw new QueueClosedError(`the queue is shutting down: no ${refusal}`);
    }
    return this.up;
  }

  init(): Promise<void> {
    if (this.#state === 'starting' || this.#state === 'running') return this.#starting;
    if (this.#state === 'closing') return this.#reopen();
    const before = this.#state;
    this.#state = 'starting';
    this.#stopRequested = false;
    this.#starting = this.#start(before);
    return this.#starting;
  }

  shutDown(settings: ShutdownSettings): Promise<void> {
    if (this.#state === 'starting') return this.#stopStarting(settings.timeout);
    if (this.#state === 'running') {
      this.#state = 'closing';
      this.#closing = this.#shutDown(this.#run as RemoteRun, settings);
    }
    this.#reopenRequested = false;
    return this.#closing;
  }

  async #start(before: QueueState): Promise<void> {
    let run: RemoteRun | undefined;
    try {
      run = new RemoteRun(this.#parts, await loadLibrary());
      this.#startingRun = run;
      if (this.#stopRequested) void run.interrupt();
      await run.start();
    } catch (error) {
      const undone: unknown[] = [];
      await run?.stop(UNDOING).catch((failure) => undone.push(failure));
      this.#state = before;
      const given = this.#stopRequested && !(error instanceof LifecycleError) ? closedWhileStarting() : error;
      throw withUndone(given, undone);
    } finally {
      this.#startingRun = undefined;
    }
    this.#run = run;
    this.door.intake = run.intake === undefined ? NO_SENDER : tracedSender(run.intake, 'bullmq');
    this.#state = 'running';
  }

  /** A shutdown during the start, which undoes itself as soon as the set-up under way ends. */
  async #stopStarting(timeout: number): Promise<void> {
    this.#stopRequested = true;
    const undone = this.#startingRun?.interrupt() ?? Promise.resolve([]);
    const ended = Promise.all([undone, this.#starting.catch(() => undefined)]);
    if (!(await settlesWithin(ended, this.#parts.settings.clock, timeout))) {
      const message = `the set-up under way did not end within ${timeout} ms; it will be undone when it does`;
      throw new LifecycleError(message, [new Error(message)]);
    }
    const errors = await undone;
    if (errors.length > 0) throw new LifecycleError('not every collector was shut down', errors);
  }

  async #reopen(): Promise<void> {
    this.#reopenRequested = true;
    await this.#closing.catch(() => undefined);
    if (this.#reopenRequested) return this.init();
    throw new QueueClosedError('the queue was shut down before it was initialised again');
  }

  async #shutDown(run: RemoteRun, settings: ShutdownSettings): Promise<void> {
    const { events } = this.#parts;
    try {
      await run.stop(settings);
    } finally {
      this.#state = 'closed';
      if (events.observed(QueueEventName.SHUTDOWN)) events.emit(QueueEventName.SHUTDOWN, {});
    }
  }
}

function closedWhileStarting(): QueueClosedError {
  return new QueueClosedError('the queue was shut down while it was being initialised');
}

/** In place of the intake of a process that only works. */
const refuse = (): never => {
  throw new NotInitializedError("this queue has the role 'worker': it sends nothing");
};
const NO_SENDER: Sender = {
  send: refuse,
  sendWith: refuse,
  sendManyWith: refuse,
  sendWhenReady: async () => refuse(),
  ready: async () => refuse(),
};
