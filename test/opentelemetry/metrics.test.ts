import { setTimeout as delay } from 'node:timers/promises';
import { metrics } from '@opentelemetry/api';
import { DataPointType, type HistogramMetricData } from '@opentelemetry/sdk-metrics';
import { BatchCollector, Collector, err, ok, Payload } from 'collector-queue';
import { expect, test } from 'vitest';
import { giveUp, started, thrownBy } from '../core/scene.ts';
import { oneCollector } from '../policies/scene.ts';
import { metricMemory, observed } from './scene.ts';

const SENT = 'messaging.client.sent.messages';
const CONSUMED = 'messaging.client.consumed.messages';
const SEND_DURATION = 'messaging.client.operation.duration';
const PROCESS_DURATION = 'messaging.process.duration';

const labels = (name: 'send' | 'process', destination?: string, error?: string): object => ({
  'messaging.system': 'collector_queue',
  'messaging.operation.name': name,
  'messaging.operation.type': name,
  ...(destination !== undefined && { 'messaging.destination.name': destination }),
  ...(error !== undefined && { 'error.type': error }),
});

test('there are two counters of messages and two histograms of seconds, with the bounds of the conventions', async () => {
  const { metrics: memory } = observed();
  const { queue, publisher, clock } = await started([new Collector('a', () => 1)]);
  void publisher.publish(1, { keys: 'a' });
  await clock.turn();
  const all = await memory.read();
  const told = all.map(({ descriptor, dataPointType }) => [descriptor.name, descriptor.unit, dataPointType]);
  expect(told.sort()).toEqual([
    [CONSUMED, '{message}', DataPointType.SUM],
    [SEND_DURATION, 's', DataPointType.HISTOGRAM],
    [SENT, '{message}', DataPointType.SUM],
    [PROCESS_DURATION, 's', DataPointType.HISTOGRAM],
  ]);
  for (const { dataPoints, dataPointType } of all as HistogramMetricData[]) {
    if (dataPointType !== DataPointType.HISTOGRAM) continue;
    const { boundaries } = (dataPoints[0] as HistogramMetricData['dataPoints'][0]).value.buckets;
    expect(boundaries).toEqual([0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]);
  }
  await queue.shutDownQueue();
});

test('durations are in seconds, of calls and not of waiting', async () => {
  const { metrics: memory } = observed();
  const scene = await oneCollector(() => delay(30), {}, { maxConsumers: 1 });
  for (const value of [1, 2]) void scene.publisher.publish(value);
  await scene.queue.onIdle();
  const sums = (await memory.read()).flatMap(({ descriptor, dataPoints }) =>
    dataPoints.map(({ value }): [string, number] => [descriptor.name, (value as { sum: number }).sum]),
  );
  const { [PROCESS_DURATION]: processing = 0, [SEND_DURATION]: sending = 0 } = Object.fromEntries(sums);
  expect(processing).toBeGreaterThan(0.055);
  expect(processing).toBeLessThan(20);
  expect(sending).toBeGreaterThan(0);
  expect(sending).toBeLessThan(processing);
  await giveUp(scene);
});

test('they are split by destination and error, and by nothing that may be of any number', async () => {
  const { metrics: memory } = observed();
  const process = (value: unknown): unknown => (value === 'bad' ? err(new RangeError('no')) : value);
  const scene = await oneCollector(process, { topics: 't/+' });
  const { publisher } = scene;
  for (const value of ['good', 'good', 'bad']) void publisher.publish(value, { keys: 'a', priority: 3 });
  void publisher.publish('good', { topics: 't/1' });
  void publisher.publish('good');
  await scene.clock.turn();
  expect(await memory.series(SENT)).toEqual([
    { attributes: labels('send', 'a'), count: 3 },
    { attributes: labels('send', 't/1'), count: 1 },
    { attributes: labels('send'), count: 1 },
  ]);
  expect(await memory.series(SEND_DURATION)).toEqual(await memory.series(SENT));
  expect(await memory.series(CONSUMED)).toEqual([
    { attributes: labels('process', 'a'), count: 4 },
    { attributes: labels('process', 'a', 'RangeError'), count: 1 },
  ]);
  expect(await memory.series(PROCESS_DURATION)).toEqual(await memory.series(CONSUMED));
  await giveUp(scene);
});

test('payloads are counted, calls are timed: of several sends, and of batches', async () => {
  const { metrics: memory } = observed();
  const batch = new BatchCollector('a', () => [ok(1), err(new RangeError('no')), err('no'), ok(4)], {
    batch: { maxCount: 4 },
  });
  const { queue, publisher, clock } = await started([batch], { maxSize: 3 });
  queue.pause();
  const payloads = [1, 2, 3, 4, 5].map((value) => new Payload(value));
  void publisher.sendMany(payloads);
  expect(await memory.series(SENT)).toEqual([
    { attributes: labels('send'), count: 3 },
    { attributes: labels('send', undefined, 'QueueFullError'), count: 2 },
  ]);
  expect(await memory.series(SEND_DURATION)).toEqual([
    { attributes: labels('send', undefined, 'QueueFullError'), count: 1 },
  ]);
  queue.resume();
  await clock.turn();
  void publisher.publish(4);
  await clock.turn();
  expect(await memory.series(CONSUMED)).toEqual([
    { attributes: labels('process', 'a'), count: 2 },
    { attributes: labels('process', 'a', 'RangeError'), count: 1 },
    { attributes: labels('process', 'a', '_OTHER'), count: 1 },
  ]);
  expect(await memory.series(PROCESS_DURATION)).toEqual([
    { attributes: labels('process', 'a', 'RangeError'), count: 1 },
  ]);
  await queue.shutDownQueue();
});

