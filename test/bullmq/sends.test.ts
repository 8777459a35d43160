import {
  CancelledError,
  CancelTask,
  ClearedError,
  Collector,
  type DeadLetter,
  InvalidArgumentError,
  Payload,
  QueueType,
  RetryTask,
  Router,
  topicTypes,
} from 'collector-queue';
import { BullMQCollectorQueue } from 'collector-queue/bullmq';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RedisServer, startRedis } from '../redis-server.ts';
import { ownPrefix, passed, queueFor, started, told, until } from './scene.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

describe('an option of a send', () => {
  test('that cannot travel, or is wrong, is refused with its name', async () => {
    const queue = await started([new Collector('a', () => 1)], { connection: redis.url });
    const publisher = queue.getPublisher();
    const send = (options: object) => () => publisher.publish(1, undefined, options);
    expect(send({ retry: { retryIf: () => true } })).toThrow(/retryIf/);
    expect(send({ headers: [] })).toThrow(/headers/);
    expect(send({ dedupeKey: 'a' })).toThrow(/send: dedupeKey must be left out: repeats may come from other processes/);
    expect(send({ dedupeWindow: 5 })).toThrow(/send: dedupeWindow must be left out/);
    expect(send({ headers: { a: 1 } })).toThrow(/headers\["a"\]/);
    expect(send({ headers: { 'collector-queue.dead-letter-of': 'x' } })).toThrow(/collector-queue\./);
    expect(send({ headers: JSON.parse('{"__proto__":"x"}') })).toThrow(/__proto__/);
    expect(send({ reply: 'no' })).toThrow(/reply/);
    expect(send({ replay: true })).toThrow(/did you mean 'reply'/);
    expect(send({ expiresAt: 5 })).toThrow(InvalidArgumentError);
    expect(() => publisher.publish({ a: [() => 1] })).toThrow(/value\.a\[0\]/);
    expect(queue.getMetrics().offered).toBe(0);
  });

  test('wins over that of the collector: attempts, time limit, expiry', async () => {
    let calls = 0;
    const fails = new Collector(
      'a',
      async ({ value }) => {
        calls++;
        if (value === 'hang') await passed(5_000);
        throw new Error('no');
      },
      { retry: { attempts: 2, base: 1 }, timeout: 10_000, ttl: 60_000 },
    );
    const queue = await started([fails], { connection: redis.url });
    const publisher = queue.getPublisher();
    await publisher.publish(1).wait();
    expect(calls).toBe(2);
    calls = 0;
    await publisher.publish(1, undefined, { retry: { attempts: 4, base: 1 } }).wait();
    expect(calls).toBe(4);
    const late = await publisher.publish('hang', undefined, { timeout: 50, retry: 1 }).wait();
    expect(late.errs()[0]).toMatchObject({ code: 'CQ_DELIVERY_TIMEOUT' });
    calls = 0;
    const expired = await publisher.publish(1, undefined, { delay: 200, ttl: 50 }).wait();
    expect(expired.errs()[0]).toMatchObject({ code: 'CQ_EXPIRED' });
    expect(calls).toBe(0);
  });

  test('signal cancels: before, and while it waits in Redis, which then forgets it', async () => {
    const seen: unknown[] = [];
    const queue = await started([new Collector('a', ({ value }) => void seen.push(value))], { connection: redis.url });
    const publisher = queue.getPublisher();
    const fired = await publisher.publish(1, undefined, { signal: AbortSignal.abort('why') }).wait();
    expect(fired.errs()[0]).toBeInstanceOf(CancelledError);
    await queue.pause();
    const controller = new AbortController();
    const event = publisher.publish(2, undefined, { signal: controller.signal });
    const waiting = event.wait();
    await until(() => queue.getMetrics().accepted === 1);
    controller.abort(new Error('no more'));
    expect((await waiting).errs()[0]).toMatchObject({ code: 'CQ_CANCELLED', cause: { message: 'no more' } });
    await until(async () => (await queue.counts()).get('a')?.waiting === 0);
    // Cancelled before it was sent at all.
    const hasty = publisher.publish(3);
    expect(hasty.cancel()).toBe(true);
    expect(hasty.cancel()).toBe(false);
    await queue.resume();
    await publisher.publish(4).wait();
    expect(seen).toEqual([4]);
  });
});

