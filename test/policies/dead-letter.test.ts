import {
  CancelTask,
  Collector,
  CollectorQueue,
  type DeadLetter,
  ErrorCode,
  err,
  InvalidArgumentError,
  NotInitializedError,
  ok,
  ParkedFullError,
  ProcessorError,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { gate, giveUp, isSettled, rejectionOf, type Scene, started, thrownBy } from '../core/scene.ts';
import { hanging, oneCollector, recorded } from './scene.ts';

/** A queue whose collector "a" does what it is told, and whose collector "dead" keeps what it gets. */
async function withDeadCollector(
  processor: Collector['processor'],
  options: object = {},
): Promise<Scene & { readonly letters: DeadLetter[] }> {
  const letters: DeadLetter[] = [];
  const collectors = [
    new Collector('a', processor, { deadLetter: 'dead', ...options }),
    new Collector('dead', ({ value }) => void letters.push(value)),
  ];
  return { ...(await started(collectors)), letters };
}

describe('a task that failed for good', () => {
  test('goes to the named collector, as a value, with all that is known of it', async () => {
    const value = { some: 'value' };
    const { queue, publisher, clock, letters } = await withDeadCollector(() => err('no'), {
      retry: { attempts: 3, base: 0 },
    });
    clock.setWall(5_000);
    const event = publisher.publish(value, { keys: 'a' });
    await clock.advance(0);
    expect(event.getResult()?.first()).toEqual(err('no'));
    expect(letters).toEqual([
      { value, collectorKey: 'a', eventId: event.id, error: 'no', attempts: 3, timestamp: 5_000 },
    ]);
    expect(letters[0]?.value).toBe(value);
    expect(letters[0]).toSatisfy(Object.isFrozen);
    await queue.shutDownQueue();
  });

  test('goes to the function, once, after its event has settled', async () => {
    const letters: DeadLetter[] = [];
    const statuses: string[] = [];
    const { queue, publisher } = await oneCollector(() => Promise.reject('no'), {
      deadLetter: (letter) => {
        letters.push(letter);
        statuses.push(event.status);
      },
    });
    const event = publisher.publish(1);
    await event.wait();
    await queue.onIdle();
    expect(letters).toEqual([expect.objectContaining({ value: 1, attempts: 1, error: new ProcessorError('a', 'no') })]);
    expect(statuses).toEqual(['settled']);
    await queue.shutDownQueue();
  });

  test('permanently goes there at once', async () => {
    const { queue, publisher, letters } = await withDeadCollector(() => err({ retryable: false }), { retry: 5 });
    await publisher.publish(1, { keys: 'a' }).wait();
    await queue.onIdle();
    expect(letters).toEqual([expect.objectContaining({ attempts: 1 })]);
    await queue.shutDownQueue();
  });

  test('by its timeout goes there, too', async () => {
    const work = hanging();
    const { queue, publisher, clock, letters } = await withDeadCollector(
      ({ value }, _, attempt) => work.process(value, attempt),
      { timeout: 100 },
    );
    void publisher.publish(1, { keys: 'a' });
    await clock.advance(100);
    expect(letters).toEqual([expect.objectContaining({ error: expect.objectContaining({ collectorKey: 'a' }) })]);
    work.end();
    await queue.shutDownQueue();
  });

  test('for want of room to be parked goes there, too', async () => {
    const letters: DeadLetter[] = [];
    const { queue, publisher, clock } = await oneCollector(
      () => err('no'),
      { retry: 5, deadLetter: (letter) => letters.push(letter) },
      { maxParked: 0 },
    );
    void publisher.publish(1);
    await clock.turn();
    expect(letters).toEqual([expect.objectContaining({ error: expect.any(ParkedFullError) })]);
    await queue.shutDownQueue();
  });

  test('is told as dead-lettered, after error-task', async () => {
    const scene = await oneCollector(() => err('no'), { deadLetter: () => undefined });
    const told = recorded(scene, ['error-task', 'dead-lettered']);
    const { id } = scene.publisher.publish(1);
    await scene.clock.turn();
    expect(told.map(({ status }) => status)).toEqual(['error-task', 'dead-lettered']);
    expect(told[1]).toMatchObject({ id, task: 'a', attempt: 1, retries: 0, error: 'no' });
    await scene.queue.shutDownQueue();
  });

  test('goes there whatever maxSize', async () => {
    const letters: unknown[] = [];
    const collectors = [
      new Collector('a', () => err('no'), { deadLetter: 'dead', topics: 't' }),
      new Collector('b', () => err('no'), { deadLetter: 'dead', topics: 't' }),
      new Collector('dead', ({ value }) => letters.push(value)),
    ];
    const { queue, publisher } = await started(collectors, { maxConsumers: 1, maxSize: 0 });
    await publisher.publish(1, { topics: 't' }).wait();
    await queue.onIdle();
    expect(letters).toHaveLength(2);
    await queue.shutDownQueue();
  });
});

describe('no dead letter is made of a task', () => {
  test.each([
    ['that succeeds in the end', {}, { retry: { attempts: 3, base: 0 } }],
    ['that its processor cancelled', { give: () => new CancelTask() }, {}],
    ['that has expired', {}, { ttl: 0 }],
  ])('%s', async (_, { give }: { give?: () => unknown }, options) => {
    const { queue, publisher, clock, letters } = await withDeadCollector(
      (_payload, _context, { number }) => give?.() ?? (number < 2 ? err('no') : ok('yes')),
      options,
    );
    const event = publisher.publish(1, { keys: 'a' });
    await clock.advance(0);
    expect(event.status).toBe('settled');
    expect(letters).toEqual([]);
    await queue.shutDownQueue();
  });

  test('whose event was cancelled, while it ran or was parked', async () => {
    const work = hanging();
    const { queue, publisher, clock, letters } = await withDeadCollector(
      ({ value }, _, attempt) => work.process(value, attempt),
      { retry: 2 },
    );
    const [running, parked] = [publisher.publish(1, { keys: 'a' }), publisher.publish(2, { keys: 'a' })];
    await clock.turn();
    work.gates[1]?.open(err('no'));
    await clock.turn();
    expect(parked.status).toBe('parked');
    running.cancel();
    parked.cancel();
    work.gates[0]?.open(err('no'));
    await queue.shutDownQueue();
    expect(letters).toEqual([]);
  });

  test('of a revoked collector', async () => {
    const { queue, publisher, letters } = await withDeadCollector(() => err('no'));
    queue.revoke('a');
    await publisher.publish(1, { keys: 'a' }).wait();
    await queue.shutDownQueue();
    expect(letters).toEqual([]);
  });

  test('that was given up at a shutdown', async () => {
    const { queue, publisher, clock, letters } = await withDeadCollector(() => err('no'), { retry: 5 });
    void publisher.publish(1, { keys: 'a' });
    await clock.turn();
    await giveUp({ queue, clock });
    expect(letters).toEqual([]);
  });
});

describe('a function that takes dead letters', () => {
  test.each([
    [
      'throws',
      () => {
        throw new Error('no room');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no room'))],
  ])('and %s is reported, and harms nobody', async (_, deadLetter) => {
    const scene = await oneCollector((value) => (value === 1 ? err('no') : value), { deadLetter });
    const told = recorded(scene, ['error-internal']);
    const event = scene.publisher.publish(1);
    await scene.clock.turn();
    expect(event.getResult()?.first()).toEqual(err('no'));
    expect(told).toEqual([
      expect.objectContaining({ source: 'dead letter of collector "a"', error: new Error('no room') }),
    ]);
    expect((await scene.publisher.publish(2).wait()).first()).toEqual(ok(2));
    await scene.queue.shutDownQueue();
  });

  test('may be asynchronous: a draining shutdown waits for it', async () => {
    const end = gate();
    const { queue, publisher, clock } = await oneCollector(() => err('no'), { deadLetter: () => end.promise });
    void publisher.publish(1);
    await clock.turn();
    const closing = queue.shutDownQueue();
    expect(await isSettled(closing)).toBe(false);
    end.open();
    await closing;
  });

  test('and hangs does not outlast the time limit of a shutdown', async () => {
    const { queue, publisher, clock } = await oneCollector(() => err('no'), {
      deadLetter: () => new Promise(() => undefined),
    });
    void publisher.publish(1);
    await clock.turn();
    const closing = queue.shutDownQueue({ timeout: 100 });
    await clock.advance(100);
    await closing;
  });
});

test('a dead letter that is made while the queue drains is delivered, and waited for', async () => {
  const end = gate();
  const { queue, publisher, clock, letters } = await withDeadCollector(() => end.promise.then(() => err('no')));
  void publisher.publish(1, { keys: 'a' });
  await clock.turn();
  const closing = queue.shutDownQueue();
  end.open();
  await closing;
  expect(letters).toHaveLength(1);
});

describe('a collector that is to get dead letters', () => {
  const failing = (key: string, deadLetter: string): Collector => new Collector(key, () => err('no'), { deadLetter });

  test.each([
    ['is not in the queue', 'nobody'],
    ['is the one that fails', 'a'],
  ])('is refused when the queue is made, if it %s', (_, deadLetter) => {
    const error = thrownBy(() => new CollectorQueue([failing('a', deadLetter)]));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error).toMatchObject({
      argument: 'Collector "a": deadLetter',
      message: `Collector "a": deadLetter must be the key of another collector of the queue, but it is "${deadLetter}"`,
    });
  });

  test('may come after the one that fails, and must be there when one is added', async () => {
    const { queue } = await started([failing('a', 'dead'), new Collector('dead', () => 1)]);
    expect(await rejectionOf(queue.addCollector(failing('b', 'nobody')))).toBeInstanceOf(InvalidArgumentError);
    expect(queue.collectorKeys).toEqual(['a', 'dead']);
    await queue.addCollector(failing('b', 'dead'));
    await queue.shutDownQueue();
  });

  test('but was removed meanwhile gets none: that is told, and nothing is said to be dead-lettered', async () => {
    const scene = await started([failing('a', 'dead'), new Collector('dead', () => 1)]);
    const told = recorded(scene, ['dead-lettered', 'error-enqueueing', 'unrouted']);
    await scene.queue.removeCollector('dead');
    await scene.publisher.publish(1).wait();
    await scene.queue.onIdle();
    expect(told).toEqual([
      {
        status: 'error-enqueueing',
        timestamp: 0,
        source: 'dead letter of collector "a"',
        error: expect.objectContaining({ code: ErrorCode.UNROUTED }),
      },
    ]);
    await scene.queue.shutDownQueue();
  });

  test('and has that one for its own dead letters in turn ends all the same', async () => {
    const scene = await started([failing('a', 'b'), failing('b', 'a')]);
    const told = recorded(scene, ['error-enqueueing', 'error-task']);
    await scene.publisher.publish(1, { keys: 'a' }).wait();
    await scene.queue.onIdle();
    expect(told.map(({ status }) => status)).toContain('error-enqueueing');
    expect(told.length).toBeLessThan(10);
    await scene.queue.shutDownQueue();
  });
});

test('a dead letter whose collector fails is told as a failed task, and may go further', async () => {
  const last: DeadLetter[] = [];
  const collectors = [
    new Collector('a', () => err('no'), { deadLetter: 'dead' }),
    new Collector('dead', () => err('full'), { deadLetter: (letter) => last.push(letter) }),
  ];
  const scene = await started(collectors);
  const told = recorded(scene, ['error-task']);
  await scene.publisher.publish(1, { keys: 'a' }).wait();
  await scene.queue.onIdle();
  expect(told.map(({ task, error }) => [task, error])).toEqual([
    ['a', 'no'],
    ['dead', 'full'],
  ]);
  expect(last).toEqual([
    expect.objectContaining({ collectorKey: 'dead', value: expect.objectContaining({ value: 1 }) }),
  ]);
  await scene.queue.shutDownQueue();
});

describe('redrive', () => {
  test('sends the payloads of dead letters again, each to the collector that failed, with all attempts', async () => {
    let broken = true;
    const called: string[] = [];
    const letters: DeadLetter[] = [];
    const collector = (key: string): Collector =>
      new Collector(
        key,
        ({ value }, _, { number }) => {
          called.push(`${key} ${value} ${number}`);
          return broken || number < 2 ? err('no') : ok(value);
        },
        { retry: { attempts: 2, base: 0 }, deadLetter: (letter) => letters.push(letter) },
      );
    const { queue, publisher, clock } = await started([collector('a'), collector('b'), collector('c')]);
    void publisher.publish(1, { keys: ['a', 'b'] });
    await clock.advance(0);
    expect(letters).toHaveLength(2);
    broken = false;
    called.length = 0;
    const events = queue.redrive(letters);
    await clock.advance(0);
    expect(events.map((event) => event.getResult()?.first())).toEqual([ok(1), ok(1)]);
    expect(called.sort()).toEqual(['a 1 1', 'a 1 2', 'b 1 1', 'b 1 2']);
    const [one] = queue.redrive(letters[0] as DeadLetter);
    await clock.advance(0);
    expect(one?.getResult()?.keys()).toEqual([letters[0]?.collectorKey]);
    expect(queue.redrive([])).toEqual([]);
    await queue.shutDownQueue();
  });

  test('is a send like others: refused by a queue that is full or closed', async () => {
    const letters: DeadLetter[] = [];
    const { queue, publisher, clock } = await oneCollector(
      () => err('no'),
      { deadLetter: (letter) => letters.push(letter) },
      { maxSize: 0 },
    );
    void publisher.publish(1);
    await clock.turn();
    queue.pause();
    const code = ErrorCode.QUEUE_FULL;
    expect(queue.redrive(letters)[0]?.getResult()?.errs()).toEqual([expect.objectContaining({ code })]);
    await queue.shutDownQueue();
    const closed = ErrorCode.QUEUE_CLOSED;
    expect(queue.redrive(letters)[0]?.getResult()?.errs()).toEqual([expect.objectContaining({ code: closed })]);
  });

  test('before initQueue throws', () => {
    const queue = new CollectorQueue([new Collector('a', () => 1)], { clock: new ManualClock() });
    const letter = { value: 1, collectorKey: 'a', eventId: '1', error: 1, attempts: 1, timestamp: 0 };
    expect(thrownBy(() => queue.redrive(letter))).toBeInstanceOf(NotInitializedError);
  });
});
