import { type CollectorEvent, ErrorCode, err, ok } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { gate } from '../core/scene.ts';
import { oneCollector } from './scene.ts';

describe('queue.result', () => {
  test('is the list of an event that has settled, and undefined before', async () => {
    const end = gate<string>();
    const { queue, publisher, clock } = await oneCollector(() => end.promise, {}, { results: { keep: 10 } });
    const event = publisher.publish(1);
    const { id } = event;
    await clock.turn();
    expect(queue.result(id)).toBeUndefined();
    end.open('done');
    const list = await event.wait();
    expect(queue.result(id)).toBe(list);
    expect(queue.result(id)?.first()).toEqual(ok('done'));
    await queue.shutDownQueue();
  });

  test('finds an event whose id is read only after it has settled', async () => {
    const { queue, publisher } = await oneCollector((value) => value, {}, { results: { keep: 10 } });
    const event = publisher.publish(1);
    const list = await event.wait();
    expect(queue.result(event.id)).toBe(list);
    await queue.shutDownQueue();
  });

  test.each([
    ['fails', (event: CollectorEvent) => event, () => err('no')],
    ['is cancelled', (event: CollectorEvent) => void event.cancel(), () => new Promise(() => undefined)],
  ])('finds an event that %s', async (_, meddle, processor) => {
    const { queue, publisher, clock } = await oneCollector(processor, {}, { results: { keep: 10 } });
    const event = publisher.publish(1);
    await clock.turn();
    meddle(event);
    expect(queue.result(event.id)?.errs()).toHaveLength(1);
    const closing = queue.shutDownQueue({ timeout: 0 });
    await clock.advance(0);
    await closing;
  });

  test('is undefined for an unknown id, and without the option for every id', async () => {
    for (const results of [undefined, { keep: 10 }]) {
      const { queue, publisher } = await oneCollector((value) => value, {}, { results });
      const event = publisher.publish(1);
      await event.wait();
      expect(queue.result('unknown')).toBeUndefined();
      expect(queue.result(event.id) === undefined).toBe(results === undefined);
      await queue.shutDownQueue();
    }
  });

  test('keeps the newest, as many as are to be kept', async () => {
    const { queue, publisher } = await oneCollector((value) => value, {}, { results: { keep: 2 } });
    const events = [1, 2, 3].map((value) => publisher.publish(value));
    await queue.onIdle();
    expect(events.map(({ id }) => queue.result(id)?.first())).toEqual([undefined, ok(2), ok(3)]);
    await queue.shutDownQueue();
  });

  test('keeps them for their ttl', async () => {
    const { queue, publisher, clock } = await oneCollector((value) => value, {}, { results: { keep: 9, ttl: 100 } });
    const { id } = publisher.publish(1);
    await clock.advance(60);
    const other = publisher.publish(2);
    await clock.advance(39);
    expect(queue.result(id)).toBeDefined();
    clock.setWall(1e12);
    await clock.advance(1);
    expect(queue.result(id)).toBeUndefined();
    expect(queue.result(other.id)?.first()).toEqual(ok(2));
    await queue.shutDownQueue();
  });

  test('answers after a shutdown, too, and before the first start', async () => {
    const { queue, publisher } = await oneCollector((value) => value, {}, { results: { keep: 9 } });
    const { id } = publisher.publish(1);
    await queue.shutDownQueue();
    expect(queue.result(id)?.first()).toEqual(ok(1));
    await queue.initQueue();
    expect(queue.result(id)?.first()).toEqual(ok(1));
    await queue.shutDownQueue();
  });

  test('waits with a retry for the last attempt', async () => {
    const { queue, publisher, clock } = await oneCollector(
      (_, { number }) => (number === 1 ? err({ retryAfter: 100 }) : ok(number)),
      { retry: 2 },
      { results: { keep: 9 } },
    );
    const { id } = publisher.publish(1);
    await clock.turn();
    expect(queue.result(id)).toBeUndefined();
    await clock.advance(100);
    expect(queue.result(id)?.first()).toEqual(ok(2));
    await queue.shutDownQueue();
  });

  test('does not know what was refused: it was never accepted', async () => {
    const { queue, publisher } = await oneCollector((value) => value, {}, { maxSize: 0, results: { keep: 9 } });
    queue.pause();
    const event = publisher.publish(1);
    expect(event.getResult()?.errs()).toEqual([expect.objectContaining({ code: ErrorCode.QUEUE_FULL })]);
    expect(queue.result(event.id)).toBeUndefined();
    await queue.shutDownQueue();
  });
});
