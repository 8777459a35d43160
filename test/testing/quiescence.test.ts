import { setTimeout as sleep } from 'node:timers/promises';
import {
  CancelledError,
  Collector,
  type CollectorEvent,
  CollectorQueue,
  ok,
  Payload,
  ResultList,
  Router,
  type TaskPolicy,
} from 'collector-queue';
import { createTestKit, type TestKit, UnsettledError } from 'collector-queue/testing';
import { describe, expect, test } from 'vitest';
import { gate, rejectionOf } from '../core/scene.ts';

const never = (): Promise<never> => new Promise(() => undefined);

/** What `settled` or `runAll` says. */
async function complaint(promise: Promise<unknown>): Promise<string> {
  const error = await rejectionOf(promise);
  expect(error).toBeInstanceOf(UnsettledError);
  return (error as Error).message;
}

async function giveUp(kit: TestKit): Promise<void> {
  await kit.close({ unsettled: 'ignore' });
}

describe('settled', () => {
  test('resolves at once where nothing was sent, and where all has settled', async () => {
    await using kit = await createTestKit([new Collector('a', () => 1)]);
    await kit.settled({ timeout: 0 });
    kit.publisher.publish(1);
    await kit.settled({ timeout: 0 });
  });

  test('needs no real time for promises that settle by themselves, however many follow one another', async () => {
    let steps = 0;
    await using kit = await createTestKit([
      new Collector('a', async ({ value }) => {
        for (let at = 0; at < 100; at++) await undefined;
        steps++;
        if (value > 0) kit.publisher.publish(value - 1);
      }),
    ]);
    kit.publisher.publish(20);
    await kit.settled({ timeout: 0 });
    expect(steps).toBe(21);
  });

  test('waits for processors that do real work, and for what they send', async () => {
    const done: unknown[] = [];
    await using kit = await createTestKit([
      new Collector('a', async ({ value }) => {
        await sleep(15);
        done.push(value);
        if (value > 0) kit.publisher.publish(value - 1);
      }),
    ]);
    kit.publisher.publish(2);
    await kit.settled();
    expect(done).toEqual([2, 1, 0]);
    expect(kit.clock.now()).toBe(0);
  });

  test('waits for the router of a queue that has full control', async () => {
    class Slow extends Router {
      select() {
        return [];
      }
      override async handleEvent() {
        await sleep(15);
        return new ResultList([ok('routed')]);
      }
    }
    await using kit = await createTestKit([new Collector('a', () => 1)], { queue: { router: Slow } });
    const event = kit.publisher.publish(1);
    await kit.settled();
    expect(event.getResult()?.first()).toEqual(ok('routed'));
  });

  test('waits for what is parked until somebody else than the clock brings it back', async () => {
    const held = gate();
    let isOpen = false;
    const policy: TaskPolicy = {
      before(task) {
        if (isOpen) return 'run';
        void held.promise.then(() => task.resume());
        return 'park';
      },
    };
    await using kit = await createTestKit([new Collector('a', () => 'came back', { policies: [policy] })]);
    const event = kit.publisher.publish(1);
    expect(await complaint(kit.settled({ timeout: 20 }))).toBe(
      '1 event has not settled\n' +
        '  - 1: parked, of "a"\n' +
        'Nothing more happened in time: await what they wait for, or give a longer timeout.',
    );
    const settled = kit.settled();
    isOpen = true;
    setTimeout(held.open, 15);
    await settled;
    kit.expectSettledOk(event);
  });

  test('says so if what is left waits for the clock, without moving it', async () => {
    await using kit = await createTestKit([new Collector('a', () => 1), new Collector('b', () => 2, { delay: 500 })]);
    kit.publisher.publish({ number: 7 }, { keys: 'a' }, { delay: 60_000 });
    kit.publisher.publish('text', { keys: 'b' });
    expect(await complaint(kit.settled())).toBe(
      '2 events have not settled\n' +
        '  - { number: 7 }: scheduled, due in 60000 ms\n' +
        `  - 'text': parked, of "b"\n` +
        'It waits for the clock: await kit.runAll(), or kit.advance(milliseconds).',
    );
    expect(kit.clock.now()).toBe(0);
    await kit.advance(60_000);
    await kit.settled();
  });

  test('names the collectors that are not done, of several', async () => {
    await using kit = await createTestKit([new Collector('a', () => 1), new Collector('b', () => 2, { delay: 500 })]);
    kit.publisher.publish('text');
    expect(await complaint(kit.settled())).toContain(`\n  - 'text': parked, of "b"\n`);
    await kit.runAll();
  });

  test('says so if processors do not end, and which', async () => {
    const kit = await createTestKit([
      new Collector('hangs', never, { retry: 2, timeout: 100 }),
      new Collector('fine', () => 1),
    ]);
    kit.publisher.publish(1);
    const what = `1 event has not settled\n  - 1: running, in "hangs" (attempt 1, since 0 ms)\n`;
    expect(await complaint(kit.settled({ timeout: 5 }))).toBe(
      `${what}Nothing more happened in time. If they wait for the clock: kit.advance(milliseconds), or kit.runAll({ patience: 0 }).`,
    );
    await kit.clock.advance(99);
    expect(await complaint(kit.settled({ timeout: 0 }))).toContain('(attempt 1, since 99 ms)');
    await giveUp(kit);
  });

  test('says so if the queue is paused', async () => {
    await using kit = await createTestKit([new Collector('a', () => 1)]);
    kit.queue.pause();
    kit.publisher.publish(1);
    expect(await complaint(kit.settled())).toBe(
      '1 event has not settled\n  - 1: waiting, the queue is paused\nThe queue is paused: kit.queue.resume().',
    );
    expect(await complaint(kit.runAll())).toContain('kit.queue.resume()');
    kit.queue.resume();
    await kit.settled();
  });

  test('says so, too, if what comes back to a paused queue is left', async () => {
    await using kit = await createTestKit([new Collector('a', () => 1, { delay: 100 })]);
    kit.publisher.publish(1);
    kit.queue.pause();
    expect(await complaint(kit.runAll())).toBe(
      '1 event has not settled\n  - 1: parked, of "a"\nThe queue is paused: kit.queue.resume().',
    );
    kit.queue.resume();
    await kit.settled();
  });

  test('names what several sends share once', async () => {
    await using kit = await createTestKit([new Collector('a', () => 1)]);
    const events = [1, 2, 3].map((value) => kit.publisher.publish(value, {}, { dedupeKey: 'key', delay: 100 }));
    events[0]?.cancel();
    expect(await complaint(kit.settled())).toBe(
      '1 event has not settled\n  - 1: scheduled, due in 100 ms\nIt waits for the clock: await kit.runAll(), or kit.advance(milliseconds).',
    );
    expect(() => kit.expectSettledOk(events[1] as CollectorEvent)).toThrow('it is scheduled, due in 100 ms');
    await kit.runAll();
    kit.expectSettledErr(events[0] as CollectorEvent, CancelledError);
    for (const event of events.slice(1)) expect(kit.expectSettledOk(event).oks()).toEqual([1]);
  });

  test('tells of work that goes on though its event has settled', async () => {
    const kit = await createTestKit([new Collector('hangs', never, { timeout: 10 })]);
    const event = kit.publisher.publish(1);
    await kit.advance(10);
    kit.expectSettledErr(event, 'CQ_DELIVERY_TIMEOUT');
    expect(await complaint(kit.settled({ timeout: 0 }))).toContain(
      'every event has settled, but work goes on\n  - work that goes on: "hangs" (attempt 1, since 10 ms)',
    );
    await giveUp(kit);
  });

  test('names the first ten, shortens what is long, and counts what the queue sent itself', async () => {
    await using kit = await createTestKit([new Collector('a', () => 1, { delay: 5 })]);
    kit.publisher.publish('x'.repeat(500));
    for (let at = 0; at < 12; at++) kit.publisher.publish(at);
    const text = await complaint(kit.settled());
    expect(text).toContain('13 events have not settled');
    expect(text).toContain(`\n  - '${'x'.repeat(119)}…: parked`);
    expect(text).toContain('\n  - … and 3 more\n');
    await kit.runAll();
    kit.queue.every(1, () => new Payload(1), { overlap: true });
    await kit.advance(2);
    expect(await complaint(kit.settled())).toBe(
      '2 events have not settled\n' +
        '  - 2 payloads that the queue sent itself (a schedule, a dead letter)\n' +
        'It waits for the clock: await kit.runAll(), or kit.advance(milliseconds).',
    );
    await giveUp(kit);
  });

  test('ends a circle of processors that never lets go of the event loop', async () => {
    const kit = await createTestKit([
      new Collector('ping', () => void kit.publisher.publish(1, { keys: 'pong' })),
      new Collector('pong', () => void kit.publisher.publish(1, { keys: 'ping' })),
    ]);
    kit.publisher.publish(1, { keys: 'ping' });
    expect(await complaint(kit.settled())).toContain('do they send to each other in a circle?');
    expect(await complaint(kit.runAll())).toContain('do they send to each other in a circle?');
    await giveUp(kit);
  });

  test('ends such a circle of asynchronous processors too', async () => {
    const kit = await createTestKit(
      [
        new Collector('again', async () => {
          await undefined;
          kit.publisher.publish(1);
        }),
      ],
      { inline: false },
    );
    kit.publisher.publish(1);
    expect(await complaint(kit.settled())).toContain('"again" last');
    await giveUp(kit);
  });

  test('does not take many sends for a circle', async () => {
    await using kit = await createTestKit([new Collector('a', () => 1)]);
    for (let turn = 0; turn < 3; turn++) {
      for (let at = 0; at < 30_000; at++) kit.publisher.publish(at);
      await kit.settled();
    }
    expect(kit.sent('a')).toHaveLength(90_000);
  });
});

