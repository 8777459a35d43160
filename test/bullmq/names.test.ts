import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JobIds } from '../../src/bullmq/names.ts';

const name = fc.string({ minLength: 1, maxLength: 40 });

describe('the id of a job', () => {
  test('is the same for the same event and collector, another for another, and tells its event', () => {
    fc.assert(
      fc.property(name, name, name, name, (key, event, otherKey, otherEvent) => {
        const id = new JobIds(key).of(event);
        expect(new JobIds(key).of(event)).toBe(id);
        expect(new JobIds(key).eventOf(id)).toBe(event);
        expect(new JobIds(otherKey).of(otherEvent) === id).toBe(key === otherKey && event === otherEvent);
      }),
    );
  });

  test('is that of an event if it was made by somebody else', () => {
    const ids = new JobIds('orders');
    const ending = ids.of('');
    for (const id of ['17', new JobIds('other').of('e'), ending]) expect(ids.eventOf(id)).toBe(id);
  });
});
