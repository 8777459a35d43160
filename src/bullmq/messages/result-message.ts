import { err, ok, type Result } from 'neverthrow';
import { describeThrown, InvalidArgumentError } from '../../core/errors.ts';
import { deserialized, readBody, readHead, reading, serialized, writeBody } from './body.ts';
import { errorFromJson, errorToJson, isError } from './error-message.ts';
import { UnsendableResultError } from './errors.ts';
import { Fields, isAnything, isBoolean, malformed } from './fields.ts';
import type { Serializer } from './serializer.ts';

/** The most bytes of a result: 1 MiB. */
export const RESULT_LIMIT = 1_048_576;

/** The head of most results, as it is written. */
const OK_HEAD = '{"ok":true}';

/** No character of a string has more bytes in UTF-8. */
const MOST_BYTES = 3;

export interface WriteResultOptions {
  /** Whether the stacks of errors are sent, too. @default false */
  readonly stackTraces?: boolean | undefined;
  /** The most bytes of the body. @default RESULT_LIMIT */
  readonly limit?: number | undefined;
}

/** The body of a result, and what is wrong if it is not the one that was given. */
export interface WrittenResult {
  readonly body: string;
  /** Set if the result could not be carried; the body says so. */
  readonly problem?: UnsendableResultError;
}

/**
 * The body of a result. What cannot be carried becomes an `Err` that says so; never throws.
 *
 * Of an error go its name, message, code, `retryable`, causes and `errors`, in bounds, cycles cut; of an `Err` with
 * anything else, the value.
 */
export function writeResult(
  result: Result<unknown, unknown>,
  serializer: Serializer,
  options: WriteResultOptions = {},
): WrittenResult {
  const { stackTraces = false, limit = RESULT_LIMIT } = options;
  try {
    const body = bodyOf(result, serializer, stackTraces);
    if (body.length * MOST_BYTES <= limit) return { body };
    const bytes = Buffer.byteLength(body);
    return bytes <= limit ? { body } : unsendable(result, `it takes ${bytes} bytes, and ${limit} are allowed`, {});
  } catch (thrown) {
    return unsendable(result, thrown instanceof InvalidArgumentError ? thrown.message : describeThrown(thrown), {
      cause: thrown,
    });
  }
}

/**
 * The result that a body stands for; an `Err` with a {@link RejectedMessageError} if it stands for none. Errors come back
 * as {@link RemoteError}s. Never throws.
 */
export function readResult(body: string, serializer: Serializer): Result<unknown, unknown> {
  return reading((): Result<unknown, unknown> => {
    const { line, text } = readBody(body);
    if (line === OK_HEAD) return ok(deserialized(serializer, text));
    const fields = new Fields('the result', readHead(line)).only(['ok', 'error']);
    const isOk = fields.get('ok', isBoolean);
    if (!fields.has('error')) {
      const value = deserialized(serializer, text);
      return isOk ? ok(value) : err(value);
    }
    if (isOk || text !== undefined) throw malformed('the result is an error, and something else');
    return err(errorFromJson(fields.get('error', isAnything)));
  }).andThen((result) => result);
}

function bodyOf(result: Result<unknown, unknown>, serializer: Serializer, stackTraces: boolean): string {
  if (result.isOk()) return writeBody(OK_HEAD, serialized(serializer, result.value));
  const { error } = result;
  if (isError(error)) return writeBody({ ok: false, error: errorToJson(error, stackTraces) }, undefined);
  return writeBody({ ok: false }, serialized(serializer, error));
}

function unsendable(result: Result<unknown, unknown>, why: string, options: { cause?: unknown }): WrittenResult {
  const what = result.isOk() ? 'an Ok' : `an Err (${describeThrown(result.error).slice(0, 200)})`;
  const problem = new UnsendableResultError(`the result of the collector, ${what}, cannot be sent: ${why}`, options);
  return { body: writeBody({ ok: false, error: errorToJson(problem, false) }, undefined), problem };
}
