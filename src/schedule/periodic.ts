import { Alarm } from './alarm.ts';
import type { Cadence } from './cadence.ts';
import type { Clock } from './clock.ts';
import type { Timers } from './timers.ts';

/** How to publish periodically. */
export interface PeriodicOptions {
  /**
   * Whether to publish although the previous publication has not settled. If not, the due time counts as missed.
   *
   * @default false
   */
  readonly overlap?: boolean | undefined;
  /**
   * The time zone in which a cron expression is read, as `Europe/Berlin`. Not allowed with an interval.
   *
   * On a day on which the clocks change, an expression that names its times comes once at each: at the end of the gap
   * for a time that is left out, the first time for one that is repeated. One with `*` or a step in its seconds, minutes
   * or hours goes on as the clocks go: it leaves out the gap, and comes in both passes of a repeated hour.
   *
   * @default the time zone of the machine
   */
  readonly timeZone?: string | undefined;
}

/**
 * A periodic publication: what it has done, and a way to stop it. It runs while its queue does. An interval goes by
 * durations, a cron by the time of day: if that is set forward, a date that was passed over comes within a minute; if
 * it is set back, by a day at most, no date comes twice.
 */
export interface PeriodicHandle {
  /** Ends it for good. What was published goes on; a second call does nothing. */
  stop(): void;
  /** The due time to come. Undefined if it was stopped, its queue is not running, or the cron has no date any more. */
  readonly nextRun: Date | undefined;
  /** When it last published. */
  readonly lastRun: Date | undefined;
  /** Due times at which it published. */
  readonly runs: number;
  /**
   * Due times at which it did not: the previous publication had not settled, publishing failed, or the process was
   * suspended or busy until a later one. Of a cron's dates at most 1,000 are counted at a time.
   */
  readonly missed: number;
  /** The same as {@link PeriodicHandle.stop}. */
  [Symbol.dispose](): void;
}

/** `checking`: a due time has come. `scheduling`: something was published at it. */
export type PeriodicNotice = 'checking' | 'scheduling';

/** What comes with a notice. */
interface PeriodicDetails {
  /** Due times missed since the last publication, before this one. */
  readonly missed: number;
}

/** What was published, for as long as it takes. Kept until the next publication. */
export interface Publication {
  readonly settled: boolean;
}

/** What a periodic task calls. Each may stop it. */
export interface PeriodicCallbacks {
  /** Publishes; undefined if nothing was published, which counts as missed. */
  run(): Publication | undefined;
  /** Must not throw. */
  tell(notice: PeriodicNotice, details: PeriodicDetails): void;
  /** Told what `run` threw; the task goes on with the next due time. Must not throw. */
  failed(error: unknown): void;
}

/** Resting ⇄ running by `start` and `rest`; either → stopped, which is final. An alarm is set only while running. */
type State = 'resting' | 'running' | 'stopped';

/** Publishes at the due times of its cadence. Due times that come together are one run; the others are missed. */
export class PeriodicTask extends Alarm implements PeriodicHandle {
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #cadence: Cadence;
  readonly #overlap: boolean;
  readonly #callbacks: PeriodicCallbacks;
  #state: State = 'resting';
  #latest: Publication | undefined = undefined;
  #lastRun: number | undefined = undefined;
  #runs = 0;
  #missed = 0;
  /** What `missed` was at the last run. */
  #missedBefore = 0;

  /** @param cadence - for this task alone */
  constructor(timers: Timers, clock: Clock, cadence: Cadence, options: PeriodicOptions, callbacks: PeriodicCallbacks) {
    super();
    this.#timers = timers;
    this.#clock = clock;
    this.#cadence = cadence;
    this.#overlap = options.overlap ?? false;
    this.#callbacks = callbacks;
  }

  get nextRun(): Date | undefined {
    return this.#state === 'running' ? toDate(this.#cadence.nextDue) : undefined;
  }

  get lastRun(): Date | undefined {
    return toDate(this.#lastRun);
  }

  get runs(): number {
    return this.#runs;
  }

  get missed(): number {
    return this.#missed;
  }

  /** Called when its queue comes up. An interval begins now; what was due while it rested is not missed. */
  start(): void {
    if (this.#state !== 'resting') return;
    this.#state = 'running';
    this.#cadence.begin();
    this.#arm();
  }

  /** Called when its queue goes down. It can be started again. */
  rest(): void {
    if (this.#state === 'running') this.#disarm('resting');
  }

  stop(): void {
    this.#disarm('stopped');
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** Armed again before it calls anyone: whoever is called may stop it, or start it anew. */
  override ring(): void {
    const passed = this.#cadence.pass();
    this.#arm();
    if (passed > 0) this.#comeDue(passed);
  }

  #comeDue(passed: number): void {
    this.#missed += passed - 1;
    this.#tell('checking');
    if (this.#state !== 'running') return;
    const publication = this.#mayPublish() ? this.#publish() : undefined;
    if (publication === undefined) {
      this.#missed++;
      return;
    }
    this.#latest = publication;
    this.#lastRun = this.#clock.wall();
    this.#runs++;
    this.#tell('scheduling');
    this.#missedBefore = this.#missed;
  }

  #mayPublish(): boolean {
    return this.#overlap || this.#latest === undefined || this.#latest.settled;
  }

  #publish(): Publication | undefined {
    try {
      return this.#callbacks.run();
    } catch (error) {
      this.#callbacks.failed(error);
      return undefined;
    }
  }

  #tell(notice: PeriodicNotice): void {
    this.#callbacks.tell(notice, { missed: this.#missed - this.#missedBefore });
  }

  #arm(): void {
    const at = this.#cadence.lookAt;
    if (at !== undefined) this.#timers.set(this, at);
  }

  #disarm(state: State): void {
    this.#timers.cancel(this);
    this.#state = state;
  }
}

/** Undefined too for a time that no Date can hold. */
function toDate(time: number | undefined): Date | undefined {
  if (time === undefined) return undefined;
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
