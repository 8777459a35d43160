import { inspect } from 'node:util';
import { InvalidArgumentError } from 'collector-queue';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { RejectedMessageError } from '../../../src/bullmq/messages/errors.ts';
import { readJob } from '../../../src/bullmq/messages/job-message.ts';
import { type Address, MOST_SKEW, Seal } from '../../../src/bullmq/messages/seal.ts';
import type { Secret } from '../../../src/bullmq/messages/signing-key.ts';
import { thrownBy } from '../../core/scene.ts';
import { anyOriginal, OTHER_SECRET, SECRET, sealed } from './alterations.ts';
import { countingSerializer, forge } from './forgery.ts';

const numRuns = Number(process.env.FC_RUNS);

const NOW = 1_700_000_000_000;
const MAX_AGE = 60_000;
const ADDRESS: Address = { queue: 'orders', jobId: '5e-a' };
const THIRD_SECRET = 'a third secret, which is long enough as well';

function sealWith(secret?: Secret | readonly Secret[]): Seal {
  return new Seal({ secret, maxAge: MAX_AGE });
}

/** Why an envelope is rejected; 'believed' if it is not. */
function reasonOf(seal: Seal, envelope: unknown, now = NOW, address = ADDRESS): string {
  return seal.open('job', address, envelope, now).match(
    () => 'believed',
    (error) => {
      expect(error).toBeInstanceOf(RejectedMessageError);
      expect(error.message).toContain(`(${error.reason})`);
      return error.reason;
    },
  );
}

describe('an envelope', () => {
  test.each([
    ['signed', SECRET],
    ['not signed', undefined],
  ])('that is %s brings any body back', (_, secret) => {
    const seal = new Seal({ secret, maxAge: MAX_AGE });
    fc.assert(
      fc.property(anyOriginal, (original) => {
        const { kind, address, envelope } = sealed(seal, original);
        const stored: unknown = JSON.parse(JSON.stringify(envelope));
        expect(stored).toEqual(envelope);
        expect(seal.open(kind, address, stored, original.due)._unsafeUnwrap()).toBe(original.body);
      }),
      { numRuns },
    );
  });

  test('is plain, and says when it is due in whole milliseconds', () => {
    const envelope = sealWith().close('job', ADDRESS, NOW + 0.7, 'body');
    expect(envelope).toEqual({ v: 1, due: NOW + 1, body: 'body' });
    expect(Object.keys(sealWith(SECRET).close('job', ADDRESS, NOW, 'body'))).toEqual([
      'v',
      'due',
      'body',
      'kid',
      'mac',
    ]);
  });

  test('cannot be made of half a character, which UTF-8 cannot carry, nor for a time that is none', () => {
    const seal = sealWith(SECRET);
    expect(thrownBy(() => seal.close('job', ADDRESS, NOW, 'a\ud83d'))).toBeInstanceOf(InvalidArgumentError);
    for (const due of [Number.NaN, Number.POSITIVE_INFINITY, -1, 9e15, '5', null, undefined]) {
      const error = thrownBy(() => seal.close('job', ADDRESS, due as number, 'body'));
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect(error).toMatchObject({ argument: 'Seal: due' });
    }
    expect(seal.open('job', ADDRESS, seal.close('job', ADDRESS, -0, 'body'), 0).isOk()).toBe(true);
  });

  test('of an altered message is refused, whatever was altered', () => {
    const { believed, read, reasons } = forge(Math.max(500, numRuns));
    expect({ believed, read }).toEqual({ believed: 0, read: 0 });
    const expected = ['malformed', 'version', 'unsigned', 'unknown key', 'wrong signature'];
    expect([...reasons.keys()].sort()).toEqual(expected.sort());
  });

  test('is refused for each single bit of it that is flipped', () => {
    const seal = sealWith(SECRET);
    const json = Buffer.from(JSON.stringify(seal.close('result', ADDRESS, NOW, '{"ok":true}')));
    for (let bit = 0; bit < json.length * 8; bit++) {
      const bytes = Buffer.from(json);
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      let envelope: unknown;
      try {
        envelope = JSON.parse(bytes.toString());
      } catch {
        continue;
      }
      expect(seal.open('result', ADDRESS, envelope, NOW).isErr(), bytes.toString()).toBe(true);
    }
  });

  test('is looked into only if its signature is right', () => {
    const seal = sealWith(SECRET);
    const serializer = countingSerializer();
    const parse = vi.spyOn(JSON, 'parse');
    const head = '{"event":"e","key":"k","delivery":"broadcast","keys":[],"topics":[],"sentAt":5,"reply":true}';
    const good = seal.close('job', ADDRESS, NOW, `${head}\n[1]`);
    const read = (envelope: unknown): boolean =>
      seal
        .open('job', ADDRESS, envelope, NOW)
        .andThen((body) => readJob(body, serializer))
        .isOk();
    for (const envelope of [
      { ...good, body: `${good.body} ` },
      { ...good, mac: good.mac?.toLowerCase() },
      { ...good, kid: 'other' },
      sealWith().close('job', ADDRESS, NOW, good.body),
      seal.close('job', ADDRESS, NOW - MAX_AGE - 1, good.body),
      seal.close('job', { ...ADDRESS, jobId: 'other' }, NOW, good.body),
    ]) {
      expect(read(envelope)).toBe(false);
    }
    expect(serializer.reads()).toBe(0);
    expect(parse).not.toHaveBeenCalled();
    expect(read(good)).toBe(true);
    expect(serializer.reads()).toBe(1);
  });
});

