import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { BatchCollector, Collector, err, ok, Payload, RetryTask } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, giveUp, started } from '../core/scene.ts';
import { hanging, oneCollector } from '../policies/scene.ts';
import { idOf, inSpan, linked, observed } from './scene.ts';

const activeSpan = (): string | undefined => trace.getActiveSpan()?.spanContext().spanId;

describe('the span of an attempt', () => {
  test('is one of a consumer, begins a trace of its own, and has a link to the span of its send', async () => {
    const { only } = observed();
    const { queue, publisher, clock } = await started([new Collector('a', () => 'secret', { topics: 't/+' })]);
    const event = inSpan('request', () => publisher.publish('secret', { topics: 't/1', priority: 7 }));
    await clock.turn();
    const [send, span] = [only('send t/1'), only('process a')];
    expect(span.kind).toBe(SpanKind.CONSUMER);
    expect(span.attributes).toEqual({
      'messaging.system': 'collector_queue',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'a',
      'messaging.message.id': event.id,
      'messaging.collector_queue.delivery': 'topic',
      'messaging.collector_queue.topics': ['t/1'],
      'messaging.collector_queue.priority': 7,
      'messaging.collector_queue.attempt': 1,
    });
    expect(span.parentSpanContext).toBeUndefined();
    expect(span.spanContext().traceId).not.toBe(send.spanContext().traceId);
    expect(span.links).toHaveLength(1);
    expect(span.links[0]?.context).toMatchObject({ spanId: idOf(send), traceId: send.spanContext().traceId });
    expect(span.status).toEqual({ code: SpanStatusCode.UNSET });
    expect(span.instrumentationScope).toMatchObject({ name: 'collector-queue', version: '0.1.0' });
    await queue.shutDownQueue();
  });

  test('is a child of that of its send with processSpans child, and linked all the same', async () => {
    const { only } = observed({ processSpans: 'child' });
    const { queue, publisher, clock } = await started([new Collector('a', () => 1)]);
    void inSpan('request', () => publisher.publish(1));
    await clock.turn();
    const [send, span] = [only('send'), only('process a')];
    expect(span.parentSpanContext?.spanId).toBe(idOf(send));
    expect(span.spanContext().traceId).toBe(only('request').spanContext().traceId);
    expect(linked(span)).toEqual([idOf(send)]);
    await queue.shutDownQueue();
  });

  test('is active during its work and in middleware, after waits too, and of no other', async () => {
    const { spans } = observed();
    const seen: (string | undefined)[][] = [[], []];
    const work = async ({ value }: Payload): Promise<void> => {
      seen[value]?.push(activeSpan());
      await Promise.resolve();
      seen[value]?.push(activeSpan());
    };
    const { queue, publisher, clock } = await started([new Collector('a', work)]);
    queue.use(async (task, next) => {
      const mine = seen[task.payload?.value as number];
      mine?.push(activeSpan());
      const result = await next();
      mine?.push(activeSpan());
      return result;
    });
    void publisher.sendMany([new Payload(0), new Payload(1)]);
    expect(activeSpan()).toBeUndefined();
    await clock.turn();
    expect(activeSpan()).toBeUndefined();
    const ids = new Map(spans('process a').map((span) => [span.attributes['messaging.message.id'], idOf(span)]));
    expect(new Set(ids.values()).size).toBe(2);
    expect(seen.map((one) => new Set(one).size)).toEqual([1, 1]);
    expect(new Set(seen.flat())).toEqual(new Set(ids.values()));
    expect(seen.map((one) => one.length)).toEqual([4, 4]);
    await queue.shutDownQueue();
  });

  test.each([true, false])(
    'has nothing of what was active at initQueue or a send, asyncContext %s',
    async (asyncContext) => {
      const { only } = observed();
      const key = Symbol('own');
      const seen: unknown[] = [];
      const own = context.active().setValue(key, 'of somebody else');
      const active: unknown[] = [];
      const collector = new Collector('a', () => {
        seen.push(context.active().getValue(key));
        active.push(activeSpan());
      });
      const { queue, publisher, clock } = await context.with(own, () =>
        inSpan('start', () => started([collector], { asyncContext })),
      );
      void context.with(own, () => inSpan('request', () => publisher.publish(1)));
      await clock.turn();
      expect(seen).toEqual([undefined]);
      expect(active).toEqual([idOf(only('process a'))]);
      expect(only('process a').parentSpanContext).toBeUndefined();
      expect(linked(only('process a'))).toEqual([idOf(only('send'))]);
      await queue.shutDownQueue();
    },
  );

  test('has no link where there was no send: of a schedule', async () => {
    const { spans } = observed();
    const scene = await oneCollector(() => 1);
    scene.queue.every(10, () => new Payload(1));
    await scene.clock.advance(25);
    expect(spans().map(({ name, links }) => [name, links.length])).toEqual([
      ['process a', 0],
      ['process a', 0],
    ]);
    await giveUp(scene);
  });

  test('of a dead letter has a link to the send whose payload failed, which is no send of its own', async () => {
    const { spans, only } = observed();
    const { queue, publisher, clock } = await started([
      new Collector('a', () => err('no'), { deadLetter: 'lost' }),
      new Collector('lost', () => 1),
    ]);
    void publisher.publish(1, { keys: 'a' });
    await clock.turn();
    await clock.turn();
    expect(spans().map(({ name }) => name)).toEqual(['send a', 'process a', 'process lost']);
    expect(linked(only('process lost'))).toEqual([idOf(only('send a'))]);
    await queue.shutDownQueue();
  });

  test('is made for each attempt, with its number, and linked to the one send', async () => {
    const { spans, only } = observed();
    const scene = await oneCollector((_, { number }) => (number < 3 ? err(new RangeError(`not ${number}`)) : 'done'), {
      retry: { attempts: 3, base: 1 },
    });
    void scene.publisher.publish(1);
    await scene.clock.advance(100);
    const attempts = spans('process a');
    expect(attempts.map((span) => span.attributes['messaging.collector_queue.attempt'])).toEqual([1, 2, 3]);
    expect(attempts.map(({ status }) => status.message)).toEqual(['not 1', 'not 2', undefined]);
    expect(attempts.map(linked)).toEqual(Array(3).fill([idOf(only('send'))]));
    await giveUp(scene);
  });

  test('ends when its work ends, however long after its time limit, and after the next attempt', async () => {
    const { spans } = observed();
    const { process, gates } = hanging();
    const scene = await oneCollector(process, { retry: { attempts: 2, base: 1 }, timeout: 20 }, { maxConsumers: 2 });
    const event = scene.publisher.publish(1);
    await scene.clock.advance(50);
    expect(event.status).toBe('settled');
    expect(spans('process a')).toEqual([]);
    gates[1]?.open('late');
    gates[0]?.fail(new Error('too late'));
    await scene.clock.turn();
    expect(
      spans('process a').map(({ attributes, status }) => [
        attributes['messaging.collector_queue.attempt'],
        status.code,
      ]),
    ).toEqual([
      [2, SpanStatusCode.UNSET],
      [1, SpanStatusCode.ERROR],
    ]);
    await giveUp(scene);
  });
});

