import { checkFinite, checkName, checkOneOf, unknownOption } from './checks.ts';
import { Delivery } from './delivery.ts';
import { describe, InvalidArgumentError } from './errors.ts';

/**
 * How a payload is to be delivered.
 *
 * @typeParam K - the keys, as literal types where they are literals
 * @typeParam T - the topics, likewise
 */
export interface PayloadOptions<K extends string = string, T extends string = string> {
  /**
   * The routing mode. Keys alone imply KEY, topics alone imply TOPIC; with both it must be said.
   * @default Delivery.BROADCAST, unless keys or topics are given
   */
  readonly delivery?: Delivery | undefined;
  /** The keys of the collectors that are to take the payload; non-empty strings. */
  readonly keys?: K | readonly K[] | undefined;
  /** The topics of the payload; non-empty strings, taken literally (patterns belong to collectors). */
  readonly topics?: T | readonly T[] | undefined;
  /**
   * The rank in a PRIORITY queue: any finite number, lowest first. Other queues ignore it.
   * @default the queue's `defaultPriority`
   */
  readonly priority?: number | undefined;
}

/** One name is kept as it is, which spares an array per payload; several as a copy. */
type Names = string | readonly string[] | undefined;

let namesOf: (payload: Payload) => Names;

/**
 * What is sent: a value, and how to deliver it. Immutable; the value travels by reference.
 *
 * The types of keys and topics are remembered, so that a typed queue can check them against the value. A
 * `Payload<Value>` that does not name them counts as a broadcast there.
 *
 * @typeParam V - the value
 * @typeParam K - the keys it was made with
 * @typeParam T - the topics it was made with
 */
export class Payload<V = any, const K extends string = never, const T extends string = never> {
  /** The value, as it was given. */
  readonly value: V;
  readonly delivery: Delivery;
  /** The rank in a PRIORITY queue; undefined stands for the queue's default. */
  readonly priority: number | undefined;
  /** Types only. Contravariant: a payload with known keys and topics can be used as one without. */
  declare protected readonly route: (keys: K, topics: T) => void;
  readonly #keys: Names;
  readonly #topics: Names;

  static {
    namesOf = (payload) => {
      if (payload.delivery === Delivery.KEY) return payload.#keys;
      return payload.delivery === Delivery.TOPIC ? payload.#topics : undefined;
    };
  }

  /**
   * @throws {@link InvalidArgumentError} (a TypeError) for an unknown option, an empty or non-string key or topic, a
   * priority that is no finite number, KEY without keys, TOPIC without topics, both without a delivery.
   */
  constructor(value: V, options?: PayloadOptions<K, T>) {
    this.value = value;
    if (options === undefined) {
      this.delivery = Delivery.BROADCAST;
      this.priority = undefined;
      this.#keys = undefined;
      this.#topics = undefined;
      return;
    }
    checkNamesOf(options);
    const { keys, topics, delivery, priority } = options;
    this.#keys = checkNames(keys, 'keys');
    this.#topics = checkNames(topics, 'topics');
    this.delivery = delivery === undefined ? impliedDelivery(keys, topics) : checkDelivery(delivery, keys, topics);
    this.priority = priority === undefined ? undefined : checkFinite('Payload: priority', priority);
  }

  /** The keys, empty if none were given. */
  get keys(): readonly string[] {
    return toArray(this.#keys);
  }

  /** The topics, empty if none were given. */
  get topics(): readonly string[] {
    return toArray(this.#topics);
  }
}

/** What a payload is routed by, without an array for a single name; undefined for a broadcast. */
export function payloadNames(payload: Payload): Names {
  return namesOf(payload);
}

/** A misspelt name would make a broadcast of what was meant for one collector, so names are checked here too. */
function checkNamesOf(options: object): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InvalidArgumentError('Payload: options', 'an object', describe(options));
  }
  for (const name in options) {
    if (name !== 'keys' && name !== 'topics' && name !== 'delivery' && name !== 'priority') throw unknown(name);
  }
}

function unknown(name: string): Error {
  return unknownOption('Payload', name, ['delivery', 'keys', 'topics', 'priority']);
}

/** The way of most payloads is one name, as a string or alone in an array. */
function checkNames(names: unknown, option: 'keys' | 'topics'): Names {
  if (names === undefined) return undefined;
  const single = Array.isArray(names) && names.length === 1 ? names[0] : names;
  return typeof single === 'string' && single !== '' ? single : checkSeveral(names, option);
}

function checkSeveral(names: unknown, option: 'keys' | 'topics'): readonly string[] {
  if (!Array.isArray(names) || names.length === 0) {
    throw new InvalidArgumentError(`Payload: ${option}`, 'a non-empty string or array of strings', describe(names));
  }
  return Array.from(names, (name, at) => checkName(`Payload: ${option}[${at}]`, name));
}

function impliedDelivery(keys: unknown, topics: unknown): Delivery {
  if (keys === undefined) return topics === undefined ? Delivery.BROADCAST : Delivery.TOPIC;
  if (topics === undefined) return Delivery.KEY;
  throw new InvalidArgumentError('Payload: delivery', 'given when there are both keys and topics', 'missing');
}

function checkDelivery(delivery: unknown, keys: unknown, topics: unknown): Delivery {
  const mode = checkOneOf<Delivery>('Payload: delivery', delivery, Object.values(Delivery));
  if (mode === Delivery.KEY && keys === undefined) {
    throw new InvalidArgumentError("Payload: keys with delivery 'key'", 'a non-empty string or several', 'missing');
  }
  if (mode === Delivery.TOPIC && topics === undefined) {
    throw new InvalidArgumentError("Payload: topics with delivery 'topic'", 'a non-empty string or several', 'missing');
  }
  return mode;
}

function toArray(names: Names): readonly string[] {
  if (names === undefined) return [];
  return typeof names === 'string' ? [names] : names;
}