describe('with a secret', () => {
  const seal = sealWith(SECRET);

  test('a message without signature is refused, and one with half of it', () => {
    const { kid, mac, ...bare } = seal.close('job', ADDRESS, NOW, 'body');
    expect(reasonOf(seal, bare)).toBe('unsigned');
    expect(reasonOf(seal, sealWith().close('job', ADDRESS, NOW, 'body'))).toBe('unsigned');
    expect(reasonOf(seal, { ...bare, kid })).toBe('malformed');
    expect(reasonOf(seal, { ...bare, mac })).toBe('malformed');
    expect(reasonOf(seal, { ...bare, kid, mac })).toBe('believed');
  });

  test('a message counts from its due time: believed up to maxAge and up to the skew of clocks, and no further', () => {
    const envelope = seal.close('job', ADDRESS, NOW, 'body');
    expect(reasonOf(seal, envelope, NOW + MAX_AGE)).toBe('believed');
    expect(reasonOf(seal, envelope, NOW + MAX_AGE + 1)).toBe('too old');
    expect(reasonOf(seal, envelope, NOW - MOST_SKEW)).toBe('believed');
    expect(reasonOf(seal, envelope, NOW - MOST_SKEW - 1)).toBe('too early');
  });

  test('nobody learns from a refusal whether an altered message was too old', () => {
    const envelope = { ...seal.close('job', ADDRESS, NOW, 'body'), body: 'other' };
    expect(reasonOf(seal, envelope, NOW + 2 * MAX_AGE)).toBe('wrong signature');
  });

  test('a secret may be bytes, and is that of its UTF-8 as text', () => {
    const bytes = Buffer.from(SECRET);
    const fromBytes = sealWith(new Uint8Array(bytes));
    expect(reasonOf(fromBytes, seal.close('job', ADDRESS, NOW, 'body'))).toBe('believed');
    const own = Buffer.from(bytes);
    const early = sealWith(own);
    own.fill(0);
    expect(reasonOf(early, seal.close('job', ADDRESS, NOW, 'body'))).toBe('believed');
  });

  test('the key id tells keys apart, is always the same, and has nothing of the key in it', () => {
    const kidOf = (secret: Secret): string => sealWith(secret).close('job', ADDRESS, NOW, '').kid as string;
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 64 }), (secret) => {
        const kid = kidOf(secret);
        expect(kid).toMatch(/^[\w-]{16}$/);
        expect(kidOf(secret)).toBe(kid);
        expect(Buffer.from(secret).includes(Buffer.from(kid, 'base64url'))).toBe(false);
        const next = Uint8Array.from(secret, (byte, at) => (at === 0 ? byte ^ 1 : byte));
        expect(kidOf(next)).not.toBe(kid);
      }),
      { numRuns },
    );
  });

  test('nobody who looks at a seal sees its secret', () => {
    const shown = inspect(sealWith([SECRET, OTHER_SECRET]), { depth: 10, showHidden: true });
    expect(shown + JSON.stringify(seal)).not.toContain('secret of');
    expect(shown).not.toContain(Buffer.from(SECRET).toString('hex').slice(0, 8));
  });
});

