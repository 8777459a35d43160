import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { describe, InvalidArgumentError } from '../../core/errors.ts';

/** What messages are signed with: at least 32 bytes; a string counts by its UTF-8. Make it of random bytes. */
export type Secret = string | Uint8Array;

const FEWEST_BYTES = 32;

/** Enough of a hash to tell keys apart, and far too little to find one by. */
const KEY_ID_LENGTH = 16;

/** One active key. Shows its secret to nobody: not to an inspection of the object, not in a message. */
export class SigningKey {
  /** Tells which key it is; made from the key by a one-way function. 16 characters of base64url. */
  readonly id: string;
  readonly #key: KeyObject;

  /** @throws {@link InvalidArgumentError} for what is no secret; the message does not repeat it. */
  constructor(name: string, secret: unknown) {
    const bytes = bytesOf(name, secret);
    if (bytes.length < FEWEST_BYTES) {
      throw new InvalidArgumentError(name, `of at least ${FEWEST_BYTES} bytes`, `one of ${bytes.length}`);
    }
    // A copy: what the caller does with the bytes changes nothing.
    this.#key = createSecretKey(bytes);
    // The names that a hash begins with differ, so no signature is ever a key id, and the other way round.
    this.id = this.#hash(['collector-queue key id'], '').slice(0, KEY_ID_LENGTH);
  }

  /** The signature of these fields and this body: 43 characters of base64url. */
  sign(fields: readonly string[], body: string): string {
    return this.#hash(['collector-queue message', ...fields], body);
  }

  /** Whether this is the signature, in a time that does not depend on where it differs. */
  verify(fields: readonly string[], body: string, signature: string): boolean {
    // As text, not as the bytes that it stands for: some bits of the last character stand for nothing.
    const right = Buffer.from(this.sign(fields, body));
    const given = Buffer.from(signature);
    return given.length === right.length && timingSafeEqual(given, right);
  }

  /** HMAC-SHA256, each part with its length before it, so that nothing can move from one to the next. */
  #hash(fields: readonly string[], body: string): string {
    const prefix = fields.map((field) => `${Buffer.byteLength(field)}:${field}`).join('');
    const hmac = createHmac('sha256', this.#key);
    return hmac
      .update(`${prefix}${Buffer.byteLength(body)}:`)
      .update(body)
      .digest('base64url');
  }
}

function bytesOf(name: string, secret: unknown): Uint8Array {
  if (typeof secret === 'string') return Buffer.from(secret);
  if (secret instanceof Uint8Array) return secret;
  throw new InvalidArgumentError(name, 'a string or a Uint8Array', describe(secret));
}
