import type { LoadMeter } from '../pool/load-meter.ts';
import type { Latency, LatencyMetrics } from './latency.ts';
import type { Ledger } from './ledger.ts';
import { logInfo } from './log.ts';
import type { QueueSettings } from './options.ts';

/**
 * What a queue measures: event-collector's fields, then the counts of the run since `initQueue`. Averages are 0 during
 * the first 3 seconds. Durations are milliseconds, rates are per second.
 */
export interface QueueMetrics {
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** Payloads that wait. */
  readonly qsize: number;
  /** Consumers that are busy. */
  readonly busy: number;
  /** Consumers alive. */
  readonly consumers: number;
  /** Busy ÷ consumers, now. */
  readonly load: number;
  /** Busy ÷ consumers, averaged over the last 60 s. */
  readonly avgLoad: number;
  /** How long a payload keeps a consumer busy: mean of the last 1,000 measured. */
  readonly serviceTime: number;
  /** From acceptance to a consumer: mean of the last 1,000 measured. */
  readonly waitTime: number;
  /** Payloads accepted per second, over the last 60 s. */
  readonly arrivalRate: number;
  /** Payloads settled per second, over the last 60 s. */
  readonly departureRate: number;
  /** Consumers that the load keeps busy, by Little's law: arrival rate × service time. */
  readonly wip: number;
  /** Since the metrics were read before; since `initQueue` the first time. */
  readonly tDelta: number;
  /** Payloads accepted since the metrics were read before. */
  readonly eventCount: number;
  /** Payloads that were sent: accepted + rejected. */
  readonly offered: number;
  /** Accepted = qsize + inFlight + parked + settled. */
  readonly accepted: number;
  /** Refused: the queue was full or closed, or the signal of the send had fired. */
  readonly rejected: number;
  /** Repeats (`dedupeKey`) that share the outcome of a payload before them; not counted as offered. */
  readonly deduplicated: number;
  /** Claimed by a consumer, and not settled. */
  readonly inFlight: number;
  /** Payloads of which every unfinished task is parked, and those that are scheduled. */
  readonly parked: number;
  /** Of the parked: payloads whose time (`delay`, `at`) has not come. */
  readonly scheduled: number;
  /** Attempts that exceeded their time limit and whose work goes on. Each keeps a consumer. */
  readonly abandoned: number;
  readonly settled: number;
  /** Of the settled: dropped by an overflow. */
  readonly dropped: number;
  /** Of the settled: cancelled, cleared or given up at shutdown. */
  readonly cancelled: number;
  /** Of the settled: matched no collector. */
  readonly unrouted: number;
  /** Results that came after their event had settled, and were ignored. */
  readonly late: number;
  /** Percentiles of the last minute or two; only with the option `latency`. */
  readonly latency?: LatencyMetrics | undefined;
}

/** The levels of a queue now. */
export interface QueueLevels {
  readonly waiting: number;
  readonly busy: number;
  readonly consumers: number;
  readonly scheduled: number;
}

/** Reads the metrics of one run; each reader has its own deltas. */
export class MetricsReader {
  readonly #ledger: Ledger;
  readonly #meter: LoadMeter;
  readonly #levels: QueueLevels;
  readonly #latency: Latency | undefined;
  #readAt: number;
  #acceptedThen = 0;

  constructor(ledger: Ledger, meter: LoadMeter, levels: QueueLevels, now: number, latency?: Latency) {
    this.#ledger = ledger;
    this.#meter = meter;
    this.#levels = levels;
    this.#latency = latency;
    this.#readAt = now;
  }

  read(now: number, wall: number): QueueMetrics {
    const ledger = this.#ledger;
    const { waiting, busy, consumers } = this.#levels;
    this.#meter.sample(now, { busy, consumers, accepted: ledger.accepted, settled: ledger.settled });
    const averages = this.#meter.averages(now);
    const metrics: QueueMetrics = {
      timestamp: wall,
      qsize: waiting,
      busy,
      consumers,
      load: loadOf(busy, consumers),
      avgLoad: averages.load,
      serviceTime: averages.serviceTime,
      waitTime: averages.waitTime,
      arrivalRate: averages.arrivalRate,
      departureRate: averages.departureRate,
      wip: (averages.arrivalRate * averages.serviceTime) / 1000,
      tDelta: now - this.#readAt,
      eventCount: ledger.accepted - this.#acceptedThen,
      offered: ledger.accepted + ledger.rejected,
      accepted: ledger.accepted,
      rejected: ledger.rejected,
      deduplicated: ledger.deduplicated,
      inFlight: ledger.accepted - ledger.settled - ledger.parked - waiting,
      parked: ledger.parked,
      scheduled: this.#levels.scheduled,
      abandoned: ledger.abandoned,
      settled: ledger.settled,
      dropped: ledger.dropped,
      cancelled: ledger.cancelled,
      unrouted: ledger.unrouted,
      late: ledger.late,
      ...(this.#latency && { latency: this.#latency.read(now) }),
    };
    this.#readAt = now;
    this.#acceptedThen = ledger.accepted;
    return metrics;
  }
}

/** Logs a record at each interval, and a last one when what it returns is called. */
export function logMetrics(reader: MetricsReader, { clock, logger, metricsInterval }: LogSettings): () => void {
  if (logger === undefined || metricsInterval === Number.POSITIVE_INFINITY) return () => undefined;
  const log = (): void => logInfo(logger, reader.read(clock.now(), clock.wall()), 'collector queue metrics');
  const onTick = (): void => {
    log();
    timer = clock.setTimer(onTick, metricsInterval, true);
  };
  let timer = clock.setTimer(onTick, metricsInterval, true);
  return () => {
    timer.cancel();
    log();
  };
}

type LogSettings = Pick<QueueSettings, 'clock' | 'logger' | 'metricsInterval'>;

export function loadOf(busy: number, consumers: number): number {
  return consumers === 0 ? 0 : busy / consumers;
}
