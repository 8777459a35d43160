import { Err, err, Ok, ok, Result } from 'neverthrow';
import { TaskControl } from '../policies/control.ts';
import { checkName } from './checks.ts';
import { type CollectorQueueError, describe, InvalidArgumentError, ProcessorError } from './errors.ts';

/** What one collector yields: the type of its values and of its errors. */
export interface Outcome<T = any, E = any> {
  readonly value: T;
  readonly error: E;
}

/** The outcomes of a set of collectors, by key. */
export type Outcomes = { readonly [key: string]: Outcome };

/** The result of one collector out of a set. */
export type ResultOf<M extends Outcomes, K extends keyof M> = Result<M[K]['value'], M[K]['error']>;

/**
 * The result of any collector out of a set. It may also be what stands for a payload that no collector took: an
 * `Ok(undefined)` if none matched, an `Err` if the queue refused or dropped it.
 */
export type AnyResultOf<M extends Outcomes> = Result<
  M[keyof M]['value'] | undefined,
  M[keyof M]['error'] | CollectorQueueError
>;

/** Anything that has a collector's key. */
interface Keyed {
  readonly key: string;
}

/**
 * What a send came to: one result for each collector that took the payload, in order of registration, or one result
 * that stands for them all if no collector did. Never empty, never changed.
 *
 * @typeParam M - the outcomes of the collectors, by key
 */
export class ResultList<M extends Outcomes = any> implements Iterable<AnyResultOf<M>> {
  /** How many collectors the payload was handed to. 0 if none matched, or if it never came that far. */
  readonly delivered: number;
  /** Undefined, on every list: when a promise is resolved with one, the search for `then` ends at once. */
  // biome-ignore lint/suspicious/noThenProperty: it says that there is none
  declare readonly then?: undefined;
  readonly #results: readonly AnyResultOf<M>[];
  readonly #keyed: readonly Keyed[];

  static {
    Object.defineProperty(ResultList.prototype, 'then', { value: undefined });
  }

  /**
   * @param results - at least one `Result`
   * @param keys - the collectors' keys, in the order of the results; by default the results belong to no key
   * @throws {@link InvalidArgumentError} for an empty list, for what is no `Result`, for keys of another number
   */
  constructor(results: readonly Result<any, any>[], keys?: readonly string[]);
  /** @internal */
  constructor(results: readonly Result<any, any>[], keys: undefined, trusted: readonly Keyed[]);
  constructor(results: readonly Result<any, any>[], keys?: readonly string[], trusted?: readonly Keyed[]) {
    if (trusted === undefined) {
      this.#results = checkResults(results);
      this.#keyed = checkKeys(keys, results.length);
      this.delivered = results.length;
    } else {
      this.#results = results;
      this.#keyed = trusted;
      this.delivered = trusted.length;
    }
  }

  /** How many results there are; at least 1. */
  get length(): number {
    return this.#results.length;
  }

  /** The result of the collector that was registered first, of those that took the payload. */
  first(): AnyResultOf<M> {
    return this.#results[0] as AnyResultOf<M>;
  }

  /** The result of the collector with this key; undefined if the payload was not handed to it. */
  get<K extends keyof M & string>(key: K): ResultOf<M, K> | undefined {
    const at = this.#keyed.findIndex((one) => one.key === key);
    return at === -1 ? undefined : (this.#results[at] as ResultOf<M, K>);
  }

  /** The keys of the collectors that took the payload, in the order of the results. */
  keys(): string[] {
    return this.#keyed.map((one) => one.key);
  }

  /** Iterates over the results; serves `for await` as well as `for`. */
  iter(): IterableIterator<AnyResultOf<M>> {
    return this.#results.values();
  }

  [Symbol.iterator](): IterableIterator<AnyResultOf<M>> {
    return this.#results.values();
  }

  /** Whether every result is an `Ok`. */
  isOk(): boolean {
    return this.#results.every((result) => result.isOk());
  }

  /** The values of the `Ok`s. */
  oks(): (M[keyof M]['value'] | undefined)[] {
    return this.#results.flatMap((result) => (result.isOk() ? [result.value] : []));
  }

  /** The errors of the `Err`s. */
  errs(): (M[keyof M]['error'] | CollectorQueueError)[] {
    return this.#results.flatMap((result) => (result.isErr() ? [result.error] : []));
  }

  /** One `Ok` with every value if all are `Ok`, else the first `Err`; neverthrow's `Result.combine`. */
  combine(): Result<(M[keyof M]['value'] | undefined)[], M[keyof M]['error'] | CollectorQueueError> {
    return Result.combine(this.#results as AnyResultOf<M>[]);
  }

  toString(): string {
    const parts = this.#results.map((result) => (result.isOk() ? 'Ok' : 'Err'));
    return `ResultList(${parts.join(', ')})`;
  }
}

/**
 * The result that a processor's value stands for: a `Result` stands for itself, whichever copy of neverthrow made it
 * (a foreign one is recognised by its methods), anything else counts as `Ok`. A value that throws when looked at is an
 * `Err`. What comes back is made here and can be trusted.
 */
export function toResult(value: unknown, collectorKey: string): Result<unknown, unknown> {
  return typeof value !== 'object' || value === null ? ok(value) : objectToResult(value, collectorKey);
}

/** The result that a value is; undefined for a bare value. May throw if the value is hostile. */
export function givenResult(value: unknown): Result<unknown, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return adopt(value) ?? (TaskControl.is(value) ? err(value) : undefined);
}

/** The result that a throw or a rejection stands for. */
export function failureOf(collectorKey: string, thrown: unknown): Result<unknown, unknown> {
  return err(TaskControl.is(thrown) ? thrown : new ProcessorError(collectorKey, thrown));
}

function objectToResult(value: object, collectorKey: string): Result<unknown, unknown> {
  try {
    return givenResult(value) ?? ok(value);
  } catch (thrown) {
    return err(new ProcessorError(collectorKey, thrown));
  }
}

/** A `Result` of ours, made from one of anybody's; undefined for anything else. May throw if the value is hostile. */
function adopt(value: object): Result<unknown, unknown> | undefined {
  if (value instanceof Ok) return ok(value.value);
  if (value instanceof Err) return err(value.error);
  const { isOk, isErr } = value as Partial<Result<unknown, unknown>>;
  if (typeof isOk !== 'function' || typeof isErr !== 'function') return undefined;
  if ('value' in value && isOk.call(value)) return ok(value.value);
  return 'error' in value && isErr.call(value) ? err(value.error) : undefined;
}

function checkResults(results: unknown): readonly Result<any, any>[] {
  if (!Array.isArray(results) || results.length === 0) {
    throw new InvalidArgumentError('ResultList: results', 'a non-empty array of Results', describe(results));
  }
  return Array.from(results, (result: unknown, at) => {
    const adopted = typeof result === 'object' && result !== null ? adopt(result) : undefined;
    if (adopted !== undefined) return adopted;
    throw new InvalidArgumentError(`ResultList: results[${at}]`, 'a Result', describe(result));
  });
}

function checkKeys(keys: readonly string[] | undefined, length: number): readonly Keyed[] {
  if (keys === undefined) return [];
  if (!Array.isArray(keys) || keys.length !== length) {
    throw new InvalidArgumentError('ResultList: keys', `an array of ${length} keys`, describe(keys));
  }
  return Array.from(keys, (key, at) => ({ key: checkName(`ResultList: keys[${at}]`, key) }));
}
