import { describe, InvalidArgumentError } from '../core/errors.ts';
import { assign, entriesOf, jsonCopy, segment } from '../core/json-value.ts';

/**
 * What an emitter makes of the object that it is given, and sends: a flat object of name-value pairs. A value that is an
 * object goes where the wire format has a way to say it. Pairs whose value is `undefined` are left out.
 */
export type EmitterEvent = Readonly<Record<string, unknown>>;

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

/** The value as JSON would bring it back. */
function carried(owner: string, event: unknown, name: string, value: unknown): unknown {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  return jsonCopy(`${owner}: event${segment(name)}`, value, { within: event as object, name });
}
