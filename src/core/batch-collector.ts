import { err, type Result } from 'neverthrow';
import { type Batch, type BatchSettings, batchLedBy } from '../policies/batch.ts';
import { checkDuration, checkFunction, checkInteger, checkName, checkOptions } from './checks.ts';
import { type Attempt, Collector, type CollectorOptions, type Context, type Processor } from './collector.ts';
import { describe, InvalidArgumentError, ProcessorError } from './errors.ts';
import type { Payload } from './payload.ts';
import { hush, promiseOf } from './promise-of.ts';
import { failureOf, toResult } from './results.ts';

/** When a batch is complete: as soon as one of these is reached. */
export interface BatchOptions<V = any> {
  /**
   * So many payloads; a whole number of at least 1.
   * @default 100
   */
  readonly maxCount?: number | undefined;
  /**
   * So many bytes; a number above 0. A payload that would exceed them begins the next batch; one that is larger by itself
   * goes alone.
   * @default Infinity
   */
  readonly maxBytes?: number | undefined;
  /**
   * The bytes of a payload, where there is a `maxBytes`; refused without.
   * @default those of its value as JSON
   */
  readonly bytesOf?: ((payload: Payload<V>) => number) | undefined;
  /**
   * The first of the batch has waited for so many milliseconds.
   * @default 50
   */
  readonly maxWait?: number | undefined;
  /**
   * The batch to which a payload belongs, by any text: there is one for each that is gathered at a time.
   * @default all belong to one
   */
  readonly by?: ((payload: Payload<V>) => string) | undefined;
}

/** What the processor of a batch is told about the call. */
export interface BatchCall {
  /** The key of the collector whose processor this is. */
  readonly collectorKey: string;
  /** The attempts of the payloads, in their order: each has its number, and the id of its event. */
  readonly attempts: readonly Attempt[];
  /**
   * Fires when nobody wants the results any more, or the call exceeded its `timeout`. A payload that is cancelled while others
   * are wanted does not fire it. Made when first read.
   */
  readonly signal: AbortSignal;
}

/**
 * Does the work of a batch. Returns as many results as there are payloads, in their order, each as a processor returns it
 * (a `Result` or a value, but no promise); or undefined, which is `Ok(undefined)` for each; or a promise of that. A throw
 * or a rejection counts as `Err(ProcessorError)` for each.
 */
export type BatchProcessor<V = any, R = any, C = any> = (
  payloads: readonly Payload<V>[],
  context: C,
  call: BatchCall,
) => R;

/** What it returns for one payload. */
export type BatchItem<R> =
  Awaited<R> extends readonly (infer Item)[] ? Item : Awaited<R> extends void ? undefined : any;

/** Options of a {@link BatchCollector}. */
export interface BatchCollectorOptions<V = any, G extends object = object, Y = unknown>
  extends Omit<CollectorOptions<G, Y, V, V>, 'schema'> {
  /** When a batch is complete. */
  readonly batch: BatchOptions<NoInfer<V>>;
}

/**
 * A collector whose processor takes several payloads in one call. Each send settles by itself: with its own result, retries,
 * expiry and cancellation. What waits for company is parked and keeps no consumer; the call keeps one. A shutdown that
 * drains lets no batch wait.
 *
 * @typeParam K - its key
 * @typeParam V - the value of the payloads it takes
 * @typeParam R - what its processor returns
 * @typeParam G - the context that the user gives
 * @typeParam Y - what the lifecycle adds to it
 */
export class BatchCollector<
  K extends string = string,
  V = any,
  R = any,
  G extends object = object,
  Y = unknown,
> extends Collector<K, V, BatchItem<R>, G, Y> {
  override readonly batch: BatchSettings;

  /** @throws {@link InvalidArgumentError} as a {@link Collector} does, and for a wrong or missing `batch` */
  constructor(key: K, processor: BatchProcessor<V, R, Context<G, Y>>, options: BatchCollectorOptions<V, G, Y>) {
    checkName('BatchCollector: key', key);
    const owner = `BatchCollector "${key}"`;
    checkFunction(`${owner}: processor`, processor);
    if (typeof options !== 'object' || options === null) {
      throw new InvalidArgumentError(`${owner}: options`, 'an object with a batch', describe(options));
    }
    const { batch, ...rest } = options;
    if ((rest as CollectorOptions).schema !== undefined) {
      throw new InvalidArgumentError(
        `${owner}: schema`,
        'left out: check the values of a batch in its processor',
        'given',
      );
    }
    const settings = resolveBatch(`${owner}: batch`, batch);
    super(key, processorOfBatches(key, processor) as never, rest as CollectorOptions<G, Y>);
    this.batch = settings;
  }
}

