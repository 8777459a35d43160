import {
  Collector,
  CollectorQueue,
  type QueueEventMap,
  QueueEventName,
  type QueueEventStream,
  type StreamOptions,
} from 'collector-queue';
import { describe, expectTypeOf, test } from 'vitest';

type Any = QueueEventMap[QueueEventName];

describe('a stream of queue events', () => {
  const { events } = new CollectorQueue([new Collector('a', () => 1)]);

  test('has the events that its filter names', async () => {
    const stream = events.stream({ filter: ['finished', 'scaled'], bufferSize: 100 });
    expectTypeOf(stream).toEqualTypeOf<QueueEventStream<'finished' | 'scaled'>>();
    for await (const event of stream) {
      expectTypeOf(event).toEqualTypeOf<QueueEventMap['finished'] | QueueEventMap['scaled']>();
      if (event.status === 'scaled') expectTypeOf(event.to).toBeNumber();
      else expectTypeOf(event.task).toBeString();
      // @ts-expect-error a change of scale has no task
      event.task;
    }
    const constants = events.stream({ filter: [QueueEventName.IDLE] });
    expectTypeOf(constants).toEqualTypeOf<QueueEventStream<'idle'>>();
    const names = ['paused', 'resumed'] as const;
    expectTypeOf(events.stream({ filter: names })).toEqualTypeOf<QueueEventStream<'paused' | 'resumed'>>();
  });

  test('has events of any name without a filter, or with a function for one', async () => {
    expectTypeOf(events.stream()).toEqualTypeOf<QueueEventStream>();
    expectTypeOf(events.stream({ bufferSize: 10 })).toEqualTypeOf<QueueEventStream>();
    const stream = events.stream({
      filter: (event) => {
        expectTypeOf(event).toEqualTypeOf<Any>();
        return event.status === 'finished' && event.task === 'a';
      },
    });
    expectTypeOf(stream).toEqualTypeOf<QueueEventStream>();
    for await (const event of stream) expectTypeOf(event).toEqualTypeOf<Any>();
  });

  test('is not narrowed by what it is assigned to', () => {
    // @ts-expect-error it has events of any name
    const finished: QueueEventStream<'finished'> = events.stream();
    const any: QueueEventStream = events.stream({ filter: ['finished'] });
    expectTypeOf(any).toEqualTypeOf<QueueEventStream>();
    expectTypeOf(finished).not.toBeAny();
  });

  test('can be iterated over by hand, and disposed of', async () => {
    await using stream = events.stream({ filter: ['idle'] });
    expectTypeOf(await stream.next()).toEqualTypeOf<IteratorResult<QueueEventMap['idle'], undefined>>();
    expectTypeOf(stream.dropped).toBeNumber();
    expectTypeOf(stream.buffered).toBeNumber();
    expectTypeOf(await stream.return()).toEqualTypeOf<IteratorReturnResult<undefined>>();
    // @ts-expect-error the stream counts, nobody else
    stream.dropped = 0;
  });

  test('has options that are checked', () => {
    const options: StreamOptions<'idle'> = { filter: ['idle'], signal: new AbortController().signal };
    expectTypeOf(events.stream(options)).toEqualTypeOf<QueueEventStream<'idle'>>();
    // @ts-expect-error no such event
    events.stream({ filter: ['finnished'] });
    // @ts-expect-error names come in an array
    events.stream({ filter: 'finished' });
    // @ts-expect-error a number
    events.stream({ bufferSize: '100' });
    // @ts-expect-error an unknown option
    events.stream({ buffer: 100 });
    // @ts-expect-error a signal, not its controller
    events.stream({ signal: new AbortController() });
    // @ts-expect-error a filter answers at once
    events.stream({ filter: async () => true });
  });
});
