import type { QueueMetrics } from '../core/metrics.ts';
import type { Clock } from '../schedule/clock.ts';
import type { RemoteRun } from './remote-run.ts';

/** Reads the metrics of one run, with deltas. */
export class RemoteMetricsReader {
  readonly run: RemoteRun;
  readonly #clock: Clock;
  #readAt: number;
  #acceptedThen = 0;

  constructor(run: RemoteRun, clock: Clock) {
    this.run = run;
    this.#clock = clock;
    this.#readAt = run.startedAt;
  }

  read(): QueueMetrics {
    const { tally, crew } = this.run;
    const now = this.#clock.now();
    const consumers = crew?.concurrency ?? 0;
    const busy = crew?.busy ?? 0;
    const jobs = crew?.runner.queue.getMetrics();
    const metrics: QueueMetrics = {
      timestamp: this.#clock.wall(),
      qsize: tally.pending,
      busy,
      consumers,
      load: consumers === 0 ? 0 : busy / consumers,
      avgLoad: jobs?.avgLoad ?? 0,
      serviceTime: jobs?.serviceTime ?? 0,
      waitTime: jobs?.waitTime ?? 0,
      arrivalRate: jobs?.arrivalRate ?? 0,
      departureRate: jobs?.departureRate ?? 0,
      wip: jobs?.wip ?? 0,
      tDelta: now - this.#readAt,
      eventCount: tally.accepted - this.#acceptedThen,
      offered: tally.accepted + tally.rejected + tally.pending,
      accepted: tally.accepted,
      rejected: tally.rejected,
      deduplicated: 0,
      inFlight: tally.accepted - tally.settled,
      parked: jobs?.parked ?? 0,
      scheduled: 0,
      abandoned: jobs?.abandoned ?? 0,
      settled: tally.settled,
      dropped: 0,
      cancelled: tally.cancelled,
      unrouted: tally.unrouted,
      late: jobs?.late ?? 0,
      ...(jobs?.latency && { latency: jobs.latency }),
    };
    this.#readAt = now;
    this.#acceptedThen = tally.accepted;
    return metrics;
  }
}
