import {
  Collector,
  type CollectorOptions,
  CollectorQueue,
  ErrorCode,
  err,
  ok,
  RetryTask,
  RevokedError,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { started } from '../core/scene.ts';
import { hanging, oneCollector, recorded } from './scene.ts';

describe('the tasks of a revoked collector', () => {
  test('settle as Err(RevokedError) instead of being attempted; others of the payload go on', async () => {
    const called: string[] = [];
    const collectors = ['a', 'b'].map((key) => new Collector(key, () => called.push(key)));
    const { queue, publisher } = await started(collectors);
    queue.revoke('a');
    const results = await publisher.publish(1).wait();
    const error = results.get('a')?._unsafeUnwrapErr();
    expect(error).toBeInstanceOf(RevokedError);
    expect(error).toMatchObject({ code: ErrorCode.REVOKED, retryable: false, message: 'collector "a" is revoked' });
    expect(results.get('b')?.isOk()).toBe(true);
    expect(called).toEqual(['b']);
    await queue.shutDownQueue();
  });

  test('are attempted again once it is restored', async () => {
    const { queue, publisher } = await oneCollector((value) => value);
    queue.revoke('a');
    expect((await publisher.publish(1).wait()).errs()).toEqual([expect.any(RevokedError)]);
    expect(queue.restore('a')).toBe(true);
    expect((await publisher.publish(2).wait()).first()).toEqual(ok(2));
    expect(queue.restore('a')).toBe(false);
    await queue.shutDownQueue();
  });

  test.each([[100], [new Date(100)]])('are attempted again from the time on that was given: %s', async (until) => {
    const { queue, publisher, clock } = await oneCollector((value) => value);
    queue.revoke('a', { until });
    await clock.advance(99);
    expect((await publisher.publish(1).wait()).isOk()).toBe(false);
    await clock.advance(1);
    expect((await publisher.publish(2).wait()).isOk()).toBe(true);
    expect(queue.restore('a')).toBe(false);
    await queue.shutDownQueue();
  });

  test('go by the last revocation', async () => {
    const { queue, publisher, clock } = await oneCollector((value) => value);
    queue.revoke('a');
    queue.revoke('a', { until: 100 });
    await clock.advance(100);
    expect((await publisher.publish(1).wait()).isOk()).toBe(true);
    queue.revoke('a', { until: 0 });
    expect((await publisher.publish(2).wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });

  test('that wait or are scheduled are not attempted either', async () => {
    const { queue, publisher, clock, called } = await oneCollector((value) => value);
    queue.pause();
    const events = [
      publisher.publish(1),
      publisher.publish(2, {}, { delay: 100 }),
      publisher.publish(3, {}, { retry: 3 }),
    ];
    queue.revoke('a');
    queue.resume();
    await clock.advance(100);
    expect(events.map((event) => event.getResult()?.errs())).toEqual(events.map(() => [expect.any(RevokedError)]));
    expect(called).toEqual([]);
    await queue.shutDownQueue();
  });

  test.each<[string, CollectorOptions, () => unknown]>([
    ['for a retry', { retry: 5 }, () => err({ retryAfter: 100 })],
    ['for its time', { delay: 100 }, () => 1],
    ['because its processor asked for another attempt', {}, () => new RetryTask({ delay: 100 })],
  ])('that are parked %s are not attempted again', async (_, options, processor) => {
    const { queue, publisher, clock, called } = await oneCollector(processor, options);
    const event = publisher.publish(1);
    await clock.turn();
    expect(event.status).toBe('parked');
    const before = called.length;
    queue.revoke('a');
    await clock.advance(100);
    expect(event.getResult()?.errs()).toEqual([expect.any(RevokedError)]);
    expect(called).toHaveLength(before);
    await queue.shutDownQueue();
  });

  test('that run go on to their end, but to no further attempt', async () => {
    const work = hanging();
    const { queue, publisher, clock } = await oneCollector(
      work.process,
      { retry: { attempts: 3, base: 0 } },
      { maxConsumers: 2 },
    );
    const [fine, failing] = [publisher.publish(1), publisher.publish(2)];
    await clock.turn();
    queue.revoke('a');
    expect(work.attempts[0]?.signal.aborted).toBe(false);
    work.end('done');
    work.end(err('no'));
    await clock.advance(0);
    expect(fine.getResult()?.first()).toEqual(ok('done'));
    expect(failing.getResult()?.errs()).toEqual([expect.any(RevokedError)]);
    expect(work.attempts).toHaveLength(2);
    await queue.shutDownQueue();
  });

  test('are told: revoked with its collector, then error-task', async () => {
    const scene = await oneCollector((value) => value);
    scene.queue.revoke('a');
    const told = recorded(scene, ['started', 'revoked', 'error-task']);
    const { id } = scene.publisher.publish(1);
    await scene.clock.turn();
    const error = expect.any(RevokedError);
    expect(told).toEqual([
      { status: 'revoked', timestamp: 0, id, task: 'a', error },
      expect.objectContaining({ status: 'error-task', id, task: 'a', error }),
    ]);
    await scene.queue.shutDownQueue();
  });
});

describe('a revocation', () => {
  test('before initQueue holds from the first payload on, and outlasts a shutdown', async () => {
    const queue = new CollectorQueue([new Collector('a', () => 1)], { clock: new ManualClock() });
    queue.revoke('a');
    const publisher = queue.getPublisher();
    for (let run = 0; run < 2; run++) {
      await queue.initQueue();
      expect((await publisher.publish(1).wait()).errs()).toEqual([expect.any(RevokedError)]);
      await queue.shutDownQueue();
    }
    expect(queue.restore('a')).toBe(true);
    await queue.initQueue();
    expect((await publisher.publish(1).wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });

  test('while the queue starts holds for collectors that are set up already', async () => {
    const lifecycle = { setup: (): void => queue.revoke('a') };
    const queue: CollectorQueue = new CollectorQueue([
      new Collector('a', () => 1),
      new Collector('b', () => 2, { lifecycle }),
    ]);
    await queue.initQueue();
    const results = await queue.getPublisher().publish(1).wait();
    expect(results.get('a')?.isOk()).toBe(false);
    await queue.shutDownQueue();
  });

  test('of an unknown key is kept for a collector that is added later', async () => {
    const { queue, publisher } = await oneCollector((value) => value);
    expect(queue.restore('later')).toBe(false);
    queue.revoke('later');
    await queue.addCollector(new Collector('later', () => 1));
    const results = await publisher.publish(1).wait();
    expect(results.get('a')?.isOk()).toBe(true);
    expect(results.get('later')?._unsafeUnwrapErr()).toBeInstanceOf(RevokedError);
    await queue.shutDownQueue();
  });

  test('goes by the time of day, as its until does', async () => {
    const { queue, publisher, clock } = await oneCollector((value) => value);
    queue.revoke('a', { until: 1_000 });
    clock.setWall(1_000);
    expect((await publisher.publish(1).wait()).isOk()).toBe(true);
    await queue.shutDownQueue();
  });
});
