import {
  type Attempt,
  Collector,
  CollectorQueue,
  err,
  errAsync,
  LifecycleError,
  ok,
  okAsync,
  Payload,
  ProcessorError,
  type Result,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, rejectionOf, started } from './scene.ts';

/** The result that a processor's value gives. */
async function resultOf(processor: () => unknown): Promise<Result<unknown, unknown>> {
  const { queue, publisher } = await started([new Collector('a', processor)]);
  const results = await publisher.publish(1).wait();
  await queue.shutDownQueue();
  expect(results.length).toBe(1);
  expect(results.delivered).toBe(1);
  return results.first();
}

describe('a processor', () => {
  test('that returns a bare value gives an Ok with it', async () => {
    const object = { deep: true };
    expect((await resultOf(() => 7))._unsafeUnwrap()).toBe(7);
    expect((await resultOf(() => object))._unsafeUnwrap()).toBe(object);
    expect((await resultOf(() => undefined))._unsafeUnwrap()).toBeUndefined();
    expect((await resultOf(() => null))._unsafeUnwrap()).toBeNull();
    expect((await resultOf(async () => 'later'))._unsafeUnwrap()).toBe('later');
  });

  test('that returns an Error gives an Ok with it: only what is thrown is a failure', async () => {
    const error = new Error('just a value');
    expect((await resultOf(() => error))._unsafeUnwrap()).toBe(error);
  });

  test('that returns a Result gives what that holds', async () => {
    const good = ok({ id: 1 });
    const bad = err('refused');
    expect(await resultOf(() => good)).toEqual(good);
    expect(await resultOf(() => bad)).toEqual(bad);
    expect(await resultOf(async () => good)).toEqual(good);
    expect(await resultOf(async () => bad)).toEqual(bad);
  });

  test('that returns a ResultAsync gives what it comes to', async () => {
    expect((await resultOf(() => okAsync(3)))._unsafeUnwrap()).toBe(3);
    expect((await resultOf(() => errAsync('no')))._unsafeUnwrapErr()).toBe('no');
    expect((await resultOf(async () => errAsync('nested')))._unsafeUnwrapErr()).toBe('nested');
  });

  test('that throws or rejects gives an Err that names the collector and has what was thrown as its cause', async () => {
    const cause = new RangeError('out of reach');
    const throwing = (): never => {
      throw cause;
    };
    for (const processor of [throwing, async () => throwing(), () => Promise.reject(cause)]) {
      const error = (await resultOf(processor))._unsafeUnwrapErr() as ProcessorError;
      expect(error).toBeInstanceOf(ProcessorError);
      expect(error).toMatchObject({ code: 'CQ_PROCESSOR', retryable: true, collectorKey: 'a', cause });
      expect(error.message).toBe('the processor of collector "a" failed: RangeError: out of reach');
    }
  });

  test('whose Err is a value keeps it, and is not wrapped', async () => {
    const refusal = { reason: 'too late' };
    expect((await resultOf(() => err(refusal)))._unsafeUnwrapErr()).toBe(refusal);
  });

  test('gets the payload that was sent, the context of its collector, and the attempt', async () => {
    const calls: [Payload, unknown, Attempt][] = [];
    const collector = new Collector('a', (...call) => void calls.push(call), { context: { name: 'ctx' } });
    const { queue, publisher } = await started([collector]);
    const payload = new Payload(1);
    const event = publisher.send(payload);
    await event.wait();
    const [received, context, attempt] = calls[0] as (typeof calls)[0];
    expect(received).toBe(payload);
    expect(context).toEqual({ name: 'ctx' });
    expect(attempt).toMatchObject({ number: 1, collectorKey: 'a', eventId: event.id });
    await queue.shutDownQueue();
  });

  test('that fails does no harm to its siblings, its consumer or its queue', async () => {
    const collectors = [
      new Collector('throws', () => {
        throw new Error('sync');
      }),
      new Collector('works', async ({ value }) => value * 2),
      new Collector('rejects', async () => {
        throw new Error('async');
      }),
    ];
    const { queue, publisher } = await started(collectors, { maxConsumers: 1 });
    for (const value of [1, 2, 3]) {
      const results = await publisher.publish(value).wait();
      expect(results.get('works')?._unsafeUnwrap()).toBe(value * 2);
      expect(results.get('throws')?.isErr()).toBe(true);
      expect(results.get('rejects')?.isErr()).toBe(true);
      expect(results.keys()).toEqual(['throws', 'works', 'rejects']);
    }
    await queue.shutDownQueue();
  });
});

