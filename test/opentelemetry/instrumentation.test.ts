import { tracingChannel } from 'node:diagnostics_channel';
import { context, diag, INVALID_SPAN_CONTEXT, propagation, trace } from '@opentelemetry/api';
import { type Instrumentation, registerInstrumentations } from '@opentelemetry/instrumentation';
import { Collector, InvalidArgumentError, TracingChannelName } from 'collector-queue';
import { CollectorQueueInstrumentation, type InstrumentationOptions } from 'collector-queue/opentelemetry';
import { describe, expect, onTestFinished, test } from 'vitest';
import { gate, giveUp, started, thrownBy } from '../core/scene.ts';
import { oneCollector } from '../policies/scene.ts';
import { metricMemory, observed, spanMemory } from './scene.ts';

/** Whether somebody subscribes to any message of sends or attempts. */
function isSubscribed(): boolean {
  const messages = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const;
  return Object.values(TracingChannelName).some((name) =>
    messages.some((message) => tracingChannel(name)[message].hasSubscribers),
  );
}

async function sendOne(): Promise<void> {
  const scene = await oneCollector(() => 1);
  void scene.publisher.publish(1);
  await scene.clock.turn();
  await giveUp(scene);
}

describe('an instrumentation', () => {
  test('is one to OpenTelemetry, which gives it its providers', async () => {
    const [spans, meters] = [spanMemory(), metricMemory()];
    const instrumentation: Instrumentation = new CollectorQueueInstrumentation({ enabled: false });
    expect(instrumentation.instrumentationName).toBe('collector-queue');
    expect(instrumentation.instrumentationVersion).toBe('0.1.0');
    expect(isSubscribed()).toBe(false);
    const unload = registerInstrumentations({
      instrumentations: [instrumentation],
      tracerProvider: spans.provider,
      meterProvider: meters.provider,
    });
    onTestFinished(unload);
    await sendOne();
    expect(spans.spans().map(({ name }) => name)).toEqual(['send', 'process a']);
    expect((await meters.read()).length).toBe(4);
    unload();
    expect(isSubscribed()).toBe(false);
    await sendOne();
    expect(spans.spans()).toHaveLength(2);
  });

  test('is enabled from the beginning unless told otherwise, and only once', async () => {
    const { instrumentation, spans } = observed();
    expect(isSubscribed()).toBe(true);
    instrumentation.enable();
    await sendOne();
    expect(spans()).toHaveLength(2);
    instrumentation.disable();
    instrumentation.disable();
    expect(isSubscribed()).toBe(false);
    await sendOne();
    expect(spans()).toHaveLength(2);
    instrumentation.enable();
    await sendOne();
    expect(spans()).toHaveLength(4);
  });

  test('that is disabled lets what goes on come to its end, and unsubscribes then', async () => {
    const { instrumentation, spans } = observed();
    const end = gate<unknown>();
    const active: unknown[] = [];
    const scene = await oneCollector(
      async () => {
        await end.promise;
        active.push(trace.getActiveSpan()?.spanContext().spanId);
      },
      {},
      { maxConsumers: 2 },
    );
    void scene.publisher.publish(1);
    await scene.clock.turn();
    instrumentation.disable();
    void scene.publisher.publish(2);
    await scene.clock.turn();
    expect(isSubscribed()).toBe(true);
    expect(spans().map(({ name }) => name)).toEqual(['send']);
    end.open(undefined);
    await scene.clock.turn();
    expect(isSubscribed()).toBe(false);
    expect(spans().map(({ name }) => name)).toEqual(['send', 'process a']);
    expect(active).toEqual([spans()[1]?.spanContext().spanId, undefined]);
    await giveUp(scene);
  });

  test('that is enabled again before that goes on', async () => {
    const { instrumentation, spans } = observed();
    const end = gate<unknown>();
    const scene = await oneCollector(() => end.promise, {}, { maxConsumers: 2 });
    void scene.publisher.publish(1);
    await scene.clock.turn();
    instrumentation.disable();
    instrumentation.enable();
    end.open(undefined);
    await scene.clock.turn();
    expect(isSubscribed()).toBe(true);
    void scene.publisher.publish(2);
    await scene.clock.turn();
    expect(spans().map(({ name }) => name)).toEqual(['send', 'process a', 'send', 'process a']);
    await giveUp(scene);
  });

  test('that comes after initQueue is told nothing of that run', async () => {
    const scene = await oneCollector(() => trace.getActiveSpan());
    const { spans, metrics } = observed();
    const event = scene.publisher.publish(1);
    await scene.clock.turn();
    expect(spans()).toEqual([]);
    expect(await metrics.read()).toEqual([]);
    expect(event.getResult()?.oks()).toEqual([undefined]);
    await giveUp(scene);
  });

  test('may be made before the global provider is registered, or be given one later', async () => {
    const instrumentation = new CollectorQueueInstrumentation();
    const [first, second] = [spanMemory(), spanMemory()];
    onTestFinished(() => {
      instrumentation.disable();
      for (const api of [trace, context, propagation]) api.disable();
    });
    await sendOne();
    first.provider.register();
    await sendOne();
    instrumentation.setTracerProvider(second.provider);
    await sendOne();
    expect([first.spans().length, second.spans().length]).toEqual([2, 2]);
  });

  test('without any provider leaves headers, results and contexts alone', async () => {
    const instrumentation = new CollectorQueueInstrumentation();
    onTestFinished(() => instrumentation.disable());
    const { queue, publisher, clock } = await started([new Collector('a', (_, __, { headers }) => headers)]);
    const events = [publisher.publish(1), publisher.publish(1, {}, { headers: { tenant: 'acme' } })];
    await clock.turn();
    expect(events.map((event) => event.getResult()?.oks())).toEqual([[undefined], [{ tenant: 'acme' }]]);
    await queue.shutDownQueue();
  });

  test('of two, each has its spans, and what is active is of one of them', async () => {
    const { spans } = observed();
    const other = spanMemory();
    const second = new CollectorQueueInstrumentation();
    second.setTracerProvider(other.provider);
    onTestFinished(() => second.disable());
    const seen: unknown[] = [];
    const scene = await oneCollector(() => void seen.push(trace.getActiveSpan()?.spanContext().spanId));
    void scene.publisher.publish(1);
    await scene.clock.turn();
    expect([spans().length, other.spans().length]).toEqual([2, 2]);
    const ids = [spans()[1], other.spans()[1]].map((span) => span?.spanContext().spanId);
    expect(ids).toContain(seen[0]);
    await giveUp(scene);
  });
});

