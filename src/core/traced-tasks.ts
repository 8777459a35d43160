import { tracingChannel } from 'node:diagnostics_channel';
import type { Result } from 'neverthrow';
import { type Batch, batchLedBy } from '../policies/batch.ts';
import type { Attempt, Processor } from './collector.ts';
import { ProcessorError } from './errors.ts';
import type { Payload } from './payload.ts';
import { promiseOf } from './promise-of.ts';
import { toResult } from './results.ts';
import {
  deliveryOf,
  isWatched,
  type TaskCompanion,
  type TaskTrace,
  type TracedEngine,
  TracingChannelName,
} from './tracing.ts';

const tasks = tracingChannel<TaskTrace, TaskTrace>(TracingChannelName.TASK);
const nativeThen = Promise.prototype.then;

/** Calls `run` once, at once, in a context of its own, and returns what it returns. */
export type AttemptScope = <R>(trace: TaskTrace, run: () => R) => R;

/** For contexts that are no stores of `node:async_hooks`, and so cannot be bound to a channel. */
const scopes: Set<AttemptScope> = new Set();

/** From now on, attempts that are told run inside of this. Returns what undoes it. */
export function enterScope(scope: AttemptScope): () => void {
  scopes.add(scope);
  return () => void scopes.delete(scope);
}

function inScopes<R>(trace: TaskTrace, run: () => R): R {
  let scoped = run;
  for (const scope of scopes) {
    const inner = scoped;
    scoped = () => scope(trace, inner);
  }
  return scoped();
}

/** How attempts are told. Those of a queue that is a part of another one are told as the whole sees them. */
export interface TracedTerms {
  readonly engine: TracedEngine;
  readonly attemptOf: (attempt: Attempt, payload: Payload) => Attempt;
  readonly resultOf: (result: Result<unknown, unknown>) => Result<unknown, unknown>;
}

const OWN_TERMS: TracedTerms = {
  engine: 'in-process',
  attemptOf: (attempt) => attempt,
  resultOf: (result) => result,
};

const termsOf: WeakMap<Processor, TracedTerms> = new WeakMap();

/** Attempts by this processor are told in these terms; what is sent to it is told by others. */
export function toldInTerms(processor: Processor, terms: TracedTerms): Processor {
  termsOf.set(processor, terms);
  return processor;
}

/** Whether the sends to this processor are told by others. */
export function isToldElsewhere(processor: Processor): boolean {
  return termsOf.has(processor);
}

/** Whether somebody subscribes to the attempts now. */
export function tasksAreWatched(): boolean {
  return isWatched(tasks);
}

/**
 * What is around `processor`, and it itself, with each attempt told to the subscribers.
 *
 * @param surrounded - the processor with what is around it
 */
export function tracedProcessor(surrounded: Processor, processor: Processor, key: string): Processor {
  const terms = termsOf.get(processor) ?? OWN_TERMS;
  return (payload, context, attempt) => {
    if (!tasksAreWatched()) return surrounded(payload, context, attempt);
    const told = new ToldAttempt(payload, key, attempt, terms);
    const call = (): unknown => surrounded(payload, context, attempt);
    return tasks.start.runStores(told.trace, () => {
      let promise: Promise<unknown> | undefined;
      try {
        const returned = inScopes(told.trace, call);
        promise = promiseOf(returned);
        if (promise === undefined) told.ended(returned);
        else
          nativeThen.call(
            promise,
            (value) => told.over(() => told.ended(value)),
            (reason) => told.over(() => told.failed(reason)),
          );
        return promise ?? returned;
      } catch (thrown) {
        told.failed(thrown);
        throw thrown;
      } finally {
        tasks.end.publish(told.trace);
      }
    });
  };
}

/** One call of a processor. */
class ToldAttempt {
  readonly trace: TaskTrace;
  readonly #terms: TracedTerms;
  /** Of a call for several payloads. */
  readonly #batch: Batch | undefined;
  readonly #companions: ReadonlyMap<Attempt, TaskCompanion>;

  constructor(payload: Payload, key: string, inner: Attempt, terms: TracedTerms) {
    this.#terms = terms;
    this.#batch = batchLedBy(inner);
    const others = [...(this.#batch?.items.keys() ?? [])].filter((task) => task !== inner);
    this.#companions = new Map(others.map((task) => [task, companionOf(task)]));
    const attempt = terms.attemptOf(inner, payload);
    this.trace = {
      engine: terms.engine,
      collectorKey: key,
      ...companionOf(attempt),
      ...deliveryOf(payload),
      company: [...this.#companions.values()],
    };
  }

  ended(value: unknown): void {
    const result = this.#terms.resultOf(toResult(value, this.trace.collectorKey));
    if (result.isErr()) {
      this.failed(result.error);
      return;
    }
    this.#lookAtCompany();
    this.trace.result = result.value;
  }

  failed(error: unknown): void {
    this.#lookAtCompany();
    this.trace.error = thrownIn(error);
    tasks.error.publish(this.trace);
  }

  /** The work of a promise has ended. */
  over(end: () => void): void {
    end();
    tasks.asyncStart.publish(this.trace);
    tasks.asyncEnd.publish(this.trace);
  }

  #lookAtCompany(): void {
    for (const [task, companion] of this.#companions) {
      const outcome = this.#batch?.outcomes?.get(task);
      if (outcome?.isErr()) companion.error = thrownIn(outcome.error);
    }
  }
}

function companionOf({ eventId, number, headers }: Attempt): TaskCompanion {
  return { eventId, attempt: number, headers };
}

/** What is around a processor hears of a throw as a ProcessorError. Safe for anything that can be thrown. */
function thrownIn(error: unknown): unknown {
  try {
    return error instanceof ProcessorError ? error.cause : error;
  } catch {
    return error;
  }
}
