import { jsonSerializer, type RejectionReason } from 'collector-queue/bullmq';
import { serialized } from '../../../src/bullmq/messages/body.ts';
import { type JobHead, writeJob } from '../../../src/bullmq/messages/job-message.ts';
import { type Address, type Envelope, Seal } from '../../../src/bullmq/messages/seal.ts';
import { oneOf } from '../../random.ts';

/** A job as its queue has it. */
export interface Template {
  readonly id: string;
  readonly data: Required<Envelope>;
}

/** What somebody who can write to Redis, and knows the secret at most in name, puts into a queue. */
export interface Forgery {
  readonly kind: string;
  readonly id: string;
  readonly data: unknown;
  /** What it may be rejected for. */
  readonly reasons: readonly RejectionReason[];
}

/** What forgers have at hand. */
export interface Material {
  readonly random: () => number;
  readonly secret: string;
  /** The address of a job of this id in the queue that is attacked. */
  readonly addressOf: (id: string) => Address;
  /** Signed, and taken out of the queue before they ran: under their own ids they would still be believed. */
  readonly templates: readonly Template[];
  /** The same of another collector. */
  readonly foreign: readonly Template[];
  /** What jobs of the queue have returned, with their ids. */
  readonly results: readonly Template[];
  /** A value that would be noticed if its processor were ever called with it. */
  readonly value: unknown;
}

const ALTERED: readonly RejectionReason[] = ['wrong signature', 'malformed'];
const DAY = 86_400_000;
let made = 0;

function freshId(): string {
  made++;
  return `forged-${made}`;
}

type Make = (material: Material, template: Template) => Omit<Forgery, 'kind'>;

