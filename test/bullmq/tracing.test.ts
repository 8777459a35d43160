import { tracingChannel } from 'node:diagnostics_channel';
import {
  CancelTask,
  Collector,
  err,
  Payload,
  type SendTrace,
  type TaskTrace,
  TracingChannelName,
} from 'collector-queue';
import { expect, onTestFinished, test } from 'vitest';
import { redisForTest } from '../redis-server.ts';
import { started } from './scene.ts';

type Subscriber = (trace: unknown) => void;

function subscribe(
  name: TracingChannelName,
  subscribers: Partial<Record<'start' | 'asyncEnd' | 'end', Subscriber>>,
): void {
  const channel = tracingChannel(name);
  for (const [message, subscriber] of Object.entries(subscribers)) {
    const one = channel[message as 'start'];
    one.subscribe(subscriber);
    onTestFinished(() => void one.unsubscribe(subscriber));
  }
}

test('attempts are told once, as the sender knows them, with the headers that a subscriber gave the send', async () => {
  const redis = await redisForTest();
  const told: TaskTrace[] = [];
  const sends: SendTrace[] = [];
  subscribe(TracingChannelName.TASK, { end: (trace) => told.push(trace as TaskTrace) });
  subscribe(TracingChannelName.SEND, {
    start: (trace) => {
      sends.push(trace as SendTrace);
      Object.assign((trace as SendTrace).headers, { traceparent: '00-1-2-01', tenant: 'of the subscriber' });
    },
  });
  const collector = new Collector(
    'a',
    (_, __, { number }) => {
      if (number === 1) throw new Error('again');
      return 'done';
    },
    { retry: { attempts: 2, base: 1 } },
  );
  const queue = await started([collector], { connection: redis.url });
  const publisher = queue.getPublisher();
  const event = publisher.send(new Payload(1, { keys: 'a' }), { headers: { tenant: 'of the send' } });
  expect((await event.wait()).oks()).toEqual(['done']);
  const expected = {
    engine: 'bullmq',
    collectorKey: 'a',
    eventId: event.id,
    delivery: 'key',
    keys: ['a'],
    headers: { traceparent: '00-1-2-01', tenant: 'of the send' },
  };
  expect(told).toMatchObject([
    { ...expected, attempt: 1, error: { message: 'again' } },
    { ...expected, attempt: 2, result: 'done' },
  ]);
  const many = publisher.sendMany([new Payload(2, { keys: 'a' }), new Payload(3, { keys: 'a' })]);
  await Promise.all(many.map((one) => one.wait()));
  expect(sends.map(({ engine, count }) => [engine, count])).toEqual([
    ['bullmq', 1],
    ['bullmq', 2],
  ]);
  expect(told.slice(2).map(({ headers }) => headers?.tenant)).toEqual(Array(4).fill('of the subscriber'));
});

test('attempts are told from the outermost middleware on, with what a processor says about its task', async () => {
  const redis = await redisForTest();
  const told: [message: string, trace: TaskTrace][] = [];
  subscribe(TracingChannelName.TASK, {
    start: (trace) => told.push(['start', trace as TaskTrace]),
    end: (trace) => told.push(['end', trace as TaskTrace]),
  });
  const collector = new Collector('a', ({ value }) => {
    throw value === 'cancel' ? new CancelTask('enough') : new RangeError('no');
  });
  const queue = await started([collector], { connection: redis.url });
  const seen: (string | undefined)[] = [];
  queue.use((task, next) => {
    seen.push(...told.map(([message, { eventId }]) => (eventId === task.eventId ? message : undefined)));
    return task.headers?.refused === undefined ? next() : err('refused');
  });
  const publisher = queue.getPublisher();
  const outcomeOf = async (value: string, headers = {}): Promise<unknown> => {
    told.length = 0;
    await publisher.publish(value, {}, { headers }).wait();
    expect(told.map(([message]) => message)).toEqual(['start', 'end']);
    return told[0]?.[1].error;
  };
  expect(await outcomeOf('throw')).toEqual(new RangeError('no'));
  expect(await outcomeOf('cancel')).toBeInstanceOf(CancelTask);
  expect(await outcomeOf('refused', { refused: 'yes' })).toBe('refused');
  expect(seen).toEqual(['start', 'start', 'start']);
});
