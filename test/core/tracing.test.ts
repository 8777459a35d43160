import { AsyncLocalStorage } from 'node:async_hooks';
import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel';
import {
  BatchCollector,
  CancelTask,
  Collector,
  err,
  ok,
  Payload,
  type SendTrace,
  type TaskTrace,
  TracingChannelName,
} from 'collector-queue';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hanging, oneCollector } from '../policies/scene.ts';
import { gate, giveUp, rejectionOf, started, thrownBy } from './scene.ts';

type Told<T> = [message: string, trace: T];

/** What a channel tells until the test has finished. The traces are the objects themselves. */
function subscribed<T extends object>(name: TracingChannelName): { told: Told<T>[]; end: () => void } {
  const told: Told<T>[] = [];
  const channel = tracingChannel(name) as unknown as TracingChannel<T, T>;
  const messages = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const;
  const entries = messages.map((message) => [message, (trace: unknown) => void told.push([message, trace as T])]);
  const subscribers = Object.fromEntries(entries);
  channel.subscribe(subscribers);
  let isOver = false;
  const end = (): void => {
    if (!isOver) channel.unsubscribe(subscribers);
    isOver = true;
  };
  onTestFinished(end);
  return { told, end };
}

function messages(told: readonly Told<object>[]): string[] {
  return told.map(([message]) => message);
}

const TASK = TracingChannelName.TASK;
const SEND = TracingChannelName.SEND;

