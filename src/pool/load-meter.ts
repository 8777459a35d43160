/** Averages over the recent past. All are 0 during the first 3 seconds. */
export interface LoadAverages {
  /** Average of busy ÷ consumers over the last 60 s. */
  readonly load: number;
  /** Milliseconds that a payload keeps a consumer busy: average of the last 1,000 measured. */
  readonly serviceTime: number;
  /** Milliseconds from acceptance to a consumer: average of the last 1,000 measured. */
  readonly waitTime: number;
  /** Payloads accepted per second, over the last 60 s. */
  readonly arrivalRate: number;
  /** Payloads settled per second, over the last 60 s. */
  readonly departureRate: number;
}

/** The running totals and levels of which averages are made. */
export interface LoadGauge {
  readonly busy: number;
  readonly consumers: number;
  readonly accepted: number;
  readonly settled: number;
}

/** event-collector's constants, in milliseconds and numbers of payloads. */
const WARM_UP = 3_000;
const WINDOW = 60_000;
const SAMPLES = 1_000;

/** The window moves in steps of one second. */
const STEP = 1_000;
const STEPS = WINDOW / STEP;

interface Step {
  duration: number;
  /** Load × time, for a time-weighted average. */
  loadTime: number;
  arrivals: number;
  departures: number;
}

/** Turns samples into averages over sliding windows. Knows no clock: every call is told the time. */
export class LoadMeter {
  readonly #startedAt: number;
  readonly #service: RecentMean = new RecentMean(SAMPLES);
  readonly #wait: RecentMean = new RecentMean(SAMPLES);
  readonly #steps: Step[] = Array.from({ length: STEPS }, emptyStep);
  #step: number;
  #last: number;
  #level = 0;
  #accepted = 0;
  #settled = 0;

  constructor(now: number) {
    this.#startedAt = now;
    this.#last = now;
    this.#step = stepOf(now);
  }

  /** A measured payload was claimed `duration` milliseconds after its acceptance. */
  waited(duration: number): void {
    this.#wait.add(duration);
  }

  /** A measured payload kept its consumer busy for `duration` milliseconds. */
  served(duration: number): void {
    this.#service.add(duration);
  }

  /** The time since the last sample counts with the level found then, the totals with what was added since. */
  sample(now: number, gauge: LoadGauge): void {
    for (let from = Math.max(this.#last, now - WINDOW); from < now; ) {
      const until = Math.min(now, (stepOf(from) + 1) * STEP);
      this.#moveTo(stepOf(from));
      const step = this.#present;
      step.duration += until - from;
      step.loadTime += (until - from) * this.#level;
      from = until;
    }
    this.#moveTo(stepOf(now));
    const step = this.#present;
    step.arrivals += gauge.accepted - this.#accepted;
    step.departures += gauge.settled - this.#settled;
    this.#last = now;
    this.#level = gauge.consumers === 0 ? 0 : gauge.busy / gauge.consumers;
    this.#accepted = gauge.accepted;
    this.#settled = gauge.settled;
  }

  averages(now: number): LoadAverages {
    const lived = now - this.#startedAt;
    if (lived < WARM_UP) return { load: 0, serviceTime: 0, waitTime: 0, arrivalRate: 0, departureRate: 0 };
    this.#moveTo(stepOf(now));
    let [duration, loadTime, arrivals, departures] = [0, 0, 0, 0];
    for (const step of this.#steps) {
      duration += step.duration;
      loadTime += step.loadTime;
      arrivals += step.arrivals;
      departures += step.departures;
    }
    const seconds = Math.min(lived, WINDOW) / 1000;
    return {
      load: duration === 0 ? 0 : loadTime / duration,
      serviceTime: this.#service.mean,
      waitTime: this.#wait.mean,
      arrivalRate: arrivals / seconds,
      departureRate: departures / seconds,
    };
  }

  get #present(): Step {
    return this.#steps[this.#step % STEPS] as Step;
  }

  /** Empties the steps that time has passed by. */
  #moveTo(step: number): void {
    const passed = Math.min(step - this.#step, STEPS);
    for (let i = 1; i <= passed; i++) this.#steps[(this.#step + i) % STEPS] = emptyStep();
    this.#step = step;
  }
}

/** The mean of the last `capacity` values. */
class RecentMean {
  readonly #values: Float64Array;
  #count = 0;
  #sum = 0;

  constructor(capacity: number) {
    this.#values = new Float64Array(capacity);
  }

  add(value: number): void {
    const at = this.#count++ % this.#values.length;
    this.#sum += value - (this.#values[at] as number);
    this.#values[at] = value;
  }

  get mean(): number {
    const held = Math.min(this.#count, this.#values.length);
    return held === 0 ? 0 : Math.max(0, this.#sum / held);
  }
}

function stepOf(now: number): number {
  return Math.floor(now / STEP);
}

function emptyStep(): Step {
  return { duration: 0, loadTime: 0, arrivals: 0, departures: 0 };
}
