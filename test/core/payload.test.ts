import { Delivery, Payload } from 'collector-queue';
import { describe, expect, test } from 'vitest';

describe('a payload', () => {
  test('without options is broadcast, and has neither keys nor topics nor a priority', () => {
    const payload = new Payload('value');
    expect(payload).toMatchObject({ value: 'value', delivery: Delivery.BROADCAST, priority: undefined });
    expect(payload.keys).toEqual([]);
    expect(payload.topics).toEqual([]);
  });

  test('carries its value by reference, whatever it is', () => {
    const frozen = Object.freeze({ deep: { down: 1 } });
    expect(new Payload(frozen).value).toBe(frozen);
    expect(new Payload(undefined).value).toBeUndefined();
    const inner = new Payload(1);
    expect(new Payload(inner).value).toBe(inner);
  });

  test('is delivered by key when it has keys alone, by topic when it has topics alone', () => {
    expect(new Payload(1, { keys: 'a' }).delivery).toBe(Delivery.KEY);
    expect(new Payload(1, { keys: ['a', 'b'] }).delivery).toBe(Delivery.KEY);
    expect(new Payload(1, { topics: 't' }).delivery).toBe(Delivery.TOPIC);
    expect(new Payload(1, { topics: ['t', 'u'] }).delivery).toBe(Delivery.TOPIC);
  });

  test('is delivered as it says when it says so, whatever else it has', () => {
    const both = { keys: 'a', topics: 't' };
    for (const delivery of Object.values(Delivery)) {
      const payload = new Payload(1, { ...both, delivery });
      expect(payload).toMatchObject({ delivery, keys: ['a'], topics: ['t'] });
    }
    expect(new Payload(1, { delivery: Delivery.BROADCAST, keys: 'a' }).delivery).toBe(Delivery.BROADCAST);
  });

  test('takes undefined for every option that is not given', () => {
    const payload = new Payload(1, { delivery: undefined, keys: undefined, topics: undefined, priority: undefined });
    expect(payload).toMatchObject({ delivery: Delivery.BROADCAST, keys: [], topics: [], priority: undefined });
  });

  test('takes any non-empty string for a key or a topic', () => {
    for (const name of ['__proto__', 'constructor', 'toString', ' ', '+', '#', 'a/#', '\u0000', 'ключ']) {
      expect(new Payload(1, { keys: name }).keys).toEqual([name]);
      expect(new Payload(1, { topics: [name] }).topics).toEqual([name]);
    }
  });

  test('takes any finite number for a priority', () => {
    for (const priority of [0, -0, -7, 1.5, Number.MAX_VALUE, Number.MIN_VALUE]) {
      expect(new Payload(1, { priority }).priority).toBe(priority);
    }
  });

  test('does not notice when the arrays it was made with change', () => {
    const names = ['a', 'b'];
    const payload = new Payload(1, { keys: names });
    names.push('c');
    names[0] = 'z';
    expect(payload.keys).toEqual(['a', 'b']);
  });
});