describe('advance', () => {
  test('lets a chain of retries go through in one call', async () => {
    await using kit = await createTestKit([
      new Collector(
        'a',
        async (_, __, { number }) => {
          if (number < 4) throw new Error('not yet');
          return number;
        },
        { retry: { attempts: 4, base: 100, cap: 100 } },
      ),
    ]);
    const event = kit.publisher.publish(1);
    await kit.advance(300);
    expect(kit.expectSettledOk(event).oks()).toEqual([4]);
    expect(kit.clock.now()).toBe(300);
  });

  test('goes by the time it was told, and not further', async () => {
    await using kit = await createTestKit([new Collector('a', () => 1)]);
    const event = kit.publisher.publish(1, {}, { delay: 100 });
    await kit.advance(99);
    expect(event.status).toBe('scheduled');
    await kit.advance(1);
    expect(event.status).toBe('settled');
  });
});

describe('runAll', () => {
  test('moves the clock until all has settled, what is sent on the way too', async () => {
    await using kit = await createTestKit([
      new Collector('a', ({ value }) => {
        if (value > 0) kit.publisher.publish(value - 1, {}, { delay: 1000 });
      }),
    ]);
    kit.publisher.publish(3, {}, { delay: 1000 });
    await kit.runAll();
    expect(kit.sent('a').map(({ value, at }) => [value, at])).toEqual([
      [3, 1000],
      [2, 2000],
      [1, 3000],
      [0, 4000],
    ]);
    expect(kit.clock.now()).toBe(4000);
  });

  test('lets real work end before it moves the clock, so that it meets no time limit', async () => {
    await using kit = await createTestKit([new Collector('a', () => sleep(30), { timeout: 1000 })]);
    const event = kit.publisher.publish(1);
    kit.publisher.publish(2, {}, { delay: 5000 });
    await kit.runAll();
    kit.expectSettledOk(event);
    expect(kit.clock.now()).toBe(5000);
  });

  test('moves it on with little patience, for work that waits for the clock alone', async () => {
    const kit = await createTestKit([
      new Collector('a', (_, __, { signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)), {
        timeout: 1000,
      }),
    ]);
    const event = kit.publisher.publish(1);
    expect(await complaint(kit.runAll({ timeout: 5 }))).toContain('kit.runAll({ patience: 0 })');
    expect(kit.clock.now()).toBe(0);
    await kit.runAll({ patience: 0 });
    kit.expectSettledErr(event, 'CQ_DELIVERY_TIMEOUT');
    await kit.close();
  });

  test('has patience where the clock has nothing to move on to', async () => {
    await using kit = await createTestKit([new Collector('a', () => sleep(20))]);
    kit.publisher.publish(1);
    await kit.runAll({ patience: 0 });
    kit.publisher.publish(1);
    expect(await complaint(kit.runAll({ patience: 0, timeout: 1 }))).toContain('give a longer timeout');
    await kit.settled();
  });

  test('does not wait for what a schedule will publish', async () => {
    await using kit = await createTestKit([new Collector('a', () => 1, { delay: 5 })]);
    const schedule = kit.queue.every(60_000, () => new Payload('tick'));
    kit.publisher.publish('tock');
    await kit.runAll();
    expect(kit.clock.now()).toBe(5);
    expect(schedule.runs).toBe(0);
    await kit.advance(60_000);
    expect(schedule.runs).toBe(1);
    await kit.runAll();
  });

  test('ends with what is left where something is always left', async () => {
    const kit = await createTestKit([
      new Collector('poll', () => void kit.publisher.publish('again', {}, { delay: 1000 })),
    ]);
    kit.publisher.publish('first');
    expect(await complaint(kit.runAll({ steps: 20 }))).toMatch(
      /^1 event has not settled\n {2}- 'again': scheduled, due in \d+ ms\nThe clock was moved 20 times: .*$/,
    );
    expect(await complaint(kit.runAll())).toContain('The clock was moved 10000 times');
    await giveUp(kit);
  });

  test('takes exactly as many steps as it may', async () => {
    const kit = await createTestKit([new Collector('a', () => 1)]);
    kit.publisher.publish(1, {}, { delay: 10 });
    expect(await complaint(kit.runAll({ steps: 0 }))).toContain('moved 0 times');
    await kit.runAll({ steps: 1 });
    await kit.close();
  });
});

test('the clock of one kit may be that of another queue', async () => {
  await using kit = await createTestKit([new Collector('a', () => 1)]);
  const other = new CollectorQueue([new Collector('b', () => 1)], { clock: kit.clock });
  await other.initQueue();
  const event = other.getPublisher().publish(1, {}, { delay: 10 });
  await kit.advance(10);
  expect(event.status).toBe('settled');
  await other.shutDownQueue();
});