test('what is thrown counts for each payload of its send', async () => {
  const { metrics: memory } = observed();
  const scene = await oneCollector(() => 1);
  thrownBy(() => scene.publisher.sendMany([new Payload(1), new Payload(2)], { timeout: -1 }));
  thrownBy(() => scene.publisher.sendMany([], { timeout: -1 }));
  expect(await memory.series(SENT)).toEqual([
    { attributes: labels('send', undefined, 'InvalidArgumentError'), count: 2 },
  ]);
  await giveUp(scene);
});

test('only so many destinations have names: topics leave room for collectors', async () => {
  const { metrics: memory, spans } = observed({ maxLabels: 2 });
  const collectors = ['a', 'b', 'c'].map((key) => new Collector(key, () => 1, { topics: '#' }));
  const { queue, publisher, clock } = await started(collectors);
  for (const topic of ['t/1', 't/2', 't/3', 't/1', 't/4']) void publisher.publish(1, { topics: topic });
  await clock.turn();
  expect(await memory.series(SENT)).toEqual([
    { attributes: labels('send', 't/1'), count: 2 },
    { attributes: labels('send', 't/2'), count: 1 },
    { attributes: labels('send', '_OTHER'), count: 2 },
  ]);
  expect((await memory.series(CONSUMED)).map(({ attributes }) => attributes['messaging.destination.name'])).toEqual([
    'a',
    'b',
    '_OTHER',
  ]);
  const sends = spans().filter(({ name }) => name.startsWith('send'));
  expect(sends.map(({ name }) => name)).toEqual(['send t/1', 'send t/2', 'send', 'send t/1', 'send']);
  // A span is no time series: it says where its payload went.
  expect(sends.map(({ attributes }) => attributes['messaging.destination.name'])).toEqual([
    't/1',
    't/2',
    't/3',
    't/1',
    't/4',
  ]);
  expect(new Set(spans().map(({ name }) => name))).toContain('process');
  await queue.shutDownQueue();
});

test('only so many classes of errors have names, and no destination of any length', async () => {
  const { metrics: memory, spans } = observed({ maxLabels: 1 });
  const named = (name: string): Error => Object.assign(new Error('no'), { name });
  const scene = await oneCollector((value) => err(named(value as string)));
  for (const name of ['One', 'Two', 'One', 'Three']) void scene.publisher.publish(name);
  await scene.clock.turn();
  expect((await memory.series(CONSUMED)).map(({ attributes, count }) => [attributes['error.type'], count])).toEqual([
    ['One', 2],
    ['_OTHER', 2],
  ]);
  expect(spans('process a').map(({ attributes }) => attributes['error.type'])).toEqual(['One', 'Two', 'One', 'Three']);
  void scene.publisher.publish(1, { keys: 'k'.repeat(201) });
  void scene.publisher.publish(1, { keys: 'k'.repeat(200) });
  const sent = (await memory.series(SENT)).map(({ attributes }) => attributes['messaging.destination.name']);
  expect(sent).toEqual([undefined, '_OTHER', 'k'.repeat(200)]);
  await giveUp(scene);
});

test('with no labels at all every destination and error is another', async () => {
  const { metrics: memory } = observed({ maxLabels: 0 });
  const scene = await oneCollector(() => err(new RangeError('no')));
  void scene.publisher.publish(1);
  await scene.clock.turn();
  expect(await memory.series(CONSUMED)).toEqual([{ attributes: labels('process', '_OTHER', '_OTHER'), count: 1 }]);
  await giveUp(scene);
});

test('metrics go to a global provider that is registered after the first send, and to one that is set', async () => {
  const { instrumentation, metrics: first } = observed();
  metrics.disable();
  const scene = await oneCollector(() => 1);
  const countsIn = async (memory: typeof first): Promise<number[]> =>
    (await memory.series(SENT)).map(({ count }) => count);
  void scene.publisher.publish(1);
  const second = metricMemory();
  metrics.setGlobalMeterProvider(second.provider);
  void scene.publisher.publish(1);
  const third = metricMemory();
  instrumentation.setMeterProvider(third.provider);
  for (const value of [1, 2, 3]) void scene.publisher.publish(value);
  expect([await countsIn(first), await countsIn(second), await countsIn(third)]).toEqual([[], [1], [3]]);
  await giveUp(scene);
});
