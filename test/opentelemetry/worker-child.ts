import { propagation, trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { Collector } from 'collector-queue';
import { BullMQCollectorQueue, type BullMQQueueOptions } from 'collector-queue/bullmq';
import { CollectorQueueInstrumentation } from 'collector-queue/opentelemetry';

/** A worker process with OpenTelemetry, for a test. It tells its parent of each attempt, and of its span. */

export interface SpanReport {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly links: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
}

function reportOf(span: ReadableSpan): SpanReport {
  const { traceId, spanId } = span.spanContext();
  const links = span.links.map(({ context }) => `${context.traceId}/${context.spanId}`);
  const { name, kind, attributes, parentSpanContext } = span;
  return { name, kind, traceId, spanId, parentId: parentSpanContext?.spanId, links, attributes };
}

const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
const { options, processSpans } = JSON.parse(process.env.WORKER ?? '') as {
  options: BullMQQueueOptions;
  processSpans: 'link' | 'child';
};
new CollectorQueueInstrumentation({ processSpans });

const collector = new Collector(
  'work',
  async (_, __, { number }) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (number === 1) throw new RangeError('not yet');
    const tenant = propagation.getActiveBaggage()?.getEntry('tenant')?.value;
    return { active: trace.getActiveSpan()?.spanContext().spanId, tenant };
  },
  { retry: { attempts: 2, base: 1 } },
);
const queue = new BullMQCollectorQueue([collector], options);
queue.events.on('error-internal', () => undefined);
process.on('message', async () => {
  await queue.shutDownQueue({ timeout: 5_000 });
  process.send?.(exporter.getFinishedSpans().map(reportOf));
  process.disconnect();
});
await queue.initQueue();
process.send?.('ready');
