import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { LoadMeter } from '../pool/load-meter.ts';
import type { Clock } from '../schedule/clock.ts';
import type { Processor } from './collector.ts';
import { promiseOf } from './promise-of.ts';

/** Options of the latency figures. */
export interface LatencyOptions {
  /**
   * Milliseconds, from 1. What is told covers the last one to two windows.
   * @default 60_000
   */
  readonly window?: number | undefined;
}

/** How long something took, in milliseconds; all 0 if it did not happen. Percentiles are right within 1 %. */
export interface LatencyFigures {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  /** How often it happened. */
  readonly count: number;
}

/** What `getMetrics().latency` tells of the last one to two windows. */
export interface LatencyMetrics {
  /** Milliseconds. */
  readonly window: number;
  /** From the acceptance of a payload, or from its time if it was scheduled, to its first consumer. */
  readonly wait: LatencyFigures;
  /** From the call of a processor to the end of its work, also if nobody waited for that any more. */
  readonly service: LatencyFigures;
  /** {@link LatencyMetrics.service} of each collector whose work has ended within the windows. */
  readonly collectors: Readonly<Record<string, LatencyFigures>>;
}

const nativeThen = Promise.prototype.then;

/** Measures every payload and every attempt of one run. */
export class Latency {
  readonly #window: number;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #wait: WindowedHistogram;
  readonly #service: Map<string, WindowedHistogram> = new Map();

  constructor(window: number, clock: Clock) {
    this.#window = window;
    this.#clock = clock;
    this.#startedAt = clock.now();
    this.#wait = new WindowedHistogram(window, this.#startedAt);
  }

  /** A payload has come to a consumer. */
  waited(duration: number): void {
    this.#wait.record(duration, this.#clock.now());
  }

  /** The processor, timed. */
  timed(processor: Processor, key: string): Processor {
    return (payload, context, attempt) => {
      const began = this.#clock.now();
      const end = (): void => this.#served(key, began);
      let returned: unknown;
      let promise: Promise<unknown> | undefined;
      try {
        returned = processor(payload, context, attempt);
        promise = promiseOf(returned);
      } catch (thrown) {
        end();
        throw thrown;
      }
      if (promise === undefined) end();
      else nativeThen.call(promise, end, end);
      return promise ?? returned;
    };
  }

  read(now: number): LatencyMetrics {
    const service = new Merged();
    const collectors: [key: string, figures: LatencyFigures][] = [];
    for (const [key, histogram] of this.#service) {
      const own = new Merged();
      histogram.addTo(own, now);
      // A collector that was removed is not kept for ever.
      if (own.count === 0) this.#service.delete(key);
      else collectors.push([key, own.figures()]);
      histogram.addTo(service, now);
    }
    const wait = new Merged();
    this.#wait.addTo(wait, now);
    return {
      window: this.#window,
      wait: wait.figures(),
      service: service.figures(),
      collectors: Object.fromEntries(collectors),
    };
  }

  #served(key: string, began: number): void {
    const now = this.#clock.now();
    let histogram = this.#service.get(key);
    if (histogram === undefined) {
      histogram = new WindowedHistogram(this.#window, this.#startedAt);
      this.#service.set(key, histogram);
    }
    histogram.record(now - began, now);
  }
}

/** A load meter that passes on how long payloads waited. */
export class LatencyMeter extends LoadMeter {
  readonly #latency: Latency;

  constructor(now: number, latency: Latency) {
    super(now);
    this.#latency = latency;
  }

  override waited(duration: number): void {
    super.waited(duration);
    this.#latency.waited(duration);
  }
}

/** Histograms have whole numbers from 1: microseconds, and one more. */
const PER_MILLISECOND = 1_000;

/** A day; what takes longer counts as that, but for the maximum. */
const LONGEST = 86_400_000;

class Slice {
  readonly histogram: RecordableHistogram = newHistogram();
  max = 0;

  clear(): void {
    this.histogram.reset();
    this.max = 0;
  }
}

/**
 * What happened in the present window and in the one before it.
 *
 *     ──┬── past ──┬── present ─ now
 *       window     window
 */
class WindowedHistogram {
  readonly #window: number;
  #past: Slice = new Slice();
  #present: Slice = new Slice();
  #presentEnd: number;

  /** @param start - of the first window: the same for all that are to be compared */
  constructor(window: number, start: number) {
    this.#window = window;
    this.#presentEnd = start + window;
  }

  record(duration: number, now: number): void {
    if (now >= this.#presentEnd) this.#turn(now);
    const slice = this.#present;
    if (duration > slice.max) slice.max = duration;
    slice.histogram.record(Math.round(Math.min(LONGEST, duration) * PER_MILLISECOND) + 1);
  }

  addTo(merged: Merged, now: number): void {
    if (now >= this.#presentEnd) this.#turn(now);
    merged.add(this.#past);
    merged.add(this.#present);
  }

  #turn(now: number): void {
    const past = this.#past;
    past.clear();
    this.#past = this.#present;
    this.#present = past;
    const late = now - this.#presentEnd;
    if (late >= this.#window) this.#past.clear();
    this.#presentEnd = now - (late % this.#window) + this.#window;
  }
}

class Merged {
  readonly #histogram: RecordableHistogram = newHistogram();
  #max = 0;

  get count(): number {
    return this.#histogram.count;
  }

  add({ histogram, max }: Slice): void {
    if (histogram.count === 0) return;
    this.#histogram.add(histogram);
    this.#max = Math.max(this.#max, max);
  }

  figures(): LatencyFigures {
    const { count } = this;
    const percentile = (p: number): number =>
      count === 0 ? 0 : Math.min(this.#max, (this.#histogram.percentile(p) - 1) / PER_MILLISECOND);
    return { p50: percentile(50), p95: percentile(95), p99: percentile(99), max: this.#max, count };
  }
}

function newHistogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: LONGEST * PER_MILLISECOND + 1, figures: 2 });
}
