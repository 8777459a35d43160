import { type AnyCollector, Collector, Delivery, Payload, type PayloadOptions, SimpleRouter } from 'collector-queue';
import { describe, expect, test } from 'vitest';

type Topics = string | readonly string[];

function routerOf(topics: Record<string, Topics>): SimpleRouter {
  const collectors = Object.entries(topics).map(([key, own]) => new Collector(key, () => undefined, { topics: own }));
  return new SimpleRouter(new Map<string, AnyCollector>(collectors.map((one) => [one.key, one])));
}

function select(router: SimpleRouter, options: PayloadOptions): string[] {
  return router.select(new Payload(1, options)).map(({ key }) => key);
}

describe('the simple router', () => {
  const router = routerOf({ a: 'x', b: ['x', 'y'], c: ['y', 'x'], d: [] });

  test('hands a broadcast to everybody, in order of registration', () => {
    expect(select(router, {})).toEqual(['a', 'b', 'c', 'd']);
    expect(select(router, { delivery: Delivery.BROADCAST, keys: 'a', topics: 'y' })).toEqual(['a', 'b', 'c', 'd']);
  });

  test('hands a payload to the collectors with its keys, each once, in order of registration', () => {
    expect(select(router, { keys: 'b' })).toEqual(['b']);
    expect(select(router, { keys: ['d', 'a'] })).toEqual(['a', 'd']);
    expect(select(router, { keys: ['c', 'c', 'a', 'c'] })).toEqual(['a', 'c']);
    expect(select(router, { keys: ['nobody', 'b'] })).toEqual(['b']);
  });

  test('hands a payload to the collectors with its topics, each once, in order of registration', () => {
    expect(select(router, { topics: 'x' })).toEqual(['a', 'b', 'c']);
    expect(select(router, { topics: ['y', 'x'] })).toEqual(['a', 'b', 'c']);
    expect(select(router, { topics: ['y', 'y'] })).toEqual(['b', 'c']);
  });

  test('looks at keys only for delivery by key, at topics only for delivery by topic', () => {
    expect(select(router, { delivery: Delivery.KEY, keys: 'd', topics: 'x' })).toEqual(['d']);
    expect(select(router, { delivery: Delivery.TOPIC, keys: 'd', topics: 'y' })).toEqual(['b', 'c']);
    expect(select(router, { keys: 'x' })).toEqual([]);
    expect(select(router, { topics: 'a' })).toEqual([]);
  });

  test('selects nobody where nothing matches', () => {
    expect(select(router, { keys: 'nobody' })).toEqual([]);
    expect(select(router, { keys: ['nobody', 'neither'] })).toEqual([]);
    expect(select(router, { topics: 'nothing' })).toEqual([]);
    expect(select(new SimpleRouter(), {})).toEqual([]);
  });

  test.each(['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty'])(
    'matches the name %s only where it was given',
    (name) => {
      expect(select(router, { keys: name })).toEqual([]);
      expect(select(router, { topics: name })).toEqual([]);
      expect(select(routerOf({ other: 'a/+' }), { topics: name })).toEqual([]);
      expect(select(routerOf({ other: 'a/+' }), { topics: `a/${name}` })).toEqual(['other']);
      expect(select(routerOf({ other: `${name}/+` }), { topics: `${name}/${name}` })).toEqual(['other']);
    },
  );

  test('follows its collectors when they change', () => {
    const changing = routerOf({ a: ['x', 'p/#'], b: 'x' });
    expect(select(changing, { topics: ['x', 'p/q'] })).toEqual(['a', 'b']);
    const added = new Collector('c', () => undefined, { topics: ['p/+', 'x'] });
    const remaining = changing.collectors.get('b') as AnyCollector;
    changing.refresh(new Map([remaining, added].map((one) => [one.key, one])));
    expect(select(changing, {})).toEqual(['b', 'c']);
    expect(select(changing, { keys: 'a' })).toEqual([]);
    expect(select(changing, { topics: 'x' })).toEqual(['b', 'c']);
    expect(select(changing, { topics: 'p/q' })).toEqual(['c']);
  });

  test('remembers what patterns match without end, and forgets nothing it needs', () => {
    const patterned = routerOf({ a: 'a/+', b: 'b' });
    for (let i = 0; i < 10_000; i++) expect(select(patterned, { topics: `a/${i}` })).toEqual(['a']);
    expect(select(patterned, { topics: 'a/0' })).toEqual(['a']);
    expect(select(patterned, { topics: 'b' })).toEqual(['b']);
    expect(select(patterned, { topics: 'a/0/0' })).toEqual([]);
  });

  test('cannot be spoilt by changing what it selected', () => {
    const selected = router.select(new Payload(1)) as AnyCollector[];
    expect(() => selected.pop()).toThrow(TypeError);
    expect(select(router, {})).toEqual(['a', 'b', 'c', 'd']);
  });
});
