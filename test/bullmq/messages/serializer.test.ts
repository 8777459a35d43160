import { InvalidArgumentError } from 'collector-queue';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonSerializer } from '../../../src/bullmq/messages/serializer.ts';
import { thrownBy } from '../../core/scene.ts';

const numRuns = Number(process.env.FC_RUNS);

const back = (value: unknown): unknown => jsonSerializer.deserialize(jsonSerializer.serialize(value));

function nested(levels: number): object {
  let value: object = {};
  for (let level = 1; level < levels; level++) value = level % 2 === 0 ? { value } : [value];
  return value;
}

function cycle(): object {
  const value: { list: unknown[] } = { list: [] };
  value.list.push({ up: value });
  return value;
}

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

const NO_JSON = 'a value that JSON can carry';

const REFUSED: readonly (readonly [what: string, value: unknown, message: string])[] = [
  ['undefined', undefined, `value must be ${NO_JSON}, but it is undefined`],
  ['a BigInt', 5n, `value must be ${NO_JSON}, but it is the bigint 5n`],
  ['a function', () => 1, `value must be ${NO_JSON}, but it is a function`],
  ['a symbol', Symbol('s'), `value must be ${NO_JSON}, but it is a symbol`],
  ['NaN', Number.NaN, 'value must be a finite number, but it is NaN'],
  ['Infinity', Number.NEGATIVE_INFINITY, 'value must be a finite number, but it is -Infinity'],
  ['a date that is none', new Date(Number.NaN), 'value must be a finite number, but it is NaN'],
  ['NaN somewhere', { a: [1, { 'b c': Number.NaN }] }, 'value.a[1]["b c"] must be a finite number, but it is NaN'],
  ['a Map', new Map([[1, 2]]), `value must be ${NO_JSON}, but it is a Map`],
  ['a Set somewhere', { seen: [new Set([1])] }, `value.seen[0] must be ${NO_JSON}, but it is a Set`],
  ['an Error', new TypeError('x'), `value must be ${NO_JSON}, but it is a TypeError`],
  ['an Error with fields', Object.assign(new Error('x'), { code: 'E' }), `value must be ${NO_JSON}, but it is a Error`],
  ['a RegExp', { r: /x/ }, `value.r must be ${NO_JSON}, but it is a RegExp`],
  ['a promise', Promise.resolve(), `value must be ${NO_JSON}, but it is a Promise`],
  ['bytes', [new Uint8Array(3)], `value[0] must be ${NO_JSON}, but it is a Uint8Array`],
  ['a buffer of bytes', new ArrayBuffer(3), `value must be ${NO_JSON}, but it is a ArrayBuffer`],
  ['a cycle', cycle(), 'value.list[0].up must be free of cycles, but it is a part of itself'],
  ['too many levels', nested(1_001), `value must be ${NO_JSON}, but it is nested too deeply`],
  ['far too many levels', nested(200_000), `value must be ${NO_JSON}, but it is nested too deeply`],
  [
    '__proto__ as a name',
    JSON.parse('{"a":{"__proto__":{"b":1}}}'),
    'value.a.__proto__ must be named otherwise, but it is not safe to read back',
  ],
  [
    'a toJSON that throws',
    {
      a: {
        toJSON: () => {
          throw new Error('no');
        },
      },
    },
    'value.a must be readable, but it is one that fails: Error: no',
  ],
  [
    'a getter that throws',
    {
      a: {
        get b(): never {
          throw new Error('no');
        },
      },
    },
    'value.a.b must be readable, but it is one that fails: Error: no',
  ],
];

describe('JSON refuses to write', () => {
  test.each(REFUSED)('%s, by its path', (_, value, message) => {
    const error = thrownBy(() => jsonSerializer.serialize(value));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect((error as Error).message).toBe(message);
  });

  test('a proxy that was revoked', () => {
    for (const value of [revoked(), { a: revoked() }, [revoked()]]) {
      expect(thrownBy(() => jsonSerializer.serialize(value))).toBeInstanceOf(InvalidArgumentError);
    }
  });
});

describe('JSON brings back', () => {
  test('any JSON, whatever it is at the top', () => {
    const named = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('__proto__'));
    fc.assert(
      fc.property(named, (value) => {
        expect(JSON.stringify(back(value))).toBe(JSON.stringify(value));
      }),
      { numRuns },
    );
  });

  test.each([[null], [true], [0], [''], ['text'], ['\ud83d'], [[]], [{}], [[null, [1]]]])('%j', (value) => {
    expect(back(value)).toEqual(value);
  });

  test('what stands for a value: a date as text, the fields of an object of a class, without what is undefined', () => {
    class Reading {
      readonly value: number = 5;
      readonly #unit: string = 'K';
      get unit(): string {
        return this.#unit;
      }
    }
    const at = new Date(0);
    expect(
      back({ at, reading: new Reading(), left: undefined, list: [undefined], boxed: Object('s'), zero: -0 }),
    ).toEqual({
      at: '1970-01-01T00:00:00.000Z',
      reading: { value: 5 },
      list: [null],
      boxed: 's',
      zero: 0,
    });
    expect(back(Buffer.from('a'))).toEqual({ type: 'Buffer', data: [97] });
    expect(Object.getPrototypeOf(back(new Reading()))).toBe(Object.prototype);
  });

  test('a thousand levels', () => {
    const value = nested(1_000);
    expect(JSON.stringify(back(value))).toBe(JSON.stringify(value));
  });

  test('names that mean something elsewhere', () => {
    const value = { constructor: { prototype: { a: 1 } }, toString: 'x', hasOwnProperty: null };
    expect(back(value)).toEqual(value);
  });
});

describe('JSON refuses to read', () => {
  test.each([
    ['nothing', ''],
    ['what is no JSON', '{a:1}'],
    ['half of it', '{"a":['],
    ['more than one', '1 2'],
    ['NaN', 'NaN'],
    ['__proto__', '{"__proto__":{"admin":true}}'],
    ['__proto__ further down', '[[{"a":{"__proto__":null}}]]'],
    ['__proto__ in disguise', '{"\\u005f_proto\\u005f_":1}'],
    ['too many levels', JSON.stringify(nested(1_001))],
    ['lists by the hundred thousand', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['objects by the hundred thousand', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
  ])('%s', (_, text) => {
    expect(thrownBy(() => jsonSerializer.deserialize(text))).toBeInstanceOf(SyntaxError);
    expect(({} as { admin?: unknown }).admin).toBeUndefined();
  });

  test('makes no object of a class, and no function', () => {
    const text = '{"type":"Buffer","data":[1],"__type":"Date","$ref":"x","constructor":"Function","then":"f"}';
    const value = jsonSerializer.deserialize(text) as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(JSON.stringify(value)).toBe(text);
  });
});
