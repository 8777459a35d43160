import { Collector, type CollectorEvent, ErrorCode, Overflow, QueueType } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate, started } from './scene.ts';

function code(event: CollectorEvent | undefined): unknown {
  const error: { code?: string } | undefined = event?.getResult()?.errs()[0];
  return error?.code;
}

/** One consumer, kept busy by the first payload until the gate opens. */
async function busy(options: { maxSize: number; overflow?: Overflow; queueType?: QueueType }) {
  const end = gate();
  const begun: unknown[] = [];
  const collector = new Collector('a', ({ value }) => {
    begun.push(value);
    return end.promise;
  });
  const scene = await started([collector], { maxConsumers: 1, ...options });
  void scene.publisher.publish('first');
  await scene.clock.turn();
  return { ...scene, begun, end };
}

describe('a bounded queue', () => {
  test('refuses what is one too many: the event settles as Err at once', async () => {
    const { queue, publisher, begun, end } = await busy({ maxSize: 2 });
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    expect(events.map(({ status }) => status)).toEqual(['waiting', 'waiting', 'settled']);
    expect(events[2]?.getResult()?.delivered).toBe(0);
    expect(events[2]?.getResult()?.first()._unsafeUnwrapErr()).toMatchObject({
      code: ErrorCode.QUEUE_FULL,
      retryable: true,
      message: 'the queue is full: 2 payloads wait, maxSize is 2',
    });
    expect(queue.getMetrics()).toMatchObject({ offered: 4, accepted: 3, rejected: 1, dropped: 0, qsize: 2 });
    end.open();
    await queue.shutDownQueue();
    expect(begun).toEqual(['first', 1, 2]);
  });

  test('takes more again as soon as something left', async () => {
    const { queue, publisher, end } = await busy({ maxSize: 1 });
    const waiting = publisher.publish(1);
    expect(publisher.publish(2).status).toBe('settled');
    waiting.cancel();
    expect(publisher.publish(3).status).toBe('waiting');
    queue.clear();
    expect(publisher.publish(4).status).toBe('waiting');
    end.open();
    await queue.shutDownQueue();
  });

  test('of size 0 takes what its consumers take at once, and nothing else', async () => {
    const end = gate();
    const { queue, publisher } = await started([new Collector('a', () => end.promise)], {
      maxConsumers: 3,
      maxSize: 0,
    });
    const events = [1, 2, 3, 4].map((value) => publisher.publish(value));
    expect(events.map(({ status }) => status)).toEqual(['running', 'running', 'running', 'settled']);
    expect(code(events[3])).toBe(ErrorCode.QUEUE_FULL);
    end.open();
    await queue.shutDownQueue();
    expect(queue.getMetrics()).toMatchObject({ accepted: 3, rejected: 1, settled: 3 });
  });

  test('of size 0 takes nothing while it is paused', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1)], { maxSize: 0 });
    queue.pause();
    expect(code(publisher.publish(1))).toBe(ErrorCode.QUEUE_FULL);
    queue.resume();
    expect((await publisher.publish(2).wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });

  test('never counts a burst onto idle consumers against its size', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1)], { maxConsumers: 10, maxSize: 1 });
    const events = Array.from({ length: 12 }, (_, value) => publisher.publish(value));
    expect(events.filter(({ status }) => status === 'running')).toHaveLength(10);
    expect(events.filter(({ status }) => status === 'waiting')).toHaveLength(1);
    expect(events.filter(({ status }) => status === 'settled')).toHaveLength(1);
    await queue.shutDownQueue();
  });
});

