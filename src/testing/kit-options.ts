import type { Result } from 'neverthrow';
import type { BatchCollector, BatchProcessor } from '../core/batch-collector.ts';
import {
  CLOCK_METHODS,
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkMethods,
  checkOneOf,
  checkOptions,
  checkTimer,
} from '../core/checks.ts';
import type { AnyCollector, Collector, ErrorOf, Processor, ValueOf } from '../core/collector.ts';
import { describe, InvalidArgumentError } from '../core/errors.ts';
import { checkContext } from '../core/lifecycle.ts';
import type { QueueOptions } from '../core/options.ts';
import type { AnyTopics, WithKey } from '../core/types.ts';
import type { TaskControl } from '../policies/control.ts';
import { ManualClock } from './manual-clock.ts';

/** What a stub of a processor that returns `R` may return; it may fail with any error. */
export type StubReturn<R> = StubOutcome<R> | PromiseLike<StubOutcome<R>>;

/** What a stub comes to. */
export type StubOutcome<R> = ValueOf<R> | Result<ValueOf<R>, unknown> | Result<never, ErrorOf<R>> | TaskControl;

/** What a stub of a processor of batches may return, where that brings a result of `R` for each payload. */
export type BatchStubReturn<R> = BatchStubOutcome<R> | PromiseLike<BatchStubOutcome<R>>;

/** What such a stub comes to: nothing at all only where the processor may bring nothing. */
export type BatchStubOutcome<R> = readonly StubOutcome<R>[] | (undefined extends ValueOf<R> ? undefined : never);

/** What may stand in for the processor of a collector. */
export type StubFor<C> =
  C extends Collector<string, infer V, infer R, any, any>
    ? C extends BatchCollector<any, any, any, any, any>
      ? BatchProcessor<V, BatchStubReturn<R>, any>
      : Processor<V, StubReturn<R>, any>
    : never;

/**
 * Options of `createTestKit`.
 *
 * @typeParam C - the collectors
 * @typeParam T - the topics and their values
 */
export interface TestKitOptions<C extends AnyCollector = any, T = AnyTopics> {
  /**
   * Whether a send starts its processors before it returns: one that is synchronous is done then, and its event has
   * settled; one that is asynchronous was called. Otherwise they start in a microtask, as in production.
   * @default true
   */
  readonly inline?: boolean | undefined;
  /**
   * The clock by which the queue lives: one that several kits share, or one that starts at a certain time.
   * @default a new one, at the Unix epoch
   */
  readonly clock?: ManualClock | undefined;
  /** Options of the queue, except its clock. */
  readonly queue?: Omit<QueueOptions<T>, 'clock'> | undefined;
  /**
   * What is called instead of the processors, by the keys of the collectors.
   * @default {}
   */
  readonly stubs?: { readonly [K in C['key']]?: StubFor<WithKey<C, K>> | undefined } | undefined;
  /**
   * The contexts of collectors, by key: what their processors get instead of what was given to the collector and what its
   * lifecycle makes. So a processor can be tested against a database that is none.
   * @default {}
   */
  readonly contexts?: { readonly [K in C['key']]?: object | undefined } | undefined;
  /**
   * Which lifecycles are set up and shut down: those of the collectors that have neither a stub nor a context here, all,
   * or none.
   * @default 'unstubbed'
   */
  readonly lifecycles?: 'unstubbed' | 'all' | 'none' | undefined;
}

/** Resolved options. */
export interface KitSettings {
  readonly inline: boolean;
  readonly clock: ManualClock;
  readonly queue: QueueOptions;
  readonly stubs: ReadonlyMap<string, Processor>;
  readonly contexts: ReadonlyMap<string, object>;
  readonly lifecycles: 'unstubbed' | 'all' | 'none';
}

const NAMES = ['inline', 'clock', 'queue', 'stubs', 'contexts', 'lifecycles'] as const;

