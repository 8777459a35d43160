import { BatchCollector, Collector, err, ok, okAsync, Payload, RetryTask } from 'collector-queue';
import { createTestKit } from 'collector-queue/testing';
import { describe, expect, test, vi } from 'vitest';

describe('what was sent to a collector', () => {
  test('is recorded once for each attempt, with its result', async () => {
    await using kit = await createTestKit([
      new Collector(
        'a',
        ({ value }: Payload<{ id: number }>, _, { number }) => {
          if (number === 1) throw new Error('first');
          if (number === 2) return err('second' as const);
          return value.id;
        },
        { retry: { attempts: 3, base: 10, cap: 10 } },
      ),
      new Collector('b', () => 1, { topics: 'b' }),
    ]);
    const value = { id: 7 };
    const payload = new Payload(value, { keys: 'a' });
    const event = kit.publisher.send(payload);
    await kit.runAll();
    const records = kit.sent('a');
    expect(records).toMatchObject([
      { collectorKey: 'a', attempt: 1, eventId: event.id, at: 0 },
      { collectorKey: 'a', attempt: 2, eventId: event.id },
      { collectorKey: 'a', attempt: 3, eventId: event.id, result: ok(7) },
    ]);
    for (const record of records) expect(record.value === value && record.payload === payload).toBe(true);
    const [first, second] = records.map(({ result }) => (result?.isErr() ? result.error : undefined));
    expect(first).toMatchObject({ code: 'CQ_PROCESSOR', cause: { message: 'first' } });
    expect(second).toBe('second');
    expect(records[2]?.at).toBe(kit.clock.now());
    expect(kit.sent('b')).toEqual([]);
  });

  test('has no result as long as it goes on', async () => {
    let end = (_: string): void => undefined;
    await using kit = await createTestKit([
      new Collector('a', () => new Promise<string>((resolve) => (end = resolve))),
      new Collector('b', () => okAsync('b')),
      new Collector('c', async (_, __, { number }) => {
        if (number === 1) throw new RetryTask();
      }),
    ]);
    kit.publisher.publish(1);
    const [record] = kit.sent('a');
    expect(record?.result).toBeUndefined();
    end('done');
    await kit.runAll();
    expect(record?.result).toEqual(ok('done'));
    expect(kit.sent('b')[0]?.result).toEqual(ok('b'));
    expect(kit.sent('c').map(({ result }) => result?.isOk())).toEqual([false, true]);
  });

  test('is recorded for each payload of a batch, and for the next attempt of each', async () => {
    const rows = new BatchCollector(
      'rows',
      async (payloads: readonly Payload<number>[], _, { attempts }) =>
        payloads.map(({ value }, at) => (value === 2 && attempts[at]?.number === 1 ? err('no') : ok(value * 10))),
      { batch: { maxCount: 3, maxWait: 50 }, retry: { attempts: 2, base: 10, cap: 10 } },
    );
    await using kit = await createTestKit([rows]);
    const seen: unknown[] = [];
    kit.queue.events.on('finished', ({ id }) =>
      seen.push(kit.sent('rows').findLast(({ eventId }) => eventId === id)?.result),
    );
    const events = [1, 2, 3].map((value) => kit.publisher.publish(value));
    expect(kit.sent('rows').map(({ result }) => result)).toEqual([undefined, undefined, undefined]);
    await kit.runAll();
    expect(kit.sent('rows').map(({ value, attempt, result }) => [value, attempt, result])).toEqual([
      [1, 1, ok(10)],
      [2, 1, err('no')],
      [3, 1, ok(30)],
      [2, 2, ok(20)],
    ]);
    expect(kit.sent('rows').map(({ eventId }) => eventId)).toEqual([0, 1, 2, 1].map((at) => events[at]?.id));
    expect(seen).toEqual([ok(10), ok(30), ok(20)]);
    kit.expectSent('rows', 1);
  });

  test('has its result when its event settles', async () => {
    await using kit = await createTestKit([new Collector('a', async ({ value }) => value)]);
    const seen: unknown[] = [];
    kit.queue.events.on('finished', () => seen.push(kit.sent('a')[0]?.result));
    await kit.publisher.publish(5).wait();
    expect(seen).toEqual([ok(5)]);
  });

  test('asks a lazy thenable for its outcome once', async () => {
    let asked = 0;
    const lazy = {
      // biome-ignore lint/suspicious/noThenProperty: this is what a query builder looks like.
      then(resolve: (value: string) => void): void {
        asked++;
        resolve('rows');
      },
    };
    await using kit = await createTestKit([new Collector('a', () => lazy)]);
    const event = kit.publisher.publish(1);
    await kit.settled();
    expect(kit.expectSettledOk(event).oks()).toEqual(['rows']);
    expect(asked).toBe(1);
  });

  test('is forgotten on demand; what is under way goes on', async () => {
    let end = (): void => undefined;
    await using kit = await createTestKit([new Collector('a', () => new Promise<void>((resolve) => (end = resolve)))]);
    const event = kit.publisher.publish(1);
    kit.clearRecords();
    expect(kit.sent('a')).toEqual([]);
    expect(kit.events()).toEqual([]);
    end();
    await kit.settled();
    kit.expectSettledOk(event);
    expect(kit.events().map(({ status }) => status)).toEqual(['finished', 'idle']);
  });

  test('comes from collectors that were added later too', async () => {
    await using kit = await createTestKit([new Collector('a', () => 1)]);
    await kit.queue.addCollector(new Collector('later', () => 2));
    kit.publisher.publish('x');
    expect(kit.sent('later' as 'a').map(({ value }) => value)).toEqual(['x']);
  });

  test('is a copy of the list', async () => {
    await using kit = await createTestKit([new Collector('a', () => 1)]);
    kit.publisher.publish(1);
    kit.sent('a').length = 0;
    kit.events().length = 0;
    expect(kit.sent('a')).toHaveLength(1);
    expect(kit.events('finished')).toHaveLength(1);
  });
});