describe('priorities', () => {
  test('are refused where the newest comes first, with the reason', async () => {
    const queue = await started([new Collector('a', () => 1)], { connection: redis.url, queueType: QueueType.LIFO });
    expect(() => queue.getPublisher().publish(1, { priority: 1 })).toThrow(/LIFO/);
  });

  test('run from the lowest to the highest, negative ones too, and those of another process with them', async () => {
    const seen: unknown[] = [];
    const options = { connection: redis.url, prefix: ownPrefix(), queueType: QueueType.PRIORITY, concurrency: 1 };
    const queue = await started([new Collector('a', ({ value }) => void seen.push(value))], options);
    const other = await started([], { ...options, role: 'publisher' });
    await queue.pause();
    const send = (from: typeof queue, priority: number) => from.getPublisher().publish(priority, { priority }).wait();
    const waiting = [send(queue, 1_000_000), send(other, 0), send(queue, -1_000_000), send(other, -5), send(queue, 7)];
    await until(async () => (await queue.counts()).get('a')?.waiting === 5);
    await queue.resume();
    await Promise.all(waiting);
    expect(seen).toEqual([-1_000_000, -5, 0, 7, 1_000_000]);
  });
});

describe('what a processor says of its task', () => {
  test('is obeyed: another attempt, also later, and no attempt any more', async () => {
    const numbers: number[] = [];
    const collector = new Collector('a', ({ value }, _, { number }) => {
      numbers.push(number);
      if (value === 'cancel') throw new CancelTask('enough');
      return number < 3 ? new RetryTask({ delay: number === 1 ? 0 : 100 }) : 'done';
    });
    const queue = await started([collector], { connection: redis.url });
    const events = told(queue);
    expect((await queue.getPublisher().publish('again').wait()).oks()).toEqual(['done']);
    expect(numbers).toEqual([1, 2, 3]);
    // Redis may have given it to the worker before its answer to the sender was read.
    const names = events.map(({ status }) => status).filter((name) => name !== 'scaled');
    expect(names).toContain('enqueued');
    expect(names.filter((name) => name !== 'enqueued')).toEqual([
      'started',
      'retrying',
      'started',
      'retrying',
      'scheduled',
      'started',
      'finished',
    ]);
    const cancelled = await queue.getPublisher().publish('cancel').wait();
    expect(cancelled.errs()[0]).toMatchObject({ code: 'CQ_CANCELLED' });
  });

  test('that it is permanent ends it at once', async () => {
    let calls = 0;
    const collector = new Collector(
      'a',
      () => {
        calls++;
        throw Object.assign(new Error('never'), { retryable: false });
      },
      { retry: 5 },
    );
    const queue = await started([collector], { connection: redis.url });
    const list = await queue.getPublisher().publish(1).wait();
    expect(list.errs()[0]).toMatchObject({ code: 'CQ_PROCESSOR', cause: { message: 'never', retryable: false } });
    expect(calls).toBe(1);
  });
});

describe('a dead letter', () => {
  test('becomes a job of another collector, once, and can be driven again', async () => {
    const letters: DeadLetter[] = [];
    let healthy = false;
    const fragile = new Collector(
      'fragile',
      ({ value }) => {
        if (!healthy) throw new RangeError('broken');
        return value;
      },
      { deadLetter: 'morgue', retry: { attempts: 2, base: 1 } },
    );
    const morgue = new Collector('morgue', ({ value }) => void letters.push(value));
    const queue = await started([fragile, morgue], { connection: redis.url });
    const events = told(queue);
    const event = queue.getPublisher().publish({ order: 7 }, { keys: 'fragile' });
    expect((await event.wait()).errs()[0]).toMatchObject({ code: 'CQ_PROCESSOR' });
    await until(() => letters.length === 1);
    expect(letters[0]).toMatchObject({
      value: { order: 7 },
      collectorKey: 'fragile',
      eventId: event.id,
      attempts: 2,
      error: { name: 'ProcessorError', cause: { error: { name: 'RangeError', message: 'broken' } } },
    });
    expect(events.filter(({ status }) => status === 'dead-lettered')).toHaveLength(1);
    healthy = true;
    const [again] = queue.redrive(letters);
    expect((await again?.wait())?.oks()).toEqual([{ order: 7 }]);
    expect(letters).toHaveLength(1);
  });

  test("is handed to a function, and collectors that are one another's end somewhere", async () => {
    const letters: DeadLetter[] = [];
    const fail = (): never => {
      throw new Error('no');
    };
    const queue = await started(
      [
        new Collector('function', fail, { deadLetter: (letter) => void letters.push(letter) }),
        new Collector('ping', fail, { deadLetter: 'pong' }),
        new Collector('pong', fail, { deadLetter: 'ping' }),
      ],
      { connection: redis.url },
    );
    const events = told(queue);
    await queue
      .getPublisher()
      .publish(1, { keys: ['function', 'ping'] })
      .wait();
    expect(letters).toMatchObject([{ value: 1, collectorKey: 'function', error: { code: 'CQ_PROCESSOR' } }]);
    await until(() => events.some(({ status }) => status === 'error-enqueueing'));
    await queue.onIdle();
    expect(events.filter(({ status }) => status === 'dead-lettered')).toHaveLength(2);
  });

  test('for a collector that does not exist is refused at construction', () => {
    const options = { connection: redis.url };
    expect(() => queueFor([new Collector('a', () => 1, { deadLetter: 'b' })], options)).toThrow(/deadLetter/);
  });
});