/** @throws `InvalidArgumentError` for the first that is wrong; those of the queue are left to the queue. */
export function resolveKitOptions(options: TestKitOptions): KitSettings {
  const owner = 'createTestKit';
  const given = checkOptions<TestKitOptions>(owner, options, NAMES);
  const { inline = true, clock = new ManualClock(), queue = {}, stubs = {}, contexts = {} } = given;
  const { lifecycles = 'unstubbed' } = given;
  return Object.freeze({
    inline: checkBoolean(`${owner}: inline`, inline),
    clock: checkClock(`${owner}: clock`, clock),
    queue: checkQueueOptions(`${owner}: queue`, queue),
    stubs: checkEach<Processor>(`${owner}: stubs`, stubs, checkStub),
    contexts: checkEach<object>(`${owner}: contexts`, contexts, checkContext),
    lifecycles: checkOneOf(`${owner}: lifecycles`, lifecycles, ['unstubbed', 'all', 'none']),
  });
}

export function checkStub(name: string, stub: unknown): void {
  checkFunction(name, stub, 'a function, in the place of the processor');
}

function checkClock(name: string, clock: ManualClock): ManualClock {
  if (clock instanceof ManualClock) return clock;
  checkMethods(name, clock, [...CLOCK_METHODS, 'advance', 'turn']);
  throw new InvalidArgumentError(name, 'a ManualClock', describe(clock));
}

function checkQueueOptions(name: string, options: object): QueueOptions {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InvalidArgumentError(name, 'an object, the options of the queue', describe(options));
  }
  if ('clock' in options) {
    throw new InvalidArgumentError(`${name}.clock`, 'left out, as the kit has an option clock itself', 'given');
  }
  return options;
}

/** An object by keys of collectors; what is undefined is not given. Whether there are such keys is looked at later. */
function checkEach<V>(name: string, given: object, check: (name: string, value: unknown) => void): Map<string, V> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new InvalidArgumentError(name, 'an object, by the keys of collectors', describe(given));
  }
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [key, value] of entries) check(`${name}["${key}"]`, value);
  return new Map(entries);
}

/** Options of `kit.settled`. */
export interface SettledOptions {
  /**
   * How long processors that are under way may take, in real time.
   * @default 5000
   */
  readonly timeout?: number | undefined;
}

/** Options of `kit.runAll`. */
export interface RunAllOptions extends SettledOptions {
  /**
   * How long the clock stands still, in real time, for processors that are under way. Give 0 if they wait for nothing but
   * the clock: for their time limit, say. Longer than `timeout` it is not.
   * @default the timeout
   */
  readonly patience?: number | undefined;
  /**
   * How often the clock is moved, from timer to timer, before it is taken for something that comes again and again without
   * an end. A long delay may take a few of them.
   * @default 10_000
   */
  readonly steps?: number | undefined;
}

/** Options of `kit.close`. */
export interface CloseOptions extends SettledOptions {
  /**
   * What becomes of a test that leaves something unsettled: it fails, or nobody minds.
   * @default 'fail'
   */
  readonly unsettled?: 'fail' | 'ignore' | undefined;
}

const DEFAULT_TIMEOUT = 5000;

export function resolveSettled(options: SettledOptions): { timeout: number } {
  return resolveTimeout('settled', checkOptions<SettledOptions>('settled', options, ['timeout']));
}

export function resolveRunAll(options: RunAllOptions): { timeout: number; patience: number; steps: number } {
  const given = checkOptions<RunAllOptions>('runAll', options, ['timeout', 'patience', 'steps']);
  const { timeout } = resolveTimeout('runAll', given);
  const patience = checkDuration('runAll: patience', given.patience === undefined ? timeout : given.patience, true);
  const steps = checkInteger('runAll: steps', given.steps === undefined ? 10_000 : given.steps, { min: 0 });
  return { timeout, patience: Math.min(patience, timeout), steps };
}

export function resolveClose(options: CloseOptions): { timeout: number; unsettled: 'fail' | 'ignore' } {
  const given = checkOptions<CloseOptions>('close', options, ['timeout', 'unsettled']);
  const { unsettled = 'fail' } = given;
  return {
    ...resolveTimeout('close', given),
    unsettled: checkOneOf('close: unsettled', unsettled, ['fail', 'ignore']),
  };
}

function resolveTimeout(owner: string, { timeout = DEFAULT_TIMEOUT }: SettledOptions): { timeout: number } {
  return { timeout: checkTimer(`${owner}: timeout`, timeout, 0) };
}
