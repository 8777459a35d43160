import type { StandardSchemaV1 } from '@standard-schema/spec';
import { err, ok, type Result } from 'neverthrow';
import { BrokenSchemaError, describe, describeThrown, InvalidArgumentError, SchemaError } from './errors.ts';
import { issuesOf, named } from './schema-issues.ts';

/** What a schema says of a value: what it makes of it, or what is wrong. */
export type Checked<T = unknown> = Result<T, SchemaError | BrokenSchemaError>;

/** Now, or later. */
export type Soon<T> = T | Promise<T>;

/** Checks values by a schema, whose it is being known. */
export class Validator {
  readonly schema: StandardSchemaV1;
  readonly #owner: string;
  readonly #standard: StandardSchemaV1.Props;

  /**
   * @param name - of the option that gave the schema
   * @param owner - whose schema it is, for what it refuses
   * @throws {@link InvalidArgumentError} for what is no Standard Schema of version 1
   */
  constructor(name: string, schema: unknown, owner: string) {
    this.#standard = standardOf(name, schema);
    this.schema = schema as StandardSchemaV1;
    this.#owner = owner;
  }

  /** Never throws and never rejects, whatever the schema does. A promise only if the schema gave one. */
  check(value: unknown): Soon<Checked> {
    try {
      const answer: unknown = this.#standard.validate(value);
      return isThenable(answer) ? this.#later(answer) : this.#read(answer);
    } catch (thrown) {
      return this.#failed(thrown);
    }
  }

  async #later(answer: PromiseLike<unknown>): Promise<Checked> {
    try {
      return this.#read(await answer);
    } catch (thrown) {
      return this.#failed(thrown);
    }
  }

  #read(answer: unknown): Checked {
    const { issues, value } = this.#partsOf(answer);
    if (!issues) return ok(value);
    const normalised = issuesOf(issues);
    if (normalised === undefined) return err(this.#broken(`issues that are ${describe(issues)}`));
    const said = normalised.length === 0 ? 'it names no issue' : named(normalised);
    return err(new SchemaError(`the value does not fit the schema of ${this.#owner}: ${said}`, normalised));
  }

  /** Each is read once: what it says twice might differ. */
  #partsOf(answer: unknown): { readonly issues?: unknown; readonly value?: unknown } {
    if (typeof answer !== 'object' || answer === null) throw this.#broken(describe(answer));
    const { issues } = answer as { issues?: unknown };
    if (issues) return { issues };
    if (!('value' in answer)) throw this.#broken(`${describe(answer)} with neither a value nor issues`);
    return { value: answer.value };
  }

  #broken(came: string): BrokenSchemaError {
    return new BrokenSchemaError(
      `the schema of ${this.#owner} must answer with a value or issues, but it gave ${came}`,
    );
  }

  #failed(thrown: unknown): Checked<never> {
    if (thrown instanceof BrokenSchemaError) return err(thrown);
    const message = `the schema of ${this.#owner} failed: ${describeThrown(thrown)}`;
    return err(new BrokenSchemaError(message, { cause: thrown }));
  }
}

/** Whatever copy of whatever library made the schema; those of arktype are functions. */
function standardOf(name: string, schema: unknown): StandardSchemaV1.Props {
  const expected = 'a Standard Schema of version 1, such as those of zod, valibot and arktype';
  if (!isObject(schema)) throw new InvalidArgumentError(name, expected, describe(schema));
  let standard: unknown;
  let version: unknown;
  let validate: unknown;
  try {
    standard = (schema as Partial<StandardSchemaV1>)['~standard'];
    if (isObject(standard)) ({ version, validate } = standard as Partial<StandardSchemaV1.Props>);
  } catch (thrown) {
    throw new InvalidArgumentError(name, expected, `${describe(schema)} that throws ${describeThrown(thrown)}`);
  }
  if (!isObject(standard)) throw new InvalidArgumentError(name, expected, `${describe(schema)} without "~standard"`);
  if (version !== 1) throw new InvalidArgumentError(name, expected, `one of version ${describe(version)}`);
  if (typeof validate !== 'function') throw new InvalidArgumentError(name, expected, 'one without a validate function');
  return standard as StandardSchemaV1.Props;
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof (value as { then?: unknown }).then === 'function';
}
