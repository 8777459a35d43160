import { describe, describeThrown, InvalidArgumentError } from '../core/errors.ts';

/**
 * What an emitter makes of the object that it is given, and sends: a flat object of name-value pairs. A value that is an
 * object goes where the wire format has a way to say it. Pairs whose value is `undefined` are left out.
 */
export type EmitterEvent = Readonly<Record<string, unknown>>;

/** Of objects within objects. `JSON.stringify` can do more, but not much more where the stack is deep already. */
const MOST_LEVELS = 1_000;

const BOXES = [Number, String, Boolean, BigInt] as const;

/**
 * A copy of an event that can be written as JSON, so that what happens to the original changes nothing.
 *
 * @param owner - who asks, for the message
 * @throws {@link InvalidArgumentError} that names the path of the first value that cannot be carried: a BigInt, a cycle,
 * a function, a symbol, a number that is not finite; and for what is no object with names.
 */
export function snapshotEvent(owner: string, event: unknown): Record<string, unknown> {
  const snapshot: Record<string, unknown> = {};
  for (const [name, value] of pairsOf(owner, event)) {
    if (value !== undefined) assign(snapshot, name, carried(owner, event, name, value));
  }
  return snapshot;
}

/**
 * The same with every value as a string, as in Snowplow's tracker protocol: numbers and booleans as they print, objects
 * as JSON. Pairs whose value is `null` are left out too.
 *
 * @throws {@link InvalidArgumentError} as {@link snapshotEvent} does.
 */
export function snapshotStrings(owner: string, event: unknown): Record<string, string> {
  const snapshot: Record<string, string> = {};
  for (const [name, value] of pairsOf(owner, event)) {
    if (typeof value === 'string') assign(snapshot, name, value);
    else if (value !== undefined && value !== null) assign(snapshot, name, asText(carried(owner, event, name, value)));
  }
  return snapshot;
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function pairsOf(owner: string, event: unknown): [string, unknown][] {
  const pairs =
    typeof event === 'object' && event !== null && !Array.isArray(event) ? entriesOf(`${owner}: event`, event) : [];
  // A Map, say, has pairs of its own kind, which would be lost without a word.
  if (pairs.length > 0 || isPlain(event)) return pairs;
  throw new InvalidArgumentError(`${owner}: event`, 'an object of name-value pairs', describe(event));
}

function isPlain(event: unknown): boolean {
  if (typeof event !== 'object' || event === null) return false;
  const prototype = Object.getPrototypeOf(event);
  return prototype === Object.prototype || prototype === null;
}

/** What a getter, a toJSON or a proxy throws is told by its path. */
function entriesOf(path: string, object: object): [string, unknown][] {
  try {
    return Object.entries(object);
  } catch {
    const names = readable(path, () => Object.keys(object));
    return names.map((name) => [name, readable(path + segment(name), () => (object as EmitterEvent)[name])]);
  }
}

function readable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw new InvalidArgumentError(path, 'readable', `one that fails: ${describeThrown(thrown)}`);
  }
}

/** The value as JSON would bring it back. */
function carried(owner: string, event: unknown, name: string, value: unknown): unknown {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  const path = `${owner}: event${segment(name)}`;
  try {
    return copy(path, value, name, [event as object]);
  } catch (thrown) {
    if (thrown instanceof InvalidArgumentError) throw thrown;
    const reason = thrown instanceof RangeError ? 'nested too deeply' : `one that fails: ${describeThrown(thrown)}`;
    throw new InvalidArgumentError(path, 'a value that JSON can carry', reason);
  }
}

/** Walks as JSON.stringify does, but refuses what that would turn into null, or leave out. */
function copy(path: string, given: unknown, key: string, ancestors: readonly object[]): unknown {
  const value = typeof given === 'object' ? readable(path, () => replaced(given, key)) : given;
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (Number.isFinite(value)) return value;
      throw new InvalidArgumentError(path, 'a finite number', String(value));
    case 'object':
      if (value === null) return null;
      if (ancestors.includes(value)) throw new InvalidArgumentError(path, 'free of cycles', 'a part of itself');
      if (ancestors.length > MOST_LEVELS) throw new RangeError();
      return Array.isArray(value)
        ? value.map((item, at) => copy(`${path}[${at}]`, item ?? null, String(at), [...ancestors, value]))
        : copyObject(path, value, [...ancestors, value]);
    default:
      throw new InvalidArgumentError(path, 'a value that JSON can carry', describe(value));
  }
}

function copyObject(path: string, value: object, ancestors: readonly object[]): object {
  const copied: Record<string, unknown> = {};
  for (const [name, item] of entriesOf(path, value)) {
    if (item !== undefined) assign(copied, name, copy(`${path}${segment(name)}`, item, name, ancestors));
  }
  return copied;
}

/** What stands for the value in JSON: a Date is its text, a boxed string a string. */
function replaced(value: object | null, key: string): unknown {
  if (value === null) return null;
  const { toJSON } = value as { toJSON?: unknown };
  if (value instanceof Date && Number.isNaN(value.getTime())) return Number.NaN;
  if (typeof toJSON === 'function') return toJSON.call(value, key);
  return BOXES.some((box) => value instanceof box) ? value.valueOf() : value;
}

function segment(name: string): string {
  return /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}

/** Not by plain assignment, where that would make something else of the name. */
function assign<V>(target: Record<string, V>, name: string, value: V): void {
  if (name !== '__proto__') target[name] = value;
  else Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
}