class OwnError extends Error {}

class NamedError extends Error {
  override readonly name = 'Named';
}

const throwing = (property: string): Error =>
  Object.defineProperty(new Error('hostile'), property, {
    get: () => {
      throw new Error('hostile getter');
    },
  });

const FAILURES: [name: string, error: unknown, type: string, message: string | undefined, isRecorded: boolean][] = [
  ['an error', new Error('no'), 'Error', 'no', true],
  ['an error of a class', new OwnError('no'), 'OwnError', 'no', true],
  ['an error with a name', new NamedError('no'), 'Named', 'no', true],
  ['an error with a code', Object.assign(new Error('no'), { code: 5 }), 'Error', 'no', true],
  ['a frozen error', Object.freeze(new TypeError('no')), 'TypeError', 'no', true],
  ['a control', new RetryTask({ delay: 1e9 }), 'RetryTask', 'the processor asks for another attempt', true],
  ['a text', 'no', '_OTHER', undefined, false],
  ['an object', { name: 'Error', message: 'no' }, '_OTHER', undefined, false],
  ['undefined', undefined, '_OTHER', undefined, false],
  ['null', null, '_OTHER', undefined, false],
  ['a symbol', Symbol('no'), '_OTHER', undefined, false],
  ['a huge name', Object.assign(new Error('no'), { name: 'x'.repeat(201) }), '_OTHER', 'no', true],
  ['a name that is no text', Object.assign(new Error('no'), { name: 5 }), '_OTHER', 'no', true],
  ['an empty name', Object.assign(new Error('no'), { name: '' }), '_OTHER', 'no', true],
  ['a name that throws', throwing('name'), '_OTHER', undefined, false],
  ['a message that throws', throwing('message'), 'Error', undefined, false],
  ['a stack that throws', throwing('stack'), 'Error', undefined, false],
  ['no constructor', Object.assign(new Error('no'), { constructor: undefined }), '_OTHER', 'no', true],
  [
    'a proxy that throws',
    new Proxy(new Error('no'), {
      get: () => {
        throw new Error('trap');
      },
      getPrototypeOf: () => {
        throw new Error('trap');
      },
    }),
    '_OTHER',
    undefined,
    false,
  ],
];

