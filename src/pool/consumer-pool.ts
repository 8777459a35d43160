import { AsyncResource } from 'node:async_hooks';
import type { Clock, Timer } from '../schedule/clock.ts';
import { targetConsumers } from './autoscaler.ts';
import type { Buffer } from './buffer.ts';
import { FifoBuffer } from './linked-buffer.ts';
import type { LoadMeter } from './load-meter.ts';
import type { PoolLimits, PoolObserver, Work } from './pool-parts.ts';
import { Sampler } from './sampler.ts';

/** How long consumers go on without a turn for timers and I/O, in milliseconds. */
const SLICE = 10;

/** The autoscaler looks at the load ten times per `idleTimeout`, within these bounds (milliseconds). */
const TICKS_PER_IDLE_TIMEOUT = 10;
const SHORTEST_TICK = 10;
const LONGEST_TICK = 1_000;

const settledPromise: Promise<void> = Promise.resolve();

/**
 * The autoscaling pool of consumers.
 *
 * A consumer is a slot in a counter, not an object: it is busy from the claim of a work until the work ends, then takes
 * the next, or becomes idle. `offer` claims an idle consumer at once, or makes one up to the maximum; the work starts in
 * a microtask, one for a whole burst. Everything runs in the async context in which the pool was made.
 *
 *     offer ─┬─ a consumer is free ──→ claimed ──┐
 *            └─ none is ──→ buffer ──────────────┼─→ run ──→ (goes on) ──→ release ─┐
 *     giveBack (parked before) ──→ returned ─────┘    └────────── next ←────────────┘
 *
 * After {@link SLICE} ms without a turn of the event loop the pool yields: no consumer takes anything until timers and
 * I/O have had their turn.
 */
export class ConsumerPool<W extends Work<W>> {
  /** Consumers that are busy now. */
  busy = 0;
  /** Consumers alive, busy or idle: `minConsumers` … `maxConsumers`. */
  consumers: number;
  /**
   * The clock, as it was last read here: while a consumer is busy, within one tick of the autoscaler. Free where a
   * reading for each payload is not.
   */
  time: number;
  /** Set while somebody wants to hear of {@link PoolObserver.roomMade}. */
  watched = false;

  readonly #limits: PoolLimits;
  readonly #clock: Clock;
  readonly #meter: LoadMeter;
  readonly #observer: PoolObserver;
  readonly #buffer: Buffer<W>;
  readonly #claimed: FifoBuffer<W> = new FifoBuffer<W>();
  readonly #returned: FifoBuffer<W> = new FifoBuffer<W>();
  readonly #scope: AsyncResource = new AsyncResource('CollectorQueue', { requireManualDestroy: true });
  readonly #sampler: Sampler = new Sampler(0.5, 2);
  readonly #tick: number;
  /** The most that were busy at once, per stretch of so many ticks, over the last `idleTimeout`. */
  readonly #peaks: number[];
  readonly #ticksPerPeak: number;
  /** How many consumers may be busy. More are for a while after it fell. */
  #level: number;
  #presentPeak = 0;
  #ticks = 0;
  #ticker: Timer | undefined;
  #reported: number;
  #sliceEnd = Number.NEGATIVE_INFINITY;
  #wakePending = false;
  /** A turn was asked for when the slice began, and has not come yet. */
  #turnPending = false;
  #yielding = false;
  #stopped = false;
  #paused = false;
  /** Not every consumer may take something: the pool is paused, or more are busy than the level allows. */
  #heldBack = false;

