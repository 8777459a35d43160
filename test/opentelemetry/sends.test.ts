import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { Collector, InvalidArgumentError, Payload } from 'collector-queue';
import { expect, test } from 'vitest';
import { gate, giveUp, rejectionOf, started, thrownBy } from '../core/scene.ts';
import { oneCollector } from '../policies/scene.ts';
import { idOf, inSpan, linked, observed } from './scene.ts';

const headers = (): Collector => new Collector('a', (_, __, attempt) => attempt.headers, { topics: ['t/+'] });

test('a send is a span of a producer, in the trace of the sender, and its context goes along', async () => {
  const { only } = observed();
  const { queue, publisher, clock } = await started([headers()]);
  const event = inSpan('request', () => publisher.publish('secret', { keys: 'a', priority: 3 }));
  await clock.turn();
  const span = only('send a');
  expect(span.kind).toBe(SpanKind.PRODUCER);
  expect(span.attributes).toEqual({
    'messaging.system': 'collector_queue',
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
    'messaging.destination.name': 'a',
    'messaging.message.id': event.id,
    'messaging.collector_queue.delivery': 'key',
    'messaging.collector_queue.priority': 3,
  });
  expect(span.status).toEqual({ code: SpanStatusCode.UNSET });
  expect(span.links).toEqual([]);
  expect(span.parentSpanContext?.spanId).toBe(idOf(only('request')));
  const { traceId, spanId } = span.spanContext();
  expect(event.getResult()?.oks()).toEqual([{ traceparent: `00-${traceId}-${spanId}-01` }]);
  await queue.shutDownQueue();
});

test('a send is named after the one place where it goes, if there is one', async () => {
  const { spans } = observed();
  const { queue, publisher } = await started([headers()]);
  void publisher.publish(1);
  void publisher.publish(1, { topics: 't/1' });
  void publisher.publish(1, { topics: ['t/1', 't/2'] });
  void publisher.publish(1, { keys: ['a', 'b'] });
  const told = spans().map(({ name, attributes }) => [
    name,
    attributes['messaging.destination.name'],
    attributes['messaging.collector_queue.delivery'],
    attributes['messaging.collector_queue.topics'],
  ]);
  expect(told).toEqual([
    ['send', undefined, 'broadcast', undefined],
    ['send t/1', 't/1', 'topic', ['t/1']],
    ['send', undefined, 'topic', ['t/1', 't/2']],
    ['send', undefined, 'key', undefined],
  ]);
  await queue.shutDownQueue();
});

test('several sends at once are one span, which all of them come from', async () => {
  const { only, spans } = observed();
  const { queue, publisher, clock } = await started([headers()]);
  const events = publisher.sendMany([new Payload(1), new Payload(2, { keys: 'a' })]);
  await clock.turn();
  const span = only('send');
  expect(span.attributes).toEqual({
    'messaging.system': 'collector_queue',
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
    'messaging.batch.message_count': 2,
  });
  const traceparent = `00-${span.spanContext().traceId}-${idOf(span)}-01`;
  expect(events.map((event) => event.getResult()?.oks())).toEqual([[{ traceparent }], [{ traceparent }]]);
  expect(spans('process a').map(linked)).toEqual([[idOf(span)], [idOf(span)]]);
  expect(publisher.sendMany([])).toEqual([]);
  expect(spans('send')[1]?.attributes['messaging.batch.message_count']).toBe(0);
  await queue.shutDownQueue();
});

test('a send that waits for room ends when it was accepted', async () => {
  const { spans, only } = observed();
  const end = gate();
  const scene = await oneCollector(() => end.promise, {}, { maxSize: 0 });
  void scene.publisher.publish(1);
  const waiting = scene.publisher.sendWhenReady(new Payload(2, { keys: 'a' }));
  await scene.clock.turn();
  expect(spans('send a')).toEqual([]);
  end.open();
  const event = await waiting;
  expect(only('send a').attributes['messaging.message.id']).toBe(event.id);
  await giveUp(scene);
});

test('a send that was given up while it waited for room has failed', async () => {
  const { spans, only } = observed();
  const scene = await oneCollector(() => gate().promise, {}, { maxSize: 0 });
  void scene.publisher.publish(1);
  const controller = new AbortController();
  const aborted = scene.publisher.sendWhenReady(new Payload(2, { keys: 'a' }), { signal: controller.signal });
  controller.abort(new RangeError('enough'));
  await rejectionOf(aborted);
  await scene.clock.turn();
  expect(spans('send a')).toHaveLength(1);
  expect(only('send a').attributes).toMatchObject({ 'error.type': 'RangeError' });
  expect(only('send a').status).toEqual({ code: SpanStatusCode.ERROR, message: 'enough' });
  await giveUp(scene);
});

test('a span that the headers of a send name already is kept, and linked', async () => {
  const { only } = observed();
  const { queue, publisher, clock } = await started([headers()]);
  const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
  const baggage = propagation.createBaggage({ mine: { value: 'not theirs' } });
  const event = context.with(propagation.setBaggage(context.active(), baggage), () =>
    publisher.publish(1, { keys: 'a' }, { headers: { traceparent, tenant: 'acme' } }),
  );
  await clock.turn();
  const span = only('send a');
  expect(span.kind).toBe(SpanKind.CLIENT);
  expect(span.links.map((link) => link.context)).toMatchObject([{ traceId: '1'.repeat(32), spanId: '2'.repeat(16) }]);
  expect(event.getResult()?.oks()).toEqual([{ traceparent, tenant: 'acme' }]);
  expect(linked(only('process a'))).toEqual(['2'.repeat(16)]);
  await queue.shutDownQueue();
});

