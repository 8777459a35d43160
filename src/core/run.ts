import type { Revocations } from '../policies/revocation.ts';
import type { PolicyServices } from '../policies/services.ts';
import type { Buffer } from '../pool/buffer.ts';
import { ConsumerPool } from '../pool/consumer-pool.ts';
import { FifoBuffer, LifoBuffer } from '../pool/linked-buffer.ts';
import { LoadMeter } from '../pool/load-meter.ts';
import type { PoolLimits, PoolObserver } from '../pool/pool-parts.ts';
import { PriorityBuffer } from '../pool/priority-buffer.ts';
import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import type { Timers } from '../schedule/timers.ts';
import { AdaptiveScaling } from './adaptive-scaling.ts';
import { Admission, Overflow } from './admission.ts';
import { DeadLetters } from './dead-letters.ts';
import { Deduplication } from './deduplication.ts';
import { QueueType } from './delivery.ts';
import { Dispatcher } from './dispatcher.ts';
import { ClearedError } from './errors.ts';
import type { QueuedEvent, RankedEvent } from './event.ts';
import type { SendHeaders } from './headers.ts';
import { Intake } from './intake.ts';
import type { KeptResults } from './kept-results.ts';
import { Latency, LatencyMeter } from './latency.ts';
import { Ledger } from './ledger.ts';
import { MetricsReader, type QueueLevels } from './metrics.ts';
import type { QueueSettings } from './options.ts';
import type { Payload } from './payload.ts';
import { policyServices } from './policy-services.ts';
import type { Instrument } from './registration.ts';
import { Scheduled } from './scheduled.ts';
import type { Surroundings } from './surroundings.ts';
import { type DeliverDeadLetter, TaskPlanner } from './task-planner.ts';
import { tasksAreWatched, tracedProcessor } from './traced-tasks.ts';

/** What outlasts a run. */
export interface QueueParts {
  readonly settings: QueueSettings;
  readonly events: QueueEventSource;
  readonly timers: Timers;
  readonly revocations: Revocations;
  readonly kept: KeptResults | undefined;
  readonly surroundings: Surroundings;
  readonly hasCollector: (key: string) => boolean;
}

/**
 * One run of a queue, from `initQueue` to its shutdown: the parts of the way of a payload, wired together. The next
 * run gets new ones, so work that was left behind at a shutdown can disturb nobody.
 */
export class QueueRun implements PoolObserver {
  readonly ledger: Ledger = new Ledger();
  readonly pool: ConsumerPool<QueuedEvent>;
  readonly admission: Admission;
  readonly dispatcher: Dispatcher;
  readonly intake: Intake;
  readonly planner: TaskPlanner;
  readonly scheduled: Scheduled;
  readonly #latency: Latency | undefined;
  readonly #deadLetters: DeadLetters;
  readonly #deduplication: Deduplication;
  readonly #services: PolicyServices;
  readonly #events: QueueEventSource;
  readonly #meter: LoadMeter;
  readonly #settings: QueueSettings;
  readonly #idleWaiters: (() => void)[] = [];
  #stopped = false;

