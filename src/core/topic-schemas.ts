import type { StandardSchemaV1 } from '@standard-schema/spec';
import { checkName } from './checks.ts';
import { describe, InvalidArgumentError } from './errors.ts';
import { Validator } from './schema.ts';
import type { TopicName } from './types.ts';

/** Schemas of topics, by their names. */
export type TopicSchemas<T = any> = { readonly [Topic in TopicName<T>]?: StandardSchemaV1 | undefined };

/**
 * The topics of a queue and what may be sent to them, as their schemas say: for
 * `topicTypes<TopicInputs<typeof schemas>>()`.
 */
export type TopicInputs<S> = {
  readonly [Topic in keyof S]: S[Topic] extends StandardSchemaV1 ? StandardSchemaV1.InferInput<S[Topic]> : never;
};

/** @throws {@link InvalidArgumentError} for what is no object, a pattern instead of a topic, what is no schema. */
export function resolveSchemas(name: string, schemas: unknown): ReadonlyMap<string, Validator> | undefined {
  if (typeof schemas !== 'object' || schemas === null || Array.isArray(schemas)) {
    throw new InvalidArgumentError(name, 'an object of schemas by topics', describe(schemas));
  }
  const given = Object.entries(schemas).filter(([, schema]) => schema !== undefined);
  if (given.length === 0) return undefined;
  return new Map(
    given.map(([topic, schema]) => {
      checkName(`${name}: topic`, topic);
      // It would apply to nothing, and nobody would notice.
      if (topic.split('/').some((level) => level === '+' || level === '#')) {
        throw new InvalidArgumentError(`${name}: topic`, 'the name of a topic', `the pattern "${topic}"`);
      }
      return [topic, new Validator(`${name}["${topic}"]`, schema, `topic "${topic}"`)];
    }),
  );
}
