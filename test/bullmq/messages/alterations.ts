import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { Address, Envelope, MessageKind, Seal } from '../../../src/bullmq/messages/seal.ts';

/** An envelope, where it is found, and as what it is taken. */
export interface Sealed {
  readonly kind: MessageKind;
  readonly address: Address;
  readonly envelope: unknown;
}

export const SECRET = 'a secret of more than 32 bytes, as it has to be';
export const OTHER_SECRET = 'and another secret, of more than 32 bytes too';

interface Original {
  readonly kind: MessageKind;
  readonly address: Address;
  readonly due: number;
  readonly body: string;
}

const text = fc.string({
  unit: fc.constantFrom('a', 'b', '1', ':', '"', '\n', 'ü', '😀'),
  minLength: 1,
  maxLength: 12,
});

export const anyOriginal: fc.Arbitrary<Original> = fc.record({
  kind: fc.constantFrom<MessageKind[]>('job', 'result'),
  address: fc.record({ queue: text, jobId: text }),
  due: fc.nat({ max: 2_000_000_000 }),
  body: fc.oneof(text, fc.json({ maxDepth: 2 })),
});

export function sealed(seal: Seal, { kind, address, due, body }: Original): Sealed & { readonly envelope: Envelope } {
  return { kind, address, envelope: seal.close(kind, address, due, body) };
}

/** What somebody who can write to Redis, and has other messages at hand, may make of a message. */
type Alteration = (from: Sealed & { readonly envelope: Envelope }, other: Envelope) => Sealed;

const place = fc.nat({ max: 1_000_000 });

function ofEnvelope(change: (envelope: Envelope, other: Envelope) => unknown): Alteration {
  return (from, other) => ({ ...from, envelope: change(from.envelope, other) });
}

/** One bit of a text as it is stored. What is no UTF-8 then is read as Redis clients read it. */
function flipped(original: string, at: number, bit: number): string {
  const bytes = Buffer.from(original);
  const index = at % bytes.length;
  bytes[index] = (bytes[index] as number) ^ (1 << bit);
  return bytes.toString();
}

/** The JSON of an envelope, changed; as BullMQ would read it, if it can be read. */
function rewritten(envelope: Envelope, change: (json: string) => string): unknown {
  const json = change(JSON.stringify(envelope));
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

function spliced(original: string, at: number, removed: number, added: string): string {
  const from = at % (original.length + 1);
  return original.slice(0, from) + added + original.slice(from + removed);
}

const STRINGS = ['body', 'kid', 'mac'] as const;
const anyField = fc.constantFrom(...STRINGS);
const anyBit = fc.nat({ max: 7 });

export const anyAlteration: fc.Arbitrary<Alteration> = fc.oneof(
  // Bits and characters.
  fc
    .tuple(anyField, place, anyBit)
    .map(([field, at, bit]) => ofEnvelope((one) => ({ ...one, [field]: flipped(one[field] ?? '', at, bit) }))),
  fc.tuple(place, anyBit).map(([at, bit]) => ofEnvelope((one) => rewritten(one, (json) => flipped(json, at, bit)))),
  fc
    .tuple(anyField, place, fc.nat({ max: 2 }), text)
    .map(([field, at, removed, added]) =>
      ofEnvelope((one) => ({ ...one, [field]: spliced(one[field] ?? '', at, removed, added) })),
    ),
  // Cut off.
  fc
    .tuple(anyField, place)
    .map(([field, at]) =>
      ofEnvelope((one) => ({ ...one, [field]: one[field]?.slice(0, at % (one[field]?.length ?? 1)) })),
    ),
  place.map((at) => ofEnvelope((one) => rewritten(one, (json) => json.slice(0, at % json.length)))),
  // The last character of a signature has bits that stand for nothing.
  fc
    .constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')
    .map((last) => ofEnvelope((one) => ({ ...one, mac: `${one.mac?.slice(0, -1)}${last}` }))),
  fc.constantFrom(' ', '=', '\0', '\n').map((more) => ofEnvelope((one) => ({ ...one, mac: `${one.mac}${more}` }))),
  // Moved to another queue, job, time, kind, version, key.
  text.map(
    (queue): Alteration =>
      ({ kind, address, envelope }) => ({ kind, address: { ...address, queue }, envelope }),
  ),
  text.map(
    (jobId): Alteration =>
      ({ kind, address, envelope }) => ({ kind, address: { ...address, jobId }, envelope }),
  ),
  place.map(
    (at): Alteration =>
      ({ kind, address: { queue, jobId }, envelope }) => {
        const both = queue + jobId;
        const cut = at % (both.length + 1);
        return { kind, address: { queue: both.slice(0, cut), jobId: both.slice(cut) }, envelope };
      },
  ),
  fc.constant<Alteration>(({ kind, address, envelope }) => {
    return { kind, address: { queue: address.jobId, jobId: address.queue }, envelope };
  }),
  fc.constant<Alteration>((one) => ({ ...one, kind: one.kind === 'job' ? 'result' : 'job' })),
  fc
    .oneof(fc.integer(), fc.double(), fc.constantFrom<unknown>('5', null, undefined, true, [], {}))
    .map((due) => ofEnvelope((one) => ({ ...one, due }))),
  fc.constantFrom(1, -1, 1_000).map((more) => ofEnvelope((one) => ({ ...one, due: one.due + more }))),
  fc
    .constantFrom<unknown>(0, 2, -1, 1.5, '1', true, null, undefined, [1], 2 ** 53)
    .map((v) => ofEnvelope((one) => ({ ...one, v }))),
  // Put together from two messages.
  fc
    .constantFrom('body', 'kid', 'mac', 'due')
    .map((field) => ofEnvelope((one, other) => ({ ...one, [field]: other[field as 'body'] }))),
  fc.constant(ofEnvelope((_, other) => other)),
  // The length that stands before the body, made a part of it, or the other way round.
  fc.constant(ofEnvelope((one) => ({ ...one, body: `${one.body.length}:${one.body}` }))),
  // Without a signature, or with more than that.
  fc.constant(ofEnvelope(({ v, due, body }) => ({ v, due, body }))),
  fc
    .constantFrom('v', 'due', 'body', 'kid', 'mac')
    .map((missing) =>
      ofEnvelope((one) => Object.fromEntries(Object.entries(one).filter(([name]) => name !== missing))),
    ),
  fc
    .constantFrom('alg', 'Mac', 'toString', '__proto__', '')
    .map((name) => ofEnvelope((one) => Object.defineProperty({ ...one }, name, { value: 'none', enumerable: true }))),
  // Something else.
  fc
    .anything({ withNullPrototype: true, withBigInt: true, withMap: true })
    .map((anything) => ofEnvelope(() => anything)),
  fc.constant(ofEnvelope((one) => [one])),
  fc.constant(ofEnvelope((one) => JSON.stringify(one))),
  fc.constant(ofEnvelope((one) => Object.create(one) as unknown)),
);

/** Whether an alteration changed nothing after all. */
export function isSame(one: Sealed, other: Sealed): boolean {
  const parts = ({ kind, address, envelope }: Sealed): unknown[] => [kind, address.queue, address.jobId, envelope];
  return isDeepStrictEqual(parts(one), parts(other));
}
