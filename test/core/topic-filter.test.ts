import { type AnyCollector, Collector, Payload, SimpleRouter } from 'collector-queue';
import { describe, expect, test } from 'vitest';

function matches(filter: string, topic: string): boolean {
  const collector: AnyCollector = new Collector('a', () => undefined, { topics: filter });
  return new SimpleRouter(new Map([['a', collector]])).select(new Payload(1, { topics: topic })).length === 1;
}

/** The rules of MQTT 5.0, section 4.7, told by matching level for level. */
function matchesByRule(filter: string, topic: string): boolean {
  const [filters, levels] = [filter.split('/'), topic.split('/')];
  for (const [at, level] of filters.entries()) {
    if (level === '#') return true;
    if (at >= levels.length || (level !== '+' && level !== levels[at])) return false;
  }
  return filters.length === levels.length;
}

describe('a topic pattern', () => {
  test.each([
    ['a/#', 'a'],
    ['a/#', 'a/b'],
    ['a/#', 'a/b/c/d'],
    ['a/#', 'a/'],
    ['#', 'a'],
    ['#', 'a/b'],
    ['#', '/'],
    ['+', 'a'],
    ['a/+', 'a/b'],
    ['a/+', 'a/'],
    ['+/b', 'a/b'],
    ['+/+', '/b'],
    ['/+', '/b'],
    ['a/+/c', 'a/b/c'],
    ['+/#', 'a'],
    ['a/+/#', 'a/b'],
    ['a/+/#', 'a/b/c/d'],
    ['#', '$SYS/load'],
  ])('%s matches %s', (filter, topic) => {
    expect(matches(filter, topic)).toBe(true);
  });

  test.each([
    ['a/#', 'ab'],
    ['a/#', 'b'],
    ['a/#', '/a'],
    ['+', 'a/b'],
    ['+', '/a'],
    ['a/+', 'a'],
    ['a/+', 'a/b/c'],
    ['+/b', 'b'],
    ['a/+/c', 'a/c'],
    ['a/+/#', 'a'],
    ['a/+', 'A/b'],
  ])('%s does not match %s', (filter, topic) => {
    expect(matches(filter, topic)).toBe(false);
  });

  test('in a payload is an ordinary topic', () => {
    expect(matches('a/b', 'a/+')).toBe(false);
    expect(matches('a/b', '#')).toBe(false);
    expect(matches('a/+', 'a/+')).toBe(true);
    expect(matches('a/#', 'a/#')).toBe(true);
  });

  test('matches exactly what the rules say, for every filter and topic of three levels', () => {
    const names = ['a', 'b', ''];
    const topics = combinations([names, names, names]);
    const filters = combinations([
      [...names, '+'],
      [...names, '+'],
      [...names, '+', '#'],
    ]).filter((filter) => !filter.includes('#') || filter.endsWith('#'));
    for (const filter of filters.filter((one) => one !== '')) {
      for (const topic of topics.filter((one) => one !== '')) {
        expect(`${filter} ${topic} ${matches(filter, topic)}`).toBe(
          `${filter} ${topic} ${matchesByRule(filter, topic)}`,
        );
      }
    }
  });

  test('counts once for a collector that subscribes with several that match', () => {
    const collectors: AnyCollector[] = [
      new Collector('first', () => undefined, { topics: ['a/+', 'a/#', '#', 'a/b', 'a/b'] }),
      new Collector('second', () => undefined, { topics: '+/b' }),
      new Collector('third', () => undefined, { topics: 'a/b' }),
    ];
    const router = new SimpleRouter(new Map(collectors.map((one) => [one.key, one])));
    for (const topics of ['a/b', ['a/b', 'a/b'], ['a/b', 'x/b']]) {
      expect(router.select(new Payload(1, { topics }))).toEqual(collectors);
    }
    expect(router.select(new Payload(1, { topics: 'a/c' }))).toEqual([collectors[0]]);
  });
});

/** Every topic of one, two or three of the levels. */
function combinations(levels: readonly (readonly string[])[]): string[] {
  let all: string[] = [''];
  const found: string[] = [];
  for (const [at, names] of levels.entries()) {
    all = all.flatMap((start) => names.map((name) => (at === 0 ? name : `${start}/${name}`)));
    found.push(...all);
  }
  return found;
}
