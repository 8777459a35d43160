import { type Clock, systemClock } from '../schedule/clock.ts';
import { Overflow } from './admission.ts';
import {
  CLOCK_METHODS,
  checkBoolean,
  checkDuration,
  checkFinite,
  checkInteger,
  checkMethods,
  checkOneOf,
  checkOptions,
  LOGGER_METHODS,
} from './checks.ts';
import { QueueType } from './delivery.ts';
import { describe, InvalidArgumentError } from './errors.ts';
import type { ResultsOptions } from './kept-results.ts';
import type { LatencyOptions } from './latency.ts';
import type { Logger } from './log.ts';
import { OVERSEER, type Overseen, type Overseer } from './overseer.ts';
import { Router, type RouterClass } from './router.ts';
import type { Validator } from './schema.ts';
import { SimpleRouter } from './simple-router.ts';
import { resolveSchemas, type TopicSchemas } from './topic-schemas.ts';
import { type TopicTypes, topicTypes } from './types.ts';

/**
 * Options of a `CollectorQueue`. All durations are milliseconds. They are checked, and resolved to a complete frozen
 * object, when the queue is constructed.
 *
 * @typeParam T - the topics and their values
 */
export interface QueueOptions<T = any> {
  /**
   * Consumers that are kept, from 1 to `maxConsumers`.
   * @default 1
   */
  readonly minConsumers?: number | undefined;
  /**
   * Consumers that there may be, from `minConsumers`.
   * @default 100_000
   */
  readonly maxConsumers?: number | undefined;
  /**
   * How many consumers there are, from `minConsumers` to `maxConsumers`. By Little's law: a consumer for each payload that
   * waits, at once; then as many as the load keeps busy. Adaptive: as many as what the processors call bears, found by the
   * times and errors of their calls; it starts at `minConsumers`.
   * @default 'littles-law'
   */
  readonly scaling?: Scaling | undefined;
  /**
   * The waiting order.
   * @default QueueType.FIFO
   */
  readonly queueType?: QueueType | undefined;
  /**
   * The priority of payloads that have none: any finite number, lowest first.
   * @default 1000
   */
  readonly defaultPriority?: number | undefined;
  /**
   * Routes the payloads: a class, of which the queue makes an instance, again whenever the collectors change; or an
   * instance, whose `refresh` is told of the collectors.
   * @default SimpleRouter
   */
  readonly router?: Router | RouterClass | undefined;
  /**
   * How long the `handleEvent` of a custom router may take; after that the event settles as `Err(RouterTimeoutError)`.
   * @default Infinity
   */
  readonly routerTimeout?: number | undefined;
  /**
   * What a payload that matches no collector gives: `Ok(undefined)` or `Err(UnroutedError)`.
   * @default 'ok'
   */
  readonly onUnrouted?: 'ok' | 'error' | undefined;
  /**
   * How many payloads may wait, from 0. What an idle consumer takes at once never waits.
   * @default Infinity
   */
  readonly maxSize?: number | undefined;
  /**
   * What happens to a payload that is one too many: it is refused, or the longest-waiting (by priority: the least
   * urgent, perhaps itself) is dropped for it. Either way an event settles as Err.
   * @default 'reject'
   */
  readonly overflow?: Overflow | undefined;
  /**
   * How many tasks may be parked at a time, from 0; one too many settles as `Err(ParkedFullError)`.
   * @default 100_000
   */
  readonly maxParked?: number | undefined;
  /**
   * How many payloads may be scheduled for later (`delay`, `at`) at a time, from 0; one too many is refused.
   * @default 1_000_000
   */
  readonly maxScheduled?: number | undefined;
  /**
   * How many keys of sends with a `dedupeKey` may be remembered at a time, from 0; a send with one too many is refused.
   * @default 1_000_000
   */
  readonly maxDedupeKeys?: number | undefined;
  /**
   * How much work that exceeded its time limit may go on at a time, from 0, before the queue tells that it is saturated.
   * Each keeps a consumer, so a queue all of whose consumers are kept is saturated too.
   * @default 100
   */
  readonly maxAbandoned?: number | undefined;
  /** Keeps settled results, so that `queue.result(id)` finds them. Off by default. */
  readonly results?: ResultsOptions | undefined;
  /**
   * How long consumers that are not needed stay.
   * @default 1000
   */
  readonly idleTimeout?: number | undefined;
  /**
   * Whether a processor runs in the async context (AsyncLocalStorage) of its sender. Otherwise it runs in that of
   * `initQueue`, never in that of some other sender; all share that one, so `enterWith` in a processor changes it for
   * those that follow.
   * @default false
   */
  readonly asyncContext?: boolean | undefined;
  /** Where metrics and internal errors are logged. Without one, internal errors become process warnings. */
  readonly logger?: Logger | undefined;
  /**
   * How often the metrics are logged as a record "collector queue metrics", at `info`, while the queue is up. Needs a
   * `logger`.
   * @default Infinity
   */
  readonly metricsInterval?: number | undefined;
  /**
   * Whether `getMetrics().latency` tells how long payloads wait and processors take, as percentiles. Then every payload is
   * timed, and not one in many.
   * @default false
   */
  readonly latency?: boolean | LatencyOptions | undefined;
  /** The topics and the types of their values; see {@link topicTypes}. Types only. */
  readonly topics?: TopicTypes<T> | undefined;
  /**
   * Standard Schemas (of zod, valibot, arktype …) by topics, which are exact names: each checks and transforms the values
   * sent with its topic before a processor gets them. A value that does not fit is an `Err(SchemaError)`. A payload with
   * several of the topics passes their schemas in its order, each of them once.
   */
  readonly schemas?: TopicSchemas<NoInfer<T>> | undefined;
  /** The time by which the queue lives; for tests. */
  readonly clock?: Clock | undefined;
}