const BATCH_OPTIONS: readonly (keyof BatchOptions)[] = ['maxCount', 'maxBytes', 'bytesOf', 'maxWait', 'by'];

function resolveBatch(owner: string, options: unknown): BatchSettings {
  const given = checkOptions<BatchOptions>(owner, options as BatchOptions, BATCH_OPTIONS);
  const { maxCount = 100, maxBytes = Number.POSITIVE_INFINITY, bytesOf = jsonBytes, maxWait = 50, by } = given;
  checkFunction(`${owner}.bytesOf`, bytesOf);
  if (given.bytesOf !== undefined && given.maxBytes === undefined) {
    throw new InvalidArgumentError(`${owner}.bytesOf`, 'given with maxBytes, which counts them', 'given alone');
  }
  if (by !== undefined) checkFunction(`${owner}.by`, by);
  const isBytes = (bytes: unknown): boolean => typeof bytes === 'number' && bytes >= 0;
  const isText = (key: unknown): boolean => typeof key === 'string';
  return {
    maxCount: checkInteger(`${owner}.maxCount`, maxCount, { min: 1 }),
    maxBytes: checkInteger(`${owner}.maxBytes`, maxBytes, { min: 1, infinite: true }),
    bytesOf: answering(`what ${owner}.bytesOf returns`, bytesOf, 'a number of at least 0', isBytes),
    maxWait: checkDuration(`${owner}.maxWait`, maxWait),
    by: by && answering(`what ${owner}.by returns`, by, 'a string', isText),
  };
}

/** The same function, which throws if it gives no answer. */
function answering<A>(
  name: string,
  ask: (payload: Payload) => A,
  expected: string,
  isAnswer: (answer: unknown) => boolean,
): (payload: Payload) => A {
  return (payload) => {
    const answer = ask(payload);
    if (isAnswer(answer)) return answer;
    hush(answer);
    throw new InvalidArgumentError(name, expected, describe(answer));
  };
}

function jsonBytes({ value }: Payload): number {
  return value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value) ?? '');
}

/** The processor of one payload: that which leads a batch makes the call for all of it. */
export function processorOfBatches(key: string, processor: BatchProcessor): Processor {
  return (_payload, context, attempt) => {
    const batch = batchLedBy(attempt) as Batch;
    const tasks = [...batch.items.keys()];
    const payloads = [...batch.items.values()];
    const distribute = (results: readonly Result<unknown, unknown>[]): Result<unknown, unknown> => {
      const byTask = new Map<Attempt, Result<unknown, unknown>>(tasks.map((task, at) => [task, results[at] as never]));
      const resultOf = (task: Attempt): Result<unknown, unknown> => byTask.get(task) as Result<unknown, unknown>;
      batch.outcomes = byTask;
      batch.complete(resultOf);
      return resultOf(attempt);
    };
    const failed = (thrown: unknown): Result<unknown, unknown> => distribute(tasks.map(() => failureOf(key, thrown)));
    batch.begin();
    const call: BatchCall = {
      collectorKey: key,
      attempts: tasks,
      get signal() {
        return batch.signal;
      },
    };
    try {
      const returned: unknown = processor(payloads, context, call);
      const promise = promiseOf(returned);
      if (promise === undefined) return distribute(resultsOf(key, returned, tasks.length));
      return promise.then((all) => distribute(resultsOf(key, all, tasks.length)), failed);
    } catch (thrown) {
      return failed(thrown);
    }
  };
}

/** The result of each payload. */
function resultsOf(key: string, returned: unknown, count: number): readonly Result<unknown, unknown>[] {
  if (returned === undefined) return Array.from({ length: count }, () => toResult(undefined, key));
  if (!Array.isArray(returned) || returned.length !== count) {
    const came = Array.isArray(returned) ? `${returned.length}` : describe(returned);
    const error = new TypeError(`a batch of ${count} payloads needs an array of ${count} results, but it is ${came}`);
    return Array.from({ length: count }, () => err(new ProcessorError(key, error)));
  }
  return Array.from(returned, (one: unknown) => resultOfOne(key, one));
}

function resultOfOne(key: string, one: unknown): Result<unknown, unknown> {
  try {
    const promise = promiseOf(one);
    if (promise === undefined) return toResult(one, key);
    hush(promise);
    return err(new ProcessorError(key, new TypeError('a result of a batch must not be a promise: await it')));
  } catch (thrown) {
    return failureOf(key, thrown);
  }
}
