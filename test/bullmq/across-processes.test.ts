import { Collector, InvalidArgumentError, Payload, QueueClosedError, WaitTimeoutError } from 'collector-queue';
import { NoCollectorsError, RemoteError } from 'collector-queue/bullmq';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RedisServer, startRedis } from '../redis-server.ts';
import { ownPrefix, passed, queueFor, started, told, until, WorkerChild } from './scene.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

describe('a publisher and a worker in two processes', () => {
  test('route by key, topic and to all, and bring results, errors and attempts back', { timeout: 40_000 }, async () => {
    const options = { connection: redis.url, prefix: ownPrefix() };
    const worker = await WorkerChild.start(options, ['square', 'picky', 'attempt', 'flaky']);
    // Without collectors of its own: it knows what the worker has announced.
    const queue = await started([], { ...options, role: 'publisher' });
    const publisher = queue.getPublisher();
    expect(queue.collectorKeys).toEqual(['square', 'picky', 'attempt', 'flaky']);

    expect((await publisher.publish(7, { keys: 'square' }).wait()).oks()).toEqual([49]);
    const byTopic = await publisher.publish(3, { topics: 'numbers/odd' }).wait();
    expect(byTopic.keys()).toEqual(['square', 'picky']);
    expect(byTopic.get('square')?._unsafeUnwrap()).toBe(9);
    expect((await publisher.publish(2).wait()).keys()).toEqual(['square', 'picky', 'attempt', 'flaky']);

    const error = byTopic.get('picky')?._unsafeUnwrapErr();
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({
      name: 'ProcessorError',
      code: 'CQ_PROCESSOR',
      cause: {
        name: 'RangeError',
        message: 'not 3',
        code: 'E_PICKY',
        cause: { name: 'TypeError', message: 'because' },
      },
    });
    const plain = await publisher.publish('plain', { keys: 'picky' }).wait();
    expect(plain.first()._unsafeUnwrapErr()).toEqual({ plain: [1, 2] });

    const event = publisher.publish('x', { keys: 'attempt' }, { headers: { trace: 'abc' } });
    expect((await event.wait()).first()._unsafeUnwrap()).toEqual({
      value: 'x',
      topics: [],
      keys: ['attempt'],
      number: 1,
      collectorKey: 'attempt',
      eventId: event.id,
      headers: { trace: 'abc' },
    });
    expect((await publisher.publish(0, { keys: 'flaky' }).wait()).oks()).toEqual([3]);

    // Its end: what it has is done, its collectors are shut down, and it ends by itself.
    worker.stop();
    expect(await worker.ended).toBe(0);
    const said = worker.said.map(String);
    expect(said.filter((line) => line.startsWith('square') || line === 'down')).toEqual([
      'square up',
      'square down',
      'down',
    ]);

    // Its announcement outlives it: what is sent now waits for the next worker, and is not unrouted.
    await expect(publisher.publish(5, { keys: 'square' }).wait({ timeout: 300 })).rejects.toThrow(WaitTimeoutError);
    expect((await queue.counts()).get('square')).toMatchObject({ waiting: 1, workers: 0 });
  });

  test('survive the loss of a worker: another one does what it had begun', { timeout: 40_000 }, async () => {
    const options = { connection: redis.url, prefix: ownPrefix(), concurrency: 5 };
    const [first, queue] = await Promise.all([
      WorkerChild.start(options, ['slow']),
      started([new Collector('slow', () => 0)], { ...options, role: 'publisher' }),
    ]);
    const second = await WorkerChild.start(options, ['slow']);
    const events = queue
      .getPublisher()
      .sendMany(Array.from({ length: 10 }, (_, value) => new Payload(value, { keys: 'slow' })));
    const waiting = Promise.all(events.map((event) => event.wait()));
    await until(() => first.said.some((what) => String(what).startsWith('slow begins')));
    first.process.kill('SIGKILL');
    expect((await waiting).flatMap((list) => list.oks())).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(second.said.length).toBeGreaterThan(5);
  });
});

