import { Collector, Payload, QueueFullError } from 'collector-queue';
import { BrokerRefusedError, BrokerUnavailableError, JobLostError } from 'collector-queue/bullmq';
import { describe, expect, test } from 'vitest';
import { redisForTest } from '../redis-server.ts';
import { ownPrefix, passed, queueFor, started, until, WorkerChild } from './scene.ts';

const echo = (): Collector => new Collector('a', ({ value }) => value);

describe('while Redis is not there', () => {
  test('initQueue fails within its limit, says why, and may be called again', async () => {
    const redis = await redisForTest();
    await redis.kill();
    const queue = queueFor([echo()], { connection: redis.url, connectTimeout: 500 });
    const before = performance.now();
    const error = await queue.initQueue().catch((reason: unknown) => reason);
    expect(performance.now() - before).toBeLessThan(3_000);
    expect(error).toBeInstanceOf(BrokerUnavailableError);
    expect(error).toMatchObject({ code: 'CQ_BROKER_UNAVAILABLE', retryable: true });
    expect(String(error)).toContain('ECONNREFUSED');
    await redis.restart();
    await queue.initQueue();
    expect((await queue.getPublisher().publish(1).wait()).oks()).toEqual([1]);
  });

  test('initQueue fails at a wrong password at once', async () => {
    const redis = await redisForTest();
    await redis.command('CONFIG', 'SET', 'requirepass', 'right');
    const connection = { host: '127.0.0.1', port: redis.port, password: 'wrong' };
    const error = await queueFor([echo()], { connection })
      .initQueue()
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BrokerUnavailableError);
    expect(String(error)).toMatch(/WRONGPASS|invalid/);
  });

  test('initQueue fails within its limit at a server that does not answer', async () => {
    const redis = await redisForTest();
    redis.pause();
    const queue = queueFor([echo()], { connection: redis.url, connectTimeout: 400 });
    await expect(queue.initQueue()).rejects.toThrow(BrokerUnavailableError);
    redis.resume();
  });

  test('sends fail at once; when it is back, sends and workers go on by themselves', async () => {
    const redis = await redisForTest();
    const queue = await started([echo()], { connection: redis.url });
    const publisher = queue.getPublisher();
    expect((await publisher.publish(1).wait()).oks()).toEqual([1]);
    await redis.kill();
    await until(() => publisher.publish(2).status === 'settled');
    const before = performance.now();
    const refused = publisher.publish(3);
    expect(refused.status).toBe('settled');
    expect((await refused.wait()).errs()[0]).toBeInstanceOf(BrokerUnavailableError);
    expect(performance.now() - before).toBeLessThan(500);
    await redis.restart();
    await publisher.ready();
    expect((await publisher.publish(4).wait()).oks()).toEqual([4]);
    const { offered, accepted, rejected } = queue.getMetrics();
    expect(accepted + rejected).toBe(offered);
    expect(accepted).toBe(2);
  });

  test('sends wait within their bound, if that is wanted, and each is done once when it is back', async () => {
    const redis = await redisForTest({ aof: true });
    const seen: unknown[] = [];
    const queue = await started([new Collector('a', ({ value }) => void seen.push(value))], {
      connection: redis.url,
      whenAway: { queue: 3 },
    });
    const publisher = queue.getPublisher();
    await publisher.publish(0).wait();
    await redis.kill();
    await passed(50);
    const events = publisher.sendMany([1, 2, 3, 4].map((value) => new Payload(value)));
    expect(events.map(({ status }) => status)).toEqual(['waiting', 'waiting', 'waiting', 'settled']);
    expect((await events[3]?.wait())?.errs()[0]).toBeInstanceOf(QueueFullError);
    const waiting = Promise.all(events.slice(0, 3).map((event) => event.wait()));
    await redis.restart();
    expect((await waiting).every((list) => list.isOk())).toBe(true);
    expect(seen).toEqual([0, 1, 2, 3]);
  });

  test('what was acknowledged before is done after, and who waited is told', async () => {
    const redis = await redisForTest({ aof: true });
    const queue = await started([echo()], { connection: redis.url });
    await queue.pause();
    const publisher = queue.getPublisher();
    const events = publisher.sendMany(Array.from({ length: 20 }, (_, value) => new Payload(value)));
    const waiting = Promise.all(events.map((event) => event.wait()));
    await until(() => queue.getMetrics().accepted === 20);
    await redis.restart();
    await publisher.ready();
    await queue.resume();
    expect((await waiting).flatMap((list) => list.oks())).toEqual(Array.from({ length: 20 }, (_, value) => value));
  });

  test('sends that wait keep their order, however many they are', async () => {
    const redis = await redisForTest();
    const seen: unknown[] = [];
    const queue = await started([new Collector('a', ({ value }) => void seen.push(value))], {
      connection: redis.url,
      concurrency: 1,
      sendTimeout: 300,
      whenAway: { queue: 1_000 },
    });
    const publisher = queue.getPublisher();
    const send = (from: number, count: number) =>
      publisher.sendMany(Array.from({ length: count }, (_, at) => new Payload(from + at)));
    await publisher.publish(0).wait();
    redis.pause();
    // Under way when Redis is found silent, the second half for longer, while more comes in; none of it has arrived.
    const events = send(1, 60);
    await passed(150);
    events.push(...send(61, 60));
    await passed(225);
    events.push(...send(121, 60));
    await redis.kill();
    await redis.restart();
    await Promise.all(events.map((event) => event.wait()));
    expect(seen).toEqual(Array.from({ length: 181 }, (_, at) => at));
  });

  test('sends that wait keep their order, though some that left beside them have arrived', async () => {
    const redis = await redisForTest({ aof: true });
    const shared = { connection: redis.url, prefix: ownPrefix() };
    const queue = await started([echo()], {
      ...shared,
      role: 'publisher',
      sendTimeout: 300,
      whenAway: { queue: 1_000 },
    });
    const publisher = queue.getPublisher();
    const sent = Array.from({ length: 400 }, (_, at) => at);
    publisher.sendMany(sent.map((value) => new Payload(value)));
    await until(() => queue.getMetrics().accepted > 0);
    redis.pause();
    await passed(450);
    await redis.kill();
    await redis.restart();
    await until(() => queue.getMetrics().accepted === sent.length);
    const seen: unknown[] = [];
    await started([new Collector('a', ({ value }) => void seen.push(value))], {
      ...shared,
      role: 'worker',
      concurrency: 1,
    });
    await until(() => seen.length === sent.length);
    expect(seen).toEqual(sent);
  });

  test.each(['both', 'publisher', 'worker'] as const)('a shutdown ends within its time (%s)', async (role) => {
    const redis = await redisForTest();
    const prefix = ownPrefix();
    let running = 0;
    const hang = new Collector('a', () => {
      running++;
      return new Promise(() => undefined);
    });
    const queue = await started([hang], { connection: redis.url, prefix, role });
    const sender =
      role === 'worker' ? await started([echo()], { connection: redis.url, prefix, role: 'publisher' }) : queue;
    const event = sender.getPublisher().publish(1);
    const waiting = event.wait();
    await until(() => (role === 'publisher' ? queue.getMetrics().accepted : running) === 1);
    await redis.kill();
    const before = performance.now();
    await queue.shutDownQueue({ timeout: 1_200 });
    expect(performance.now() - before).toBeLessThan(3_000);
    if (role === 'worker') event.cancel();
    expect((await waiting).errs()).toHaveLength(1);
  });
});

