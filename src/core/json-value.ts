import { describe, describeThrown, InvalidArgumentError } from './errors.ts';

/** Of objects within objects. `JSON.stringify` can do more, but not much more where the stack is deep already. */
export const MOST_LEVELS = 1_000;

const BOXES = [Number, String, Boolean, BigInt] as const;

interface JsonCopyOptions {
  /** The object that the value was found in: to meet it again is a cycle. */
  readonly within?: object | undefined;
  /** The name of the value in there; `toJSON` is told. */
  readonly name?: string | undefined;
  /**
   * Whether to refuse also what would come back as something else without a word, as a Map comes back as `{}`: objects
   * with content of their own kind, and the name `__proto__`.
   */
  readonly strict?: boolean | undefined;
}

/** The way down to a value: what it is in, and by which name. Upwards it is the path, and shows cycles. */
interface Way {
  readonly within: object | undefined;
  readonly name: string | number;
  readonly above: Way | undefined;
  readonly level: number;
}

/**
 * A copy of a value as JSON would bring it back, so that it can be written. Walks as `JSON.stringify` does, but refuses
 * what that would turn into null, or leave out. In an object `undefined` is left out; in an array it becomes null.
 *
 * @param path - of the value, for the message
 * @throws {@link InvalidArgumentError} that names the path of the first value that cannot be carried: a BigInt, a cycle,
 * a function, a symbol, a number that is not finite; `undefined` if it is the value itself.
 */
export function jsonCopy(path: string, value: unknown, options: JsonCopyOptions = {}): unknown {
  const { within, name = '', strict = false } = options;
  try {
    return new JsonWalk(path, strict).copy(value, { within, name, above: undefined, level: 0 });
  } catch (thrown) {
    if (thrown instanceof InvalidArgumentError) throw thrown;
    const reason = thrown instanceof RangeError ? 'nested too deeply' : `one that fails: ${describeThrown(thrown)}`;
    throw new InvalidArgumentError(path, 'a value that JSON can carry', reason);
  }
}

class JsonWalk {
  readonly #path: string;
  readonly #strict: boolean;

  constructor(path: string, strict: boolean) {
    this.#path = path;
    this.#strict = strict;
  }

  copy(given: unknown, way: Way): unknown {
    const value = typeof given === 'object' ? this.#replaced(given, way) : given;
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return value;
      case 'number':
        if (Number.isFinite(value)) return value;
        throw this.#error(way, 'a finite number', String(value));
      case 'object':
        if (value === null) return null;
        if (isAbove(value, way)) throw this.#error(way, 'free of cycles', 'a part of itself');
        if (way.level >= MOST_LEVELS) throw new RangeError();
        return Array.isArray(value) ? this.#copyArray(value, way) : this.#copyObject(value, way);
      default:
        throw this.#error(way, 'a value that JSON can carry', describe(value));
    }
  }

  #copyArray(array: readonly unknown[], above: Way): unknown[] {
    const level = above.level + 1;
    return array.map((item, at) => this.copy(item ?? null, { within: array, name: at, above, level }));
  }

  #copyObject(object: object, above: Way): object {
    if (this.#strict && hasHiddenContent(object)) {
      throw this.#error(above, 'a value that JSON can carry', describe(object));
    }
    const copied: Record<string, unknown> = {};
    const level = above.level + 1;
    for (const [name, item] of this.#entries(object, above)) {
      if (item === undefined) continue;
      const way = { within: object, name, above, level };
      if (this.#strict && name === '__proto__') throw this.#error(way, 'named otherwise', 'not safe to read back');
      assign(copied, name, this.copy(item, way));
    }
    return copied;
  }

  #entries(object: object, way: Way): [string, unknown][] {
    try {
      return Object.entries(object);
    } catch {
      // Once more and one by one, to see which of them fails.
      return entriesOf(pathOf(this.#path, way), object);
    }
  }

  #replaced(value: object | null, way: Way): unknown {
    try {
      return replaced(value, way.name);
    } catch (thrown) {
      throw this.#error(way, 'readable', `one that fails: ${describeThrown(thrown)}`);
    }
  }

  #error(way: Way, expected: string, came: string): InvalidArgumentError {
    return new InvalidArgumentError(pathOf(this.#path, way), expected, came);
  }
}

/**
 * The entries of an object.
 *
 * @throws {@link InvalidArgumentError} that tells by its path what a getter or a proxy throws.
 */
export function entriesOf(path: string, object: object): [string, unknown][] {
  try {
    return Object.entries(object);
  } catch {
    const names = readable(path, () => Object.keys(object));
    return names.map((name) => [name, readable(path + segment(name), () => (object as Record<string, unknown>)[name])]);
  }
}

/** How a name is written in a path: `.name`, or `["an odd name"]`. */
export function segment(name: string): string {
  return /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}

/** Not by plain assignment, where that would make something else of the name. */
export function assign<V>(target: Record<string, V>, name: string, value: V): void {
  if (name !== '__proto__') target[name] = value;
  else Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
}

function readable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw new InvalidArgumentError(path, 'readable', `one that fails: ${describeThrown(thrown)}`);
  }
}

function isAbove(value: object, from: Way): boolean {
  for (let way: Way | undefined = from; way !== undefined; way = way.above) {
    if (way.within === value) return true;
  }
  return false;
}

function pathOf(root: string, to: Way): string {
  let path = '';
  for (let way = to; way.above !== undefined; way = way.above) {
    path = (typeof way.name === 'number' ? `[${way.name}]` : segment(way.name)) + path;
  }
  return root + path;
}

/** What stands for the value in JSON: a Date is its text, a boxed string a string. */
function replaced(value: object | null, name: string | number): unknown {
  if (value === null) return null;
  const { toJSON } = value as { toJSON?: unknown };
  if (value instanceof Date && Number.isNaN(value.getTime())) return Number.NaN;
  if (typeof toJSON === 'function') return toJSON.call(value, String(name));
  return BOXES.some((box) => value instanceof box) ? value.valueOf() : value;
}

/** What an object of the language or the platform holds beside its fields: a Map, a RegExp, an Error, bytes. */
function hasHiddenContent(object: object): boolean {
  const tag = Object.prototype.toString.call(object);
  if (tag === '[object Object]') return false;
  return tag === '[object Error]' || ArrayBuffer.isView(object) || Object.keys(object).length === 0;
}