describe('without a secret', () => {
  test('a signed message is refused, with the reason', () => {
    const envelope = sealWith(SECRET).close('job', ADDRESS, NOW, 'body');
    expect(reasonOf(sealWith(), envelope)).toBe('unexpected signature');
    expect(reasonOf(sealWith(), { ...envelope, mac: 'x' })).toBe('unexpected signature');
  });

  test('a message has no age, because its due time is anybody’s', () => {
    const envelope = sealWith().close('job', ADDRESS, NOW, 'body');
    for (const now of [0, NOW + 100 * MAX_AGE]) expect(reasonOf(sealWith(), envelope, now)).toBe('believed');
  });
});

describe('keys are changed without a gap', () => {
  const old = sealWith(SECRET);
  const between = [sealWith([SECRET, OTHER_SECRET]), sealWith([OTHER_SECRET, SECRET])] as const;
  const fresh = sealWith(OTHER_SECRET);

  test.each([
    ['the old and the first step', old, between[0], 'believed', 'believed'],
    ['the first and the second step', between[0], between[1], 'believed', 'believed'],
    ['the second step and the new', between[1], fresh, 'believed', 'believed'],
    ['the old and the new, with no step between', old, fresh, 'unknown key', 'unknown key'],
    ['the old and the second step, one left out', old, between[1], 'unknown key', 'believed'],
  ])('%s', (_, one, other, there, back) => {
    expect(reasonOf(one, other.close('job', ADDRESS, NOW, 'body'))).toBe(there);
    expect(reasonOf(other, one.close('job', ADDRESS, NOW, 'body'))).toBe(back);
  });

  test('a message signed with the other active key is not taken for one of this', () => {
    const kids = between.map((seal) => seal.close('job', ADDRESS, NOW, 'body'));
    expect(reasonOf(between[0], { ...kids[0], kid: kids[1]?.kid })).toBe('wrong signature');
  });

  test('three keys are too many', () => {
    const error = thrownBy(() => sealWith([SECRET, OTHER_SECRET, THIRD_SECRET]));
    expect((error as Error).message).toBe(
      'BullMQCollectorQueue: secret must be one key or two, but it is an array of length 3',
    );
  });
});

const failing = (): never => {
  throw new Error('do not look');
};
const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

describe('what is no envelope', () => {
  const good = { v: 1, due: NOW, body: 'body' };
  const ROWS: readonly (readonly [what: string, envelope: unknown, reason: string])[] = [
    ['null', null, 'malformed'],
    ['undefined', undefined, 'malformed'],
    ['a string', JSON.stringify(good), 'malformed'],
    ['a number', 1, 'malformed'],
    ['a boolean', true, 'malformed'],
    ['a function', () => good, 'malformed'],
    ['an array', [good], 'malformed'],
    ['an array with fields', Object.assign([], good), 'malformed'],
    ['an empty object', {}, 'malformed'],
    ['an instance of a class', Object.assign(new (class Envelope {})(), good), 'malformed'],
    ['a Map', new Map(Object.entries(good)), 'malformed'],
    ['one that inherits its fields', Object.create(good), 'malformed'],
    [
      'one with a getter that throws',
      Object.defineProperty({ ...good }, 'body', { get: failing, enumerable: true }),
      'malformed',
    ],
    ['a proxy that throws', new Proxy(good, { ownKeys: failing }), 'malformed'],
    [
      'a proxy that throws a proxy',
      new Proxy(good, {
        ownKeys: () => {
          throw revoked();
        },
      }),
      'malformed',
    ],
    ['a proxy that was revoked', revoked(), 'malformed'],
    ['one with a field too many', { ...good, more: 1 }, 'malformed'],
    ['one with __proto__', JSON.parse('{"v":1,"due":5,"body":"","__proto__":{"mac":"x"}}'), 'malformed'],
    ['one of a later version', { ...good, v: 2 }, 'version'],
    ['one of a later version with other fields', { v: 2, payload: [] }, 'version'],
    ['one of version 0', { ...good, v: 0 }, 'version'],
    ['a version as text', { ...good, v: '1' }, 'malformed'],
    ['no version', { due: NOW, body: '' }, 'malformed'],
    ['no due time', { v: 1, body: '' }, 'malformed'],
    ['no body', { v: 1, due: NOW }, 'malformed'],
    ['a due time as text', { ...good, due: String(NOW) }, 'malformed'],
    ['a due time that is no number', { ...good, due: Number.NaN }, 'malformed'],
    ['a due time without end', { ...good, due: Number.POSITIVE_INFINITY }, 'malformed'],
    ['a due time that no date can hold', { ...good, due: 9e15 }, 'malformed'],
    ['a due time before the epoch', { ...good, due: -1 }, 'malformed'],
    ['a due time of -0', { ...good, due: -0 }, 'malformed'],
    ['a part of a millisecond', { ...good, due: 0.5 }, 'malformed'],
    ['a due time of null', { ...good, due: null }, 'malformed'],
    ['a body that is an object', { ...good, body: { toString: () => 'body' } }, 'malformed'],
    ['a body that is bytes', { ...good, body: Buffer.from('body') }, 'malformed'],
    ['a body with half a character', { ...good, body: '\udc00' }, 'malformed'],
    ['an empty key id', { ...good, kid: '', mac: 'x' }, 'malformed'],
    ['a signature of null', { ...good, kid: 'x', mac: null }, 'malformed'],
    ['a signature in an array', { ...good, kid: 'x', mac: ['x'] }, 'malformed'],
  ];

  test.each(ROWS)('%s is refused, and nothing is thrown', (_, envelope, reason) => {
    for (const seal of [sealWith(), sealWith(SECRET)]) expect(reasonOf(seal, envelope)).toBe(reason);
  });

  test('is told apart from what is one', () => {
    expect(reasonOf(sealWith(), good)).toBe('believed');
    expect(reasonOf(sealWith(), Object.assign(Object.create(null), good))).toBe('believed');
  });

  test('is refused in few words, however long it is', () => {
    const long = 'x'.repeat(1_000_000);
    for (const envelope of [
      { ...good, [long]: 1 },
      { ...good, due: long },
      { v: 1, due: NOW, body: { [long]: long } },
    ]) {
      const error = sealWith().open('job', ADDRESS, envelope, NOW)._unsafeUnwrapErr();
      expect(error.message.length).toBeLessThan(200);
    }
  });
});