describe('while Redis is stopped (SIGSTOP)', () => {
  test('a send fails within its limit, the next at once; when Redis goes on, so do they', async () => {
    const redis = await redisForTest();
    const queue = await started([echo()], { connection: redis.url, sendTimeout: 300 });
    const publisher = queue.getPublisher();
    await publisher.publish(0).wait();
    redis.pause();
    const list = await publisher.publish(1).wait({ timeout: 3_000 });
    expect(list.errs()[0]).toBeInstanceOf(BrokerUnavailableError);
    const next = publisher.publish(2);
    expect(next.status).toBe('settled');
    redis.resume();
    await publisher.ready();
    expect((await publisher.publish(3).wait()).oks()).toEqual([3]);
  });

  test('each send fails within its own limit, one after the other, and each time that it happens', async () => {
    const redis = await redisForTest();
    const queue = await started([echo()], { connection: redis.url, sendTimeout: 400 });
    const publisher = queue.getPublisher();
    for (const round of [1, 2]) {
      await publisher.ready();
      expect((await publisher.publish(`${round}, before`).wait()).isOk()).toBe(true);
      redis.pause();
      const before = performance.now();
      const first = publisher.publish('first').wait();
      await passed(200);
      const second = publisher.publish('second').wait();
      expect((await first).errs()[0]).toBeInstanceOf(BrokerUnavailableError);
      expect(performance.now() - before).toBeGreaterThanOrEqual(395);
      expect((await second).errs()[0]).toBeInstanceOf(BrokerUnavailableError);
      expect(performance.now() - before).toBeLessThan(3_000);
      redis.resume();
    }
  });

  test('a send that may wait is done once, however often it was tried', async () => {
    const redis = await redisForTest();
    const seen: unknown[] = [];
    const queue = await started([new Collector('a', ({ value }) => void seen.push(value))], {
      connection: redis.url,
      sendTimeout: 200,
      whenAway: { queue: 100 },
    });
    const publisher = queue.getPublisher();
    await publisher.publish('before').wait();
    redis.pause();
    const waiting = publisher.publish('during').wait();
    await passed(700);
    redis.resume();
    expect((await waiting).isOk()).toBe(true);
    await publisher.publish('after').wait();
    expect(seen).toEqual(['before', 'during', 'after']);
  });

  test.each(['both', 'publisher', 'worker'] as const)('a shutdown ends within its time (%s)', async (role) => {
    const redis = await redisForTest();
    const queue = await started([echo()], { connection: redis.url, role });
    if (role === 'both') await queue.getPublisher().publish(1).wait();
    redis.pause();
    const before = performance.now();
    await queue.shutDownQueue({ timeout: 1_000 });
    expect(performance.now() - before).toBeLessThan(3_000);
    redis.resume();
    await queue.initQueue();
  });
});