/** What decides how many consumers there are. */
export type Scaling = 'littles-law' | 'adaptive';

/** Resolved options. */
export type QueueSettings = {
  readonly [Name in Exclude<keyof QueueOptions, Optional | 'topics'>]-?: Exclude<QueueOptions[Name], undefined>;
} & {
  readonly logger: Logger | undefined;
  readonly results: Required<ResultsOptions> | undefined;
  readonly overseer: Overseer | undefined;
  readonly schemas: ReadonlyMap<string, Validator> | undefined;
  /** The window of the latency figures, in milliseconds; undefined without them. */
  readonly latency: number | undefined;
};

type Optional = 'logger' | 'results' | 'schemas' | 'latency';

const NAMES: readonly (keyof QueueOptions)[] = [
  'minConsumers',
  'maxConsumers',
  'scaling',
  'queueType',
  'defaultPriority',
  'router',
  'routerTimeout',
  'onUnrouted',
  'maxSize',
  'overflow',
  'maxParked',
  'maxScheduled',
  'maxDedupeKeys',
  'maxAbandoned',
  'results',
  'idleTimeout',
  'asyncContext',
  'logger',
  'metricsInterval',
  'latency',
  'topics',
  'schemas',
  'clock',
];

/** Milliseconds. */
const LATENCY_WINDOW = 60_000;