describe('the queue events', () => {
  test('are recorded in their order, with their fields', async () => {
    await using kit = await createTestKit([
      new Collector('a', (_, __, { number }) => (number === 1 ? err('no') : 1), {
        retry: { attempts: 2, base: 5, cap: 5 },
      }),
    ]);
    const event = kit.publisher.publish(1);
    await kit.runAll();
    expect(kit.events().map(({ status }) => status)).toEqual([
      'enqueued',
      'started',
      'retrying',
      'scheduled',
      'parked',
      'started',
      'finished',
      'idle',
    ]);
    const retrying = kit.events('retrying');
    expect(retrying).toMatchObject([{ id: event.id, task: 'a', attempt: 1, retries: 1, error: 'no' }]);
    expect(kit.events('timeout')).toEqual([]);
  });

  test('that tell of trouble are still reported where nobody else listens', async () => {
    const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    await using kit = await createTestKit([new Collector('a', () => 1)], { queue: { logger } });
    const failure = new Error('the listener');
    kit.queue.events.on('finished', () => {
      throw failure;
    });
    kit.publisher.publish(1);
    expect(kit.events('error-internal')).toMatchObject([{ source: 'listener of "finished"', error: failure }]);
    expect(logger.error).toHaveBeenCalledTimes(1);
    expect(logger.error).toHaveBeenCalledWith(expect.objectContaining({ err: failure }), expect.any(String));
    kit.queue.events.on('error-internal', () => undefined);
    kit.publisher.publish(1);
    expect(kit.events('error-internal')).toHaveLength(2);
    expect(logger.error).toHaveBeenCalledTimes(1);
  });
});

/** A collector whose lifecycle and processor are seen. */
function withDatabase(log: string[]) {
  return new Collector(
    'store',
    async ({ value }: Payload<string>, { db, name }) => {
      log.push(`${db.insert(value)} for ${name}`);
      return value.length;
    },
    {
      context: { name: 'real' },
      lifecycle: async function* () {
        log.push('opened');
        yield { db: { insert: (row: string) => `inserted ${row}` } };
        log.push('closed');
      },
    },
  );
}