describe('a part of OpenTelemetry that throws', () => {
  const throwing = (): never => {
    throw new Error('broken');
  };

  function diagnosed(): unknown[][] {
    const told: unknown[][] = [];
    const silent = { warn: () => undefined, info: () => undefined, debug: () => undefined, verbose: () => undefined };
    diag.setLogger({ ...silent, error: (...all) => void told.push(all) });
    onTestFinished(() => diag.disable());
    return told;
  }

  test('when a span begins costs no more than its context, and is told by diag', async () => {
    const { instrumentation, spans } = observed();
    const told = diagnosed();
    propagation.disable();
    propagation.setGlobalPropagator({ inject: throwing, extract: throwing, fields: () => [] });
    const scene = await oneCollector((value) => value);
    const event = scene.publisher.publish(7, {}, { headers: { traceparent: 'x' } });
    await scene.clock.turn();
    expect(event.getResult()?.oks()).toEqual([7]);
    expect(spans().map(({ name }) => name)).toEqual(['send', 'process a']);
    expect(told).toEqual([['collector-queue: OpenTelemetry failed', new Error('broken')]]);
    instrumentation.disable();
    expect(isSubscribed()).toBe(false);
    await giveUp(scene);
  });

  test('when a span ends harms no result, and nothing is left subscribed', async () => {
    const { instrumentation } = observed();
    const told = diagnosed();
    const span = Object.assign(trace.wrapSpanContext(INVALID_SPAN_CONTEXT), { end: throwing });
    instrumentation.setTracerProvider({ getTracer: () => ({ startSpan: () => span, startActiveSpan: throwing }) });
    const scene = await oneCollector(async (value) => value);
    const event = scene.publisher.publish(7);
    await scene.clock.turn();
    expect(event.getResult()?.oks()).toEqual([7]);
    expect(told).toHaveLength(2);
    instrumentation.disable();
    expect(isSubscribed()).toBe(false);
    await giveUp(scene);
  });
});

describe('the options of an instrumentation', () => {
  test('have defaults, may be replaced, and are told as they are used', async () => {
    const { instrumentation, spans } = observed({ processSpans: 'child' });
    expect(instrumentation.getConfig()).toEqual({ enabled: true, processSpans: 'child', maxLabels: 100 });
    expect(instrumentation.getConfig()).toSatisfy(Object.isFrozen);
    await sendOne();
    instrumentation.setConfig({ maxLabels: 0 });
    expect(instrumentation.getConfig()).toEqual({ enabled: true, processSpans: 'link', maxLabels: 0 });
    await sendOne();
    expect(spans().map(({ name, parentSpanContext }) => [name, parentSpanContext !== undefined])).toEqual([
      ['send', false],
      ['process a', true],
      ['send', false],
      ['process', false],
    ]);
    expect(new CollectorQueueInstrumentation({ enabled: false }).getConfig().enabled).toBe(false);
  });

  const WRONG: [options: unknown, message: string][] = [
    [null, 'CollectorQueueInstrumentation: options must be an object, but it is null'],
    [5, 'CollectorQueueInstrumentation: options must be an object, but it is 5'],
    [[], 'CollectorQueueInstrumentation: options must be an object, but it is an empty array'],
    [{ enabled: 'yes' }, 'CollectorQueueInstrumentation: enabled must be a boolean, but it is "yes"'],
    [{ enabled: null }, 'CollectorQueueInstrumentation: enabled must be a boolean, but it is null'],
    [
      { processSpans: 'parent' },
      "CollectorQueueInstrumentation: processSpans must be one of 'link', 'child', but it is \"parent\"",
    ],
    ...[-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, null].map((maxLabels): [unknown, string] => [
      { maxLabels },
      `CollectorQueueInstrumentation: maxLabels must be a whole number of at least 0, but it is ${maxLabels}`,
    ]),
    [
      { maxLabel: 5 },
      "CollectorQueueInstrumentation: options must be made of enabled, processSpans, maxLabels, but it is given 'maxLabel' (did you mean 'maxLabels'?)",
    ],
  ];
  test.each(WRONG)('refuse %o', (options, message) => {
    const refused = (call: () => unknown): void => {
      const error = thrownBy(call);
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect((error as Error).message).toBe(message);
    };
    refused(() => new CollectorQueueInstrumentation(options as InstrumentationOptions));
    expect(isSubscribed()).toBe(false);
    const instrumentation = new CollectorQueueInstrumentation({ enabled: false, maxLabels: 7 });
    refused(() => instrumentation.setConfig(options as InstrumentationOptions));
    expect(instrumentation.getConfig()).toEqual({ enabled: false, processSpans: 'link', maxLabels: 7 });
  });
});
