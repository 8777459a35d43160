import { type Attributes, type Context, ROOT_CONTEXT, type SpanContext, SpanKind, trace } from '@opentelemetry/api';
import type { TaskTrace } from '../core/tracing.ts';
import { AttributeName } from './conventions.ts';
import { carriedBy, deliveryAttributes, type Operation, spanIn } from './operation.ts';
import type { Observer } from './subscription.ts';
import type { Telemetry } from './telemetry.ts';

/** Spans and metrics of the attempts at tasks. */
export class ProcessObserver implements Observer<TaskTrace> {
  readonly #telemetry: Telemetry;

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  begin(task: TaskTrace): Operation {
    const carried = [task, ...task.company].map(({ headers }) => carriedBy(headers));
    return this.#telemetry.begin('process', {
      engine: task.engine,
      destination: task.collectorKey,
      kind: SpanKind.CONSUMER,
      links: spansIn(carried).map((context) => ({ context })),
      attributes: messageAttributes(task),
      parent: this.#parentIn(carried),
    });
  }

  end(task: TaskTrace, operation: Operation): void {
    const failed = [task, ...task.company].filter((one) => 'error' in one);
    this.#telemetry.end(
      operation,
      1 + task.company.length,
      failed.map(({ error }) => error),
    );
  }

  /** What is active around an attempt has nothing to do with its sender. */
  #parentIn([carried, ...others]: readonly Context[]): Context {
    // What is true of one payload of a batch is not true of the others.
    if (carried === undefined || others.length > 0) return ROOT_CONTEXT;
    return this.#telemetry.settings.processSpans === 'child' ? carried : trace.deleteSpan(carried);
  }
}

function messageAttributes(task: TaskTrace): Attributes {
  const others = task.company.length;
  if (others > 0) return { [AttributeName.BATCH_COUNT]: 1 + others };
  return {
    ...deliveryAttributes(task),
    [AttributeName.MESSAGE_ID]: task.eventId,
    [AttributeName.ATTEMPT]: task.attempt,
  };
}

/** Each once: several payloads may come from one send. */
function spansIn(carried: readonly Context[]): readonly SpanContext[] {
  const found = carried.map(spanIn).filter((span) => span !== undefined);
  return [...new Map(found.map((span) => [span.traceId + span.spanId, span])).values()];
}
