import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { Err, Ok } from 'neverthrow';
import type { BatchSettings } from '../policies/batch.ts';
import type { TaskControl } from '../policies/control.ts';
import type { TaskPolicy } from '../policies/policy.ts';
import { checkFunction, checkName, checkOptions } from './checks.ts';
import { describe, InvalidArgumentError } from './errors.ts';
import { FLOW_OPTIONS } from './flow-options.ts';
import type { SendHeaders } from './headers.ts';
import { checkContext, checkLifecycle, type Extension, type Lifecycle } from './lifecycle.ts';
import { checkPolicy } from './middleware.ts';
import type { Payload } from './payload.ts';
import type { Registration } from './registration.ts';
import { Validator } from './schema.ts';
import {
  type CollectorTaskOptions,
  type CollectorTaskSettings,
  resolveCollectorTaskOptions,
  TASK_OPTIONS,
} from './task-options.ts';
import { checkTopicFilter } from './topic-filter.ts';

/** What a processor is told about the attempt it makes. */
export interface Attempt {
  /** 1 for the first attempt. */
  readonly number: number;
  /** The key of the collector whose processor this is. */
  readonly collectorKey: string;
  /** The id of the event that the sender holds; made when first read. */
  readonly eventId: string;
  /**
   * Fires when the result is wanted no more: the event was cancelled, the attempt exceeded its `timeout`, the signal of
   * the collector fired, or the queue gave up at shutdown. Made when first read, so a processor that does not look pays
   * nothing.
   */
  readonly signal: AbortSignal;
  /** The headers of the send, frozen; undefined if it had none. */
  readonly headers?: SendHeaders | undefined;
}

/**
 * Does the work of a collector. Returns a neverthrow `Result` (or `ResultAsync`), or a bare value, which counts as
 * `Ok(value)`, or a promise of either. A throw or a rejection counts as `Err(ProcessorError)`.
 *
 * @typeParam V - the value of the payloads
 * @typeParam R - what it returns
 * @typeParam C - the context
 */
export type Processor<V = any, R = any, C = any> = (payload: Payload<V>, context: C, attempt: Attempt) => R;

/**
 * The context of a processor: what the user gave, and what the lifecycle yielded. Anything goes where neither is
 * known.
 */
export type Context<G extends object, Y> = unknown extends Y ? (object extends G ? any : G) : G & Extension<Y>;

/** The type of the values of what a processor returned. */
export type ValueOf<R> =
  Awaited<R> extends infer X
    ? X extends Ok<infer T, any>
      ? T
      : X extends Err<any, any> | TaskControl
        ? never
        : X
    : never;

/** The type of the errors of what a processor returned. */
export type ErrorOf<R> =
  Awaited<R> extends infer X ? (X extends Err<any, infer E> ? Exclude<E, TaskControl> : never) : never;

/**
 * Options of a {@link Collector}.
 *
 * @typeParam G - the context that the user gives
 * @typeParam Y - what the lifecycle adds to it
 * @typeParam I - the value that may be sent to it, if it has a schema
 * @typeParam V - what the schema makes of that
 */
export interface CollectorOptions<G extends object = object, Y = unknown, I = any, V = any>
  extends CollectorTaskOptions<NoInfer<I>> {
  /**
   * The topics it subscribes to: names, or patterns as in MQTT, where `+` stands for one level and `#`, at the end, for
   * any number (`a/#` matches `a` too). No topic has a special meaning.
   * @default []
   */
  readonly topics?: string | readonly string[] | undefined;
  /**
   * A Standard Schema (of zod, valibot, arktype …) that checks and transforms the value of each payload, once, before the
   * processor gets it. A value that does not fit is an `Err(SchemaError)`, which is not retried.
   */
  readonly schema?: StandardSchemaV1<I, V> | undefined;
  /** What sets it up and shuts it down. */
  readonly lifecycle?: Lifecycle<NoInfer<G>, Y> | undefined;
  /**
   * A plain object that the processor gets as its context, copied at each set-up, then filled by the lifecycle.
   * @default {}
   */
  readonly context?: G | undefined;
  /**
   * Decides about each task before and after an attempt, beside what the options above say.
   * @default []
   */
  readonly policies?: readonly TaskPolicy[] | undefined;
}

/** The names of the options. */
export const COLLECTOR_OPTIONS: readonly (keyof CollectorOptions)[] = [
  'topics',
  'lifecycle',
  'context',
  'schema',
  ...TASK_OPTIONS,
  'lock',
  'deadLetter',
  ...FLOW_OPTIONS,
  'policies',
];

