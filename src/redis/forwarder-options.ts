import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import {
  CLOCK_METHODS,
  checkInteger,
  checkMethods,
  checkName,
  checkOneOf,
  checkOptions,
  checkTimer,
  LOGGER_METHODS,
} from '../core/checks.ts';
import { InvalidArgumentError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { type Ack, checkEmitter, type Emitter } from '../emitter/index.ts';
import { type Clock, systemClock } from '../schedule/clock.ts';
import { DEFAULT_KEY } from './options.ts';
import type { ProcessingListSettings } from './processing-list.ts';

/** Options of a {@link RedisForwarder}. All durations are milliseconds, and at most 2,147,483,647. */
export interface RedisForwarderOptions {
  /**
   * The list that events are taken from.
   * @default 'snowplow'
   */
  readonly key?: string | undefined;
  /**
   * Names its processing list, `<key>:processing:<id>`. No two that run at once may have the same; one that comes back under
   * its old name goes on at once with what it had.
   * @default host, process id and something random
   */
  readonly id?: string | undefined;
  /**
   * When an event is done with: once its receiver has it (`emitter.deliver`), or once the emitter keeps it as safely as it
   * can (`emitter.store`), which is right for one with a store on disk.
   * @default 'delivered'
   */
  readonly ack?: Ack | undefined;
  /**
   * The most events that are in its hands at once; at least 1.
   * @default 100
   */
  readonly batchSize?: number | undefined;
  /**
   * How long after its last sign of life a forwarder counts as dead, and others take over what it had; at least 100.
   * @default 10_000
   */
  readonly heartbeatTimeout?: number | undefined;
  /**
   * The limit of one command to Redis, at least 1.
   * @default 5_000
   */
  readonly requestTimeout?: number | undefined;
  /**
   * The most that exponential back-off waits after the emitter, or Redis, has failed; at least 0.
   * @default 60_000
   */
  readonly maxRetryDelay?: number | undefined;
  /**
   * The list that takes what nobody can forward: no JSON object, or refused by the emitter for good.
   * @default '<key>:dead'
   */
  readonly deadKey?: string | undefined;
  /** Told of what goes wrong, never of events; without one, the first failure of a row becomes a process warning. */
  readonly logger?: Logger | undefined;
  /**
   * @default the machine's
   */
  readonly clock?: Clock | undefined;
}

/** The options, checked and complete. */
export interface ForwarderSettings extends ProcessingListSettings {
  readonly ack: Ack;
  readonly batchSize: number;
  readonly requestTimeout: number;
  readonly maxRetryDelay: number;
  readonly logger: Logger | undefined;
  readonly clock: Clock;
}

export const OWNER = 'RedisForwarder';

const NAMES = [
  'key',
  'id',
  'ack',
  'batchSize',
  'heartbeatTimeout',
  'requestTimeout',
  'maxRetryDelay',
  'deadKey',
  'logger',
  'clock',
] as const satisfies readonly (keyof RedisForwarderOptions)[];

const ACKS: readonly Ack[] = ['stored', 'delivered'];

/** @throws {@link InvalidArgumentError} for the first that is wrong. */
export function resolveForwarder(emitter: Emitter, options: RedisForwarderOptions): ForwarderSettings {
  checkEmitter(`${OWNER}: emitter`, emitter);
  checkOptions<RedisForwarderOptions>(OWNER, options, NAMES);
  const {
    key = DEFAULT_KEY,
    id = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`,
    ack = 'delivered',
    batchSize = 100,
    heartbeatTimeout = 10_000,
    requestTimeout = 5_000,
    maxRetryDelay = 60_000,
    deadKey = `${key}:dead`,
    logger,
    clock = systemClock,
  } = options;
  checkOneOf(name('ack'), ack, ACKS);
  if (ack === 'delivered' && emitter.deliver === undefined) {
    const expected = "'stored' with an emitter that cannot tell what becomes of an event";
    throw new InvalidArgumentError(name('ack'), expected, "'delivered'");
  }
  if (logger !== undefined) checkMethods(name('logger'), logger, LOGGER_METHODS);
  return Object.freeze({
    key: checkName(name('key'), key),
    id: checkName(name('id'), id),
    ack,
    batchSize: checkInteger(name('batchSize'), batchSize, { min: 1, max: 10_000 }),
    heartbeatTimeout: checkInteger(name('heartbeatTimeout'), heartbeatTimeout, { min: 100, max: 2 ** 31 - 1 }),
    requestTimeout: checkTimer(name('requestTimeout'), requestTimeout, 1),
    maxRetryDelay: checkTimer(name('maxRetryDelay'), maxRetryDelay, 0),
    deadKey: checkName(name('deadKey'), deadKey),
    logger,
    clock: checkMethods(name('clock'), clock, CLOCK_METHODS),
  });
}

function name(option: keyof RedisForwarderOptions): string {
  return `${OWNER}: ${option}`;
}
