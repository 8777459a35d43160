import { err, ok, type Result } from 'neverthrow';
import { describe, describeThrown, InvalidArgumentError } from '../../core/errors.ts';
import { MOST_LEVELS } from '../../core/json-value.ts';
import { RejectedMessageError } from './errors.ts';
import { parseJson, type Serializer } from './serializer.ts';

/*
 * The body of a message:
 *
 *   {"topics":["…"]}⏎               the head, a line of JSON
 *   the value, as its serializer wrote it
 *
 * Without the line feed there is no value: it is undefined. So the serializer sees values of users and nothing else.
 */

/** A head may hold values of users, as the causes of errors, some levels down. */
const MOST_HEAD_LEVELS = MOST_LEVELS + 100;

/** @param head - an object, or the line for it */
export function writeBody(head: object | string, value: string | undefined): string {
  const line = typeof head === 'string' ? head : JSON.stringify(head);
  return value === undefined ? line : `${line}\n${value}`;
}

/** The line of the head, in which nothing is checked yet, and the text of the value. */
export function readBody(body: string): { readonly line: string; readonly text: string | undefined } {
  const end = body.indexOf('\n');
  if (end === -1) return { line: body, text: undefined };
  return { line: body.slice(0, end), text: body.slice(end + 1) };
}

/** @throws SyntaxError for what {@link parseJson} does not take */
export function readHead(line: string): unknown {
  return parseJson(line, MOST_HEAD_LEVELS);
}

/** The text of a value; undefined for undefined. @throws {@link InvalidArgumentError} if it cannot be carried. */
export function serialized(serializer: Serializer, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const text = textOf(serializer, value);
  if (typeof text === 'string' && isWellFormed(text)) return text;
  const came = typeof text === 'string' ? 'text with half a character' : describe(text);
  throw new InvalidArgumentError('serializer: what serialize returns', 'a well-formed string', came);
}

function textOf(serializer: Serializer, value: unknown): unknown {
  try {
    return serializer.serialize(value);
  } catch (thrown) {
    if (thrown instanceof InvalidArgumentError) throw thrown;
    const came = `one that it refuses: ${describeThrown(thrown)}`;
    throw new InvalidArgumentError('value', 'a value that the serializer can carry', came);
  }
}

/** The value of a text; undefined for undefined. @throws whatever the serializer does. */
export function deserialized(serializer: Serializer, text: string | undefined): unknown {
  return text === undefined ? undefined : serializer.deserialize(text);
}

/** Whether a text comes back the same from UTF-8: it has no half of a surrogate pair. */
export function isWellFormed(text: string): boolean {
  return text.isWellFormed();
}

/** What a reader brings, or why the message is rejected: whatever it throws means that the message is malformed. */
export function reading<T>(read: () => T): Result<T, RejectedMessageError> {
  try {
    return ok(read());
  } catch (thrown) {
    return err(asRejection(thrown));
  }
}

function asRejection(thrown: unknown): RejectedMessageError {
  try {
    if (thrown instanceof RejectedMessageError) return thrown;
  } catch {
    // A proxy that does not want to be asked is none.
  }
  return new RejectedMessageError('malformed', describeThrown(thrown), { cause: thrown });
}
