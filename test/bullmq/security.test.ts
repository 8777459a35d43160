import { type Job, Queue } from 'bullmq';
import { Collector, type Payload, type ResultList, RetryTask } from 'collector-queue';
import { type BullMQCollectorQueue, type BullMQQueueOptions, RejectedMessageError } from 'collector-queue/bullmq';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type RedisServer, startRedis } from '../redis-server.ts';
import { ownPrefix, passed, queueFor, started, told, until } from './scene.ts';

const SECRET = 'a secret of thirty-two bytes and more';
const OTHER = 'another secret of as many bytes, or more';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** What somebody else who can write to Redis does. */
class Intruder {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  queue(key: string): Queue {
    const queue = new Queue(key, { connection: { host: '127.0.0.1', port: redis.port }, prefix: this.#prefix });
    onTestFinished(() => queue.close());
    return queue;
  }
}

interface Scene {
  readonly queue: BullMQCollectorQueue;
  readonly intruder: Intruder;
  readonly options: BullMQQueueOptions;
  readonly calls: unknown[];
}

async function scene(extra: Partial<BullMQQueueOptions> = { secret: SECRET }): Promise<Scene> {
  const prefix = ownPrefix();
  const calls: unknown[] = [];
  const note = ({ value }: Payload): unknown => {
    calls.push(value);
    return value;
  };
  const options = { connection: redis.url, prefix, ...extra };
  const queue = await started([new Collector('a', note), new Collector('b', note)], options);
  return { queue, intruder: new Intruder(prefix), options, calls };
}

/** The reasons of what is in quarantine, the latest last. */
async function reasons(queue: BullMQCollectorQueue): Promise<string[]> {
  return (await queue.quarantined()).map(({ reason }) => reason).reverse();
}

/** The job that ended last; its result is told a moment before it is seen there. */
async function ended(queue: Queue, how: 'completed' | 'failed'): Promise<Job | undefined> {
  await until(async () => (await queue.getJobs([how])).length > 0);
  return (await queue.getJobs([how]))[0];
}

/** The data of a job that was done, and of one that waits. */
async function recorded({ queue, intruder, calls }: Scene): Promise<{ data: object; id: string }> {
  await queue.getPublisher().publish('genuine', { keys: 'a' }).wait();
  const job = await ended(intruder.queue('a'), 'completed');
  calls.length = 0;
  return { data: structuredClone(job?.data), id: job?.id as string };
}

describe('with a secret', () => {
  test('jobs and results are signed, work, and a stranger has no part in them', async () => {
    const { queue, options } = await scene();
    expect((await queue.getPublisher().publish(1, { keys: 'a' }).wait()).oks()).toEqual([1]);
    const other = await started([], { ...options, role: 'publisher', secret: OTHER });
    const list = await other.getPublisher().publish(2, { keys: 'a' }).wait();
    expect(list.errs()[0]).toBeInstanceOf(RejectedMessageError);
    expect(await reasons(queue)).toEqual(['unknown key']);
    const { secret: _, ...unsigned } = options;
    const open = await started([], { ...unsigned, role: 'publisher' });
    await open.getPublisher().publish(3, { keys: 'a' }).wait();
    expect(await reasons(queue)).toEqual(['unknown key', 'unsigned']);
  });

  test('two keys are active while they are changed', async () => {
    const { queue, options } = await scene();
    const both = await started([], { ...options, role: 'publisher', secret: [OTHER, SECRET] });
    const list = await both.getPublisher().publish(1, { keys: 'a' }).wait();
    expect(list.errs()[0]).toMatchObject({
      code: 'CQ_REJECTED_MESSAGE',
      message: expect.stringContaining('unknown key'),
    });
    const early = await started([], { ...options, role: 'publisher', secret: [SECRET, OTHER] });
    expect((await early.getPublisher().publish(2, { keys: 'a' }).wait()).oks()).toEqual([2]);
    expect(await reasons(queue)).toEqual(['unknown key']);
  });

  test('what is forged, altered, moved or junk is put in quarantine, with its reason, and never runs', async () => {
    const here = await scene();
    const { queue, intruder, calls } = here;
    const events = told(queue);
    const { data, id } = await recorded(here);
    const forgeries: [string, unknown, string, string][] = [
      ['a', { ...data, body: (data as { body: string }).body.replace('genuine', 'altered') }, id, 'wrong signature'],
      ['a', { ...data, due: Date.now() }, id, 'wrong signature'],
      ['a', data, `${id}x`, 'wrong signature'],
      ['b', data, id, 'wrong signature'],
      ['a', { ...data, mac: undefined }, `${id}y`, 'malformed'],
      ['a', { ...data, kid: undefined, mac: undefined }, `${id}z`, 'unsigned'],
      ['a', { ...data, v: 2 }, `${id}v`, 'version'],
      ['a', { hello: 'world' }, `${id}h`, 'malformed'],
      ['a', null, `${id}n`, 'malformed'],
    ];
    const [a, b] = [intruder.queue('a'), intruder.queue('b')];
    await a.remove(id);
    const put: string[] = [];
    for (const [key, forged, jobId, reason] of forgeries) {
      await (key === 'a' ? a : b).add(key, forged, { jobId });
      put.push(reason);
      await until(async () => (await reasons(queue)).length === put.length);
    }
    expect(await reasons(queue)).toEqual(put);
    await passed(100);
    expect(calls).toEqual([]);
    const internal = events.filter(({ status }) => status === 'error-internal');
    expect(internal.length).toBeGreaterThanOrEqual(forgeries.length);
    // They have left their queues.
    for (const counts of (await queue.counts()).values())
      expect(counts).toMatchObject({ waiting: 0, active: 0, failed: 0 });
  });

  test('what was done is not done again, whatever the intruder keeps or removes of it', async () => {
    const here = await scene();
    const { queue, intruder, calls } = here;
    const { data, id } = await recorded(here);
    const a = intruder.queue('a');
    // The job is kept, and a second one of its id is no second one.
    await a.add('a', data, { jobId: id });
    await a.remove(id);
    for (let round = 1; round <= 3; round++) {
      await a.add('a', data, { jobId: id });
      await until(async () => (await reasons(queue)).length === round);
      // It is put in quarantine first, then taken out; until then another one of its id is ignored.
      await until(async () => (await a.getJob(id)) === undefined);
    }
    expect(await reasons(queue)).toEqual(['replayed', 'replayed', 'replayed']);
    expect(calls).toEqual([]);
  });

  test('what has failed for good is not done again either', async () => {
    const prefix = ownPrefix();
    let calls = 0;
    const fail = new Collector('a', () => {
      calls++;
      throw new Error('no');
    });
    const queue = await started([fail], { connection: redis.url, prefix, secret: SECRET });
    await queue.getPublisher().publish(1).wait();
    const a = new Intruder(prefix).queue('a');
    const job = await ended(a, 'failed');
    await job?.retry('failed');
    await until(async () => (await reasons(queue)).length === 1);
    expect(calls).toBe(1);
  });

  test('a message that is too old, counted from the time it was due, is not believed; a retry is no replay', async () => {
    const { queue, calls } = await scene({ secret: SECRET, maxAge: 500 });
    const publisher = queue.getPublisher();
    expect((await publisher.publish('delayed', { keys: 'a' }, { delay: 700 }).wait()).oks()).toEqual(['delayed']);
    await queue.pause();
    const old = publisher.publish('old', { keys: 'a' }).wait();
    await passed(700);
    await queue.resume();
    expect((await old).errs()[0]).toMatchObject({
      code: 'CQ_REJECTED_MESSAGE',
      message: expect.stringContaining('too old'),
    });
    expect(calls).toEqual(['delayed']);

    let attempts = 0;
    const flaky = new Collector(
      'flaky',
      () => {
        attempts++;
        if (attempts < 3) throw new Error('not yet');
        return 'done';
      },
      { retry: { attempts: 3, base: 1 } },
    );
    const other = await started([flaky], { connection: redis.url, secret: SECRET });
    expect((await other.getPublisher().publish(1).wait()).oks()).toEqual(['done']);
  });

  const FORGED = JSON.stringify({ v: 1, due: Date.now(), body: '{"ok":true}\n"forged"' });

  /** Somebody waits for a job that waits for a worker. */
  async function sceneOfWaiting(): Promise<Scene & { waiting: Promise<ResultList>; a: Queue; jobId: string }> {
    const here = await scene();
    const { queue, intruder } = here;
    await queue.getPublisher().publish('first', { keys: 'a' }).wait();
    await queue.pause();
    const waiting = queue.getPublisher().publish('real', { keys: 'a' }).wait();
    await until(() => queue.getMetrics().accepted === 2);
    const a = intruder.queue('a');
    return { ...here, waiting, a, jobId: (await a.getWaiting())[0]?.id as string };
  }

  test.each([
    ['', 'malformed'],
    ['junk', 'malformed'],
    ['{"v":1}', 'malformed'],
    [FORGED, 'unsigned'],
  ])('news of a result that were forged (%j) do not count: what the job ends with does', async (envelope, reason) => {
    const { queue, options, waiting, jobId } = await sceneOfWaiting();
    const events = told(queue);
    const channel = `${options.prefix}:@results:${jobId.slice(0, 13)}`;
    expect(await redis.command('PUBLISH', channel, `${jobId}\n${envelope}`)).toBe(1);
    const internal = () => events.filter(({ status }) => status === 'error-internal');
    await until(() => internal().length === 1);
    expect(internal()[0]?.error).toMatchObject({ code: 'CQ_REJECTED_MESSAGE', reason });
    await queue.resume();
    expect((await waiting).oks()).toEqual(['real']);
  });

  test('news of nothing that is waited for, or of no job at all, do no harm', async () => {
    const { queue, options, waiting, jobId } = await sceneOfWaiting();
    const channel = `${options.prefix}:@results:${jobId.slice(0, 13)}`;
    for (const news of ['', '\n', 'x', `${jobId}x\n${FORGED}`]) {
      expect(await redis.command('PUBLISH', channel, news)).toBe(1);
    }
    await queue.resume();
    expect((await waiting).oks()).toEqual(['real']);
  });

  test('a result that was forged in its job does not count', async () => {
    const { a, waiting, jobId } = await sceneOfWaiting();
    await redis.command('LREM', a.toKey('paused'), 1, jobId);
    await redis.command('LREM', a.toKey('wait'), 1, jobId);
    await redis.command('HSET', a.toKey(jobId), 'returnvalue', FORGED, 'finishedOn', 1);
    await redis.command('ZADD', a.toKey('completed'), 1, jobId);
    expect((await waiting).errs()[0]).toMatchObject({ code: 'CQ_REJECTED_MESSAGE', reason: 'unsigned' });
  });
});

describe('a queue', () => {
  test('does not take a secret that is missing for none', () => {
    const secret = process.env.NO_SUCH_SECRET as string;
    expect(() => queueFor([new Collector('a', () => 1)], { connection: redis.url, secret })).toThrow(/left out/);
  });

  test('a message says when it was sent, since it is signed anew for a late retry; one that is not, for which collector', async () => {
    const headOf = async (extra: Partial<BullMQQueueOptions>): Promise<object> => {
      const { queue, intruder } = await scene(extra);
      await queue.getPublisher().publish(1, { keys: 'a' }).wait();
      const job = await ended(intruder.queue('a'), 'completed');
      return JSON.parse(job?.data.body.split('\n')[0]);
    };
    expect(await headOf({ secret: SECRET })).toEqual({ sentAt: expect.any(Number) });
    expect(await headOf({})).toEqual({ key: 'a' });
  });

  test('may retry later than its messages are believed', async () => {
    const flaky = new Collector('a', (_payload, _context, { number }) =>
      number === 1 ? new RetryTask({ delay: 900 }) : `attempt ${number}`,
    );
    const queue = await started([flaky], { connection: redis.url, secret: SECRET, maxAge: 600 });
    expect((await queue.getPublisher().publish(1).wait()).oks()).toEqual(['attempt 2']);
    expect(await reasons(queue)).toEqual([]);
  });

  test.each(['data', 'opts', 'atm'])(
    'puts a job whose %s cannot be read in quarantine, and goes on',
    { timeout: 30_000 },
    async (field) => {
      const { queue, options } = await scene({});
      await queue.pause();
      const publisher = queue.getPublisher();
      const waiting = [1, 2, 3].map((value) => publisher.publish(value, { keys: 'a' }).wait());
      await until(() => queue.getMetrics().accepted === 3);
      const prefix = `${options.prefix}:a`;
      const [id] = (await redis.command('LRANGE', `${prefix}:wait`, 0, 0)) as string[];
      await redis.command('HSET', `${prefix}:${id}`, field, 'not json {');
      await queue.resume();
      const lists = await Promise.all(waiting);
      expect(lists.flatMap((list) => list.oks())).toEqual([1, 2]);
      const told = field === 'atm' ? 'CQ_REJECTED_MESSAGE' : 'CQ_JOB_LOST';
      expect(lists[2]?.errs()[0]).toMatchObject({ code: told });
      // Its id may come up once more after it was removed.
      await until(async () => (await queue.quarantined()).some(({ detail }) => detail.includes(field)));
      expect(new Set(await reasons(queue))).toEqual(new Set(['malformed']));
      await queue.onIdle();
    },
  );
});

describe('without a secret', () => {
  test('a signed message is refused too, and what is no message does no harm', async () => {
    const { queue, options, intruder } = await scene({});
    const signing = await started([], { ...options, role: 'publisher', secret: SECRET });
    const list = await signing.getPublisher().publish(1, { keys: 'a' }).wait();
    expect(list.errs()[0]).toBeInstanceOf(RejectedMessageError);
    expect(await reasons(queue)).toEqual(['unexpected signature']);
    await intruder.queue('a').add('a', { v: 1, due: 0, body: '{"event":' });
    await until(async () => (await reasons(queue)).length === 2);
    const message = (await queue.quarantined(1))[0];
    expect(message).toMatchObject({ collectorKey: 'a', reason: 'malformed', data: { body: '{"event":' } });
    expect((await queue.getPublisher().publish(2, { keys: 'a' }).wait()).oks()).toEqual([2]);
  });

  test('a job for another collector is not run by this one', async () => {
    const { queue, intruder, calls } = await scene({});
    await queue.getPublisher().publish('genuine', { keys: 'a' }).wait();
    const job = await ended(intruder.queue('a'), 'completed');
    calls.length = 0;
    await intruder.queue('b').add('b', job?.data);
    await until(async () => (await reasons(queue)).length === 1);
    expect(calls).toEqual([]);
  });
});
