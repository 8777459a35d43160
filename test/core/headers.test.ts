import { Collector, type DeadLetter, Payload, type TaskPolicy } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { oneCollector } from '../policies/scene.ts';
import { started } from './scene.ts';

const headers = { traceparent: '00-1-2-01', tenant: 'a' };

/** Collectors whose results are the headers that they see. */
const seeing = (key: string): Collector => new Collector(key, (_payload, _context, attempt) => attempt.headers);

describe('the headers of a send', () => {
  test('are seen by the processor of every collector, whichever way it was sent', async () => {
    const { queue, publisher } = await started([seeing('a'), seeing('b')]);
    const payload = new Payload(1);
    const events = [
      publisher.send(payload, { headers }),
      ...publisher.sendMany([payload, payload], { headers }),
      publisher.publish(1, { keys: ['a', 'b'] }, { headers }),
      await publisher.sendWhenReady(payload, { headers }),
    ];
    for (const event of events) expect((await event.wait()).oks()).toEqual([headers, headers]);
    expect((await publisher.send(payload).wait()).oks()).toEqual([undefined, undefined]);
    expect((await publisher.send(payload, { headers: {} }).wait()).oks()).toEqual([{}, {}]);
    await queue.shutDownQueue();
  });

  test('are a frozen copy', async () => {
    const own: Record<string, string> = { ...headers };
    const { queue, publisher } = await started([seeing('a')]);
    const event = publisher.send(new Payload(1), { headers: own });
    own.tenant = 'b';
    const [seen] = (await event.wait()).oks();
    expect(seen).toEqual(headers);
    expect(Object.isFrozen(seen)).toBe(true);
    await queue.shutDownQueue();
  });

  test('are the same for each attempt, and for its policies, whatever else the send says', async () => {
    const seen: unknown[] = [];
    const policy: TaskPolicy = {
      before: (task) => {
        seen.push(task.headers);
        return 'run';
      },
      after: (task) => {
        seen.push(task.headers);
        return 'settle';
      },
    };
    const scene = await oneCollector(
      (_value, attempt) => {
        seen.push(attempt.headers);
        throw new Error('no');
      },
      { policies: [policy] },
    );
    const event = scene.publisher.send(new Payload(1), { headers, retry: { attempts: 2, base: 0 }, timeout: 50 });
    await scene.clock.advance(1);
    await event.wait();
    expect(seen).toEqual(Array.from({ length: 6 }, () => headers));
    await scene.queue.shutDownQueue();
  });

  test('are kept while the payload waits for its time', async () => {
    const { queue, publisher, clock } = await started([seeing('a')]);
    const event = publisher.send(new Payload(1), { headers, delay: 1_000 });
    await clock.advance(1_000);
    expect((await event.wait()).oks()).toEqual([headers]);
    await queue.shutDownQueue();
  });

  test('can be those of each periodic publication', async () => {
    const seen: unknown[] = [];
    const scene = await oneCollector((_value, attempt) => seen.push(attempt.headers));
    scene.queue.every(1_000, () => new Payload(1), { headers });
    await scene.clock.advance(1_000);
    await scene.clock.advance(1_000);
    expect(seen).toEqual([headers, headers]);
    await scene.queue.shutDownQueue();
  });

  test('go along with a dead letter, and come back with it', async () => {
    const letters: DeadLetter[] = [];
    const seen: unknown[] = [];
    let fails = true;
    const work = new Collector(
      'work',
      ({ topics }, _context, attempt) => {
        seen.push({ topics, headers: attempt.headers });
        if (fails) throw new Error('no');
      },
      { deadLetter: 'dead', topics: '#' },
    );
    const dead = new Collector('dead', ({ value }, _context, attempt) => {
      letters.push(value);
      return seen.push({ dead: attempt.headers });
    });
    const { queue, publisher } = await started([work, dead]);
    await publisher.publish(1, { topics: ['t', 'u'] }, { headers }).wait();
    await publisher.publish(2, { keys: 'work' }).wait();
    await queue.onIdle();
    expect(letters).toEqual([
      expect.objectContaining({ value: 1, headers, topics: ['t', 'u'] }),
      expect.not.objectContaining({ headers: expect.anything(), topics: expect.anything() }),
    ]);
    fails = false;
    for (const event of queue.redrive(letters)) expect((await event.wait()).isOk()).toBe(true);
    const [first, plain] = [
      { topics: ['t', 'u'], headers },
      { topics: [], headers: undefined },
    ];
    expect(seen).toEqual([first, { dead: headers }, plain, { dead: undefined }, first, plain]);
    await queue.shutDownQueue();
  });
});
