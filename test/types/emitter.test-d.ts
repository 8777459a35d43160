import { type Collector, CollectorQueue } from 'collector-queue';
import { type Emitter, type EmitterCollector, type EmitterEvent, emitterCollector } from 'collector-queue/emitter';
import { HttpEmitter, type HttpEmitterOptions } from 'collector-queue/http';
import type { Result } from 'neverthrow';
import { describe, expectTypeOf, test } from 'vitest';

describe('the collector of an emitter', () => {
  const emitter = new HttpEmitter('collector.test');
  const collector = emitter.toCollector('out', { topics: 'sensors/#', retry: 3, ack: 'delivered' });

  test('has its key, and takes the events of the emitter', () => {
    expectTypeOf(collector).toEqualTypeOf<EmitterCollector<'out'>>();
    expectTypeOf(collector.key).toEqualTypeOf<'out'>();
    expectTypeOf(emitterCollector('other', emitter).key).toEqualTypeOf<'other'>();
    expectTypeOf(collector).toExtend<Collector>();
  });

  test('makes a queue that takes events, and tells what became of them', async () => {
    const queue = new CollectorQueue([collector, emitterCollector('other', emitter)]);
    const event = queue.getPublisher().publish({ e: 'pv' });
    const result = (await event.wait()).get('out');
    expectTypeOf(result).toExtend<Result<unknown, unknown> | undefined>();
    await queue.addCollector(emitter.toCollector('third'));
  });

  test('leaves no lifecycle and no context to give', () => {
    // @ts-expect-error the emitter is its lifecycle
    emitter.toCollector('out', { lifecycle: { setup: () => undefined } });
    // @ts-expect-error a context of nobody
    emitter.toCollector('out', { context: {} });
    // @ts-expect-error no such ack
    emitter.toCollector('out', { ack: 'sent' });
    // @ts-expect-error no such option
    emitter.toCollector('out', { topic: 'a' });
  });
});

describe('an emitter of one’s own', () => {
  test('is any object of that shape; open and deliver may be missing', () => {
    const own = {
      input: (_: EmitterEvent) => true,
      store: async (_: EmitterEvent): Promise<Result<number, Error>> => Promise.reject(),
      flush: async () => undefined,
      close: async () => 'closed',
    };
    expectTypeOf(own).toExtend<Emitter>();
    expectTypeOf(emitterCollector('own', own)).toEqualTypeOf<EmitterCollector<'own'>>();
    const { store: _, ...incomplete } = own;
    // @ts-expect-error it cannot store
    emitterCollector('own', incomplete);
  });

  test('may be a dead letter; so may a function', () => {
    expectTypeOf<HttpEmitter>().toExtend<Emitter>();
    expectTypeOf<HttpEmitter>().toExtend<NonNullable<HttpEmitterOptions['deadLetter']>>();
    expectTypeOf<(events: readonly EmitterEvent[], reason: Error) => Promise<void>>().toExtend<
      NonNullable<HttpEmitterOptions['deadLetter']>
    >();
  });
});

describe('an HttpEmitter', () => {
  test('tells its callbacks of events, and of what became of them', () => {
    new HttpEmitter('collector.test', {
      onSuccess: (events, info) => {
        expectTypeOf(events).toEqualTypeOf<readonly EmitterEvent[]>();
        expectTypeOf(info.status).toBeNumber();
      },
      onFailure: (sent, events, info) => {
        expectTypeOf(sent).toBeNumber();
        expectTypeOf(events).toEqualTypeOf<readonly EmitterEvent[]>();
        expectTypeOf(info.status).toEqualTypeOf<number | undefined>();
        expectTypeOf(info.error).toEqualTypeOf<Error>();
      },
    });
  });

  test('has options that are checked', () => {
    // @ts-expect-error a number
    new HttpEmitter('collector.test', { batchSize: '10' });
    // @ts-expect-error no such option
    new HttpEmitter('collector.test', { batchsize: 10 });
    // @ts-expect-error no such protocol
    new HttpEmitter('collector.test', { protocol: 'ftp' });
    // @ts-expect-error true is no interval
    new HttpEmitter('collector.test', { flushInterval: true });
    new HttpEmitter('collector.test', { flushInterval: false, customRetryCodes: { 404: false } });
  });
});
