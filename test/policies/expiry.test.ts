import { Collector, type CollectorOptions, ErrorCode, ExpiredError, err, ok, Payload } from 'collector-queue';
import { createTestKit } from 'collector-queue/testing';
import { describe, expect, test } from 'vitest';
import { gate } from '../core/scene.ts';
import { oneCollector } from './scene.ts';

describe.each([
  ['ttl', { ttl: 100 }],
  ['expiresAt, in milliseconds', { expiresAt: 100 }],
  ['expiresAt, as a Date', { expiresAt: new Date(100) }],
])('a payload with %s', (_, options) => {
  describe.each(['collector', 'send'])('of its %s', (owner) => {
    const [given, sent] = owner === 'collector' ? [options, undefined] : [undefined, options];

    test('that waited too long settles as Err(ExpiredError), and its processor never runs', async () => {
      const end = gate();
      const { queue, publisher, clock, called } = await oneCollector(() => end.promise, given);
      void publisher.publish('first');
      const late = publisher.publish('late', {}, sent);
      await clock.advance(100);
      end.open();
      const error = (await late.wait()).first()._unsafeUnwrapErr();
      expect(error).toBeInstanceOf(ExpiredError);
      expect(error).toMatchObject({ code: ErrorCode.EXPIRED, retryable: false });
      expect(called).toEqual(['first']);
      await queue.shutDownQueue();
    });

    test('that is attempted a moment before runs, as long as it takes', async () => {
      const end = gate();
      const { queue, publisher, clock, called } = await oneCollector(() => end.promise, given);
      queue.pause();
      const event = publisher.publish(1, {}, sent);
      await clock.advance(99);
      queue.resume();
      await clock.advance(500);
      expect(called).toEqual([1]);
      end.open();
      expect((await event.wait()).isOk()).toBe(true);
      await queue.shutDownQueue();
    });

    test('is not attempted again once it has expired', async () => {
      const { queue, publisher, clock, called } = await oneCollector(() => err({ retryAfter: 60 }), {
        ...given,
        retry: 9,
      });
      const event = publisher.publish(1, {}, sent);
      await clock.advance(60);
      expect(called).toHaveLength(2);
      await clock.advance(60);
      expect(event.getResult()?.first()._unsafeUnwrapErr()).toBeInstanceOf(ExpiredError);
      expect(called).toHaveLength(2);
      await queue.shutDownQueue();
    });
  });
});

/** A kit with one collector "a", whose processor gives back the value. */
const echo = (options: CollectorOptions) => createTestKit([new Collector('a', ({ value }) => value, options)]);

test('a payload that has expired is told: expired, then error-task; it was never started', async () => {
  const kit = await echo({ ttl: 100 });
  kit.queue.pause();
  const { id } = kit.publisher.publish(1);
  await kit.advance(100);
  kit.queue.resume();
  await kit.settled();
  const error = expect.any(ExpiredError);
  expect(kit.events().filter((event) => 'task' in event)).toEqual([
    expect.objectContaining({ status: 'expired', id, task: 'a', attempt: 1, error }),
    expect.objectContaining({ status: 'error-task', id, task: 'a', error, duration: undefined }),
  ]);
  await kit.close();
});

test('a ttl does not notice that the time of day jumps; expiresAt goes by it', async () => {
  for (const [options, expected] of [
    [{ ttl: 100 }, true],
    [{ expiresAt: 100 }, false],
  ] as const) {
    const kit = await echo(options);
    kit.queue.pause();
    const event = kit.publisher.publish(1);
    await kit.advance(10);
    kit.clock.setWall(1e12);
    kit.queue.resume();
    await kit.settled();
    expect(event.getResult()?.isOk()).toBe(expected);
    await kit.close();
  }
});

test('a ttl of 0 expires at once', async () => {
  const kit = await echo({ ttl: 0 });
  kit.expectSettledErr(kit.publisher.publish(1), ExpiredError);
  kit.expectNothingSent('a');
  await kit.close();
});

test('the expiry of a send wins over that of the collector, whichever way either is given', async () => {
  for (const [given, sent] of [
    [{ ttl: 50 }, { ttl: 200 }],
    [{ expiresAt: 50 }, { ttl: 200 }],
    [{ ttl: 50 }, { expiresAt: 200 }],
  ]) {
    const kit = await echo(given as CollectorOptions);
    kit.queue.pause();
    const [plain, long] = [kit.publisher.publish(1), kit.publisher.publish(2, {}, sent)];
    await kit.advance(100);
    kit.queue.resume();
    await kit.settled();
    kit.expectSettledErr(plain, ExpiredError);
    expect(kit.expectSettledOk(long).first()).toEqual(ok(2));
    await kit.close();
  }
});

test('a ttl counts from the acceptance: not from the wait for room before, but through the delay after', async () => {
  const end = gate();
  const { queue, publisher, clock, called } = await oneCollector(
    (value) => (value === 'first' ? end.promise : value),
    { ttl: 100 },
    { maxSize: 0 },
  );
  void publisher.publish('first');
  const ready = publisher.sendWhenReady(new Payload('second'));
  await clock.advance(500);
  end.open();
  expect((await (await ready).wait()).first()).toEqual(ok('second'));
  const delayed = publisher.publish('delayed', {}, { delay: 100 });
  await clock.advance(100);
  expect(delayed.getResult()?.errs()).toEqual([expect.any(ExpiredError)]);
  expect(called).toEqual(['first', 'second']);
  await queue.shutDownQueue();
});

test('a collector of a broadcast may find it expired while another attempts it', async () => {
  const kit = await createTestKit([new Collector('a', () => 'a', { ttl: 100 }), new Collector('b', () => 'b')]);
  kit.queue.pause();
  const event = kit.publisher.publish(1);
  await kit.advance(100);
  kit.queue.resume();
  await kit.settled();
  const results = event.getResult();
  expect(results?.get('a')?._unsafeUnwrapErr()).toBeInstanceOf(ExpiredError);
  expect(results?.get('b')).toEqual(ok('b'));
  await kit.close();
});
