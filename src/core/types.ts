import type { AnyCollector, Collector, ErrorOf, ValueOf } from './collector.ts';
import type { CollectorQueueError } from './errors.ts';
import type { Payload } from './payload.ts';
import type { Outcome, Outcomes } from './results.ts';

/** The types of a queue's topics, as a value: made by {@link topicTypes}, given as the queue's option `topics`. */
export interface TopicTypes<T> {
  /** Types only. */
  readonly types?: (topics: T) => T;
}

const TOPIC_TYPES: TopicTypes<any> = Object.freeze({});

/**
 * Declares the topics of a queue and the types of their values, for the compiler: a send to another topic, or of another
 * value, or to a key that no collector has, does not compile. Template literal types work:
 *
 * ```ts
 * new CollectorQueue([...], { topics: topicTypes<{ 'orders': Order; [late: `flights/late/${string}`]: Flight }>() });
 * ```
 */
export function topicTypes<T>(): TopicTypes<T> {
  return TOPIC_TYPES;
}

/** Topics that were not declared: any topic, any value. */
export type AnyTopics = any;

/** Whether a type is `any`. */
export type IsAny<T> = 0 extends 1 & T ? true : false;

/** All of the types of a union at once. */
export type Intersection<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer I) => void ? I : never;

/** What collectors yield, by key. */
export type OutcomesOf<C extends AnyCollector> = {
  readonly [Each in C as Each['key']]: Each extends Collector<string, any, infer R, any, any, any>
    ? Outcome<ValueOf<R>, ErrorOf<R> | CollectorQueueError>
    : never;
};

/** The topics that may be named in a send. */
export type TopicName<T> = IsAny<T> extends true ? string : keyof T & string;

/** The keys that may be named in a send: with declared topics only those of the collectors. */
export type KeyName<C extends AnyCollector, T> = IsAny<T> extends true ? string : C['key'];

/** The value that a collector takes. */
export type TakenBy<C> = C extends Collector<string, any, any, any, any, infer I> ? I : never;

/** The values of several collectors, boxed so that each counts, `any` too. */
export type TakenByAll<C> =
  Intersection<C extends unknown ? [TakenBy<C>] : never> extends { readonly 0: infer V } ? V : never;

/** The collectors with one of these keys. */
export type WithKey<C extends AnyCollector, K extends string> = C extends unknown
  ? C['key'] extends K
    ? C
    : string extends C['key']
      ? C
      : never
  : never;

/** The value that fits every one of these topics. */
export type ValueOfTopics<T, Name> =
  IsAny<T> extends true
    ? any
    : Intersection<Name extends keyof T ? [T[Name]] : never> extends { readonly 0: infer V }
      ? V
      : never;

/**
 * The value that a payload must have: what its topics say, else what the collectors with its keys take, else (a
 * broadcast) what all collectors take.
 */
export type ValueFor<C extends AnyCollector, T, Keys extends string, Topics extends string> = Explained<
  [Topics] extends [never]
    ? [Keys] extends [never]
      ? TakenByAll<C>
      : [WithKey<C, Keys>] extends [never]
        ? any
        : TakenByAll<WithKey<C, Keys>>
    : ValueOfTopics<T, Topics>
>;

/** The keys that a payload was made with. */
export type KeysIn<P> = P extends Payload<infer _V, infer K, infer _T> ? K : never;

/** The topics that a payload was made with. */
export type TopicsIn<P> = P extends Payload<infer _V, infer _K, infer T> ? T : never;

/** What a payload has to be besides, to be sent: nothing more if it fits, else the payload that would fit. */
export type Sendable<C extends AnyCollector, T, P> = P extends Payload
  ? P extends Payload<ValueFor<C, T, KeysIn<P>, TopicsIn<P>>>
    ? [KeysIn<P>, TopicsIn<P>] extends [KeyName<C, T>, TopicName<T>]
      ? unknown
      : Payload<any, KeyName<C, T>, TopicName<T>>
    : Payload<ValueFor<C, T, KeysIn<P>, TopicsIn<P>>, KeysIn<P>, TopicsIn<P>>
  : never;

/** Says in the compiler's message why no value will do. */
export type Explained<V> = [V] extends [never]
  ? { readonly 'no value fits all of these collectors or topics: name fewer of them': never }
  : V;

/** The outcomes that a send may have: those of the collectors it names, or of all. */
export type OutcomesFor<C extends AnyCollector, Keys extends string> = [Keys] extends [never]
  ? OutcomesOf<C>
  : [WithKey<C, Keys>] extends [never]
    ? Outcomes
    : OutcomesOf<WithKey<C, Keys>>;
