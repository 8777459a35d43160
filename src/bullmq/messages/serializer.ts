import { jsonCopy, MOST_LEVELS } from '../../core/json-value.ts';

/**
 * How values become text and come back: the value of a payload, and what a processor makes of it. The same on every
 * process of a queue. Both methods are synchronous, and called for nothing but messages whose signature is right, if a
 * secret is set; `undefined` is not given to them, it travels as nothing.
 */
export interface Serializer {
  /**
   * The text of a value.
   *
   * @throws anything for a value that it cannot carry; the send throws then
   */
  serialize(value: unknown): string;
  /**
   * The value of a text. Must not make objects of classes that the text names.
   *
   * @throws anything for a text that it did not write
   */
  deserialize(text: string): unknown;
}

/**
 * Values as JSON. Strict where `JSON.stringify` changes a value without a word: it refuses numbers that are not finite,
 * BigInts, functions, symbols, cycles, Maps, Sets, Errors, bytes, more than 1,000 levels, and the name `__proto__`, which
 * it does not read either. Objects with `toJSON`, such as a Date, go as what that returns; of an instance of a class come
 * back its fields, in a plain object. `undefined` in an object is left out, in an array it becomes null.
 */
export const jsonSerializer: Serializer = Object.freeze({
  serialize: (value: unknown): string => JSON.stringify(jsonCopy('value', value, { strict: true })),
  deserialize: (text: string): unknown => parseJson(text, MOST_LEVELS),
});

/**
 * The value of a text that anybody may have written.
 *
 * @throws SyntaxError for what is no JSON, has the name `__proto__`, or more levels than that
 */
export function parseJson(text: string, mostLevels: number): unknown {
  const value: unknown = JSON.parse(text);
  if (mayBeBad(text, mostLevels)) checkParsed(value, mostLevels);
  return value;
}

const [BRACE, BRACKET] = [0x7b, 0x5b];

/** Whether to look closer: most texts have too few brackets to nest deeply, and not the name, nor `\\u` that may spell it. */
function mayBeBad(text: string, mostLevels: number): boolean {
  if (text.includes('__proto__') || text.includes('\\u')) return true;
  // What is opened is closed again.
  if (text.length < 2 * mostLevels) return false;
  let opened = 0;
  for (let at = 0; at < text.length && opened < mostLevels; at++) {
    const code = text.charCodeAt(at);
    if (code === BRACE || code === BRACKET) opened++;
  }
  return opened >= mostLevels;
}

/** Level by level, because whoever nests deeply means to overflow the stack. */
function checkParsed(value: unknown, mostLevels: number): void {
  let objects = objectsIn([value]);
  for (let level = 0; objects.length > 0; level++) {
    if (level >= mostLevels) throw new SyntaxError('nested too deeply');
    if (objects.some((object) => Object.hasOwn(object, '__proto__'))) throw new SyntaxError('the name __proto__');
    objects = objects.flatMap((object) => objectsIn(Array.isArray(object) ? object : Object.values(object)));
  }
}

function objectsIn(values: readonly unknown[]): object[] {
  return values.filter((value): value is object => typeof value === 'object' && value !== null);
}
