import { Collector, type CollectorOptions, err, ok, Payload, RetryTask } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { started } from '../core/scene.ts';
import { hanging, oneCollector } from './scene.ts';

/** The first letter of the value; none for what begins with a digit. */
const partitionBy = ({ value }: Payload<string>): string | undefined => (/^\d/.test(value) ? undefined : value[0]);

describe('a partition key', () => {
  test('lets one task of it run at a time, in order; other keys, and payloads without one, run beside it', async () => {
    const work = hanging();
    const scene = await oneCollector(work.process, { partitionBy }, { maxConsumers: 10 });
    const { queue, publisher, clock, called } = scene;
    const events = ['a1', 'a2', 'b1', 'a3', '1', 'b2', '1'].map((value) => publisher.publish(value));
    await clock.turn();
    expect(called).toEqual(['a1', 'b1', '1', '1']);
    expect(queue.getMetrics()).toMatchObject({ busy: 4, parked: 3 });
    work.gates[0]?.open(ok('done'));
    await clock.turn();
    expect(called.slice(4)).toEqual(['a2']);
    for (let ended = 1; ended < 7; ended++) {
      work.gates[ended]?.open(ok('done'));
      await clock.turn();
    }
    expect(called.slice(4)).toEqual(['a2', 'b2', 'a3']);
    expect(events.every((event) => event.getResult()?.isOk())).toBe(true);
    await queue.shutDownQueue();
  });

  test('is held over the attempts of a task and the delays between them', async () => {
    const order: string[] = [];
    const { queue, publisher, clock } = await oneCollector(
      (value, { number }) => {
        order.push(`${value} ${number}`);
        return value === 'a1' && number < 3 ? err({ retryAfter: 1_000 }) : ok(value);
      },
      { partitionBy, retry: 3 },
    );
    for (const value of ['a1', 'a2', 'b1']) void publisher.publish(value);
    await clock.advance(1_999);
    expect(order).toEqual(['a1 1', 'b1 1', 'a1 2']);
    await clock.advance(1);
    expect(order.slice(3)).toEqual(['a1 3', 'a2 1']);
    await queue.shutDownQueue();
  });

  test('is held over another attempt that the processor asks for, although the collector has no retry', async () => {
    const order: string[] = [];
    const { queue, publisher, clock } = await oneCollector(
      (value, { number }) => {
        order.push(`${value} ${number}`);
        return value === 'a1' && number === 1 ? new RetryTask({ delay: 10 }) : ok(value);
      },
      { partitionBy },
    );
    for (const value of ['a1', 'a2']) void publisher.publish(value);
    await clock.advance(10);
    expect(order).toEqual(['a1 1', 'a1 2', 'a2 1']);
    await queue.shutDownQueue();
  });

  test('is passed on when its task fails for good, is cancelled by its processor, or cannot be parked', async () => {
    const { queue, publisher, clock, called } = await oneCollector(
      (value) => {
        if (value === 'a1') throw new Error('no');
        return value === 'a2' ? err('no') : ok(value);
      },
      { partitionBy, retry: 2 },
      { maxParked: 0 },
    );
    const events = ['a1', 'a2', 'a3'].map((value) => publisher.publish(value));
    await clock.turn();
    expect(called).toEqual(['a1', 'a2', 'a3']);
    expect(events.map((event) => event.getResult()?.errs()[0]?.code)).toEqual([
      'CQ_PARKED_FULL',
      'CQ_PARKED_FULL',
      undefined,
    ]);
    await queue.shutDownQueue();
  });

  test('is held until the work of a task that was given up or cancelled has ended', async () => {
    const work = hanging();
    const scene = await oneCollector(work.process, { partitionBy, timeout: 50 }, { maxConsumers: 10 });
    const { queue, publisher, clock, called } = scene;
    const [a1, , b1] = ['a1', 'a2', 'b1', 'b2'].map((value) => publisher.publish(value));
    await clock.turn();
    b1?.cancel();
    await clock.advance(500);
    expect([a1?.status, b1?.status]).toEqual(['settled', 'settled']);
    expect(called).toEqual(['a1', 'b1']);
    work.end();
    await clock.turn();
    expect(called.slice(2)).toEqual(['a2']);
    work.end();
    await clock.turn();
    expect(called.slice(3)).toEqual(['b2']);
    work.end();
    work.end();
    await queue.shutDownQueue();
  });

  test('is held while an earlier attempt of its task still goes on, although the last one is over', async () => {
    const work = hanging();
    const options = { partitionBy, timeout: 50, retry: { attempts: 2, base: 0 } };
    const { queue, publisher, clock, called } = await oneCollector(work.process, options, { maxConsumers: 10 });
    const [first] = ['a1', 'a2'].map((value) => publisher.publish(value));
    await clock.advance(50);
    work.gates[1]?.open(ok('second attempt'));
    await clock.turn();
    expect(first?.getResult()?.first()).toEqual(ok('second attempt'));
    expect(called).toEqual(['a1', 'a1']);
    work.gates[0]?.open(ok('too late'));
    await clock.turn();
    expect(called).toEqual(['a1', 'a1', 'a2']);
    work.gates[2]?.open(ok('done'));
    await queue.shutDownQueue();
  });

  test('is held by a task that is cancelled with two works under way until both have ended', async () => {
    const work = hanging();
    const options = { partitionBy, timeout: 50, retry: { attempts: 2, base: 0 } };
    const { queue, publisher, clock, called } = await oneCollector(work.process, options, { maxConsumers: 10 });
    const [first] = ['a1', 'a2'].map((value) => publisher.publish(value));
    await clock.advance(50);
    first?.cancel();
    work.gates[1]?.open(1);
    await clock.turn();
    expect(called).toEqual(['a1', 'a1']);
    work.gates[0]?.open(1);
    await clock.turn();
    expect(called).toEqual(['a1', 'a1', 'a2']);
    work.gates[2]?.open(1);
    await queue.shutDownQueue();
  });

  test('is passed on by a task that is cancelled while it waits for its next attempt', async () => {
    const options = { partitionBy, retry: 2 };
    const process = (value: unknown) => (value === 'a1' ? err({ retryAfter: 1_000 }) : ok(value));
    const { queue, publisher, clock, called } = await oneCollector(process, options);
    const [first] = ['a1', 'a2'].map((value) => publisher.publish(value));
    await clock.turn();
    first?.cancel();
    await clock.turn();
    expect(called).toEqual(['a1', 'a2']);
    await queue.shutDownQueue();
  });

  test('is not waited for by a task that is cancelled or expires, and the order of the others stays', async () => {
    const work = hanging();
    const { queue, publisher, clock, called } = await oneCollector(work.process, { partitionBy }, { maxConsumers: 10 });
    const [, cancelled] = ['a1', 'a2', 'a3'].map((value) => publisher.publish(value));
    const expired = publisher.send(new Payload('a4'), { ttl: 10 });
    void publisher.publish('a5');
    await clock.turn();
    cancelled?.cancel();
    await clock.advance(10);
    expect(expired.getResult()?.errs()).toMatchObject([{ code: 'CQ_EXPIRED' }]);
    for (let ended = 0; ended < 3; ended++) {
      work.end();
      await clock.turn();
    }
    expect(called).toEqual(['a1', 'a3', 'a5']);
    await queue.shutDownQueue();
  });

  test('of a send wins over that of the collector, which is not asked then', async () => {
    const asked: unknown[] = [];
    const work = hanging();
    const options: CollectorOptions = { partitionBy: ({ value }) => void asked.push(value) };
    const { queue, publisher, clock, called } = await oneCollector(work.process, options, { maxConsumers: 10 });
    for (const value of [1, 2, 3, 4]) void publisher.send(new Payload(value), { partitionKey: value < 4 ? 'x' : 'y' });
    void publisher.publish(5);
    await clock.turn();
    expect(called).toEqual([1, 4, 5]);
    expect(asked).toEqual([5]);
    while (called.length < 5 || queue.getMetrics().busy > 0) {
      work.end();
      await clock.turn();
    }
    expect(called).toEqual([1, 4, 5, 2, 3]);
    await queue.shutDownQueue();
  });

  test('of a send means the same as one that the collector makes', async () => {
    const work = hanging();
    const { queue, publisher, clock, called } = await oneCollector(work.process, { partitionBy }, { maxConsumers: 10 });
    void publisher.publish('a1');
    void publisher.send(new Payload('b'), { partitionKey: 'a' });
    await clock.turn();
    expect(called).toEqual(['a1']);
    work.end();
    await clock.turn();
    work.end();
    await queue.shutDownQueue();
    expect(called).toEqual(['a1', 'b']);
  });

  test('of a send is of each of its collectors by itself, and needs no option of theirs', async () => {
    const work = hanging();
    const collectors = ['slow', 'quick'].map(
      (key) => new Collector(key, ({ value }, _, one) => (key === 'slow' ? work.process(value, one) : ok(value))),
    );
    const { queue, publisher, clock } = await started(collectors, { maxConsumers: 10 });
    const events = [1, 2].map((value) => publisher.send(new Payload(value), { partitionKey: 'x' }));
    const done: string[] = [];
    for (const event of events) {
      void (async () => {
        for await (const [key, result] of event) done.push(`${key} ${result.unwrapOr(undefined)}`);
      })();
    }
    await clock.turn();
    expect(done).toEqual(['quick 1', 'quick 2']);
    work.end('done');
    await clock.turn();
    work.end('done');
    await clock.turn();
    expect(done).toEqual(['quick 1', 'quick 2', 'slow done', 'slow done']);
    await queue.shutDownQueue();
  });

  test('keeps the order of tasks that wait for a delay, and those behind do not overtake', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => ok(value), { partitionBy, delay: 100 });
    void publisher.publish('a1');
    await clock.advance(50);
    void publisher.publish('a2');
    void publisher.publish('b1');
    await clock.advance(50);
    expect(called).toEqual(['a1']);
    await clock.advance(50);
    expect(called.slice(1).sort()).toEqual(['a2', 'b1']);
    await queue.shutDownQueue();
  });

  test('of what waits for its time is passed on when a shutdown cancels that', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => ok(value), { partitionBy, delay: 100 });
    const events = ['a1', 'a2', 'a3'].map((value) => publisher.publish(value));
    await clock.turn();
    const closing = queue.shutDownQueue({ scheduled: 'cancel' });
    await clock.turn();
    await closing;
    expect(called).toEqual([]);
    expect(events.map((event) => event.getResult()?.errs()[0]?.code)).toEqual(Array(3).fill('CQ_QUEUE_CLOSED'));
  });

  test('is asked for once, however often the task is attempted or has to wait', async () => {
    let asked = 0;
    const options: CollectorOptions = {
      partitionBy: ({ value }) => {
        asked++;
        return value === 'none' ? undefined : 'a';
      },
      retry: { attempts: 3, base: 0 },
      concurrency: 1,
    };
    const { queue, publisher, clock } = await oneCollector(() => err('no'), options);
    for (const value of ['one', 'none', 'two']) void publisher.publish(value);
    await clock.advance(0);
    await queue.shutDownQueue();
    expect(asked).toBe(3);
  });

  test.each<[what: string, partitionBy: CollectorOptions['partitionBy'], words: string]>([
    [
      'throws',
      () => {
        throw new Error('no key');
      },
      'no key',
    ],
    ['returns an empty text', () => '', 'the key that partitionBy returns must be a non-empty string'],
    ['returns a number', () => 5 as unknown as string, 'the key that partitionBy returns must be a non-empty string'],
    ['returns null', () => null as unknown as string, 'but it is null'],
    ['returns a promise', (async () => Promise.reject(new Error())) as never, 'but it is a Promise'],
  ])('that %s fails its task, which is not tried again', async (_, wrong, words) => {
    const { queue, publisher, clock, called } = await oneCollector(() => 1, { partitionBy: wrong, retry: 3 });
    const event = publisher.publish(1);
    await clock.turn();
    const [error] = event.getResult()?.errs() ?? [];
    expect(error).toMatchObject({ code: 'CQ_PROCESSOR', cause: { message: expect.stringContaining(words) } });
    expect(called).toEqual([]);
    expect((await publisher.send(new Payload(2), { partitionKey: 'fine' }).wait()).first()).toEqual(ok(1));
    await queue.shutDownQueue();
  });

  test.each(['__proto__', 'constructor', 'toString', ' '])('may be %j', async (key) => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(
      work.process,
      { partitionBy: () => key },
      { maxConsumers: 2 },
    );
    for (const value of [1, 2]) void publisher.publish(value);
    await clock.turn();
    expect(work.attempts).toHaveLength(1);
    work.end();
    await clock.turn();
    work.end();
    await queue.shutDownQueue();
  });

  test('of one run is free in the next, although work goes on that was left behind', async () => {
    const work = hanging();
    const { queue, publisher, clock, called } = await oneCollector(work.process, { partitionBy });
    for (const value of ['a1', 'a2']) void publisher.publish(value);
    await clock.turn();
    const closing = queue.shutDownQueue({ drain: false, timeout: 0 });
    await clock.advance(0);
    await closing;
    await queue.initQueue();
    for (const value of ['a3', 'a4']) void publisher.publish(value);
    await clock.turn();
    work.end();
    await clock.turn();
    expect(called).toEqual(['a1', 'a3']);
    work.end();
    await clock.turn();
    work.end();
    await queue.shutDownQueue();
    expect(called).toEqual(['a1', 'a3', 'a4']);
  });

  test('is let go once nobody has it, like the window of a rate once its starts do not count any more', {
    timeout: 60_000,
  }, async () => {
    const keyOf = ({ value }: Payload<string>): string => value;
    const options = { partitionBy: keyOf, rateLimit: { limit: 1, interval: 10, per: keyOf } };
    const { queue, publisher, clock, called } = await oneCollector(() => undefined, options);
    const heapAfter = async (round: string): Promise<number> => {
      for (let at = 0; at < 5_000; at++) void publisher.publish(`${round} ${at}`);
      await clock.advance(10);
      called.length = 0;
      globalThis.gc?.();
      return process.memoryUsage().heapUsed;
    };
    for (const round of 'abc') await heapAfter(round);
    const before = await heapAfter('d');
    for (const round of 'efghijklmnopqrs') await heapAfter(round);
    expect((await heapAfter('t')) - before).toBeLessThan(1_000_000);
    await queue.shutDownQueue();
  });
});