describe('the channel of tasks', () => {
  test('tells start and end of a processor that returns a value, with what it is about', async () => {
    const { told } = subscribed<TaskTrace>(TASK);
    const { queue, publisher, clock } = await started([new Collector('a', ({ value }) => (value as number) * 2)]);
    const event = publisher.publish(21, { keys: 'a', priority: 3 });
    await clock.turn();
    expect(messages(told)).toEqual(['start', 'end']);
    const trace = told[0]?.[1];
    expect(told.every(([, other]) => other === trace)).toBe(true);
    expect(trace).toEqual({
      engine: 'in-process',
      collectorKey: 'a',
      eventId: event.id,
      attempt: 1,
      delivery: 'key',
      keys: ['a'],
      topics: [],
      priority: 3,
      headers: undefined,
      company: [],
      result: 42,
    });
    expect(event.getResult()?.oks()).toEqual([42]);
    await queue.shutDownQueue();
  });

  const failures: [name: string, process: () => unknown, expected: string[], error: unknown][] = [
    ['a throw', () => thrown('no'), ['start', 'error', 'end'], 'no'],
    ['an err', () => err('no'), ['start', 'error', 'end'], 'no'],
    ['a rejection', () => Promise.reject('no'), ['start', 'end', 'error', 'asyncStart', 'asyncEnd'], 'no'],
    ['a promised err', async () => err('no'), ['start', 'end', 'error', 'asyncStart', 'asyncEnd'], 'no'],
    ['undefined thrown', () => thrown(undefined), ['start', 'error', 'end'], undefined],
  ];
  test.each(failures)('tells %s as an error, once', async (_, process, expected, error) => {
    const { told } = subscribed<TaskTrace>(TASK);
    const scene = await oneCollector(process);
    const event = scene.publisher.publish(1);
    await scene.clock.turn();
    expect(messages(told)).toEqual(expected);
    expect(told[0]?.[1]).toHaveProperty('error', error);
    expect(told[0]?.[1]).not.toHaveProperty('result');
    expect(event.getResult()?.isOk()).toBe(false);
    await giveUp(scene);
  });

  test('tells the end of the work of a promise, of an Ok with what it holds', async () => {
    const { told } = subscribed<TaskTrace>(TASK);
    const end = gate<unknown>();
    const scene = await oneCollector(() => end.promise);
    const event = scene.publisher.publish(1);
    await scene.clock.turn();
    expect(messages(told)).toEqual(['start', 'end']);
    expect(told[0]?.[1]).not.toHaveProperty('result');
    end.open(ok('done'));
    await scene.clock.turn();
    expect(messages(told)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd']);
    expect(told[0]?.[1].result).toBe('done');
    expect(event.getResult()?.oks()).toEqual(['done']);
    await giveUp(scene);
  });

  test('tells each attempt by itself, and work that nobody waits for when it ends', async () => {
    const { told } = subscribed<TaskTrace>(TASK);
    const { process, gates } = hanging();
    const scene = await oneCollector(process, { retry: { attempts: 2, base: 1 }, timeout: 20 }, { maxConsumers: 2 });
    void scene.publisher.publish(1);
    await scene.clock.advance(25);
    expect(told.map(([message, { attempt }]) => `${message} ${attempt}`)).toEqual([
      'start 1',
      'end 1',
      'start 2',
      'end 2',
    ]);
    told.length = 0;
    gates[1]?.fail(new CancelTask('enough'));
    gates[0]?.open('late');
    await scene.clock.turn();
    expect(told.map(([message, { attempt }]) => `${message} ${attempt}`)).toEqual([
      'error 2',
      'asyncStart 2',
      'asyncEnd 2',
      'asyncStart 1',
      'asyncEnd 1',
    ]);
    await giveUp(scene);
  });

  test('binds stores around the work of a processor, and of no other', async () => {
    const { told } = subscribed<TaskTrace>(TASK);
    const store = new AsyncLocalStorage<string>();
    const { start } = tracingChannel(TASK);
    start.bindStore(store, (trace) => `of ${(trace as TaskTrace).collectorKey}`);
    onTestFinished(() => void start.unbindStore(store));
    const seen: (string | undefined)[] = [];
    const work = async (): Promise<void> => {
      seen.push(store.getStore());
      await Promise.resolve();
      seen.push(store.getStore());
    };
    const { queue, publisher, clock } = await started([new Collector('a', work), new Collector('b', work)]);
    void publisher.publish(1);
    await clock.turn();
    expect(seen).toEqual(['of a', 'of b', 'of a', 'of b']);
    expect(store.getStore()).toBeUndefined();
    expect(told).toHaveLength(8);
    await queue.shutDownQueue();
  });

  test('is not published to unless somebody subscribed when the queue was started', async () => {
    const scene = await oneCollector(() => 'done');
    const { told, end } = subscribed<TaskTrace>(TASK);
    void scene.publisher.publish(1);
    await scene.clock.turn();
    expect(told).toEqual([]);
    await scene.queue.shutDownQueue();
    await scene.queue.initQueue();
    void scene.publisher.publish(2);
    await scene.clock.turn();
    expect(messages(told)).toEqual(['start', 'end']);
    end();
    const event = scene.publisher.publish(3);
    await scene.clock.turn();
    expect(event.getResult()?.oks()).toEqual(['done']);
    expect(messages(told)).toEqual(['start', 'end']);
    await giveUp(scene);
  });

  test('tells of collectors that come later, each once', async () => {
    const { told } = subscribed<TaskTrace>(TASK);
    const { queue, publisher, clock } = await started([new Collector('a', () => 1)]);
    await queue.addCollector(new Collector('b', () => 1));
    void publisher.publish(1);
    await clock.turn();
    expect(told.map(([message, { collectorKey }]) => `${message} ${collectorKey}`)).toEqual([
      'start a',
      'end a',
      'start b',
      'end b',
    ]);
    await queue.shutDownQueue();
  });
});

describe('an attempt with more around it', () => {
  test('is told from the outermost middleware on, with what was thrown inside of it', async () => {
    const { told } = subscribed<TaskTrace>(TASK);
    const scene = await oneCollector(() => thrown('no'));
    const seen: number[] = [];
    scene.queue.use((_, next) => {
      seen.push(told.length);
      const result = next();
      seen.push(told.length);
      return result;
    });
    void scene.publisher.publish(1);
    await scene.clock.turn();
    expect(seen).toEqual([1, 1]);
    expect(messages(told)).toEqual(['start', 'error', 'end']);
    expect(told[0]?.[1].error).toBe('no');
    await giveUp(scene);
  });

  test('for a batch tells the others with their headers, and what failed of them', async () => {
    const { told } = subscribed<TaskTrace>(TASK);
    const process = (): unknown[] => [ok('fine'), err('no'), ok('fine')];
    const collector = new BatchCollector('a', process, { batch: { maxCount: 3 } });
    const { queue, publisher, clock } = await started([collector]);
    const events = ['x', 'y', 'z'].map((tenant) => publisher.publish(1, {}, { headers: { tenant } }));
    await clock.turn();
    expect(messages(told)).toEqual(['start', 'end']);
    const trace = told[0]?.[1] as TaskTrace;
    // The last one completed the batch, and leads it.
    const [first, second, third] = events.map(({ id }) => id);
    expect(trace).toMatchObject({ eventId: third, headers: { tenant: 'z' }, result: 'fine' });
    expect(trace.company).toEqual([
      { eventId: first, attempt: 1, headers: { tenant: 'x' } },
      { eventId: second, attempt: 1, headers: { tenant: 'y' }, error: 'no' },
    ]);
    await queue.shutDownQueue();
  });

  test('for a batch that throws tells what was thrown for each, also when nobody waits for it any more', async () => {
    const { told } = subscribed<TaskTrace>(TASK);
    const end = gate<unknown[]>();
    const collector = new BatchCollector('a', () => end.promise, { batch: { maxCount: 2 }, timeout: 10 });
    const { queue, publisher, clock } = await started([collector]);
    const events = [publisher.publish(1), publisher.publish(2)];
    await clock.advance(20);
    expect(events.map((event) => event.status)).toEqual(['settled', 'settled']);
    expect(told[0]?.[1].company).toEqual([{ eventId: events[0]?.id, attempt: 1, headers: undefined }]);
    const late = new Error('late');
    end.fail(late);
    await clock.turn();
    expect(told[0]?.[1]).toMatchObject({ error: late, company: [{ error: late }] });
    await giveUp({ queue, clock });
  });
});

describe('the channel of sends', () => {
  test('tells each send with its delivery and its event, and nothing of the value', async () => {
    const { told } = subscribed<SendTrace>(SEND);
    const { queue, publisher } = await started([new Collector('a', () => 1, { topics: ['t'] })]);
    const event = publisher.publish('secret', { topics: ['t'] });
    expect(messages(told)).toEqual(['start', 'end']);
    const { result, ...trace } = (told[0] as Told<SendTrace>)[1];
    expect(trace).toEqual({
      engine: 'in-process',
      count: 1,
      delivery: 'topic',
      keys: [],
      topics: ['t'],
      priority: undefined,
      headers: {},
    });
    expect(result).toBe(event);
    const later = publisher.send(new Payload(2), { delay: 10 });
    expect(told[2]?.[1].result).toBe(later);
    await queue.shutDownQueue();
  });

  test('tells several sends at once as one', async () => {
    const { told } = subscribed<SendTrace>(SEND);
    const { queue, publisher } = await started([new Collector('a', () => 1)]);
    const events = publisher.sendMany([new Payload(1), new Payload(2)]);
    expect(told[0]?.[1]).toEqual({ engine: 'in-process', count: 2, headers: {}, result: events });
    const timely = publisher.sendMany([new Payload(1), new Payload(2)], { timeout: 10 });
    expect(told[2]?.[1].result).toBe(timely);
    expect(publisher.sendMany([])).toEqual([]);
    expect(messages(told)).toEqual(['start', 'end', 'start', 'end', 'start', 'end']);
    await queue.shutDownQueue();
  });

  test('tells a send that waits for room when it was accepted, and one that was given up', async () => {
    const { told } = subscribed<SendTrace>(SEND);
    const end = gate();
    const scene = await oneCollector(() => end.promise, {}, { maxSize: 0 });
    const { publisher, clock } = scene;
    void publisher.publish(1);
    told.length = 0;
    const waiting = publisher.sendWhenReady(new Payload(2));
    const controller = new AbortController();
    const aborted = publisher.sendWhenReady(new Payload(3), { signal: controller.signal });
    await clock.turn();
    expect(messages(told)).toEqual(['start', 'end', 'start', 'end']);
    told.length = 0;
    controller.abort('enough');
    expect(await rejectionOf(aborted)).toBe('enough');
    expect(messages(told)).toEqual(['error', 'asyncStart', 'asyncEnd']);
    expect(told[0]?.[1].error).toBe('enough');
    end.open();
    const event = await waiting;
    await publisher.ready();
    expect(messages(told).slice(3)).toEqual(['asyncStart', 'asyncEnd']);
    expect(told[4]?.[1].result).toBe(event);
    await giveUp(scene);
  });

  test('tells a send that throws', async () => {
    const { told } = subscribed<SendTrace>(SEND);
    const { queue, publisher } = await started([new Collector('a', () => 1)]);
    const error = thrownBy(() => publisher.send(new Payload(1), { delay: -1 }));
    expect(error).toMatchObject({ code: 'CQ_INVALID_ARGUMENT' });
    expect(messages(told)).toEqual(['start', 'error', 'end']);
    expect(told[0]?.[1].error).toBe(error);
    await queue.shutDownQueue();
  });

  const WRONG: [name: string, options: unknown][] = [
    ['null', null],
    ['a number', 5],
    ['a list', []],
    ['headers of a text', { headers: 'abc' }],
    ['headers of null', { headers: null }],
    ['headers of a class', { headers: new Map() }],
    ['a header that is no text', { headers: { tenant: 5 } }],
    ['a header that is reserved', { headers: { 'collector-queue.x': 'y' } }],
    ['an unknown name', { header: {} }],
  ];
  test.each(WRONG)(
    'refuses as options %s with the same words when it is watched, also if headers are added',
    async (_, options) => {
      const errorsOf = async (): Promise<unknown[]> => {
        const { queue, publisher } = await started([new Collector('a', () => 1)]);
        const given = options as object;
        const errors = [
          thrownBy(() => publisher.send(new Payload(1), given)),
          thrownBy(() => publisher.publish(1, {}, given)),
          thrownBy(() => publisher.sendMany([new Payload(1), new Payload(2)], given)),
          await rejectionOf(publisher.sendWhenReady(new Payload(1), given)),
        ];
        expect(queue.getMetrics().accepted).toBe(0);
        await queue.shutDownQueue();
        return errors;
      };
      const unwatched = await errorsOf();
      for (const error of unwatched) expect(error).toMatchObject({ code: 'CQ_INVALID_ARGUMENT' });
      addingHeaders({ traceparent: '00-1-2-01' });
      expect(await errorsOf()).toEqual(unwatched);
    },
  );

  test('refuses what is no payload with the same words when it is watched', async () => {
    const errorsOf = async (): Promise<unknown[]> => {
      const { queue, publisher } = await started([new Collector('a', () => 1)]);
      const errors: unknown[] = [];
      for (const wrong of [null, undefined, 1, {}] as never[]) {
        errors.push(
          thrownBy(() => publisher.send(wrong)),
          thrownBy(() => publisher.sendMany(wrong)),
          thrownBy(() => publisher.sendMany([wrong])),
          thrownBy(() => publisher.publish(1, wrong)),
          await rejectionOf(publisher.sendWhenReady(wrong)),
        );
      }
      await queue.shutDownQueue();
      return errors;
    };
    const unwatched = await errorsOf();
    addingHeaders({ traceparent: '00-1-2-01' });
    expect(await errorsOf()).toEqual(unwatched);
  });

  test('tells the headers that a send was given, apart from those that are added', async () => {
    const { told } = subscribed<SendTrace>(SEND);
    const { queue, publisher } = await started([new Collector('a', () => 1)]);
    void publisher.publish(1, {}, { headers: { tenant: 'acme' } });
    expect(told[0]?.[1]).toMatchObject({ headers: {}, given: { tenant: 'acme' } });
    await queue.shutDownQueue();
  });

  test('may be given headers, which go with the payload; those of the send win', async () => {
    addingHeaders({ traceparent: '00-1-2-01', tenant: 'nobody' });
    const { queue, publisher, clock } = await started([new Collector('a', (_, __, { headers }) => headers)]);
    const [event, own] = [publisher.publish(1), publisher.publish(1, {}, { headers: { tenant: 'acme' } })];
    await clock.turn();
    expect(event.getResult()?.oks()).toEqual([{ traceparent: '00-1-2-01', tenant: 'nobody' }]);
    expect(own.getResult()?.oks()).toEqual([{ traceparent: '00-1-2-01', tenant: 'acme' }]);
    await queue.shutDownQueue();
  });
});

/** A subscriber that lets headers go along with what is sent. */
function addingHeaders(headers: Record<string, string>): void {
  const subscriber = (trace: unknown): void => void Object.assign((trace as SendTrace).headers, headers);
  const { start } = tracingChannel(SEND);
  start.subscribe(subscriber);
  onTestFinished(() => void start.unsubscribe(subscriber));
}

function thrown(value: unknown): never {
  throw value;
}
