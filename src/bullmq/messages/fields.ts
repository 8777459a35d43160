import { describe } from '../../core/errors.ts';
import { RejectedMessageError } from './errors.ts';

/** A value that anybody may have written is checked before it is believed. */
type Check<T> = (value: unknown) => value is T;

/** The fields of an object that came over the wire, each read once, none inherited. Throws that it is malformed. */
export class Fields {
  readonly #what: string;
  readonly #values: Readonly<Record<string, unknown>>;

  /** @throws {@link RejectedMessageError} for what is no plain object */
  constructor(what: string, value: unknown) {
    if (!isPlainObject(value)) throw malformed(`${what} is ${describe(value)}`);
    this.#what = what;
    this.#values = value as Record<string, unknown>;
  }

  /** @throws {@link RejectedMessageError} if there are fields of other names */
  only(known: readonly string[]): this {
    for (const name of Object.keys(this.#values)) {
      if (!known.includes(name)) throw malformed(`${this.#what} has the unknown field ${describe(name)}`);
    }
    return this;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#values, name);
  }

  /** @throws {@link RejectedMessageError} if it is missing, or fails the check */
  get<T>(name: string, check: Check<T>): T {
    if (!this.has(name)) throw malformed(`${name} of ${this.#what} is missing`);
    const value = this.#values[name];
    if (check(value)) return value;
    throw malformed(`${name} of ${this.#what} is ${describe(value)}`);
  }

  /** What stands in for it may be missing, too. @throws {@link RejectedMessageError} if both are, or it fails the check */
  getOr<T>(name: string, check: Check<T>, instead: T | undefined): T {
    return instead === undefined || this.has(name) ? this.get(name, check) : instead;
  }

  /** @throws {@link RejectedMessageError} if it is there, and fails the check */
  optional<T>(name: string, check: Check<T>): T | undefined {
    return this.has(name) ? this.get(name, check) : undefined;
  }

  /** All of them. @throws {@link RejectedMessageError} if one fails the check */
  every<T>(check: Check<T>): Readonly<Record<string, T>> {
    return Object.fromEntries(Object.keys(this.#values).map((name) => [name, this.get(name, check)]));
  }
}

export function malformed(detail: string): RejectedMessageError {
  return new RejectedMessageError('malformed', detail);
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A Date can hold no time farther from the Unix epoch, in milliseconds. */
const FARTHEST_TIME = 8.64e15;

export const isString = (value: unknown): value is string => typeof value === 'string';
export const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';
export const isName = (value: unknown): value is string => typeof value === 'string' && value !== '';
export const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
export const isAnything = (_value: unknown): _value is unknown => true;

/** Whole milliseconds since the Unix epoch. There is one way to write each: no -0. */
export function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) <= FARTHEST_TIME && isNotNegative(value);
}

/** Milliseconds, of any length. */
export function isDuration(value: unknown): value is number {
  return isNumber(value) && isNotNegative(value);
}

export function isListOf<T>(check: Check<T>): Check<readonly T[]> {
  return (value): value is readonly T[] => Array.isArray(value) && value.every(check);
}

/** JSON has no Infinity. Where that means "no limit", null stands for it. */
export function orNull<T>(check: Check<T>): Check<T | null> {
  return (value): value is T | null => value === null || check(value);
}

function isNotNegative(value: unknown): boolean {
  return (value as number) >= 0 && !Object.is(value, -0);
}