/** By what is done. */
const KINDS: Readonly<Record<string, Make>> = {
  'a character of the body altered': ({ random }, { id, data }) => ({
    id,
    data: { ...data, body: altered(random, data.body) },
    reasons: ALTERED,
  }),
  'the body cut short': ({ random }, { id, data }) => ({
    id,
    data: { ...data, body: data.body.slice(0, Math.floor(random() * data.body.length)) },
    reasons: ALTERED,
  }),
  'the body continued': (_, { id, data }) => ({ id, data: { ...data, body: `${data.body} ` }, reasons: ALTERED }),
  'another due time': ({ random }, { id, data }) => ({
    id,
    data: { ...data, due: Math.max(0, data.due + Math.ceil((random() - 0.5) * 10_000) * 2 + 1) },
    reasons: ALTERED,
  }),
  'another key id': ({ random }, { id, data }) => ({
    id,
    data: { ...data, kid: altered(random, data.kid) },
    reasons: ['unknown key'],
  }),
  'the signature altered': ({ random }, { id, data }) => ({
    id,
    data: { ...data, mac: altered(random, data.mac) },
    reasons: ALTERED,
  }),
  'the signature cut short': ({ random }, { id, data }) => ({
    id,
    data: { ...data, mac: data.mac.slice(0, Math.floor(random() * data.mac.length)) },
    reasons: ALTERED,
  }),
  'the signature padded': (_, { id, data }) => ({ id, data: { ...data, mac: `${data.mac}=` }, reasons: ALTERED }),
  'the signature of another': ({ random, templates }, { id, data }) => {
    const others = templates.filter((other) => other.id !== id);
    return { id, data: { ...data, mac: oneOf(random, others).data.mac }, reasons: ALTERED };
  },
  'the signature left out': (_, { id, data: { v, due, body } }) => ({
    id,
    data: { v, due, body },
    reasons: ['unsigned'],
  }),
  'only the key id left out': (_, { id, data: { kid: _kid, ...data } }) => ({ id, data, reasons: ['malformed'] }),
  'only the signature left out': (_, { id, data: { mac: _mac, ...data } }) => ({ id, data, reasons: ['malformed'] }),
  'moved to another job': (_, { data }) => ({ id: freshId(), data, reasons: ALTERED }),
  'moved from another collector': ({ random, foreign }) => ({ ...oneOf(random, foreign), reasons: ALTERED }),
  'a result': ({ random, results }) => ({ ...oneOf(random, results), reasons: ALTERED }),
  'another version': ({ random }, { id, data }) => ({
    id,
    data: { ...data, v: oneOf(random, [0, 2, -1, 1.5, '1', null, [1], true]) },
    reasons: ['version', 'malformed'],
  }),
  'one more field': ({ random }, { id, data }) => ({
    id,
    data: { ...data, [oneOf(random, ['x', 'constructor', 'toString', 'opts'])]: 1 },
    reasons: ['malformed'],
  }),
  'a field less': ({ random }, { id, data }) => {
    const { [oneOf(random, ['v', 'due', 'body'] as const)]: _gone, ...rest } = data;
    return { id, data: rest, reasons: ['malformed', 'version'] };
  },
  'a field of another type': ({ random }, { id, data }) => ({
    id,
    data: {
      ...data,
      [oneOf(random, ['due', 'body', 'kid', 'mac'])]: oneOf(random, [null, 7.5, true, [], {}, [data.body]]),
    },
    reasons: ['malformed', 'wrong signature', 'unknown key'],
  }),
  'with a prototype': (_, { id, data }) => ({
    id,
    data: JSON.parse(`{"__proto__":${JSON.stringify(data)}}`),
    reasons: ['malformed', 'version'],
  }),
  'no envelope': ({ random, value }) => ({
    id: freshId(),
    data: oneOf<unknown>(random, [null, 0, true, '', 'text', [], {}, value, [[[]]], { v: 1 }, nested(2_000)]),
    reasons: ['malformed', 'version'],
  }),
  'by a key of their own': (material) => {
    const id = freshId();
    const seal = new Seal({ secret: 'not the secret of the queue, but as long as one', maxAge: DAY });
    return {
      id,
      data: seal.close('job', material.addressOf(id), Date.now(), bodyOf(material)),
      reasons: ['unknown key'],
    };
  },
  'by a key of their own under the name of the right one': (material, { data: { kid } }) => {
    const id = freshId();
    const seal = new Seal({ secret: 'not the secret of the queue, but as long as one', maxAge: DAY });
    const data = { ...seal.close('job', material.addressOf(id), Date.now(), bodyOf(material)), kid };
    return { id, data, reasons: ALTERED };
  },
  'without a signature': (material) => {
    const id = freshId();
    return { id, data: { v: 1, due: Date.now(), body: bodyOf(material) }, reasons: ['unsigned'] };
  },
  'signed long ago': (material) => {
    const id = freshId();
    const due = Date.now() - 3 * DAY;
    return { id, data: signed(material, id, due, bodyOf(material)), reasons: ['too old'] };
  },
  'signed for later': (material) => {
    const id = freshId();
    return { id, data: signed(material, id, Date.now() + DAY, bodyOf(material)), reasons: ['too early'] };
  },
  'signed, and of another collector': (material) => {
    const id = freshId();
    const body = bodyOf(material, { key: 'elsewhere', keys: ['elsewhere'] });
    return { id, data: signed(material, id, Date.now(), body), reasons: ['malformed'] };
  },
  'signed, and not readable': (material) => {
    const { random } = material;
    const id = freshId();
    const body = oneOf(random, ['', '{}', 'null', '[]', '{', `${bodyOf(material)}{`, '\n\n', '{"event":1}\n7']);
    return { id, data: signed(material, id, Date.now(), body), reasons: ['malformed'] };
  },
  'signed as a result': (material) => {
    const id = freshId();
    const seal = new Seal({ secret: material.secret, maxAge: DAY });
    const data = seal.close('result', material.addressOf(id), Date.now(), bodyOf(material));
    return { id, data, reasons: ALTERED };
  },
  large: ({ random }, { id, data }) => ({
    id,
    data: { ...data, body: data.body + 'x'.repeat(Math.floor(random() * 100_000)) },
    reasons: ALTERED,
  }),
};

const NAMES = Object.keys(KINDS);

/** So many forgeries, of all kinds in turn. */
export function* forgeries(material: Material, count: number): Generator<Forgery> {
  for (let at = 0; at < count; at++) {
    const kind = NAMES[at % NAMES.length] as string;
    const template = oneOf(material.random, material.templates);
    yield { kind, ...(KINDS[kind] as Make)(material, template) };
  }
}

/** Always another text. */
function altered(random: () => number, text: string): string {
  const at = Math.floor(random() * text.length);
  const instead = oneOf(
    random,
    [...'abcXYZ019_-"\n'].filter((character) => character !== text[at]),
  );
  return text.slice(0, at) + instead + text.slice(at + 1);
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

function bodyOf({ value, addressOf }: Material, instead: Partial<JobHead> = {}): string {
  const key = addressOf('').queue.split(':').at(-1) as string;
  const now = Date.now();
  const head = { event: 'forged', key, delivery: 'key', keys: [key], topics: [], sentAt: now, reply: false } as const;
  return writeJob({ ...head, ...instead }, serialized(jsonSerializer, value));
}

function signed({ secret, addressOf }: Material, id: string, due: number, body: string): Envelope {
  return new Seal({ secret, maxAge: 10 * DAY }).close('job', addressOf(id), due, body);
}
