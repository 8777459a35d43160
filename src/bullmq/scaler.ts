import { targetConsumers } from '../core/scaling.ts';
import type { Clock, Timer } from '../schedule/clock.ts';
import type { Concurrency } from './settings.ts';

/** What a scaler moves. */
export interface Scalable {
  /** Jobs that run now. */
  readonly busy: number;
  /** How many may run. */
  concurrency: number;
  /** Jobs that wait in Redis. */
  waiting(): Promise<number>;
}

/** How often Redis is asked at most, in milliseconds. */
const LOOK_PAUSE = 20;

/**
 * Moves the concurrency of one worker: up at once while jobs wait and every consumer is busy, down after `idleTimeout`,
 * by the rule of the in-process pool.
 */
export class Scaler {
  readonly #worker: Scalable;
  readonly #range: Concurrency;
  readonly #idleTimeout: number;
  readonly #clock: Clock;
  readonly #scaled: (from: number, to: number) => void;
  #timer: Timer | undefined;
  #looking = false;
  #peak = 0;
  #stopped = false;

  constructor(
    worker: Scalable,
    range: Concurrency,
    idleTimeout: number,
    clock: Clock,
    scaled: (from: number, to: number) => void,
  ) {
    this.#worker = worker;
    this.#range = range;
    this.#idleTimeout = idleTimeout;
    this.#clock = clock;
    this.#scaled = scaled;
  }

  /** A job has begun. */
  jobBegan(): void {
    const { busy, concurrency } = this.#worker;
    if (busy > this.#peak) this.#peak = busy;
    if (busy >= concurrency && concurrency < this.#range.max) this.#lookSoon();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #lookSoon(): void {
    if (this.#looking || this.#stopped) return;
    this.#looking = true;
    this.#clock.setTimer(() => void this.#look(), LOOK_PAUSE, true);
  }

  async #look(): Promise<void> {
    try {
      this.#moveTo(await this.#worker.waiting());
    } catch {
      // Redis is away, and nothing can be taken.
    } finally {
      this.#looking = false;
    }
  }

  #moveTo(waiting: number): void {
    if (this.#stopped) return;
    const from = this.#worker.concurrency;
    const to = targetConsumers({
      consumers: from,
      busy: this.#worker.busy,
      peakBusy: this.#peak,
      waiting,
      arrivalRate: 0,
      serviceTime: 0,
      minConsumers: this.#range.min,
      maxConsumers: this.#range.max,
    });
    if (to !== from) {
      this.#worker.concurrency = to;
      this.#scaled(from, to);
    }
    if (this.#timer === undefined && to > this.#range.min)
      this.#timer = this.#clock.setTimer(this.#fallBack, this.#idleTimeout, true);
  }

  /** What was busy at once within the last `idleTimeout` is kept. */
  readonly #fallBack = (): void => {
    this.#timer = undefined;
    this.#moveTo(0);
    this.#peak = this.#worker.busy;
  };
}
