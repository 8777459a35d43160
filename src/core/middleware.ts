import type { Result } from 'neverthrow';
import type { Middleware, PolicyTask, TaskPolicy } from '../policies/policy.ts';
import { checkFunction } from './checks.ts';
import type { Processor } from './collector.ts';
import { describe, InvalidArgumentError } from './errors.ts';
import type { Payload } from './payload.ts';
import { promiseOf } from './promise-of.ts';
import { failureOf, givenResult, toResult } from './results.ts';

/** The methods of a policy. */
export const POLICY_METHODS = ['before', 'notStarted', 'around', 'after', 'workEnded', 'settled', 'forget'] as const;

type PolicyAround = TaskPolicy & { readonly around: Middleware };

/** A middleware as a policy. @throws {@link InvalidArgumentError} for what is neither. */
export function checkMiddleware(middleware: unknown): TaskPolicy {
  if (typeof middleware === 'function') return { around: middleware as Middleware };
  return checkPolicy('use: middleware', middleware, 'a function or a TaskPolicy');
}

/** @throws {@link InvalidArgumentError} for what is no object, has none of the methods, or no function where one should be. */
export function checkPolicy(name: string, policy: unknown, expected: string): TaskPolicy {
  if (typeof policy !== 'object' || policy === null) throw new InvalidArgumentError(name, expected, describe(policy));
  for (const method of POLICY_METHODS) {
    const given: unknown = (policy as TaskPolicy)[method];
    if (given !== undefined) checkFunction(`${name}.${method}`, given);
  }
  if (POLICY_METHODS.every((method) => (policy as TaskPolicy)[method] === undefined)) {
    throw new InvalidArgumentError(name, `an object with one of ${POLICY_METHODS.join(', ')}`, 'without');
  }
  return policy as TaskPolicy;
}

/** The processor with the policies around it that want to be, the first one outermost; as it is, if none does. */
export function surrounded(processor: Processor, policies: readonly TaskPolicy[]): Processor {
  return policies.filter(isAround).reduceRight((inner, policy) => layer(inner, policy), processor);
}

function isAround(policy: TaskPolicy): policy is PolicyAround {
  return policy.around !== undefined;
}

/** What a middleware throws, or its promise rejects with, is for whoever is outside of it, as with a processor. */
function layer(inner: Processor, policy: PolicyAround): Processor {
  return (payload, context, attempt) => {
    const task = attempt as PolicyTask;
    const passage = new Passage(task, () => inner(payload as Payload, context, attempt));
    let promise: Promise<unknown> | undefined;
    let returned: unknown;
    try {
      returned = policy.around(task, () => passage.next());
      promise = promiseOf(returned);
    } finally {
      if (promise === undefined) passage.end();
      else passage.waits();
    }
    if (promise === undefined) return resultOf(returned);
    return promise.finally(() => passage.end()).then(resultOf);
  };
}

/** A bare value, or none at all, is most likely a `return next()` that was forgotten. */
function resultOf(returned: unknown): Result<unknown, unknown> {
  const result = givenResult(returned);
  if (result !== undefined) return result;
  throw new InvalidArgumentError('what a middleware returns', 'a Result, such as that of next()', describe(returned));
}

/** The way of one attempt through one middleware, to what is inside of it: once, and not after it has ended. */
class Passage {
  readonly #task: PolicyTask;
  readonly #inner: () => unknown;
  #state: 'open' | 'passed' | 'over' = 'open';
  /** The middleware has returned a promise: what it does from now on may come too late. */
  #late = false;

  constructor(task: PolicyTask, inner: () => unknown) {
    this.#task = task;
    this.#inner = inner;
  }

  waits(): void {
    this.#late = true;
  }

  end(): void {
    this.#state = 'over';
  }

  /** The outcome of what is inside: it neither throws nor rejects. */
  next(): Result<unknown, unknown> | Promise<Result<unknown, unknown>> {
    if (this.#state !== 'open') {
      const came = this.#state === 'passed' ? 'called again' : 'called after it had ended';
      throw new InvalidArgumentError('next', 'called once by a middleware, before it ends', came);
    }
    this.#state = 'passed';
    const { collectorKey } = this.#task;
    try {
      // Nobody would hear of what an attempt does that was given up.
      if (this.#late) this.#task.signal.throwIfAborted();
      const returned = this.#inner();
      const promise = promiseOf(returned);
      if (promise === undefined) return toResult(returned, collectorKey);
      return promise.then(
        (value) => toResult(value, collectorKey),
        (thrown) => failureOf(collectorKey, thrown),
      );
    } catch (thrown) {
      return failureOf(collectorKey, thrown);
    }
  }
}
