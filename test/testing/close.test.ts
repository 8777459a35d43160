import { setTimeout as sleep } from 'node:timers/promises';
import { Collector, LifecycleError } from 'collector-queue';
import { createTestKit, type TestKit, UnsettledError } from 'collector-queue/testing';
import { describe, expect, test } from 'vitest';
import { rejectionOf } from '../core/scene.ts';

describe('closing a kit', () => {
  test('shuts the queue down, and gives lifecycles real time for it', async () => {
    const log: string[] = [];
    const kit = await createTestKit([
      new Collector('a', () => 1, {
        lifecycle: {
          setup: async () => {
            await sleep(10);
            log.push('up');
          },
          shutdown: async () => {
            await sleep(10);
            log.push('down');
          },
        },
      }),
    ]);
    kit.publisher.publish(1);
    await kit.close();
    expect(log).toEqual(['up', 'down']);
    expect(kit.publisher.publish(1).getResult()?.errs()).toMatchObject([{ code: 'CQ_QUEUE_CLOSED' }]);
    expect(kit.events('drained')).toHaveLength(1);
    expect(kit.clock.pendingTimers).toBe(0);
    await kit.settled();
    await kit.runAll();
  });

  test('lets promises settle first, but waits for no real work', async () => {
    const kit = await createTestKit([new Collector('a', async ({ value }) => value)]);
    const event = kit.publisher.publish(1);
    await kit.close();
    kit.expectSettledOk(event);
  });

  test.each([
    ['is scheduled', new Collector('a', () => 1), { delay: 5 }, 'scheduled, due in 5 ms'],
    ['runs', new Collector('a', () => new Promise(() => undefined)), {}, 'running, in "a"'],
    ['runs in real time', new Collector('a', () => sleep(1_000)), {}, 'running, in "a"'],
    ['is parked', new Collector('a', () => 1, { delay: 5 }), {}, 'parked, of "a"'],
  ])('fails if something %s, and settles it', async (_, collector, options, standing) => {
    const kit = await createTestKit([collector]);
    const event = kit.publisher.publish({ id: 7 }, {}, options);
    const error = await rejectionOf(kit.close());
    expect(error).toBeInstanceOf(UnsettledError);
    expect((error as Error).message).toContain(`1 event has not settled\n  - { id: 7 }: ${standing}`);
    kit.expectSettledErr(event, 'CQ_QUEUE_ABORTED');
    expect(kit.events('shutdown')).toHaveLength(1);
    expect(kit.clock.pendingTimers).toBe(0);
  });

  test('minds nothing that is unsettled if it is told to', async () => {
    const kit = await createTestKit([new Collector('a', () => new Promise(() => undefined))]);
    const event = kit.publisher.publish(1);
    await kit.close({ unsettled: 'ignore' });
    kit.expectSettledErr(event, 'CQ_QUEUE_ABORTED');
  });

  test('by disposing does not hide what was complained about before', async () => {
    const collector = new Collector('a', () => 1);
    const body = async (complain: (kit: TestKit) => unknown): Promise<void> => {
      await using kit = await createTestKit([collector]);
      kit.publisher.publish(1, {}, { delay: 5 });
      await complain(kit);
    };
    expect(await rejectionOf(body(() => undefined))).toBeInstanceOf(UnsettledError);
    expect(await rejectionOf(body((kit) => kit.expectSent('a')))).toMatchObject({ operator: 'expectSent' });
    expect(await rejectionOf(body((kit) => kit.settled()))).toBeInstanceOf(UnsettledError);
    await body((kit) => kit.settled().catch(() => undefined));
  });

  test('happens once: a second call shares the outcome, and so does disposing', async () => {
    const kit = await createTestKit([new Collector('a', () => 1, { delay: 5 })]);
    kit.publisher.publish(1);
    const errors = await Promise.all(
      [kit.close(), kit.close({ unsettled: 'ignore' }), kit[Symbol.asyncDispose]()].map(rejectionOf),
    );
    expect(new Set(errors).size).toBe(1);
    expect(errors[0]).toBeInstanceOf(UnsettledError);
    expect(kit.events('shutdown')).toHaveLength(1);
  });

  test('fails with what a lifecycle failed with, and tells of both if something is unsettled too', async () => {
    const broken = () =>
      new Collector('a', () => 1, {
        lifecycle: {
          shutdown: () => {
            throw new Error('stuck');
          },
        },
      });
    const one = await createTestKit([broken()]);
    expect(await rejectionOf(one.close())).toBeInstanceOf(LifecycleError);
    const two = await createTestKit([broken()]);
    two.publisher.publish(1, {}, { delay: 5 });
    const error = (await rejectionOf(two.close())) as Error;
    expect(error).toBeInstanceOf(UnsettledError);
    expect(error.cause).toBeInstanceOf(LifecycleError);
  });

  test('ends although a lifecycle does not', async () => {
    const kit = await createTestKit([
      new Collector('a', () => 1, { lifecycle: { shutdown: () => new Promise(() => undefined) } }),
    ]);
    const error = (await rejectionOf(kit.close({ timeout: 10 }))) as LifecycleError;
    expect(error).toBeInstanceOf(LifecycleError);
    expect(String(error.errors[0])).toContain('did not shut down within 10000 ms');
  });

  test('is fine after the queue was shut down by the code under test', async () => {
    const kit = await createTestKit([new Collector('a', () => 1)]);
    await kit.queue.shutDownQueue();
    await kit.close();
    expect(kit.events('shutdown')).toHaveLength(1);
  });

  test('minds no work that a shutdown by the code under test has left behind', async () => {
    const kit = await createTestKit([new Collector('a', () => new Promise(() => undefined))]);
    kit.publisher.publish(1);
    const closing = kit.queue.shutDownQueue({ drain: false, timeout: 10 });
    await kit.advance(10);
    await closing;
    await kit.settled({ timeout: 0 });
    await kit.close();
  });

  test('is not needed where a collector could not be set up', async () => {
    const broken = new Collector('a', () => 1, {
      lifecycle: {
        setup: () => {
          throw new Error('no database');
        },
      },
    });
    expect(await rejectionOf(createTestKit([broken]))).toBeInstanceOf(LifecycleError);
    await using kit = await createTestKit([broken], { lifecycles: 'none' });
    kit.expectSettledOk(kit.publisher.publish(1));
  });
});
