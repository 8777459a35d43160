import { InvalidArgumentError } from 'collector-queue';
import { type EmitterEvent, snapshotEvent, snapshotStrings } from 'collector-queue/emitter';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { thrownBy } from '../core/scene.ts';

const numRuns = Number(process.env.FC_RUNS);

const anyEvent = fc.dictionary(fc.string({ unit: 'binary', maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), {
  maxKeys: 5,
});

function cycle(): object {
  const inner: Record<string, unknown> = { deep: {} };
  (inner.deep as Record<string, unknown>).up = inner;
  return inner;
}

function selfish(): object {
  const event: Record<string, unknown> = {};
  event.a = { b: event };
  return event;
}

function deep(levels: number): object {
  let value: object = {};
  for (let level = 0; level < levels; level++) value = { value };
  return value;
}

const failing = {
  get a(): never {
    throw new Error('not today');
  },
};

const REFUSED: readonly (readonly [what: string, event: unknown, path: string, expected: string, came: string])[] = [
  ['a BigInt', { n: 1n }, 'event.n', 'a value that JSON can carry', 'the bigint 1n'],
  ['a boxed BigInt', { n: Object(1n) }, 'event.n', 'a value that JSON can carry', 'the bigint 1n'],
  ['a function', { f: () => 1 }, 'event.f', 'a value that JSON can carry', 'the function f'],
  ['a symbol', { s: Symbol('s') }, 'event.s', 'a value that JSON can carry', 'a symbol'],
  ['NaN', { n: Number.NaN }, 'event.n', 'a finite number', 'NaN'],
  ['Infinity', { n: Number.POSITIVE_INFINITY }, 'event.n', 'a finite number', 'Infinity'],
  ['-Infinity', { n: Number.NEGATIVE_INFINITY }, 'event.n', 'a finite number', '-Infinity'],
  ['a boxed NaN', { n: Object(Number.NaN) }, 'event.n', 'a finite number', 'NaN'],
  ['a date that is none', { d: new Date(Number.NaN) }, 'event.d', 'a finite number', 'NaN'],
  ['a BigInt within', { a: { b: { c: 1n } } }, 'event.a.b.c', 'a value that JSON can carry', 'the bigint 1n'],
  ['NaN in a list', { a: [1, [2, Number.NaN]] }, 'event.a[1][1]', 'a finite number', 'NaN'],
  ['a function in a list', { a: [{ f() {} }] }, 'event.a[0].f', 'a value that JSON can carry', 'the function f'],
  ['a symbol in a list', { a: [Symbol.iterator] }, 'event.a[0]', 'a value that JSON can carry', 'a symbol'],
  ['a cycle', { a: cycle() }, 'event.a.deep.up', 'free of cycles', 'a part of itself'],
  ['the event itself within', selfish(), 'event.a.b', 'free of cycles', 'a part of itself'],
  ['a BigInt from toJSON', { a: { toJSON: () => 1n } }, 'event.a', 'a value that JSON can carry', 'the bigint 1n'],
  ['NaN within what toJSON gives', { a: { toJSON: () => [Number.NaN] } }, 'event.a[0]', 'a finite number', 'NaN'],
  ['an odd name', { 'a-b': { 'c d': 1n } }, 'event["a-b"]["c d"]', 'a value that JSON can carry', 'the bigint 1n'],
  ['a name of nothing', { '': 1n }, 'event[""]', 'a value that JSON can carry', 'the bigint 1n'],
  ['too deep a value', { a: deep(100_000) }, 'event.a', 'a value that JSON can carry', 'nested too deeply'],
  [
    '__proto__ as a name',
    JSON.parse('{"__proto__":{"a":1}}', (name, value) => (name === 'a' ? 1n : value)),
    'event.__proto__.a',
    'a value that JSON can carry',
    'the bigint 1n',
  ],
  ['a getter that throws', failing, 'event.a', 'readable', 'one that fails: Error: not today'],
  ['a getter that throws within', { x: [failing] }, 'event.x[0].a', 'readable', 'one that fails: Error: not today'],
  [
    'a toJSON that throws',
    { x: { y: { toJSON: () => failing.a } } },
    'event.x.y',
    'readable',
    'one that fails: Error: not today',
  ],
  [
    'a proxy that throws',
    new Proxy({}, { ownKeys: () => failing.a }),
    'event',
    'readable',
    'one that fails: Error: not today',
  ],
  ['null', null, 'event', 'an object of name-value pairs', 'null'],
  ['undefined', undefined, 'event', 'an object of name-value pairs', 'undefined'],
  ['a string', 'e=pv', 'event', 'an object of name-value pairs', '"e=pv"'],
  ['a number', 5, 'event', 'an object of name-value pairs', '5'],
  ['an array', [{ e: 'pv' }], 'event', 'an object of name-value pairs', 'an array of length 1'],
  ['a function for an event', () => 1, 'event', 'an object of name-value pairs', 'a function'],
  ['a Map', new Map([['e', 'pv']]), 'event', 'an object of name-value pairs', 'a Map'],
  ['a Date', new Date(0), 'event', 'an object of name-value pairs', 'a Date'],
  ['a promise', Promise.resolve({}), 'event', 'an object of name-value pairs', 'a Promise'],
];

describe('an event with', () => {
  test.each(REFUSED)('%s is refused, by its path', (_, event, path, expected, came) => {
    for (const snapshot of [snapshotEvent, snapshotStrings]) {
      const error = thrownBy(() => snapshot('Owner', event));
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toBe(`Owner: ${path} must be ${expected}, but it is ${came}`);
      expect(error).toMatchObject({ argument: `Owner: ${path}`, expected });
    }
  });
});

describe('a snapshot', () => {
  test('is what JSON would bring back', () => {
    const event = {
      text: 'a',
      yes: true,
      none: null,
      left: undefined,
      zero: -0,
      date: new Date(0),
      boxed: [Object('s'), Object(1), Object(true)],
      list: [1, undefined, null, [{ left: undefined, kept: 'k' }]],
      own: { toJSON: (name: string) => ({ name }) },
      url: new URL('http://a.test/'),
      [Symbol('ignored')]: 1,
    };
    expect(JSON.stringify(snapshotEvent('o', event))).toBe(JSON.stringify(event));
  });

  test('of any JSON is that JSON again', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        expect(JSON.stringify(snapshotEvent('o', event))).toBe(JSON.stringify(event));
      }),
      { numRuns },
    );
  });

  test('of strings has strings, whatever the event', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const snapshot = snapshotStrings('o', event);
        for (const value of Object.values(snapshot)) expect(value).toBeTypeOf('string');
        const pairs = Object.entries(event).filter(([, value]) => value !== null);
        expect(Object.keys(snapshot)).toEqual(pairs.map(([name]) => name));
      }),
      { numRuns },
    );
  });

  test('of strings says numbers and booleans as they print, objects as JSON, and leaves null and undefined out', () => {
    const event = {
      text: '1',
      whole: 12,
      part: 0.5,
      tiny: 1e-7,
      large: 1e21,
      zero: -0,
      yes: true,
      no: false,
      none: null,
      left: undefined,
      list: [1, 'a', { b: null }],
      object: { a: { b: 1 } },
      date: new Date(0),
      boxed: Object('s'),
    };
    expect(snapshotStrings('o', event)).toEqual({
      text: '1',
      whole: '12',
      part: '0.5',
      tiny: '1e-7',
      large: '1e+21',
      zero: '0',
      yes: 'true',
      no: 'false',
      list: '[1,"a",{"b":null}]',
      object: '{"a":{"b":1}}',
      date: '1970-01-01T00:00:00.000Z',
      boxed: 's',
    });
  });

  test('keeps any name, __proto__ and constructor too, and changes no prototype', () => {
    const text = '{"__proto__":"p","constructor":"c","toString":"t","":"e","1":"n"}';
    for (const snapshot of [snapshotEvent, snapshotStrings]) {
      const taken = snapshot('o', JSON.parse(text));
      expect(Object.getPrototypeOf(taken)).toBe(Object.prototype);
      expect(Object.getOwnPropertyDescriptor(taken, '__proto__')?.value).toBe('p');
      expect(JSON.parse(JSON.stringify(taken))).toEqual(JSON.parse(text));
    }
    expect(({} as { p?: unknown }).p).toBeUndefined();
  });

  test('takes objects with no prototype, and those of a class with fields', () => {
    class View {
      readonly e: string = 'pv';
      readonly left: unknown = undefined;
    }
    const bare: EmitterEvent = Object.assign(Object.create(null), { e: 'pv' });
    expect(snapshotEvent('o', bare)).toEqual({ e: 'pv' });
    expect(snapshotEvent('o', new View())).toEqual({ e: 'pv' });
    expect(snapshotEvent('o', {})).toEqual({});
  });

  test('shares nothing with the event', () => {
    const event = { list: [1, { a: 1 }], object: { b: [2] } };
    const snapshot = snapshotEvent('o', event);
    event.list.push(2);
    (event.list[1] as { a: number }).a = 5;
    event.object.b[0] = 7;
    expect(snapshot).toEqual({ list: [1, { a: 1 }], object: { b: [2] } });
  });

  test('may hold one object twice, as that is no cycle', () => {
    const shared = { a: 1 };
    expect(snapshotEvent('o', { x: shared, y: [shared, shared] })).toEqual({ x: { a: 1 }, y: [{ a: 1 }, { a: 1 }] });
  });

  test('can be written, however deep the event that was taken', () => {
    for (const snapshot of [snapshotEvent, snapshotStrings]) {
      expect(JSON.stringify(snapshot('o', { a: deep(999) }))).toContain('value');
      for (const levels of [1_000, 3_000, 10_000]) {
        expect(thrownBy(() => snapshot('o', { a: deep(levels) }))).toBeInstanceOf(InvalidArgumentError);
      }
    }
  });
});