describe.each(FAILURES)('%s', (_, error, type, message, isRecorded) => {
  const expected = (span: ReturnType<ReturnType<typeof observed>['only']>): void => {
    expect(span.attributes['error.type']).toBe(type);
    expect(span.status.code).toBe(SpanStatusCode.ERROR);
    expect(span.events.map(({ name }) => name)).toEqual(isRecorded ? ['exception'] : []);
    if (message !== undefined && isRecorded) {
      expect(span.status.message).toBe(message);
      expect(span.events[0]?.attributes?.['exception.message']).toBe(message);
      expect(span.events[0]?.attributes?.['exception.stacktrace']).toContain(message);
    }
  };
  const ways: [way: string, processor: () => unknown][] = [
    ['thrown', () => thrown(error)],
    ['rejected', () => Promise.reject(error)],
    ['an Err', () => err(error)],
    ['a promised Err', async () => err(error)],
  ];

  test.each(ways)('%s is an error of the span, which ends', async (_way, processor) => {
    const { only } = observed();
    const scene = await oneCollector(processor);
    void scene.publisher.publish(1);
    await scene.clock.turn();
    expected(only('process a'));
    await giveUp(scene);
  });

  test('thrown inside of a middleware is the same', async () => {
    const { only } = observed();
    const scene = await oneCollector(() => thrown(error));
    scene.queue.use((_task, next) => next());
    void scene.publisher.publish(1);
    await scene.clock.turn();
    expected(only('process a'));
    await giveUp(scene);
  });
});

describe('the span of a batch', () => {
  test('has a link to each different send, how many payloads there are, and no parent', async () => {
    const { only, spans } = observed({ processSpans: 'child' });
    const active: unknown[] = [];
    const process = (): void => void active.push(activeSpan());
    const { queue, publisher, clock } = await started([new BatchCollector('a', process, { batch: { maxCount: 4 } })]);
    void publisher.publish(1, {}, { headers: { baggage: 'tenant=acme' } });
    void publisher.sendMany([new Payload(2), new Payload(3)]);
    void publisher.publish(4);
    await clock.turn();
    const span = only('process a');
    expect(span.kind).toBe(SpanKind.CONSUMER);
    expect(span.attributes).toEqual({
      'messaging.system': 'collector_queue',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'a',
      'messaging.batch.message_count': 4,
    });
    expect(span.parentSpanContext).toBeUndefined();
    expect(linked(span).sort()).toEqual(spans('send').map(idOf).sort());
    expect(span.links).toHaveLength(3);
    expect(active).toEqual([idOf(span)]);
    await queue.shutDownQueue();
  });

  test('that came to one payload alone is that of an attempt', async () => {
    const { only } = observed({ processSpans: 'child' });
    const batch = new BatchCollector('a', () => undefined, { batch: { maxWait: 10 } });
    const { queue, publisher, clock } = await started([batch]);
    const event = publisher.publish(1);
    await clock.advance(10);
    const span = only('process a');
    expect(span.attributes).toMatchObject({ 'messaging.message.id': event.id });
    expect(span.attributes).not.toHaveProperty('messaging.batch.message_count');
    expect(span.parentSpanContext?.spanId).toBe(idOf(only('send')));
    await queue.shutDownQueue();
  });

  test('has failed if one of its payloads has', async () => {
    const { only } = observed();
    const process = (): unknown[] => [ok(1), err(new RangeError('no')), ok(1)];
    const { queue, publisher, clock } = await started([new BatchCollector('a', process, { batch: { maxCount: 3 } })]);
    void publisher.sendMany([1, 2, 3].map((value) => new Payload(value)));
    await clock.turn();
    expect(only('process a').status).toEqual({ code: SpanStatusCode.ERROR, message: 'no' });
    expect(only('process a').attributes['error.type']).toBe('RangeError');
    await queue.shutDownQueue();
  });
});

test('an attempt that a shutdown leaves behind ends its span when its work ends', async () => {
  const { spans } = observed();
  const end = gate();
  const scene = await oneCollector(() => end.promise);
  void scene.publisher.publish(1);
  await scene.clock.turn();
  await giveUp(scene);
  expect(spans('process a')).toEqual([]);
  end.open();
  await scene.clock.turn();
  expect(spans('process a')).toHaveLength(1);
});

function thrown(error: unknown): never {
  throw error;
}