describe('a seal is not made', () => {
  const NAME = 'BullMQCollectorQueue: secret';
  test.each<readonly [what: string, secret: unknown, message: string]>([
    ['with an empty secret', '', `${NAME} must be of at least 32 bytes, but it is one of 0`],
    ['with a short secret', 'x'.repeat(31), `${NAME} must be of at least 32 bytes, but it is one of 31`],
    ['with short bytes', new Uint8Array(31), `${NAME} must be of at least 32 bytes, but it is one of 31`],
    ['with null', null, `${NAME} must be a string or a Uint8Array, but it is null`],
    ['with a number', 5, `${NAME} must be a string or a Uint8Array, but it is 5`],
    ['with true', true, `${NAME} must be a string or a Uint8Array, but it is true`],
    ['with an object', { secret: SECRET }, `${NAME} must be a string or a Uint8Array, but it is an object`],
    ['with an ArrayBuffer', new ArrayBuffer(32), `${NAME} must be a string or a Uint8Array, but it is a ArrayBuffer`],
    ['with no key in a list', [], `${NAME} must be one key or two, but it is an empty array`],
    ['with a hole in a list', [SECRET, undefined], `${NAME}[1] must be a string or a Uint8Array, but it is undefined`],
    ['with a short second key', [SECRET, 'x'], `${NAME}[1] must be of at least 32 bytes, but it is one of 1`],
    [
      'with the same key twice',
      [SECRET, Buffer.from(SECRET)],
      `${NAME} must be two different keys, but it is the same twice`,
    ],
  ])('%s', (_, secret, message) => {
    const error = thrownBy(() => new Seal({ secret: secret as Secret, maxAge: MAX_AGE }));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect((error as Error).message).toBe(message);
  });

  test('and does not repeat a secret that is wrong', () => {
    for (const secret of ['hunter2', ['hunter2'], [SECRET, 'hunter2']]) {
      expect(String(thrownBy(() => sealWith(secret)))).not.toContain('hunter2');
    }
  });

  test.each([0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null, undefined, 2 ** 53])(
    'with a maxAge of %s',
    (maxAge) => {
      const error = thrownBy(() => new Seal({ secret: SECRET, maxAge: maxAge as number }));
      expect(error).toMatchObject({ argument: 'BullMQCollectorQueue: maxAge', code: 'CQ_INVALID_ARGUMENT' });
    },
  );

  test('but with 32 bytes in fewer characters', () => {
    expect(sealWith('ü'.repeat(16)).signs).toBe(true);
    expect(sealWith().signs).toBe(false);
  });
});