/** @throws {@link InvalidArgumentError} for the first option that is wrong. */
export function resolveOptions(options: QueueOptions): QueueSettings {
  const given = checkOptions<QueueOptions>('CollectorQueue', options, NAMES);
  const name = (option: keyof QueueOptions): string => `CollectorQueue: ${option}`;
  const maxConsumers = checkInteger(name('maxConsumers'), or(given.maxConsumers, 100_000), { min: 1 });
  const minConsumers = checkInteger(name('minConsumers'), or(given.minConsumers, 1), { min: 1 });
  if (minConsumers > maxConsumers) {
    throw new InvalidArgumentError(name('minConsumers'), `at most maxConsumers (${maxConsumers})`, `${minConsumers}`);
  }
  const metricsInterval = checkDuration(
    name('metricsInterval'),
    or(given.metricsInterval, Number.POSITIVE_INFINITY),
    true,
  );
  const logger = given.logger === undefined ? undefined : checkMethods(name('logger'), given.logger, LOGGER_METHODS);
  if (metricsInterval !== Number.POSITIVE_INFINITY && logger === undefined) {
    throw new InvalidArgumentError(name('logger'), 'given when there is a metricsInterval', 'missing');
  }
  if (metricsInterval < 1) throw new InvalidArgumentError(name('metricsInterval'), 'at least 1', `${metricsInterval}`);
  if (given.topics !== undefined && given.topics !== topicTypes()) {
    throw new InvalidArgumentError(name('topics'), 'made by topicTypes()', describe(given.topics));
  }
  return Object.freeze({
    minConsumers,
    maxConsumers,
    scaling: checkOneOf<Scaling>(name('scaling'), or(given.scaling, 'littles-law'), ['littles-law', 'adaptive']),
    queueType: checkOneOf(name('queueType'), or(given.queueType, QueueType.FIFO), Object.values(QueueType)),
    defaultPriority: checkFinite(name('defaultPriority'), or(given.defaultPriority, 1000)),
    router: checkRouter(or(given.router, SimpleRouter)),
    routerTimeout: checkDuration(name('routerTimeout'), or(given.routerTimeout, Number.POSITIVE_INFINITY), true),
    onUnrouted: checkOneOf(name('onUnrouted'), or(given.onUnrouted, 'ok'), ['ok', 'error'] as const),
    maxSize: checkInteger(name('maxSize'), or(given.maxSize, Number.POSITIVE_INFINITY), { min: 0, infinite: true }),
    overflow: checkOneOf(name('overflow'), or(given.overflow, Overflow.REJECT), Object.values(Overflow)),
    maxParked: checkInteger(name('maxParked'), or(given.maxParked, 100_000), { min: 0, infinite: true }),
    maxScheduled: checkInteger(name('maxScheduled'), or(given.maxScheduled, 1_000_000), { min: 0, infinite: true }),
    maxDedupeKeys: checkInteger(name('maxDedupeKeys'), or(given.maxDedupeKeys, 1_000_000), { min: 0, infinite: true }),
    maxAbandoned: checkInteger(name('maxAbandoned'), or(given.maxAbandoned, 100), { min: 0, infinite: true }),
    results: given.results === undefined ? undefined : resolveResults(name('results'), given.results),
    idleTimeout: checkDuration(name('idleTimeout'), or(given.idleTimeout, 1000)),
    asyncContext: checkBoolean(name('asyncContext'), or(given.asyncContext, false)),
    logger,
    metricsInterval,
    schemas: given.schemas === undefined ? undefined : resolveSchemas(name('schemas'), given.schemas),
    latency: resolveLatency(name('latency'), or(given.latency, false)),
    clock: checkMethods(name('clock'), or(given.clock, systemClock), CLOCK_METHODS),
    overseer: (given as Overseen)[OVERSEER],
  });
}

/** Only what is not given has a default; null is a mistake. */
function or<T>(given: T | undefined, fallback: T): T {
  return given === undefined ? fallback : given;
}

function resolveResults(name: string, results: ResultsOptions): Required<ResultsOptions> {
  const { keep, ttl = Number.POSITIVE_INFINITY } = checkOptions<ResultsOptions>(name, results, ['keep', 'ttl']);
  return {
    keep: checkInteger(`${name}.keep`, keep, { min: 1 }),
    ttl: checkDuration(`${name}.ttl`, ttl, true),
  };
}

/** The window of the latency figures; undefined without them. */
export function resolveLatency(name: string, latency: unknown): number | undefined {
  if (typeof latency === 'boolean') return latency ? LATENCY_WINDOW : undefined;
  if (typeof latency !== 'object' || latency === null || Array.isArray(latency)) {
    throw new InvalidArgumentError(name, 'a boolean, or an object with a window', describe(latency));
  }
  const { window = LATENCY_WINDOW } = checkOptions<LatencyOptions>(name, latency, ['window']);
  const checked = checkDuration(`${name}.window`, window);
  if (checked < 1) throw new InvalidArgumentError(`${name}.window`, 'at least 1', `${checked}`);
  return checked;
}

function checkRouter(router: unknown): Router | RouterClass {
  if (router instanceof Router) return router;
  if (typeof router === 'function' && router.prototype instanceof Router) return router as RouterClass;
  throw new InvalidArgumentError(
    'CollectorQueue: router',
    'a class that extends Router, or an instance of one',
    describe(router),
  );
}

/** How much work may be left behind before the queue is saturated: also, each of it keeps a consumer. */
export function mostAbandoned({ maxAbandoned, maxConsumers }: QueueSettings): number {
  return Math.min(maxAbandoned, maxConsumers - 1);
}
