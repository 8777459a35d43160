import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  trace,
} from '@opentelemetry/api';
import type { SendTrace, TaskTrace } from '../core/tracing.ts';
import { AttributeName, type OperationName, OTHER } from './conventions.ts';

/** A send, or a call of a processor, while it goes on. */
export interface Operation {
  readonly name: OperationName;
  readonly span: Span;
  /** With the span in it. */
  readonly context: Context;
  /** Attributes of metrics. */
  readonly labels: Attributes;
  /** By `performance.now()`. */
  readonly startedAt: number;
}

/** What spans and metrics have in common. */
export function commonAttributes(
  name: OperationName,
  engine: SendTrace['engine'],
  destination: string | undefined,
): Attributes {
  return {
    [AttributeName.SYSTEM]: engine === 'bullmq' ? 'bullmq' : 'collector_queue',
    [AttributeName.OPERATION_NAME]: name,
    [AttributeName.OPERATION_TYPE]: name,
    ...(destination !== undefined && { [AttributeName.DESTINATION]: destination }),
  };
}

/** How a payload is delivered. Only spans have it: there may be any number of topics and priorities. */
export function deliveryAttributes({ delivery, topics, priority }: Partial<TaskTrace>): Attributes {
  return {
    ...(delivery !== undefined && { [AttributeName.DELIVERY]: delivery }),
    ...(topics !== undefined && topics.length > 0 && { [AttributeName.TOPICS]: [...topics] }),
    ...(priority !== undefined && { [AttributeName.PRIORITY]: priority }),
  };
}

/** @param label - the destination, as metrics have it */
export function spanName(name: OperationName, label: string | undefined): string {
  return label === undefined || label === OTHER ? name : `${name} ${label}`;
}

/** What headers carry: the span that a payload comes from, and baggage. Headers may be anything. */
export function carriedBy(headers: unknown): Context {
  if (typeof headers !== 'object' || headers === null) return ROOT_CONTEXT;
  try {
    return propagation.extract(ROOT_CONTEXT, headers);
  } catch {
    return ROOT_CONTEXT;
  }
}

/** The span in a context, if there is one. */
export function spanIn(carried: Context): SpanContext | undefined {
  const found = trace.getSpanContext(carried);
  return found !== undefined && trace.isSpanContextValid(found) ? found : undefined;
}

/** Runs something with the span of an operation as the active one. */
export function within<R>(operation: Operation | undefined, run: () => R): R {
  return operation === undefined ? run() : context.with(operation.context, run);
}