test('other headers of a send go along beside the context, and what is no context is nobody’s', async () => {
  const { only, spans } = observed();
  const { queue, publisher, clock } = await started([headers()]);
  const event = publisher.publish(1, { keys: 'a' }, { headers: { tenant: 'acme' } });
  const wrong = publisher.publish(1, {}, { headers: { traceparent: 'nonsense' } });
  await clock.turn();
  const span = only('send a');
  const traceparent = `00-${span.spanContext().traceId}-${idOf(span)}-01`;
  expect(event.getResult()?.oks()).toEqual([{ traceparent, tenant: 'acme' }]);
  expect(wrong.getResult()?.oks()).toEqual([{ traceparent: 'nonsense' }]);
  expect(only('send').kind).toBe(SpanKind.PRODUCER);
  expect(spans('process a').map(({ links }) => links.length)).toEqual([1, 0]);
  await queue.shutDownQueue();
});

test('a refused send has failed with what its event holds', async () => {
  const { spans } = observed();
  const scene = await oneCollector(() => gate().promise, {}, { maxSize: 0, overflow: 'reject' });
  const { publisher } = scene;
  void publisher.publish(1);
  void publisher.publish(2);
  void publisher.publish(2, {}, { signal: AbortSignal.abort('enough') });
  void publisher.sendMany([new Payload(3), new Payload(4)]);
  await giveUp(scene);
  void publisher.publish(5);
  const errors = spans('send').map(({ attributes, status }) => [attributes['error.type'], status.code]);
  expect(errors).toEqual([
    [undefined, SpanStatusCode.UNSET],
    ['QueueFullError', SpanStatusCode.ERROR],
    ['CancelledError', SpanStatusCode.ERROR],
    ['QueueFullError', SpanStatusCode.ERROR],
    ['QueueClosedError', SpanStatusCode.ERROR],
  ]);
});

test('a send whose processor fails has not failed, nor has one that repeats it', async () => {
  const { spans } = observed();
  const scene = await oneCollector(() => Promise.reject(new Error('no')));
  const options = { dedupeKey: 'k', dedupeWindow: 1_000 };
  const first = scene.publisher.publish(1, {}, options);
  await scene.clock.turn();
  const repeat = scene.publisher.publish(1, {}, options);
  expect([first, repeat].map((event) => [event.status, event.getResult()?.isOk()])).toEqual(
    Array(2).fill(['settled', false]),
  );
  expect(spans('send').map(({ status }) => status.code)).toEqual([SpanStatusCode.UNSET, SpanStatusCode.UNSET]);
  await giveUp(scene);
});

test('misuse throws what it throws without spans, and is told of by its class', async () => {
  const { spans } = observed();
  const { queue, publisher } = await started([headers()]);
  const hostile = Object.defineProperty({}, 'traceparent', {
    enumerable: true,
    get: () => {
      throw new Error('hostile');
    },
  }) as Record<string, string>;
  for (const given of [null, 5, 'abc', [], new Map()] as never[]) {
    expect(thrownBy(() => publisher.publish(1, {}, { headers: given }))).toBeInstanceOf(InvalidArgumentError);
  }
  expect(thrownBy(() => publisher.publish(1, {}, { headers: hostile }))).toEqual(new Error('hostile'));
  expect(thrownBy(() => publisher.send(null as never))).toBeInstanceOf(InvalidArgumentError);
  const types = spans('send').map(({ attributes }) => attributes['error.type'] ?? 'none');
  expect(types).toEqual([...Array(5).fill('InvalidArgumentError'), 'Error']);
  await queue.shutDownQueue();
});

test('baggage of the sender travels to the processor', async () => {
  observed();
  const seen: unknown[] = [];
  const { queue, publisher, clock } = await started([
    new Collector('a', () => void seen.push(propagation.getActiveBaggage()?.getEntry('tenant')?.value)),
  ]);
  const baggage = propagation.createBaggage({ tenant: { value: 'acme' } });
  context.with(propagation.setBaggage(context.active(), baggage), () => publisher.publish(1));
  void publisher.publish(1);
  await clock.turn();
  expect(seen).toEqual(['acme', undefined]);
  await queue.shutDownQueue();
});

test('what a processor sends is a child of its attempt', async () => {
  const { only } = observed();
  const { queue, publisher, clock } = await started([
    new Collector('a', async () => {
      await Promise.resolve();
      void publisher.publish(2, { keys: 'b' });
    }),
    new Collector('b', () => trace.getActiveSpan()?.spanContext().spanId),
  ]);
  void publisher.publish(1, { keys: 'a' });
  await clock.turn();
  expect(only('send b').parentSpanContext?.spanId).toBe(idOf(only('process a')));
  expect(linked(only('process b'))).toEqual([idOf(only('send b'))]);
  await queue.shutDownQueue();
});