describe('a publisher without collectors of its own', () => {
  test('does not start on an empty registry, unless it may wait for the first worker', async () => {
    const options = { connection: redis.url, prefix: ownPrefix() };
    const queue = queueFor([], { ...options, role: 'publisher' });
    await expect(queue.initQueue()).rejects.toThrow(NoCollectorsError);
    const patient = queueFor([], { ...options, role: 'publisher', registryTimeout: 10_000 });
    const starting = patient.initQueue();
    await started([new Collector('late', () => 'here')], options);
    await starting;
    expect((await patient.getPublisher().publish(1, { keys: 'late' }).wait()).oks()).toEqual(['here']);
    await queue.initQueue();
    expect(queue.collectorKeys).toEqual(['late']);
  });

  test('finds a collector that was announced since, at the send that names it', async () => {
    const options = { connection: redis.url, prefix: ownPrefix(), registryInterval: 600_000 };
    await started([new Collector('a', () => 'a')], options);
    const queue = await started([], { ...options, role: 'publisher' });
    const publisher = queue.getPublisher();
    const events = told(queue);
    expect((await publisher.publish(1, { keys: 'b' }).wait()).delivered).toBe(0);
    expect(events.filter(({ status }) => status === 'unrouted')).toHaveLength(1);
    await started([new Collector('b', () => 'b', { topics: 'new' })], options);
    await passed(300);
    const both = publisher.publish(1, { keys: ['a', 'b'] });
    expect((await both.wait()).oks()).toEqual(['a', 'b']);
    expect((await publisher.publish(1, { topics: 'new' }).wait()).oks()).toEqual(['b']);
  });

  test('forgets a collector when it is told to', async () => {
    const options = { connection: redis.url, prefix: ownPrefix() };
    const gone = await started([new Collector('gone', () => 1)], options);
    await started([new Collector('stays', () => 2)], options);
    await gone.shutDownQueue();
    const queue = await started([], { ...options, role: 'publisher' });
    expect(queue.collectorKeys.sort()).toEqual(['gone', 'stays']);
    await queue.forgetCollector('gone');
    await until(() => !queue.collectorKeys.includes('gone'));
    expect((await queue.getPublisher().publish(1, { keys: 'gone' }).wait()).delivered).toBe(0);
  });
});

describe('a worker', () => {
  test('that is nothing else sends nothing, and says so', async () => {
    const queue = await started([new Collector('a', () => 1)], { connection: redis.url, role: 'worker' });
    expect(() => queue.getPublisher().publish(1)).toThrow(/role 'worker'/);
    await expect(queue.getPublisher().ready()).rejects.toThrow(/role 'worker'/);
  });

  test('gives what it cannot end at its shutdown back, and another one gets it at once', async () => {
    const options = { connection: redis.url, prefix: ownPrefix(), lockDuration: 60_000, stalledInterval: 60_000 };
    let begun = 0;
    const hangs = (): Promise<never> => {
      begun++;
      return new Promise(() => undefined);
    };
    const first = await started([new Collector('a', hangs)], { ...options, role: 'worker' });
    const publisher = await started([new Collector('a', () => 0)], { ...options, role: 'publisher' });
    const waiting = publisher.getPublisher().publish(1).wait();
    await until(() => begun === 1);
    await first.shutDownQueue({ timeout: 300 });
    await started([new Collector('a', (_payload, _context, { number }) => `attempt ${number}`)], {
      ...options,
      role: 'worker',
    });
    expect((await waiting).oks()).toEqual(['attempt 1']);
  });

  test('needs collectors; so does everybody else but a publisher', () => {
    for (const role of ['worker', 'both'] as const) {
      expect(() => queueFor([], { connection: redis.url, role })).toThrow(InvalidArgumentError);
    }
  });
});

describe('waiting', () => {
  test('begins whenever somebody wants, also in the middle, and also after the end', async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const queue = await started([new Collector('a', () => gate.then(() => 'done'))], { connection: redis.url });
    const event = queue.getPublisher().publish(1);
    await until(() => queue.currentLoad > 0);
    const inTheMiddle = event.wait();
    open();
    expect((await inTheMiddle).oks()).toEqual(['done']);
    const late = queue.getPublisher().publish(1);
    await until(async () => (await queue.counts()).get('a')?.completed === 2);
    expect(late.getResult()).toBeUndefined();
    expect((await late.wait()).oks()).toEqual(['done']);
    expect(late.getResult()?.oks()).toEqual(['done']);
  });

  test('can be given up by a limit and begun again', async () => {
    const queue = await started([new Collector('a', () => passed(400))], { connection: redis.url, waitTimeout: 100 });
    const event = queue.getPublisher().publish(1);
    await expect(event.wait()).rejects.toThrow(WaitTimeoutError);
    const reason = new Error('enough');
    await expect(event.wait({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect((await event.wait({ timeout: 10_000 })).isOk()).toBe(true);
    expect(() => event.wait({ timeout: Number.POSITIVE_INFINITY })).toThrow(InvalidArgumentError);
  });

  test('is refused for a send that said that nobody would; a refusal of the send is told all the same', async () => {
    const queue = await started([new Collector('a', ({ value }) => value)], { connection: redis.url });
    const publisher = queue.getPublisher();
    const event = publisher.publish(1, undefined, { reply: false });
    await expect(event.wait()).rejects.toThrow(InvalidArgumentError);
    await until(async () => (await queue.counts()).get('a')?.completed === 1);
    await queue.shutDownQueue();
    const refused = publisher.publish(1, undefined, { reply: false });
    expect((await refused.wait()).errs()[0]).toBeInstanceOf(QueueClosedError);
  });

  test('by iteration gives each result as it comes', async () => {
    const queue = await started(
      [new Collector('slow', () => passed(200).then(() => 1)), new Collector('quick', () => 2)],
      { connection: redis.url },
    );
    const seen: unknown[] = [];
    for await (const [key, result] of queue.getPublisher().publish(0)) seen.push([key, result._unsafeUnwrap()]);
    expect(seen).toEqual([
      ['quick', 2],
      ['slow', 1],
    ]);
  });
});
