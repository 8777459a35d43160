import { describe, InvalidArgumentError } from './errors.ts';

/**
 * Checks of what users pass in. Each returns the checked value, so that options are resolved in one expression,
 * and throws an {@link InvalidArgumentError} that names the option, the expectation and what came.
 */

interface NumberRange {
  readonly min: number;
  readonly max?: number;
  /** Whether `Infinity` is allowed as "no limit". */
  readonly infinite?: boolean;
}

/** A whole number in a range; `Infinity` where the range allows it. */
export function checkInteger(name: string, value: unknown, range: NumberRange): number {
  if (range.infinite === true && value === Number.POSITIVE_INFINITY) return value;
  const max = range.max ?? Number.MAX_SAFE_INTEGER;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= range.min && value <= max) return value;
  throw new InvalidArgumentError(name, `a whole number ${inRange(range)}`, describe(value));
}

/** A duration in milliseconds, not negative, not NaN; `Infinity` where allowed. */
export function checkDuration(name: string, value: unknown, infinite = false): number {
  if (infinite && value === Number.POSITIVE_INFINITY) return value;
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  const limit = infinite ? ' or Infinity' : '';
  throw new InvalidArgumentError(name, `a duration of at least 0 milliseconds${limit}`, describe(value));
}

export function checkFinite(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new InvalidArgumentError(name, 'a finite number', describe(value));
}

export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new InvalidArgumentError(name, 'a boolean', describe(value));
}

export function checkOneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  if (allowed.includes(value as T)) return value as T;
  throw new InvalidArgumentError(name, `one of ${allowed.map((one) => `'${one}'`).join(', ')}`, describe(value));
}

export function checkName(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new InvalidArgumentError(name, 'a non-empty string', value === '' ? 'empty' : describe(value));
}

export function checkFunction(name: string, value: unknown, expected = 'a function'): void {
  if (typeof value !== 'function') throw new InvalidArgumentError(name, expected, describe(value));
}

/** An object that has these methods. */
export function checkMethods<T extends object>(name: string, value: T, methods: readonly (keyof T & string)[]): T {
  const isObject = typeof value === 'object' && value !== null;
  if (isObject && methods.every((method) => typeof value[method] === 'function')) return value;
  throw new InvalidArgumentError(name, `an object with the methods ${methods.join(', ')}`, describe(value));
}

export const LOGGER_METHODS = ['info', 'warn', 'error'] as const;
export const CLOCK_METHODS = ['now', 'wall', 'setTimer', 'yieldTurn'] as const;

/** The longest delay that `setTimeout` can hold; with a longer one it fires after 1 ms. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A duration in milliseconds that one timer can hold. */
export function checkTimer(name: string, value: unknown, min: 0 | 1): number {
  if (typeof value === 'number' && value >= min && value <= LONGEST_TIMER) return value;
  throw new InvalidArgumentError(name, `a duration from ${min} to ${LONGEST_TIMER} milliseconds`, describe(value));
}

/** @throws {@link InvalidArgumentError} for anything but an AbortSignal or nothing. */
export function checkSignal(owner: string, signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new InvalidArgumentError(`${owner}: signal`, 'an AbortSignal', describe(signal));
}

/** A Date can hold no time farther from the Unix epoch, in milliseconds. */
const FARTHEST_TIME = 8.64e15;

/** A point in time, as milliseconds since the Unix epoch. */
export function checkTime(name: string, time: unknown): number {
  const milliseconds = time instanceof Date ? time.getTime() : time;
  if (typeof milliseconds === 'number' && Math.abs(milliseconds) <= FARTHEST_TIME) return milliseconds;
  throw new InvalidArgumentError(name, 'a valid Date, or milliseconds since the Unix epoch', describe(time));
}

/** An options object with no names but the known ones; an unknown name is refused with the nearest right one. */
export function checkOptions<T extends object>(owner: string, value: unknown, known: readonly (keyof T & string)[]): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError(`${owner}: options`, 'an object', describe(value));
  }
  for (const name of Object.keys(value)) {
    if (!known.includes(name as keyof T & string)) throw unknownOption(owner, name, known);
  }
  return value as T;
}

/** The error for an option name that does not exist. */
export function unknownOption(owner: string, name: string, known: readonly string[]): InvalidArgumentError {
  const near = nearest(name, known);
  const hint = near === undefined ? '' : ` (did you mean '${near}'?)`;
  return new InvalidArgumentError(`${owner}: options`, `made of ${known.join(', ')}`, `given '${name}'${hint}`);
}

function inRange({ min, max, infinite }: NumberRange): string {
  const limit = infinite === true ? ' or Infinity' : '';
  return max === undefined ? `of at least ${min}${limit}` : `from ${min} to ${max}${limit}`;
}

function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.ceil(name.length / 2);
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein's distance, one row at a time. Option names are short; a long unknown name is cut. */
function editDistance(left: string, right: string): number {
  const a = left.slice(0, 40);
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, substitution));
    }
    row = next;
  }
  return row[right.length] as number;
}