describe("with overflow: 'dropOldest'", () => {
  const overflow = Overflow.DROP_OLDEST;

  test.each([
    [QueueType.FIFO, ['first', 3, 4]],
    [QueueType.LIFO, ['first', 4, 3]],
  ])('a %s queue drops the longest-waiting for the newcomer', async (queueType, order) => {
    const { queue, publisher, begun, end } = await busy({ maxSize: 2, overflow, queueType });
    const events = [1, 2, 3, 4].map((value) => publisher.publish(value));
    expect(events.map(({ status }) => status)).toEqual(['settled', 'settled', 'waiting', 'waiting']);
    expect(events[0]?.getResult()?.delivered).toBe(0);
    expect(events[0]?.getResult()?.first()._unsafeUnwrapErr()).toMatchObject({
      code: ErrorCode.DROPPED,
      retryable: true,
      message: 'dropped: more than maxSize (2) payloads waited',
    });
    expect(queue.getMetrics()).toMatchObject({
      offered: 5,
      accepted: 5,
      rejected: 0,
      dropped: 2,
      settled: 2,
      qsize: 2,
    });
    end.open();
    await queue.shutDownQueue();
    expect(begun).toEqual(order);
  });

  test('a priority queue drops the least urgent, of equals the newest, perhaps the newcomer itself', async () => {
    const { queue, publisher, begun, end } = await busy({ maxSize: 2, overflow, queueType: QueueType.PRIORITY });
    const send = (priority: number, value: string): CollectorEvent => publisher.publish(value, { priority });
    const [low, urgent] = [send(9, 'low'), send(1, 'urgent')];
    const middle = send(5, 'middle');
    expect(code(low)).toBe(ErrorCode.DROPPED);
    const newcomer = send(7, 'newcomer');
    expect(code(newcomer)).toBe(ErrorCode.DROPPED);
    const equal = send(5, 'equal');
    expect(code(equal)).toBe(ErrorCode.DROPPED);
    expect([urgent.status, middle.status]).toEqual(['waiting', 'waiting']);
    end.open();
    await queue.shutDownQueue();
    expect(begun).toEqual(['first', 'urgent', 'middle']);
  });

  test.each(Object.values(QueueType))('a %s queue of size 0 drops the newcomer', async (queueType) => {
    const { queue, publisher, begun, end } = await busy({ maxSize: 0, overflow, queueType });
    const event = publisher.publish('dropped');
    expect(code(event)).toBe(ErrorCode.DROPPED);
    expect(queue.getMetrics()).toMatchObject({ accepted: 2, dropped: 1, settled: 1, qsize: 0 });
    end.open();
    await queue.shutDownQueue();
    expect(begun).toEqual(['first']);
  });

  test('a paused queue drops too', async () => {
    const { queue, publisher } = await started([new Collector('a', () => 1)], { maxSize: 1, overflow });
    queue.pause();
    const [old, young] = [publisher.publish(1), publisher.publish(2)];
    expect(code(old)).toBe(ErrorCode.DROPPED);
    queue.resume();
    expect((await young.wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });
});

describe('the order of dispatch', () => {
  test('by priority is lowest first, ties in order of acceptance, and those without have the default', async () => {
    const { queue, publisher, begun, end } = await busy({
      maxSize: Number.POSITIVE_INFINITY,
      queueType: QueueType.PRIORITY,
    });
    const send = (value: string, priority?: number): unknown => publisher.publish(value, { priority });
    send('1000a', 1000);
    send('default');
    send('1000b', 1000);
    send('minus', -1);
    send('half', 0.5);
    send('1001', 1001);
    send('zero', 0);
    end.open();
    await queue.shutDownQueue();
    expect(begun).toEqual(['first', 'minus', 'zero', 'half', '1000a', 'default', '1000b', '1001']);
  });

  test('by priority follows the default that the queue was given', async () => {
    const begun: unknown[] = [];
    const { queue, publisher } = await started([new Collector('a', ({ value }) => begun.push(value))], {
      queueType: QueueType.PRIORITY,
      defaultPriority: 5,
      maxConsumers: 1,
    });
    queue.pause();
    void publisher.publish('six', { priority: 6 });
    void publisher.publish('default');
    void publisher.publish('four', { priority: 4 });
    queue.resume();
    await queue.shutDownQueue();
    expect(begun).toEqual(['four', 'default', 'six']);
  });

  test.each([
    [QueueType.FIFO, [1, 2, 3]],
    [QueueType.LIFO, [3, 2, 1]],
  ])('of a %s queue has nothing to do with priorities', async (queueType, order) => {
    const { queue, publisher, begun, end } = await busy({ maxSize: Number.POSITIVE_INFINITY, queueType });
    for (const value of [1, 2, 3]) void publisher.publish(value, { priority: 10 - value });
    end.open();
    await queue.shutDownQueue();
    expect(begun).toEqual(['first', ...order]);
  });
});
