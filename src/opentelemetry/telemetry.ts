import {
  type Attributes,
  type Context,
  type MeterProvider,
  metrics,
  type SpanOptions,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import type { TracedEngine } from '../core/tracing.ts';
import { VERSION } from '../core/version.ts';
import type { OperationName } from './conventions.ts';
import { errorTypeOf, recordFailure } from './failure.ts';
import { Instruments } from './instruments.ts';
import { BoundedLabels } from './labels.ts';
import { commonAttributes, type Operation, spanName } from './operation.ts';
import type { InstrumentationSettings } from './options.ts';

/** The scope of spans and metrics. */
export const SCOPE = 'collector-queue';

/** What an operation is, when it begins. */
interface OperationStart extends Required<Pick<SpanOptions, 'kind' | 'links'>> {
  readonly engine: TracedEngine;
  readonly destination: string | undefined;
  /** Beside those that metrics have too. */
  readonly attributes: Attributes;
  readonly parent: Context;
}

/** Where spans and metrics go, and what their labels may be. */
export class Telemetry {
  #settings: InstrumentationSettings;
  /** Apart: any number of topics that are sent to leave room for the collectors. */
  #destinations: Record<OperationName, BoundedLabels>;
  #errors: BoundedLabels;
  /** The global one goes over to a provider that is registered later. */
  #tracer: Tracer = trace.getTracer(SCOPE, VERSION);
  #meters: MeterProvider | undefined = undefined;
  #instruments: { readonly of: MeterProvider; readonly all: Instruments } | undefined = undefined;

  constructor(settings: InstrumentationSettings) {
    this.#settings = settings;
    this.#destinations = boundedDestinations(settings);
    this.#errors = new BoundedLabels(settings.maxLabels);
  }

  get settings(): InstrumentationSettings {
    return this.#settings;
  }

  configure(settings: InstrumentationSettings): void {
    this.#settings = settings;
    this.#destinations = boundedDestinations(settings);
    this.#errors = new BoundedLabels(settings.maxLabels);
  }

  setTracerProvider(provider: TracerProvider): void {
    this.#tracer = provider.getTracer(SCOPE, VERSION);
  }

  setMeterProvider(provider: MeterProvider): void {
    this.#meters = provider;
  }

  begin(name: OperationName, { engine, destination, attributes, parent, kind, links }: OperationStart): Operation {
    const label = destination === undefined ? undefined : this.#destinations[name].of(destination);
    const all = { ...commonAttributes(name, engine, destination), ...attributes };
    const span = this.#tracer.startSpan(spanName(name, label), { kind, links, attributes: all }, parent);
    const labels = commonAttributes(name, engine, label);
    return { name, span, context: trace.setSpan(parent, span), labels, startedAt: performance.now() };
  }

  /**
   * @param count - how many payloads it was about
   * @param errors - that of each payload that failed
   */
  end({ name, span, labels, startedAt }: Operation, count: number, errors: readonly unknown[]): void {
    const seconds = (performance.now() - startedAt) / 1_000;
    const classes = errors.map((error) => this.#errors.of(errorTypeOf(error)));
    this.#currentInstruments().record(name, { seconds, count, errors: classes }, labels);
    if (errors.length > 0) recordFailure(span, errors[0]);
    span.end();
  }

  /** Instruments do not go over to a provider that is registered later. */
  #currentInstruments(): Instruments {
    const provider = this.#meters ?? metrics.getMeterProvider();
    if (this.#instruments?.of !== provider) {
      this.#instruments = { of: provider, all: new Instruments(provider.getMeter(SCOPE, VERSION)) };
    }
    return this.#instruments.all;
  }
}

function boundedDestinations({ maxLabels }: InstrumentationSettings): Record<OperationName, BoundedLabels> {
  return { send: new BoundedLabels(maxLabels), process: new BoundedLabels(maxLabels) };
}
