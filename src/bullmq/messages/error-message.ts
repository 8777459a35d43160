import { types } from 'node:util';
import { describe } from '../../core/errors.ts';
import { jsonCopy } from '../../core/json-value.ts';
import { RemoteError } from './errors.ts';
import { Fields, isAnything, isBoolean, isListOf, isName, isNumber, isString, malformed } from './fields.ts';

/*
 * An error on the wire is its text and what it was caused by:
 *
 *   { name, message, code?, retryable?, stack?, cause?: part, errors?: part[] }
 *
 * where a part is `{ error }`, another one, or `{ value }`, anything else; `{}` is undefined.
 */

/** The most characters of what an error says; the rest is cut off. Of either side: an error from the wire is anybody's. */
const MOST = { name: 200, code: 200, message: 8_192, stack: 8_192, value: 8_192 } as const;

/** What an error is caused by, all together, and how deep. */
const MOST_PARTS = 16;
const MOST_DEPTH = 8;

const FIELDS = ['name', 'message', 'code', 'retryable', 'stack', 'cause', 'errors'] as const;

/** An Error of any realm. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error || types.isNativeError(value);
  } catch {
    return false;
  }
}

/** An error as JSON. Whatever the error does when it is looked at, this does not throw. */
export function errorToJson(error: Error, stackTraces: boolean): object {
  return new ErrorWriter(stackTraces).write(error, []);
}

/** An error from JSON. @throws {@link RejectedMessageError} for what is none */
export function errorFromJson(value: unknown): RemoteError {
  return new ErrorReader().read(value, 0);
}

class ErrorWriter {
  readonly #stackTraces: boolean;
  #count = 0;

  constructor(stackTraces: boolean) {
    this.#stackTraces = stackTraces;
  }

  write(error: Error, above: readonly Error[]): object {
    const chain = [...above, error];
    const name = property(error, 'name');
    const message = property(error, 'message');
    const code = property(error, 'code');
    const retryable = property(error, 'retryable');
    const stack = this.#stackTraces ? property(error, 'stack') : undefined;
    const errors = property(error, 'errors');
    return {
      name: cut(typeof name === 'string' && name !== '' ? name : 'Error', MOST.name),
      message: cut(typeof message === 'string' ? message : describe(message), MOST.message),
      code: typeof code === 'string' ? cut(code, MOST.code) : isNumber(code) ? code : undefined,
      retryable: typeof retryable === 'boolean' ? retryable : undefined,
      stack: typeof stack === 'string' ? cut(stack, MOST.stack) : undefined,
      cause: hasCause(error) ? this.#part(property(error, 'cause'), chain) : undefined,
      errors: isArray(errors) ? this.#parts(errors, chain) : undefined,
    };
  }

  #parts(errors: readonly unknown[], chain: readonly Error[]): object[] {
    const taken = Math.min(MOST_PARTS, lengthOf(errors));
    return Array.from({ length: taken }, (_, at) => this.#part(property(errors, at), chain));
  }

  #part(value: unknown, chain: readonly Error[]): object {
    if (value === undefined) return {};
    if (this.#count >= MOST_PARTS || chain.length > MOST_DEPTH) return { value: 'left out: there are too many' };
    this.#count += 1;
    if (!isError(value)) return { value: plain(value) };
    if (chain.includes(value)) return { value: 'left out: it is above already' };
    return { error: this.write(value, chain) };
  }
}

class ErrorReader {
  #count = 0;

  read(value: unknown, depth: number): RemoteError {
    this.#count += 1;
    if (this.#count > MOST_PARTS + 1 || depth > MOST_DEPTH) throw malformed('there are too many errors in the error');
    const fields = new Fields('the error', value).only(FIELDS);
    return new RemoteError(cut(fields.get('message', isString), MOST.message), {
      name: cut(fields.get('name', isName), MOST.name),
      code: bounded(fields.optional('code', isCode), MOST.code),
      retryable: fields.optional('retryable', isBoolean),
      stack: bounded(fields.optional('stack', isString), MOST.stack),
      ...(fields.has('cause') ? { cause: this.#part(fields.get('cause', isAnything), depth) } : {}),
      errors: fields.optional('errors', isList)?.map((part) => this.#part(part, depth)),
    });
  }

  #part(value: unknown, depth: number): unknown {
    const fields = new Fields('a part of the error', value).only(['error', 'value']);
    if (!fields.has('error')) return fields.optional('value', isAnything);
    if (fields.has('value')) throw malformed('a part of the error is an error and a value');
    return this.read(fields.get('error', isAnything), depth + 1);
  }
}

const isList = isListOf(isAnything);

function isCode(value: unknown): value is string | number {
  return typeof value === 'string' || isNumber(value);
}

/** A value that is no error, if it can be written, and is not too long; else words for it. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') return cut(value, MOST.value);
  try {
    const copy = jsonCopy('cause', value, { strict: true });
    return JSON.stringify(copy).length <= MOST.value ? copy : describe(value);
  } catch {
    return describe(value);
  }
}

/** A property of an error, which may be anything; undefined for one that fails. */
function property(owner: object, name: string | number): unknown {
  try {
    return (owner as Record<string | number, unknown>)[name];
  } catch {
    return undefined;
  }
}

function hasCause(error: Error): boolean {
  try {
    return 'cause' in error;
  } catch {
    return false;
  }
}

function isArray(value: unknown): value is readonly unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

function lengthOf(list: readonly unknown[]): number {
  const length = property(list, 'length');
  return Number.isSafeInteger(length) ? (length as number) : 0;
}

function bounded<T>(value: T, most: number): T | string {
  return typeof value === 'string' ? cut(value, most) : value;
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/\p{Surrogate}$/u, '')}…`;
}
