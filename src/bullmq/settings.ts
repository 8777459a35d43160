import {
  CLOCK_METHODS,
  checkBoolean,
  checkDuration,
  checkInteger,
  checkMethods,
  checkName,
  checkOneOf,
  checkOptions,
  checkTimer,
  LOGGER_METHODS,
} from '../core/checks.ts';
import { QueueType } from '../core/delivery.ts';
import { describe, InvalidArgumentError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { resolveLatency } from '../core/options.ts';
import { Router, type RouterClass } from '../core/router.ts';
import type { Validator } from '../core/schema.ts';
import { SimpleRouter } from '../core/simple-router.ts';
import { resolveSchemas } from '../core/topic-schemas.ts';
import { topicTypes } from '../core/types.ts';
import { type Clock, systemClock } from '../schedule/clock.ts';
import { checkConnection } from './connection-options.ts';
import { MOST_PRIORITY } from './messages/job-message.ts';
import { Seal } from './messages/seal.ts';
import { jsonSerializer, type Serializer } from './messages/serializer.ts';
import type { BullMQQueueOptions, ConcurrencyRange, Connection, KeepOptions, Role } from './options.ts';

/** Resolved options. */
export interface BullMQQueueSettings {
  readonly connection: Connection;
  readonly prefix: string;
  readonly role: Role;
  readonly name: string | undefined;
  readonly concurrency: Concurrency;
  readonly concurrencyOf: ReadonlyMap<string, Concurrency>;
  readonly idleTimeout: number;
  readonly queueType: QueueType;
  readonly defaultPriority: number;
  readonly router: Router | RouterClass;
  readonly onUnrouted: 'ok' | 'error';
  /** How many jobs may wait for Redis; 0 if sends fail at once. */
  readonly mostAway: number;
  readonly connectTimeout: number;
  readonly sendTimeout: number;
  readonly waitTimeout: number;
  readonly lookupInterval: number;
  readonly registryInterval: number;
  readonly registryTtl: number;
  readonly registryTimeout: number;
  readonly seal: Seal;
  readonly maxAge: number;
  readonly serializer: Serializer;
  readonly stackTraces: boolean;
  readonly keepCompleted: KeepJobs;
  readonly keepFailed: KeepJobs;
  readonly lockDuration: number;
  readonly stalledInterval: number;
  readonly poisonLimit: number;
  readonly maxParked: number;
  readonly logger: Logger | undefined;
  readonly schemas: ReadonlyMap<string, Validator> | undefined;
  /** The window of the latency figures, in milliseconds; undefined without them. */
  readonly latency: number | undefined;
  readonly clock: Clock;
}

export interface Concurrency {
  readonly min: number;
  readonly max: number;
}

/** As BullMQ wants it: the age in seconds. */
type KeepJobs = { age: number; count?: number } | { count: number };

const OWNER = 'BullMQCollectorQueue';
const DAY = 86_400_000;
const MOST_CONCURRENCY = 100_000;

const NAMES: readonly (keyof BullMQQueueOptions)[] = [
  'connection',
  'prefix',
  'role',
  'name',
  'concurrency',
  'concurrencyOf',
  'idleTimeout',
  'queueType',
  'defaultPriority',
  'router',
  'onUnrouted',
  'whenAway',
  'connectTimeout',
  'sendTimeout',
  'waitTimeout',
  'lookupInterval',
  'registryInterval',
  'registryTtl',
  'registryTimeout',
  'secret',
  'maxAge',
  'serializer',
  'stackTraces',
  'keepCompleted',
  'keepFailed',
  'lockDuration',
  'stalledInterval',
  'poisonLimit',
  'maxParked',
  'logger',
  'latency',
  'topics',
  'schemas',
  'clock',
];

/** @throws {@link InvalidArgumentError} for the first option that is wrong. */
export function resolveOptions(options: BullMQQueueOptions): BullMQQueueSettings {
  refuseScaling(options);
  const given = checkOptions<BullMQQueueOptions>(OWNER, options, NAMES);
  if (given.topics !== undefined && given.topics !== topicTypes()) {
    throw new InvalidArgumentError(named('topics'), 'made by topicTypes()', describe(given.topics));
  }
  if (Object.hasOwn(given, 'secret') && given.secret === undefined) {
    // A missing environment variable must not switch the signatures off.
    throw new InvalidArgumentError(named('secret'), 'left out or a secret', 'undefined');
  }
  const timer = (option: keyof BullMQQueueOptions, fallback: number): number =>
    checkTimer(named(option), or(given[option], fallback), 1);
  const maxAge = checkTimer(named('maxAge'), or(given.maxAge, DAY), 1);
  const defaultPriority = checkInteger(named('defaultPriority'), or(given.defaultPriority, 1000), PRIORITIES);
  return Object.freeze({
    connection: checkConnection(named('connection'), given.connection),
    prefix: checkPrefix(or(given.prefix, 'collector-queue')),
    role: checkOneOf<Role>(named('role'), or(given.role, 'both'), ['both', 'publisher', 'worker']),
    name: given.name === undefined ? undefined : checkName(named('name'), given.name),
    concurrency: resolveConcurrency(named('concurrency'), or(given.concurrency, {})),
    concurrencyOf: resolveConcurrencies(or(given.concurrencyOf, {})),
    idleTimeout: checkTimer(named('idleTimeout'), or(given.idleTimeout, 1000), 0),
    queueType: checkOneOf(named('queueType'), or(given.queueType, QueueType.FIFO), Object.values(QueueType)),
    defaultPriority,
    router: checkRouter(or(given.router, SimpleRouter)),
    onUnrouted: checkOneOf(named('onUnrouted'), or(given.onUnrouted, 'ok'), ['ok', 'error'] as const),
    mostAway: resolveWhenAway(or(given.whenAway, 'fail')),
    connectTimeout: timer('connectTimeout', 10_000),
    sendTimeout: timer('sendTimeout', 5_000),
    waitTimeout: timer('waitTimeout', 30_000),
    lookupInterval: timer('lookupInterval', 5_000),
    registryInterval: timer('registryInterval', 10_000),
    registryTtl: timer('registryTtl', DAY),
    registryTimeout: checkTimer(named('registryTimeout'), or(given.registryTimeout, 0), 0),
    seal: new Seal({ secret: given.secret, maxAge }),
    maxAge,
    serializer: checkMethods(named('serializer'), or(given.serializer, jsonSerializer), ['serialize', 'deserialize']),
    stackTraces: checkBoolean(named('stackTraces'), or(given.stackTraces, false)),
    keepCompleted: resolveKeep(named('keepCompleted'), or(given.keepCompleted, { age: 3_600_000, count: 1000 })),
    keepFailed: resolveKeep(named('keepFailed'), or(given.keepFailed, { age: 7 * DAY, count: 10_000 })),
    lockDuration: timer('lockDuration', 30_000),
    stalledInterval: timer('stalledInterval', 30_000),
    poisonLimit: checkInteger(named('poisonLimit'), or(given.poisonLimit, 2), { min: 0 }),
    maxParked: checkInteger(named('maxParked'), or(given.maxParked, 100_000), { min: 0, infinite: true }),
    logger: given.logger === undefined ? undefined : checkMethods(named('logger'), given.logger, LOGGER_METHODS),
    schemas: given.schemas === undefined ? undefined : resolveSchemas(named('schemas'), given.schemas),
    latency: resolveLatency(named('latency'), or(given.latency, false)),
    clock: checkMethods(named('clock'), or(given.clock, systemClock), CLOCK_METHODS),
  });
}

/** The priorities that may be given; BullMQ's end at 2,097,151 and have no sign. */
export const PRIORITIES: { readonly min: number; readonly max: number } = { min: -MOST_PRIORITY, max: MOST_PRIORITY };

/** How many jobs run at a time is a range of each collector here, and what waits for them is known to Redis only. */
function refuseScaling(options: unknown): void {
  if (typeof options !== 'object' || options === null || !Object.hasOwn(options, 'scaling')) return;
  const expected =
    'left out: workers move within `concurrency` by what waits, and see no other process that calls the same';
  throw new InvalidArgumentError(`${OWNER}: scaling`, expected, describe((options as { scaling: unknown }).scaling));
}

function named(option: keyof BullMQQueueOptions): string {
  return `${OWNER}: ${option}`;
}

/** Only what is not given has a default; null is a mistake. */
function or<T>(given: T | undefined, fallback: T): T {
  return given === undefined ? fallback : given;
}

function checkPrefix(prefix: unknown): string {
  const checked = checkName(named('prefix'), prefix);
  if (!/[{}\s]/u.test(checked)) return checked;
  throw new InvalidArgumentError(named('prefix'), 'without braces and blanks', describe(prefix));
}

function checkRouter(router: unknown): Router | RouterClass {
  const isClass = typeof router === 'function' && router.prototype instanceof Router;
  const prototype: unknown = isClass ? router.prototype : router;
  if (!(prototype instanceof Router)) {
    const expected = 'a class that extends Router, or an instance of one';
    throw new InvalidArgumentError(named('router'), expected, describe(router));
  }
  if (prototype.handleEvent !== Router.prototype.handleEvent) {
    const expected = 'a router that selects: results of other processes cannot pass through a handleEvent';
    throw new InvalidArgumentError(named('router'), expected, 'one with a handleEvent of its own');
  }
  return router as Router | RouterClass;
}

function resolveConcurrency(name: string, given: unknown): Concurrency {
  const range = { min: 1, max: MOST_CONCURRENCY };
  if (typeof given === 'number') {
    const fixed = checkInteger(name, given, range);
    return { min: fixed, max: fixed };
  }
  const { min = 1, max = 100 } = checkOptions<ConcurrencyRange>(name, given, ['min', 'max']);
  const most = checkInteger(`${name}.max`, max, range);
  return { min: checkInteger(`${name}.min`, min, { min: 1, max: most }), max: most };
}

function resolveConcurrencies(given: unknown): ReadonlyMap<string, Concurrency> {
  const name = named('concurrencyOf');
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new InvalidArgumentError(name, 'an object by keys of collectors', describe(given));
  }
  return new Map(Object.entries(given).map(([key, one]) => [key, resolveConcurrency(`${name}["${key}"]`, one)]));
}

function resolveWhenAway(given: unknown): number {
  if (given === 'fail') return 0;
  const name = named('whenAway');
  if (typeof given !== 'object') throw new InvalidArgumentError(name, "'fail' or { queue: number }", describe(given));
  return checkInteger(`${name}.queue`, checkOptions<{ queue: number }>(name, given, ['queue']).queue, { min: 1 });
}

function resolveKeep(name: string, given: KeepOptions): KeepJobs {
  const { age, count } = checkOptions<KeepOptions>(name, given, ['age', 'count']);
  const most = count === undefined ? undefined : checkInteger(`${name}.count`, count, { min: 0 });
  if (age === undefined && most === undefined) {
    throw new InvalidArgumentError(name, 'given an age, a count, or both', 'neither');
  }
  if (age === undefined) return { count: most as number };
  const seconds = Math.ceil(checkDuration(`${name}.age`, age) / 1000);
  return most === undefined ? { age: seconds } : { age: seconds, count: most };
}