let registrationIn: (collector: AnyCollector) => Registration | undefined;
let registerIn: (collector: AnyCollector, registration: Registration | undefined) => void;

/**
 * A named handler of payloads. It can be registered with any number of queues, but serves one at a time: from that
 * queue's `initQueue` to its shutdown.
 *
 * @typeParam K - its key
 * @typeParam V - the value of the payloads that its processor takes
 * @typeParam R - what its processor returns
 * @typeParam G - the context that the user gives
 * @typeParam Y - what the lifecycle adds to it
 * @typeParam I - the value of the payloads that are sent to it: V, unless its schema says otherwise
 */
export class Collector<K extends string = string, V = any, R = any, G extends object = object, Y = unknown, I = V> {
  readonly key: K;
  readonly processor: Processor<V, R>;
  readonly topics: readonly string[];
  readonly lifecycle: Lifecycle | undefined;
  /** The context as it was given; the one that the processor gets is a copy of it, filled by the lifecycle. */
  readonly context: G | undefined;
  readonly policies: readonly TaskPolicy[];
  readonly schema: StandardSchemaV1 | undefined;
  /** Types only. */
  declare protected readonly taken: (value: I) => void;
  /**
   * What its options say of tasks, checked.
   * @internal
   */
  readonly settings: CollectorTaskSettings;
  /**
   * Set if its processor takes batches.
   * @internal
   */
  readonly batch: BatchSettings | undefined = undefined;
  /**
   * Checks by its schema.
   * @internal
   */
  readonly validator: Validator | undefined;
  #registration: Registration | undefined = undefined;

  static {
    registrationIn = (collector) => collector.#registration;
    registerIn = (collector, registration) => {
      collector.#registration = registration;
    };
  }

  /**
   * @throws {@link InvalidArgumentError} (a TypeError) for an empty key, a processor that is no function, an unknown
   * option, an empty or malformed topic, a lifecycle or context of the wrong shape, a schema that is no Standard Schema.
   */
  constructor(key: K, processor: Processor<V, R, Context<G, Y>>, options: CollectorOptions<G, Y, I, V> = {}) {
    this.key = checkName('Collector: key', key) as K;
    const owner = `Collector "${key}"`;
    checkFunction(`${owner}: processor`, processor);
    checkOptions<CollectorOptions>(owner, options, COLLECTOR_OPTIONS);
    const { topics, lifecycle, context, schema, policies = [] } = options;
    if (lifecycle !== undefined) checkLifecycle(owner, lifecycle);
    if (context !== undefined) checkContext(owner, context);
    checkPolicies(owner, policies);
    this.processor = processor;
    this.topics = checkTopics(owner, topics);
    this.lifecycle = lifecycle;
    this.context = context;
    this.schema = schema;
    this.validator = schema === undefined ? undefined : new Validator(`${owner}: schema`, schema, `collector "${key}"`);
    this.policies = Object.freeze([...policies]);
    this.settings = resolveCollectorTaskOptions(owner, options);
  }
}

/** Any collector, whatever its types. */
export type AnyCollector = Collector<string, any, any, any, any, any>;

/** Where the collector serves now. Throws a TypeError for what is no collector. */
export function registrationOf(collector: AnyCollector): Registration | undefined {
  return registrationIn(collector);
}

/** False if the collector serves somewhere already. */
export function claimCollector(collector: AnyCollector, registration: Registration): boolean {
  if (registrationIn(collector) !== undefined) return false;
  registerIn(collector, registration);
  return true;
}

export function releaseCollector(collector: AnyCollector): void {
  registerIn(collector, undefined);
}

function checkTopics(owner: string, topics: unknown): readonly string[] {
  if (topics === undefined) return [];
  if (typeof topics === 'string') return [checkTopicFilter(`${owner}: topics`, topics)];
  if (!Array.isArray(topics)) {
    throw new InvalidArgumentError(`${owner}: topics`, 'a string or an array of strings', describe(topics));
  }
  return Object.freeze(Array.from(topics, (topic, at) => checkTopicFilter(`${owner}: topics[${at}]`, topic)));
}

function checkPolicies(owner: string, policies: unknown): void {
  if (!Array.isArray(policies)) throw new InvalidArgumentError(`${owner}: policies`, 'an array', describe(policies));
  for (const [at, policy] of Array.from(policies).entries()) {
    checkPolicy(`${owner}: policies[${at}]`, policy, 'a TaskPolicy');
  }
}
