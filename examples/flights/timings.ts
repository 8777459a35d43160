import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { Payload } from 'collector-queue';

/** How long the payloads of one collector waited, and how long it worked on them; nanoseconds. */
export interface Timing {
  readonly wait: RecordableHistogram;
  readonly service: RecordableHistogram;
}

/** Measures processors from outside: every payload and not a sample, because it is for percentiles. */
export class Timings {
  readonly byCollector: Map<string, Timing> = new Map();

  /** The same processor, measured. Waiting begins with the offer, so waiting for room is part of it. */
  measure<M extends { readonly offeredAt: number }, C, R>(
    collectorKey: string,
    processor: (payload: Payload<M>, context: C) => R,
  ): (payload: Payload<M>, context: C) => R {
    const { wait, service } = { wait: createHistogram(), service: createHistogram() };
    this.byCollector.set(collectorKey, { wait, service });
    return (payload, context) => {
      const startedAt = performance.now();
      recordSince(wait, payload.value.offeredAt, startedAt);
      const returned = processor(payload, context);
      if (returned instanceof Promise) return returned.finally(() => recordSince(service, startedAt)) as R;
      recordSince(service, startedAt);
      return returned;
    };
  }
}

/** In milliseconds, as `performance.now()` gives them; a histogram takes whole numbers from 1. */
function recordSince(histogram: RecordableHistogram, start: number, end: number = performance.now()): void {
  histogram.record(Math.max(1, Math.round((end - start) * 1e6)));
}
