import type { CollectorEvent, QueuedEvent } from '../core/event.ts';
import type { QueueRun } from '../core/run.ts';
import { queuedEventOf } from '../core/shared-event.ts';
import type { CallLog } from './call-log.ts';
import type { ManualClock } from './manual-clock.ts';
import { describeRemains } from './remains.ts';

/**
 * Where a queue has come to rest: all is `done`; what is left waits for the `clock`; it is `paused`; work goes on
 * (`working`) after all the patience there was; processors were called in a circle, and were `stopped`.
 */
export type Rest = 'done' | 'clock' | 'paused' | 'working' | 'stopped';

/** As they were when the module was loaded: a test runner may put its own in their place. */
const realNow = performance.now.bind(performance);
const { setTimeout, clearTimeout } = globalThis;

/** Watches what a queue has under way, and finds out when it rests. */
export class Progress {
  readonly #clock: ManualClock;
  readonly #calls: CallLog;
  #run: QueueRun | undefined = undefined;
  /** What publishers have sent and was not settled when last looked at; once, if several sends share it. */
  #sent: Set<QueuedEvent> = new Set();
  #waiting: (() => void)[] = [];
  /** The key of the collector that was called in a circle. */
  #runaway: string | undefined = undefined;

  constructor(clock: ManualClock, calls: CallLog) {
    this.#clock = clock;
    this.#calls = calls;
    calls.ended = this.changed;
    calls.runaway = (collectorKey) => {
      this.#runaway ??= collectorKey;
      this.#run?.pool.pause();
    };
  }

  /** Everything that was sent has settled, and no consumer is busy. */
  get isDone(): boolean {
    return this.#runaway === undefined && (this.#run === undefined || this.#run.idle);
  }

  began(run: QueueRun): void {
    this.#run = run;
    this.#sent = new Set();
    this.#runaway = undefined;
  }

  ended(): void {
    this.#run = undefined;
    this.#runaway = undefined;
    this.changed();
  }

  /** A publisher has sent this. */
  readonly sent = (event: CollectorEvent): void => {
    const queued = queuedEventOf(event);
    if (queued !== undefined && queued.status !== 'settled') this.#sent.add(queued);
  };

  /** Something has happened: whoever waits has another look. */
  readonly changed = (): void => {
    for (const resolve of this.#waiting.splice(0)) resolve();
  };

  /**
   * Resolves once the queue rests. As long as there are promises that settle by themselves, that takes no time; for work
   * that goes on it waits, in real time, as long as its patience lasts.
   */
  async rest(patience: number): Promise<Rest> {
    const end = realNow() + patience;
    for (;;) {
      await this.#clock.turn();
      const rest = this.#restNow();
      if (rest !== undefined) return rest;
      const left = end - realNow();
      if (left <= 0 || !(await this.#change(left))) return 'working';
    }
  }

  /** What is left, in words: how many events, and where each stands. */
  remains(): string {
    for (const event of this.#sent) if (event.status === 'settled') this.#sent.delete(event);
    return describeRemains(this.#run, [...this.#sent], this.#calls.underWay, this.#clock.now());
  }

  /** Who was called in a circle. */
  get runaway(): string | undefined {
    return this.#runaway;
  }

  #restNow(): Rest | undefined {
    if (this.#runaway !== undefined) return 'stopped';
    const run = this.#run;
    if (run === undefined || run.idle) return 'done';
    if (run.pool.busy > 0) return undefined;
    // What comes back from being parked waits, too.
    if (run.pool.paused && run.pool.waiting + run.pool.unstarted().length > 0) return 'paused';
    // What is parked without a time comes back by something else than the clock.
    return this.#clock.nextDue === undefined ? undefined : 'clock';
  }

  /** True once something has happened; false if nothing does, in so many milliseconds of real time. */
  #change(within: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), within);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }
}

/** Whether a promise settles within so many milliseconds of real time. */
export function settlesInRealTime(promise: Promise<unknown>, within: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), within);
    const settled = (): void => {
      clearTimeout(timer);
      resolve(true);
    };
    promise.then(settled, settled);
  });
}
