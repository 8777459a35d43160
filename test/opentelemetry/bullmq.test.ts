import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { Collector, Payload } from 'collector-queue';
import { expect, onTestFinished, test } from 'vitest';
import { ownPrefix, queueFor, started } from '../bullmq/scene.ts';
import { redisForTest } from '../redis-server.ts';
import { idOf, inSpan, linked, observed } from './scene.ts';
import type { SpanReport } from './worker-child.ts';

test('on BullMQ attempts have a link to the span of their send, and are active, in middleware too', async () => {
  const redis = await redisForTest();
  const { spans, only, metrics } = observed();
  const active: (string | undefined)[] = [];
  const look = (): void => void active.push(trace.getActiveSpan()?.spanContext().spanId);
  const work = async (): Promise<void> => {
    look();
    await Promise.resolve();
    look();
  };
  const queue = queueFor([new Collector('a', work)], { connection: redis.url });
  queue.use(async (_, next) => {
    look();
    const result = await next();
    look();
    return result;
  });
  await queue.initQueue();
  const publisher = queue.getPublisher();
  const event = inSpan('request', () => publisher.publish('secret', { keys: 'a' }));
  await event.wait();
  const [send, attempt] = [only('send a'), only('process a')];
  expect(send.kind).toBe(SpanKind.PRODUCER);
  expect(send.attributes).toMatchObject({ 'messaging.system': 'bullmq', 'messaging.message.id': event.id });
  expect(send.parentSpanContext?.spanId).toBe(idOf(only('request')));
  expect(attempt.kind).toBe(SpanKind.CONSUMER);
  expect(attempt.attributes).toMatchObject({
    'messaging.system': 'bullmq',
    'messaging.message.id': event.id,
    'messaging.collector_queue.attempt': 1,
  });
  expect(linked(attempt)).toEqual([idOf(send)]);
  expect(attempt.parentSpanContext).toBeUndefined();
  expect(active).toEqual(Array(4).fill(idOf(attempt)));
  const many = publisher.sendMany([new Payload(1), new Payload(2)]);
  await Promise.all(many.map((one) => one.wait()));
  expect(spans('process a').slice(1).map(linked)).toEqual(Array(2).fill([idOf(only('send'))]));
  expect(await metrics.series('messaging.client.consumed.messages')).toMatchObject([
    { attributes: { 'messaging.system': 'bullmq', 'messaging.destination.name': 'a' }, count: 3 },
  ]);
  await queue.shutDownQueue();
  void publisher.publish(1, { keys: 'a' });
  expect(spans('send a')[1]?.attributes['error.type']).toBe('QueueClosedError');
});

test('on BullMQ an error that throws when it is looked at harms neither its span nor its event', async () => {
  const redis = await redisForTest();
  const { only } = observed();
  const trap = (): never => {
    throw new Error('trap');
  };
  const hostile = new Proxy(new Error('no'), { get: trap, getPrototypeOf: trap });
  const queue = await started([new Collector('a', () => Promise.reject(hostile))], { connection: redis.url });
  const results = await queue.getPublisher().publish(1).wait();
  expect(results.isOk()).toBe(false);
  expect(only('process a').attributes['error.type']).toBe('_OTHER');
});

test.each(['link', 'child'] as const)(
  'of two processes, the spans of the worker lead to that of the sender (%s)',
  { timeout: 60_000 },
  async (processSpans) => {
    const redis = await redisForTest();
    const { only } = observed();
    const options = { connection: redis.url, prefix: ownPrefix(), registryInterval: 200, lookupInterval: 200 };
    const child = fork(join(import.meta.dirname, 'worker-child.ts'), [], {
      execArgv: ['--import', 'tsx'],
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        WORKER: JSON.stringify({ options: { ...options, role: 'worker' }, processSpans }),
      },
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    expect((await once(child, 'message'))[0]).toBe('ready');

    const queue = await started([], { ...options, role: 'publisher' });
    const baggage = propagation.createBaggage({ tenant: { value: 'acme' } });
    const event = context.with(propagation.setBaggage(context.active(), baggage), () =>
      queue.getPublisher().publish(1, { keys: 'work' }),
    );
    const [outcome] = (await event.wait()).oks();
    const ended = once(child, 'exit');
    child.send('stop');
    const [attempts] = (await once(child, 'message')) as [SpanReport[]];
    await ended;

    const send = only('send work');
    const { traceId, spanId } = send.spanContext();
    expect(attempts.map(({ name, kind }) => [name, kind])).toEqual(Array(2).fill(['process work', SpanKind.CONSUMER]));
    expect(attempts.map(({ links }) => links)).toEqual(Array(2).fill([`${traceId}/${spanId}`]));
    expect(attempts.map(({ parentId }) => parentId)).toEqual(
      Array(2).fill(processSpans === 'child' ? spanId : undefined),
    );
    expect(attempts.every((one) => (one.traceId === traceId) === (processSpans === 'child'))).toBe(true);
    expect(attempts.map(({ attributes }) => attributes)).toMatchObject([
      { 'messaging.message.id': event.id, 'messaging.collector_queue.attempt': 1, 'error.type': 'RangeError' },
      { 'messaging.message.id': event.id, 'messaging.collector_queue.attempt': 2 },
    ]);
    expect(outcome).toEqual({ active: attempts[1]?.spanId, tenant: 'acme' });
    expect(send.status.code).toBe(SpanStatusCode.UNSET);
  },
);