describe('a worker process', () => {
  test.each(['killed', 'stopped'] as const)(
    'shuts down and ends by itself while Redis is %s',
    { timeout: 40_000 },
    async (how) => {
      const redis = await redisForTest();
      const options = { connection: redis.url, prefix: ownPrefix() };
      const [worker, queue] = await Promise.all([
        WorkerChild.start(options, ['slow', 'square']),
        started([new Collector('slow', () => 0)], { ...options, role: 'publisher' }),
      ]);
      queue.getPublisher().publish(1, undefined, { reply: false });
      await until(() => worker.said.some((what) => String(what).startsWith('slow begins')));
      if (how === 'killed') await redis.kill();
      else redis.pause();
      worker.stop();
      expect(await worker.ended).toBe(0);
      expect(worker.said.map(String)).toContain('square down');
    },
  );
});

describe('when Redis', () => {
  test('has forgotten everything (FLUSHALL), who waits is told, and the queue goes on', async () => {
    const redis = await redisForTest();
    const prefix = ownPrefix();
    const queue = await started([echo()], { connection: redis.url, prefix });
    await queue.pause();
    const publisher = queue.getPublisher();
    const events = publisher.sendMany(Array.from({ length: 50 }, (_, value) => new Payload(value)));
    const waiting = Promise.all(events.map((event) => event.wait({ timeout: 10_000 })));
    await until(() => queue.getMetrics().accepted === 50);
    await redis.command('FLUSHALL');
    for (const list of await waiting) expect(list.errs()[0]).toBeInstanceOf(JobLostError);
    expect((await publisher.publish('new').wait()).oks()).toEqual(['new']);
    // The workers announce themselves again.
    const other = await started([], { connection: redis.url, prefix, role: 'publisher', registryTimeout: 5_000 });
    expect(other.collectorKeys).toEqual(['a']);
  });

  test('has no memory left, sends end with what it says, and go on when it has', async () => {
    const redis = await redisForTest();
    const queue = await started([echo()], { connection: redis.url });
    const publisher = queue.getPublisher();
    await publisher.publish(0).wait();
    await redis.command('CONFIG', 'SET', 'maxmemory', 1);
    const lists = await Promise.all(publisher.sendMany([new Payload(1), new Payload(2)]).map((event) => event.wait()));
    for (const list of lists) {
      expect(list.errs()[0]).toBeInstanceOf(BrokerRefusedError);
      expect(String(list.errs()[0])).toContain('OOM');
    }
    await redis.command('CONFIG', 'SET', 'maxmemory', 0);
    expect((await publisher.publish(3).wait()).oks()).toEqual([3]);
  });
});