describe('a stub', () => {
  test('given to the kit is called instead of the processor, and the lifecycle is left out', async () => {
    const log: string[] = [];
    const kit = await createTestKit([withDatabase(log)], {
      stubs: { store: ({ value }, context: object) => ok(Object.keys(context).length + value.length) },
    });
    const event = kit.publisher.publish('abc');
    expect(kit.expectSettledOk(event).oks()).toEqual([4]);
    await kit.close();
    expect(log).toEqual([]);
  });

  test('can be given later, and taken back', async () => {
    const log: string[] = [];
    await using kit = await createTestKit([withDatabase(log)]);
    kit.stub('store', () => err('stubbed'));
    kit.expectSettledErr(kit.publisher.publish('abc'));
    kit.stub('store', undefined);
    kit.publisher.publish('def');
    await kit.settled();
    expect(log).toEqual(['opened', 'inserted def for real']);
    expect(kit.sent('store').map(({ result }) => result)).toEqual([err('stubbed'), ok(3)]);
  });

  test('that was given to the kit can be taken back too', async () => {
    await using kit = await createTestKit([new Collector('a', () => 'own')], { stubs: { a: () => 'stub' } });
    expect(kit.expectSettledOk(kit.publisher.publish(1)).oks()).toEqual(['stub']);
    kit.stub('a', undefined);
    expect(kit.expectSettledOk(kit.publisher.publish(1)).oks()).toEqual(['own']);
  });

  test('lets the policies of its collector do their work', async () => {
    await using kit = await createTestKit(
      [new Collector('a', () => 'own', { retry: { attempts: 3, base: 10 }, topics: 't', timeout: 50 })],
      { stubs: { a: (_, __, { number }) => (number < 3 ? err('no') : 'done') } },
    );
    const event = kit.publisher.publish(1, { topics: 't' });
    await kit.runAll();
    expect(kit.expectSettledOk(event).oks()).toEqual(['done']);
    expect(kit.sent('a')).toHaveLength(3);
  });
});

describe('a context given to the kit', () => {
  test('is what the processor gets, instead of its own and what the lifecycle makes', async () => {
    const log: string[] = [];
    const kit = await createTestKit([withDatabase(log)], {
      contexts: { store: { name: 'test', db: { insert: (row: string) => `pretended ${row}` } } },
    });
    kit.publisher.publish('abc');
    await kit.close();
    expect(log).toEqual(['pretended abc for test']);
  });
});

describe('lifecycles', () => {
  test.each([
    ['all', ['opened', 'closed']],
    ['none', []],
    ['unstubbed', []],
  ] as const)('%s, of a stubbed collector', async (lifecycles, expected) => {
    const log: string[] = [];
    const kit = await createTestKit([withDatabase(log)], { lifecycles, stubs: { store: () => 1 } });
    await kit.close();
    expect(log).toEqual(expected);
  });

  test.each([
    ['all', ['opened', 'closed']],
    ['none', []],
    ['unstubbed', ['opened', 'closed']],
  ] as const)('%s, of one that is not', async (lifecycles, expected) => {
    const log: string[] = [];
    const kit = await createTestKit([withDatabase(log)], { lifecycles });
    await kit.close();
    expect(log).toEqual(expected);
  });
});

describe('the collectors that are given', () => {
  test('may be in several kits at a time, each with its own records', async () => {
    const collector = new Collector('a', ({ value }) => value);
    await using one = await createTestKit([collector]);
    await using two = await createTestKit([collector]);
    one.publisher.publish(1);
    two.publisher.publish(2);
    two.stub('a', () => 'stub');
    expect(one.sent('a').map(({ value }) => value)).toEqual([1]);
    expect(two.sent('a').map(({ value }) => value)).toEqual([2]);
    expect(one.expectSettledOk(one.publisher.publish(3)).oks()).toEqual([3]);
  });

  test('keep their class, and what it adds', async () => {
    class Sharded extends Collector {
      readonly shard: number;
      constructor(key: string, shard: number) {
        super(key, () => shard);
        this.shard = shard;
      }
      get label(): string {
        return `shard ${this.shard}`;
      }
    }
    const { Router } = await import('collector-queue');
    class ByShard extends Router {
      select({ value }: Payload) {
        return [...this.collectors.values()].filter((one) => one instanceof Sharded && one.label === `shard ${value}`);
      }
    }
    await using kit = await createTestKit([new Sharded('a', 1), new Sharded('b', 2)], { queue: { router: ByShard } });
    expect(kit.expectSettledOk(kit.publisher.publish(2)).oks()).toEqual([2]);
    expect(kit.sent('a')).toEqual([]);
  });
});