  constructor(parts: QueueParts) {
    const { settings, events, timers, revocations, kept, surroundings } = parts;
    const { clock } = settings;
    const latency = settings.latency === undefined ? undefined : new Latency(settings.latency, clock);
    const meter = latency === undefined ? new LoadMeter(clock.now()) : new LatencyMeter(clock.now(), latency);
    const { ledger } = this;
    const adaptive = settings.scaling === 'adaptive' ? new AdaptiveScaling(settings, ledger) : undefined;
    const limits: PoolLimits = adaptive === undefined ? settings : { ...settings, level: () => adaptive.level };
    const pool = new ConsumerPool<QueuedEvent>(bufferFor(settings), limits, clock, meter, this);
    this.#settings = settings;
    this.#events = events;
    this.#meter = meter;
    this.#latency = latency;
    this.pool = pool;
    this.admission = new Admission(pool, settings.maxSize);
    this.scheduled = new Scheduled(timers, clock, ledger, settings.maxScheduled);
    this.#deadLetters = new DeadLetters(events, clock, parts.hasCollector, (...letter) => this.#sendAnyway(...letter));
    this.#deduplication = new Deduplication(clock, ledger, settings.maxDedupeKeys);
    this.#services = policyServices(events, clock);
    const deliverDead: DeliverDeadLetter = (...dead) => this.#deadLetters.deliver(...dead);
    this.planner = new TaskPlanner(this.#services, revocations, surroundings, deliverDead, adaptive);
    const { planner, scheduled } = this;
    this.dispatcher = new Dispatcher({
      settings,
      clock,
      ledger,
      meter,
      events,
      pool,
      timers,
      planner,
      scheduled,
      kept,
      onIdle: () => this.#becameIdle(),
    });
    adaptive?.scale(pool, () => this.dispatcher.cancellations.running().map(({ task }) => task));
    this.intake = new Intake({
      settings,
      ledger,
      events,
      pool,
      admission: this.admission,
      dispatcher: this.dispatcher,
      scheduled,
      deduplication: this.#deduplication,
    });
  }

  /** A reader of its own for whoever wants deltas. */
  metricsReader(): MetricsReader {
    const { pool, scheduled } = this;
    const isUp = (): boolean => !this.#stopped;
    const levels: QueueLevels = {
      get waiting() {
        return pool.waiting;
      },
      get busy() {
        return pool.busy;
      },
      get consumers() {
        return isUp() ? pool.consumers : 0;
      },
      get scheduled() {
        return scheduled.size;
      },
    };
    return new MetricsReader(this.ledger, this.#meter, levels, this.#settings.clock.now(), this.#latency);
  }

  /** What is to be put around the processors that are set up now, if anything is. */
  get instrument(): Instrument | undefined {
    const latency = this.#latency;
    const isTraced = tasksAreWatched();
    if (latency === undefined && !isTraced) return undefined;
    return (processor, collector) => {
      const { key } = collector;
      const traced = isTraced ? tracedProcessor(processor, collector.processor, key) : processor;
      return latency === undefined ? traced : latency.timed(traced, key);
    };
  }

  /** Everything accepted has settled, and no consumer is busy. */
  get idle(): boolean {
    return this.ledger.settled === this.ledger.accepted && this.pool.busy === 0;
  }

  onIdle(): Promise<void> {
    if (this.idle) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Settles what waits as `Err(ClearedError)`. */
  clear(): number {
    const count = this.dispatcher.cancellations.clear(new ClearedError('the queue was cleared'));
    if (count === 0) return 0;
    this.admission.roomMade();
    this.dispatcher.checkIdle();
    return count;
  }

  /** Settles what waits for its time: payloads, and tasks of collectors with a delay. */
  giveUpScheduled(error: Error): void {
    this.planner.unwanted(error);
    for (const event of [...this.scheduled]) this.dispatcher.giveUp(event, error);
    this.#services.delays.giveUpAll(error);
  }

  /** Resolves once the functions that take dead letters are done. */
  deadLettersSettled(): Promise<void> {
    return this.#deadLetters.settled();
  }

  /** Settles everything with this error. */
  giveUpAll(error: Error): void {
    this.dispatcher.cancellations.giveUpAll(error);
    this.admission.roomMade();
  }

  /** Nothing is told any more: work that was left behind must not be mistaken for that of a later run. */
  stop(): void {
    this.#stopped = true;
    this.pool.stop();
    this.#deduplication.stop();
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  scaled(from: number, to: number): void {
    if (!this.#stopped && this.#events.observed(QueueEventName.SCALED))
      this.#events.emit(QueueEventName.SCALED, { from, to });
  }

  roomMade(): void {
    this.admission.roomMade();
  }

  quiet(): void {
    this.dispatcher.checkIdle();
  }

  totals(): Ledger {
    return this.ledger;
  }

  #sendAnyway(payload: Payload, headers: SendHeaders | undefined): boolean {
    if (this.#stopped) return false;
    this.intake.sendAnyway(payload, headers);
    return true;
  }

  #becameIdle(): void {
    if (this.#stopped) return;
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
    if (this.#events.observed(QueueEventName.IDLE)) this.#events.emit(QueueEventName.IDLE, {});
  }
}

function bufferFor({ queueType, overflow, maxSize }: QueueSettings): Buffer<QueuedEvent> {
  switch (queueType) {
    case QueueType.FIFO:
      return new FifoBuffer();
    case QueueType.LIFO:
      return new LifoBuffer();
    case QueueType.PRIORITY:
      return new PriorityBuffer<RankedEvent>(overflow === Overflow.DROP_OLDEST && maxSize !== Number.POSITIVE_INFINITY);
  }
}
