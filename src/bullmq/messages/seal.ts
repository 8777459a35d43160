import type { Result } from 'neverthrow';
import { checkInteger, checkTime } from '../../core/checks.ts';
import { describe, InvalidArgumentError } from '../../core/errors.ts';
import { isWellFormed, reading } from './body.ts';
import { RejectedMessageError } from './errors.ts';
import { Fields, isName, isNumber, isString, isTime, malformed } from './fields.ts';
import { type Secret, SigningKey } from './signing-key.ts';

/** What a message is: a job on its way to a worker, or the result on its way back. */
export type MessageKind = 'job' | 'result';

/** Which job of which queue a message belongs to. It is signed, so that a message cannot be moved. */
export interface Address {
  readonly queue: string;
  readonly jobId: string;
}

/** What is stored in Redis: a message, and how to tell that it is ours. Plain JSON. */
export interface Envelope {
  /** The version of the wire format. */
  readonly v: 1;
  /** When the job is due, or the result was made: milliseconds since the Unix epoch. */
  readonly due: number;
  readonly body: string;
  /** Which key it is signed with. Absent where no secret is set. */
  readonly kid?: string;
  /** HMAC-SHA256 of everything above, the kind and the address, in base64url. Absent where no secret is set. */
  readonly mac?: string;
}

export interface SealSettings {
  /**
   * One key, or two while keys are changed: the first signs, both verify. To change keys without a gap, give every
   * process the new key second, then first, then alone. At least 32 bytes each.
   * @default none: messages are not signed, and signed ones are refused
   */
  readonly secret?: Secret | readonly Secret[] | undefined;
  /** How long after its due time a signed message is believed, in milliseconds; a whole number of at least 1. */
  readonly maxAge: number;
}

const VERSION = 1;
const FIELDS = ['v', 'due', 'body', 'kid', 'mac'] as const;

/** How far the clocks of two processes may differ, in milliseconds. A message that is due later still is too early. */
export const MOST_SKEW = 300_000;

/** Puts messages in envelopes, and takes out those that are to be believed. */
export class Seal {
  readonly #keys: readonly SigningKey[];
  readonly #maxAge: number;

  /** @throws {@link InvalidArgumentError} for a wrong secret, more than two, the same twice; for a wrong age */
  constructor(settings: SealSettings) {
    this.#keys = keysOf(settings.secret);
    this.#maxAge = checkInteger('BullMQCollectorQueue: maxAge', settings.maxAge, { min: 1 });
  }

  /** Whether messages are signed. */
  get signs(): boolean {
    return this.#keys.length > 0;
  }

  /**
   * An envelope for this message.
   *
   * @param due - milliseconds since the Unix epoch, not before it; rounded
   * @throws {@link InvalidArgumentError} for a due time that is none, and for half a character in the body
   */
  close(kind: MessageKind, address: Address, due: number, body: string): Envelope {
    if (!isWellFormed(body)) throw new InvalidArgumentError('Seal: body', 'well-formed', 'text with half a character');
    const envelope = { v: VERSION, due: checkDue(due), body } as const;
    const [key] = this.#keys;
    if (key === undefined) return envelope;
    return { ...envelope, kid: key.id, mac: key.sign(signed(kind, address, key.id, envelope.due), body) };
  }

  /**
   * The body of an envelope that anybody may have written: believed if it was closed for this kind and address with an
   * active key, and is not too old. Nothing in the body is looked at. Never throws.
   *
   * @param now - milliseconds since the Unix epoch
   */
  open(kind: MessageKind, address: Address, envelope: unknown, now: number): Result<string, RejectedMessageError> {
    return reading(() => {
      const { due, body, kid, mac } = readEnvelope(envelope);
      if (this.#keys.length === 0) {
        if (mac !== undefined) throw new RejectedMessageError('unexpected signature', 'no secret is set here');
        return body;
      }
      if (kid === undefined || mac === undefined) throw new RejectedMessageError('unsigned', 'a secret is set here');
      const key = this.#keys.find(({ id }) => id === kid);
      if (key === undefined) throw new RejectedMessageError('unknown key', 'it is signed with none of the active keys');
      if (!key.verify(signed(kind, address, kid, due), body, mac)) {
        throw new RejectedMessageError('wrong signature', 'it is forged, altered, or of another queue or job');
      }
      this.#checkAge(now - due);
      return body;
    });
  }

  /** Only of what is signed: else the due time is anybody's. */
  #checkAge(age: number): void {
    if (age > this.#maxAge) {
      throw new RejectedMessageError('too old', `it was due ${age} ms ago, and maxAge is ${this.#maxAge} ms`);
    }
    if (age < -MOST_SKEW) throw new RejectedMessageError('too early', `it is due in ${-age} ms`);
  }
}

/** What is signed besides the body. */
function signed(kind: MessageKind, { queue, jobId }: Address, kid: string, due: number): readonly string[] {
  return [String(VERSION), kind, kid, queue, jobId, String(due)];
}

function readEnvelope(value: unknown): { due: number; body: string; kid: string | undefined; mac: string | undefined } {
  const fields = new Fields('the envelope', value);
  const version = fields.get('v', isNumber);
  if (version !== VERSION) throw new RejectedMessageError('version', `it is ${version}, and known is ${VERSION}`);
  fields.only(FIELDS);
  if (fields.has('kid') !== fields.has('mac')) throw malformed('the envelope has one of kid and mac without the other');
  const body = fields.get('body', isString);
  // The signature is one of UTF-8, where all halves of characters look the same.
  if (!isWellFormed(body)) throw malformed('the body has half a character');
  return {
    due: fields.get('due', isTime),
    body,
    kid: fields.optional('kid', isName),
    mac: fields.optional('mac', isName),
  };
}

function checkDue(due: number): number {
  // A time just before the epoch rounds to -0, which is 0 on the wire.
  const rounded = Math.round(checkTime('Seal: due', due)) + 0;
  if (isTime(rounded)) return rounded;
  throw new InvalidArgumentError('Seal: due', 'a time after the Unix epoch', describe(due));
}

function keysOf(secret: unknown): readonly SigningKey[] {
  const name = 'BullMQCollectorQueue: secret';
  if (secret === undefined) return [];
  if (!Array.isArray(secret)) return [new SigningKey(name, secret)];
  if (secret.length < 1 || secret.length > 2) {
    throw new InvalidArgumentError(name, 'one key or two', describe(secret));
  }
  const keys = Array.from(secret, (one: unknown, at) => new SigningKey(`${name}[${at}]`, one));
  if (keys[0]?.id === keys[1]?.id) throw new InvalidArgumentError(name, 'two different keys', 'the same twice');
  return keys;
}