  constructor(buffer: Buffer<W>, limits: PoolLimits, clock: Clock, meter: LoadMeter, observer: PoolObserver) {
    this.#buffer = buffer;
    this.#limits = limits;
    this.#clock = clock;
    this.#meter = meter;
    this.#observer = observer;
    this.time = clock.now();
    this.consumers = limits.minConsumers;
    this.#reported = this.consumers;
    this.#level = limits.level?.() ?? limits.maxConsumers;
    this.#tick = Math.min(LONGEST_TICK, Math.max(SHORTEST_TICK, limits.idleTimeout / TICKS_PER_IDLE_TIMEOUT));
    const ticks = Math.max(1, Math.ceil(limits.idleTimeout / this.#tick));
    this.#ticksPerPeak = Math.ceil(ticks / TICKS_PER_IDLE_TIMEOUT);
    this.#peaks = new Array(Math.ceil(ticks / this.#ticksPerPeak) + (this.#ticksPerPeak > 1 ? 1 : 0)).fill(0);
  }

  /** How many wait for a consumer. What is claimed waits no more. */
  get waiting(): number {
    return this.#buffer.size;
  }

  /** How many more could be claimed at once: they would not count against a bound on what waits. */
  get claimable(): number {
    return this.canClaim() ? this.#level - this.busy : 0;
  }

  /** How many would run if more consumers might be busy. */
  get heldUp(): number {
    return this.#paused || this.busy < this.#level ? 0 : this.#buffer.size + this.#returned.size;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Hands work in, at the end of the waiting order. Runs no user code. */
  offer(work: W): void {
    if (!this.canClaim()) {
      this.#buffer.push(work);
      return;
    }
    this.occupy();
    work.claim();
    this.#claimed.push(work);
    this.wake();
  }

  /** Hands work in that was parked: it comes before all that waits. */
  giveBack(work: W): void {
    this.#returned.push(work);
    this.wake();
  }

  /** Takes work back that waits. */
  withdraw(work: W): void {
    this.#buffer.remove(work);
    if (this.watched) this.#observer.roomMade();
  }

  /** Takes out what would be dispatched next. */
  takeWaiting(): W | undefined {
    return this.#buffer.take();
  }

  /** What is claimed or was given back, and did not start yet. */
  unstarted(): W[] {
    return [...this.#claimed, ...this.#returned];
  }

  /** Takes out what an overflow should drop. */
  takeVictim(): W | undefined {
    return this.#buffer.takeVictim();
  }

  /** A work that went on after `run` has ended: its consumer takes the next, or becomes idle. */
  release(): void {
    this.serve(this.take());
  }

  /** No consumer takes anything more; what is claimed goes on. */
  pause(): void {
    this.#paused = true;
    this.#heldBack = true;
  }

  resume(): void {
    this.#paused = false;
    if (this.watched) this.#observer.roomMade();
    this.wake();
  }

  /**
   * Starts now, without yielding, what would start in the next microtask; for tests. Not to be called by what a consumer
   * runs.
   */
  flush(): void {
    const sliceEnd = this.#sliceEnd;
    this.#sliceEnd = Number.POSITIVE_INFINITY;
    this.#yielding = false;
    do this.#scope.runInAsyncScope(this.pump, this);
    while (this.#claimed.size > 0);
    this.#sliceEnd = sliceEnd;
  }

  /** The level may have moved: consumers above it take nothing more, or what waits gets those that there may be now. */
  levelMoved(): void {
    if (this.#limits.level === undefined) return;
    const before = this.#level;
    this.#level = this.#limits.level();
    if (this.busy > this.#level) this.#heldBack = true;
    this.consumers = Math.max(this.busy, Math.min(this.consumers, this.#level));
    if (this.#level > before) this.wake();
  }

  /** Stops the autoscaler. To be called when the pool has no more work. */
  stop(): void {
    this.#stopped = true;
    this.#ticker?.cancel();
    this.#ticker = undefined;
    this.#scope.emitDestroy();
  }

  /** Runs `body` in the async context of the pool. */
  runInScope<A extends unknown[], R>(body: (...args: A) => R, self: unknown, ...args: A): R {
    return this.#scope.runInAsyncScope(body, self, ...args);
  }

  private canClaim(): boolean {
    return this.busy < this.#level && this.#buffer.size === 0 && this.#returned.size === 0 && !this.#paused;
  }

  /** One more consumer is busy: an idle one, or a new one. */
  private occupy(): void {
    const busy = ++this.busy;
    if (busy > this.consumers) this.consumers = busy;
    const at = this.#presentPeak;
    if (busy > (this.#peaks[at] as number)) this.#peaks[at] = busy;
  }

  /** One microtask for a whole burst of offers. */
  private wake(): void {
    if (this.#wakePending || this.#yielding) return;
    this.#wakePending = true;
    void settledPromise.then(this.#onWake);
  }

  readonly #onWake = (): void => {
    this.#wakePending = false;
    if (!this.#yielding) this.#scope.runInAsyncScope(this.pump, this);
  };

  readonly #onTurn = (): void => {
    this.#turnPending = false;
    if (!this.#yielding) return;
    this.#yielding = false;
    this.#scope.runInAsyncScope(this.pump, this);
  };

  /** Starts what is claimed, then gives every consumer that can be had something that waits. */
  private pump(): void {
    this.checkSlice();
    if (this.#ticker === undefined && !this.#stopped) this.startTicking(this.#clock.now());
    this.reportScale();
    while (!this.#yielding) {
      const work = this.#claimed.take();
      if (work === undefined) break;
      this.serve(work);
      if (this.#sampler.due()) this.checkSlice();
    }
    while (this.busy < this.#level) {
      const work = this.take();
      if (work === undefined) break;
      this.occupy();
      this.serve(work);
    }
    if (this.watched) this.#observer.roomMade();
    this.reportScale();
  }

  /** One consumer, from work to work, until one goes on or there is nothing to take. */
  private serve(work: W | undefined): void {
    for (let current = work; current !== undefined; current = this.take()) {
      if (this.watched) this.#observer.roomMade();
      if (current.run()) return;
    }
    this.leave();
  }

  /** The next work for a consumer; none while the pool is paused or yields, and none for a consumer above the level. */
  private take(): W | undefined {
    if (this.#sampler.due()) this.checkSlice();
    if (this.#yielding || (this.#heldBack && this.holdsBack())) return undefined;
    if (this.#claimed.size !== 0) return this.takeClaimed();
    const work = this.#returned.size === 0 ? this.#buffer.take() : this.#returned.take();
    if (work !== undefined) work.claim();
    return work;
  }

  /** What is claimed starts before what waits, also if its own consumer was not there yet: that one is free now. */
  private takeClaimed(): W | undefined {
    this.busy--;
    return this.#claimed.take();
  }

  private holdsBack(): boolean {
    if (this.#paused) return true;
    this.#heldBack = this.busy > this.#level;
    return this.#heldBack;
  }

  private leave(): void {
    this.busy--;
    if (this.watched) this.#observer.roomMade();
    if (this.busy === 0) this.#observer.quiet();
  }

  /** Once a slice is over: yields if timers and I/O had no turn since it began, or else begins the next one. */
  private checkSlice(): void {
    const now = this.#clock.now();
    this.time = now;
    this.#sampler.read(now);
    if (now < this.#sliceEnd || this.#yielding) return;
    if (this.#turnPending) {
      this.#yielding = this.#claimed.size + this.#returned.size + this.#buffer.size > 0;
      return;
    }
    this.#sliceEnd = now + SLICE;
    this.#turnPending = true;
    this.#clock.yieldTurn(this.#onTurn);
  }

  private startTicking(now: number): void {
    this.sampleLoad(now);
    this.#ticker = this.#clock.setTimer(this.#onTick, this.#tick, true);
  }

  /** Samples the load and lets the autoscaler decide; rests once the pool is idle at its minimum. */
  readonly #onTick = (): void => {
    const now = this.#clock.now();
    this.time = now;
    this.sampleLoad(now);
    this.levelMoved();
    const averages = this.#meter.averages(now);
    this.consumers = targetConsumers({
      consumers: this.consumers,
      busy: this.busy,
      peakBusy: this.#peaks.reduce((most, peak) => Math.max(most, peak)),
      waiting: this.#paused ? 0 : this.#buffer.size,
      arrivalRate: averages.arrivalRate,
      serviceTime: averages.serviceTime,
      minConsumers: this.#limits.minConsumers,
      maxConsumers: Math.max(this.#level, this.busy),
    });
    this.reportScale();
    if (++this.#ticks % this.#ticksPerPeak === 0) {
      this.#presentPeak = (this.#presentPeak + 1) % this.#peaks.length;
      this.#peaks[this.#presentPeak] = this.busy;
    }
    const resting = this.busy === 0 && this.consumers === this.#limits.minConsumers;
    this.#ticker = resting ? undefined : this.#clock.setTimer(this.#onTick, this.#tick, true);
  };

  private sampleLoad(now: number): void {
    const { accepted, settled } = this.#observer.totals();
    this.#meter.sample(now, { busy: this.busy, consumers: this.consumers, accepted, settled });
  }

  private reportScale(): void {
    const [from, to] = [this.#reported, this.consumers];
    if (from === to) return;
    this.#reported = to;
    this.#observer.scaled(from, to);
  }
}
