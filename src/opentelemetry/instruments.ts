import type { Attributes, Counter, Histogram, Meter } from '@opentelemetry/api';
import { AttributeName, DURATION_BUCKETS, MetricName, type OperationName } from './conventions.ts';

/** What is recorded of an operation that has ended. */
export interface OperationFigures {
  readonly seconds: number;
  readonly count: number;
  /** The class of the error of each message that failed. */
  readonly errors: readonly string[];
}

interface OperationInstruments {
  readonly messages: Counter;
  readonly duration: Histogram;
}

/** What is counted and timed. */
export class Instruments {
  readonly #of: Readonly<Record<OperationName, OperationInstruments>>;

  constructor(meter: Meter) {
    const messages = (name: string, description: string): Counter =>
      meter.createCounter(name, { unit: '{message}', description });
    const duration = (name: string, description: string): Histogram =>
      meter.createHistogram(name, {
        unit: 's',
        description,
        advice: { explicitBucketBoundaries: [...DURATION_BUCKETS] },
      });
    this.#of = {
      send: {
        messages: messages(MetricName.SENT, 'Payloads that were sent, accepted or not.'),
        duration: duration(MetricName.SEND_DURATION, 'From the call of a send to its end.'),
      },
      process: {
        messages: messages(MetricName.CONSUMED, 'Payloads that a processor was called for, once for each attempt.'),
        duration: duration(MetricName.PROCESS_DURATION, 'From the call of a processor to the end of its work.'),
      },
    };
  }

  record(name: OperationName, { seconds, count, errors }: OperationFigures, labels: Attributes): void {
    const { messages, duration } = this.#of[name];
    const failed = (error: string): Attributes => ({ ...labels, [AttributeName.ERROR_TYPE]: error });
    const counts = new Map<string, number>();
    for (const error of errors) counts.set(error, (counts.get(error) ?? 0) + 1);
    if (count > errors.length) messages.add(count - errors.length, labels);
    for (const [error, many] of counts) messages.add(many, failed(error));
    duration.record(seconds, errors[0] === undefined ? labels : failed(errors[0]));
  }
}