describe('a queue', () => {
  test('is cleared of what waits, and who waits is told', async () => {
    const queue = await started([new Collector('a', () => 1), new Collector('b', () => 1)], { connection: redis.url });
    await queue.pause();
    const waiting = queue
      .getPublisher()
      .sendMany([new Payload(1), new Payload(2)])
      .map((event) => event.wait());
    await until(() => queue.getMetrics().accepted === 2);
    expect(await queue.clear()).toBe(4);
    for (const list of await Promise.all(waiting))
      for (const error of list.errs()) expect(error).toBeInstanceOf(ClearedError);
    expect(await queue.clear()).toBe(0);
  });

  test('pauses everywhere, outlasts that its processes end, and is idle when all is done', async () => {
    const seen: unknown[] = [];
    const collector = () => new Collector('a', ({ value }) => void seen.push(value));
    const options = { connection: redis.url, prefix: ownPrefix() };
    const first = await started([collector()], options);
    const other = await started([], { ...options, role: 'publisher' });
    await other.pause();
    const event = first.getPublisher().publish(1);
    await until(() => first.getMetrics().accepted === 1);
    await first.shutDownQueue();
    expect(event.status).toBe('waiting');
    const second = await started([collector()], options);
    await passed(100);
    expect(seen).toEqual([]);
    expect((await second.counts()).get('a')).toMatchObject({ waiting: 1, workers: 1, paused: true });
    await second.resume();
    await second.onIdle();
    expect(seen).toEqual([1]);
  });

  test('refuses a router that does more than select', () => {
    class Full extends Router {
      select(): [] {
        return [];
      }
      override handleEvent(): never {
        throw new Error('never');
      }
    }
    expect(() => queueFor([new Collector('a', () => 1)], { connection: redis.url, router: Full })).toThrow(
      /handleEvent/,
    );
  });

  test('has one of a kind of key, whatever is in it', async () => {
    const keys = ['a:b', 'ü/#', '__proto__', '123', ' ', '%3A'];
    const queue = await started(
      keys.map((key) => new Collector(key, () => key)),
      { connection: redis.url },
    );
    for (const key of keys) expect((await queue.getPublisher().publish(1, { keys: key }).wait()).oks()).toEqual([key]);
    expect(() => queueFor([new Collector('\ud800', () => 1)], { connection: redis.url })).toThrow(InvalidArgumentError);
  });
});

test('keys, topics and values are checked by the compiler, as those of the queue in process', () => {
  const length = new Collector('length', ({ value }: { value: string }) => value.length, { topics: 'words' });
  const queue = queueFor([length], { connection: redis.url });
  const typed = new BullMQCollectorQueue([length], {
    connection: redis.url,
    topics: topicTypes<{ words: string }>(),
  });
  const neverRuns = async (): Promise<void> => {
    const publisher = typed.getPublisher();
    const list = await publisher.publish('word', { keys: 'length' }, { headers: { a: 'b' } }).wait();
    const count: number | undefined = list.get('length')?.unwrapOr(0);
    expect(count).toBeDefined();
    // @ts-expect-error: there is no such collector
    publisher.publish('word', { keys: 'lenght' });
    // @ts-expect-error: there is no such topic
    publisher.publish('word', { topics: 'letters' });
    // @ts-expect-error: it takes texts
    publisher.publish(5, { topics: 'words' });
    // @ts-expect-error: headers are texts
    publisher.publish('word', { topics: 'words' }, { headers: { a: 1 } });
  };
  expect(neverRuns).toBeTypeOf('function');
  expect(queue.collectorKeys).toEqual(['length']);
});
