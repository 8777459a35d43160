import type { MeterProvider, TracerProvider } from '@opentelemetry/api';
import { enterScope } from '../core/traced-tasks.ts';
import { type SendTrace, type TaskTrace, TracingChannelName } from '../core/tracing.ts';
import { VERSION } from '../core/version.ts';
import { within } from './operation.ts';
import { type InstrumentationOptions, type InstrumentationSettings, resolveInstrumentation } from './options.ts';
import { ProcessObserver } from './process-observer.ts';
import { SendObserver } from './send-observer.ts';
import { Subscription } from './subscription.ts';
import { SCOPE, Telemetry } from './telemetry.ts';

/**
 * Spans and metrics of all queues of the process, by OpenTelemetry's semantic conventions for messaging 1.44 (in development:
 * https://opentelemetry.io/docs/specs/semconv/messaging/). One of the `instrumentations` of an SDK, or by itself with the
 * global providers.
 *
 * Make it before `initQueue`: a queue looks at that moment whether somebody observes it.
 */
export class CollectorQueueInstrumentation {
  readonly instrumentationName: string = SCOPE;
  readonly instrumentationVersion: string = VERSION;
  readonly #telemetry: Telemetry;
  readonly #sends: Subscription<SendTrace>;
  readonly #tasks: Subscription<TaskTrace>;
  #leaveScope: (() => void) | undefined = undefined;

  /** @throws {@link InvalidArgumentError} for a wrong option */
  constructor(options: InstrumentationOptions = {}) {
    this.#telemetry = new Telemetry(resolveInstrumentation(options));
    this.#sends = new Subscription(TracingChannelName.SEND, new SendObserver(this.#telemetry));
    this.#tasks = new Subscription(TracingChannelName.TASK, new ProcessObserver(this.#telemetry));
    if (this.#telemetry.settings.enabled) this.enable();
  }

  /** Does nothing if it is enabled. */
  enable(): void {
    this.#sends.on();
    this.#tasks.on();
    this.#leaveScope ??= enterScope((trace, run) => within(this.#tasks.operationOf(trace), run));
  }

  /** No new spans; those that have begun go on to their end. */
  disable(): void {
    this.#sends.off();
    this.#tasks.off();
    this.#leaveScope?.();
    this.#leaveScope = undefined;
  }

  /** @default the global one */
  setTracerProvider(provider: TracerProvider): void {
    this.#telemetry.setTracerProvider(provider);
  }

  /** @default the global one, as it is when the first payload is sent or processed */
  setMeterProvider(provider: MeterProvider): void {
    this.#telemetry.setMeterProvider(provider);
  }

  /** The options as they are used. */
  getConfig(): InstrumentationSettings {
    return this.#telemetry.settings;
  }

  /**
   * Replaces the options, with defaults for what is left out. `enabled` is not looked at: call `enable` or `disable`.
   *
   * @throws {@link InvalidArgumentError} for a wrong option
   */
  setConfig(options: InstrumentationOptions): void {
    this.#telemetry.configure(resolveInstrumentation(options));
  }
}
