import { type Attributes, context, metrics, propagation, trace } from '@opentelemetry/api';
import {
  AggregationTemporality,
  type HistogramMetricData,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { CollectorQueueInstrumentation, type InstrumentationOptions } from 'collector-queue/opentelemetry';
import { onTestFinished } from 'vitest';

/** Where spans go, in memory. */
export interface SpanMemory {
  readonly provider: NodeTracerProvider;
  /** Those that have ended, in that order; of one name, if it is given. */
  spans(name?: string): readonly ReadableSpan[];
  /** The only one that has ended with this name. */
  only(name: string): ReadableSpan;
}

export function spanMemory(): SpanMemory {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  onTestFinished(() => provider.shutdown());
  const spans = (name?: string): readonly ReadableSpan[] =>
    exporter.getFinishedSpans().filter((span) => name === undefined || span.name === name);
  const only = (name: string): ReadableSpan => {
    const [found, ...others] = spans(name);
    if (found !== undefined && others.length === 0) return found;
    throw new Error(`not one span "${name}" has ended, but: ${spans().map((span) => span.name)}`);
  };
  return { provider, spans, only };
}

/** What a time series has come to. */
interface Series {
  readonly attributes: Attributes;
  /** The sum of a counter, or how many values a histogram has. */
  readonly count: number;
}

/** Where metrics go, in memory. */
export interface MetricMemory {
  readonly provider: MeterProvider;
  read(): Promise<readonly MetricData[]>;
  series(name: string): Promise<readonly Series[]>;
}

export function metricMemory(): MetricMemory {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  onTestFinished(() => provider.shutdown());
  const read = async (): Promise<readonly MetricData[]> => {
    exporter.reset();
    await provider.forceFlush();
    return exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
  };
  const series = async (name: string): Promise<readonly Series[]> => {
    const found = (await read()).find(({ descriptor }) => descriptor.name === name);
    return (found?.dataPoints ?? []).map(({ attributes, value }) => ({
      attributes,
      count: typeof value === 'number' ? value : (value as HistogramMetricData['dataPoints'][0]['value']).count,
    }));
  };
  return { provider, read, series };
}

export interface Observed extends SpanMemory {
  readonly instrumentation: CollectorQueueInstrumentation;
  readonly metrics: MetricMemory;
}

/** An instrumentation with the SDK's global providers, context and propagation, until the test has finished. */
export function observed(options?: InstrumentationOptions): Observed {
  const memory = spanMemory();
  const meters = metricMemory();
  memory.provider.register();
  metrics.setGlobalMeterProvider(meters.provider);
  const instrumentation = new CollectorQueueInstrumentation(options);
  onTestFinished(() => {
    instrumentation.disable();
    for (const api of [trace, metrics, context, propagation]) api.disable();
  });
  return { ...memory, instrumentation, metrics: meters };
}

/** Runs something within a span, which it is given. */
export function inSpan<R>(name: string, run: () => R): R {
  return trace.getTracer('test').startActiveSpan(name, (span) => {
    try {
      return run();
    } finally {
      span.end();
    }
  });
}

/** The spans that a span has links to, by their ids. */
export function linked({ links }: ReadableSpan): string[] {
  return links.map(({ context }) => context.spanId);
}

export function idOf(span: ReadableSpan): string {
  return span.spanContext().spanId;
}
