import {
  CLOCK_METHODS,
  checkFunction,
  checkInteger,
  checkMethods,
  checkOneOf,
  checkTimer,
  LOGGER_METHODS,
} from '../../core/checks.ts';
import { describe, InvalidArgumentError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { type Clock, systemClock } from '../../schedule/clock.ts';
import type { EventStore, StoreOverflow } from '../../store/index.ts';
import { checkEmitter } from '../collector.ts';
import type { DeadLetterSink } from '../dead-letter.ts';
import type { BatchOptions } from './options.ts';

/** The names of {@link BatchOptions}. */
export const BATCH_OPTIONS: readonly (keyof BatchOptions)[] = [
  'batchSize',
  'byteLimit',
  'requestTimeout',
  'maxRetryDelay',
  'bufferCapacity',
  'eventStore',
  'onSuccess',
  'onFailure',
  'concurrency',
  'flushInterval',
  'overflow',
  'logger',
  'deadLetter',
  'clock',
];

/** {@link BatchOptions}, checked and complete. */
export interface BatchSettings<R extends object = object, F extends object = object> {
  /** The name of the emitter's class, for messages. */
  readonly owner: string;
  readonly batchSize: number;
  readonly byteLimit: number;
  readonly requestTimeout: number;
  readonly maxRetryDelay: number;
  readonly bufferCapacity: number;
  readonly eventStore: EventStore | undefined;
  readonly onSuccess: BatchOptions<R, F>['onSuccess'];
  readonly onFailure: BatchOptions<R, F>['onFailure'];
  readonly concurrency: number;
  readonly flushInterval: number | false;
  readonly overflow: StoreOverflow;
  readonly logger: Logger | undefined;
  readonly deadLetter: DeadLetterSink | undefined;
  readonly clock: Clock;
  /** What was done otherwise than asked, in words. */
  readonly warnings: readonly string[];
}

/** What an emitter does where its user does not say. */
export interface BatchDefaults {
  readonly batchSize: number;
  readonly flushInterval: number;
}

const OVERFLOWS: readonly StoreOverflow[] = ['dropNewest', 'dropOldest'];

/**
 * Checks the options that emitters of batches have in common, and completes them.
 *
 * @param owner - the name of the emitter's class
 * @throws {@link InvalidArgumentError} for the first that is wrong.
 */
export function resolveBatchOptions<R extends object, F extends object>(
  owner: string,
  options: BatchOptions<R, F>,
  defaults: BatchDefaults,
): BatchSettings<R, F> {
  const name = (option: keyof BatchOptions): string => `${owner}: ${option}`;
  const {
    byteLimit = Number.POSITIVE_INFINITY,
    requestTimeout = 30_000,
    maxRetryDelay = 60_000,
    bufferCapacity = 10_000,
    concurrency = 1,
    flushInterval = defaults.flushInterval,
    clock = systemClock,
  } = options;
  const { eventStore, onSuccess, onFailure, overflow, logger, deadLetter } = options;
  const warnings: string[] = [];
  if (eventStore !== undefined) {
    checkMethods(name('eventStore'), eventStore, ['add', 'take', 'ack', 'release', 'close']);
  }
  // An event store has its own; then this is what may wait for it.
  const capacity = checkInteger(name('bufferCapacity'), bufferCapacity, { min: 1 });
  if (onSuccess !== undefined) checkFunction(name('onSuccess'), onSuccess);
  if (onFailure !== undefined) checkFunction(name('onFailure'), onFailure);
  if (logger !== undefined) checkMethods(name('logger'), logger, LOGGER_METHODS);
  if (deadLetter !== undefined && typeof deadLetter !== 'function') checkEmitter(name('deadLetter'), deadLetter);
  if (overflow !== undefined && eventStore !== undefined) {
    throw new InvalidArgumentError(name('overflow'), 'left to the eventStore that is given', describe(overflow));
  }
  return {
    owner,
    batchSize: resolveBatchSize(owner, options, defaults.batchSize, capacity, warnings),
    byteLimit: checkInteger(name('byteLimit'), byteLimit, { min: 1, infinite: true }),
    requestTimeout: checkTimer(name('requestTimeout'), requestTimeout, 1),
    maxRetryDelay: checkTimer(name('maxRetryDelay'), maxRetryDelay, 0),
    bufferCapacity: capacity,
    eventStore,
    onSuccess,
    onFailure,
    concurrency: checkInteger(name('concurrency'), concurrency, { min: 1 }),
    flushInterval: flushInterval === false ? false : checkTimer(name('flushInterval'), flushInterval, 1),
    overflow: overflow === undefined ? 'dropNewest' : checkOneOf(name('overflow'), overflow, OVERFLOWS),
    logger,
    deadLetter,
    clock: checkMethods(name('clock'), clock, CLOCK_METHODS),
    warnings,
  };
}

function resolveBatchSize(
  owner: string,
  { batchSize, eventStore }: Pick<BatchOptions, 'batchSize' | 'eventStore'>,
  usual: number,
  bufferCapacity: number,
  warnings: string[],
): number {
  const wanted = batchSize === undefined ? usual : checkInteger(`${owner}: batchSize`, batchSize, { min: 1 });
  const capacity = eventStore === undefined ? bufferCapacity : (eventStore.capacity ?? wanted);
  if (wanted <= capacity) return wanted;
  if (batchSize !== undefined) {
    warnings.push(`batchSize ${wanted} is more than the buffer can hold: it is ${capacity} now`);
  }
  return capacity;
}
