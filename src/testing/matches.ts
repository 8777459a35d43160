import { isDeepStrictEqual } from 'node:util';

/**
 * Whether a value is like the one that is expected. Plain objects are alike if the value has what is expected, perhaps
 * among other things; arrays, if they are of one length and each item is alike; anything else, if it is deeply and
 * strictly equal.
 */
export function matches(value: unknown, expected: unknown): boolean {
  if (Array.isArray(expected)) {
    return (
      Array.isArray(value) &&
      value.length === expected.length &&
      expected.every((one: unknown, at) => matches(value[at], one))
    );
  }
  if (!isPlain(expected)) return isDeepStrictEqual(value, expected);
  if (typeof value !== 'object' || value === null) return false;
  return Object.keys(expected).every(
    (key) => Object.hasOwn(value, key) && matches((value as Record<string, unknown>)[key], expected[key]),
  );
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