describe('the signal of an attempt', () => {
  test('is one and the same, and has not fired while the result is wanted', async () => {
    const signals: AbortSignal[] = [];
    const processor = (_: Payload, __: unknown, attempt: Attempt): void => {
      signals.push(attempt.signal, attempt.signal);
    };
    const { queue, publisher } = await started([new Collector('a', processor)]);
    await publisher.publish(1).wait();
    expect(signals[0]).toBe(signals[1]);
    expect(signals[0]?.aborted).toBe(false);
    await queue.shutDownQueue();
  });

  test('fires with the error when the event is cancelled, also if it is read only afterwards', async () => {
    const early = gate<AbortSignal>();
    const late = gate<Attempt>();
    const end = gate();
    const collectors = [
      new Collector('early', (_, __, attempt) => {
        early.open(attempt.signal);
        return end.promise;
      }),
      new Collector('late', (_, __, attempt) => {
        late.open(attempt);
        return end.promise;
      }),
    ];
    const { queue, publisher } = await started(collectors);
    const event = publisher.publish(1);
    const signal = await early.promise;
    event.cancel('changed my mind');
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject({ code: 'CQ_CANCELLED', cause: 'changed my mind' });
    const lateSignal = (await late.promise).signal;
    expect(lateSignal.aborted).toBe(true);
    expect(lateSignal.reason).toBe(signal.reason);
    end.open();
    await queue.shutDownQueue();
  });
});

describe('a collector', () => {
  test('keeps what it was made with', () => {
    const processor = (): void => undefined;
    const lifecycle = { setup: () => undefined };
    const context = { a: 1 };
    const policy = { workEnded: () => undefined };
    const collector = new Collector('key', processor, { topics: 'a/b', lifecycle, context, policies: [policy] });
    expect(collector).toMatchObject({ key: 'key', processor, lifecycle, context, topics: ['a/b'], policies: [policy] });
    const bare = new Collector('bare', processor);
    expect(bare).toMatchObject({ lifecycle: undefined, context: undefined, topics: [], policies: [] });
  });

  test('does not notice when the arrays it was made with change', () => {
    const topics = ['a'];
    const policies = [{ workEnded: () => undefined }];
    const collector = new Collector('key', () => undefined, { topics, policies });
    topics.push('b');
    policies.pop();
    expect(collector.topics).toEqual(['a']);
    expect(collector.policies).toHaveLength(1);
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', ' ', '#', '+'])(
    'may have the key and topic %s like any other',
    async (name) => {
      const named = new Collector(name, () => 'mine', { topics: name });
      const other = new Collector('other', () => 'other');
      const { queue, publisher } = await started([named, other]);
      const byKey = await publisher.publish(1, { keys: name }).wait();
      expect(byKey.keys()).toEqual([name]);
      expect(byKey.get(name)?._unsafeUnwrap()).toBe('mine');
      const byTopic = await publisher.publish(1, { topics: name }).wait();
      expect(byTopic.keys()).toEqual([name]);
      await queue.shutDownQueue();
    },
  );

  test('serves one queue at a time: a second one cannot be initialised with it until the first has shut down', async () => {
    const shared = new Collector('shared', () => 'done');
    const first = await started([shared]);
    const second = new CollectorQueue([new Collector('own', () => undefined), shared]);
    const error = (await rejectionOf(second.initQueue())) as LifecycleError;
    expect(error).toBeInstanceOf(LifecycleError);
    expect(JSON.stringify(error.errors.map(String))).toContain('"shared\\" serves another queue');
    expect((await first.publisher.publish(1).wait()).first()._unsafeUnwrap()).toBe('done');
    await first.queue.shutDownQueue();
    await second.initQueue();
    expect((await second.getPublisher().publish(1).wait()).get('shared')?._unsafeUnwrap()).toBe('done');
    await second.shutDownQueue();
  });
});
