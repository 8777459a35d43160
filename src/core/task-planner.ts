import { AbortPolicy } from '../policies/abort.ts';
import { DeadLetterPolicy } from '../policies/dead-letter.ts';
import { DelayPolicy } from '../policies/delay.ts';
import { ExpiryPolicy } from '../policies/expiry.ts';
import { LockPolicy, type Locks } from '../policies/lock.ts';
import type { PolicyTask, TaskPolicy } from '../policies/policy.ts';
import { RetryPolicy, type RetrySettings } from '../policies/retry.ts';
import { RevocationPolicy, type Revocations } from '../policies/revocation.ts';
import type { PolicyServices } from '../policies/services.ts';
import { TimeoutPolicy } from '../policies/timeout.ts';
import { onAbort } from './abort-hub.ts';
import type { AnyCollector } from './collector.ts';
import { CancelledError, DeliveryTimeoutError, ExpiredError, RevokedError } from './errors.ts';
import type { Payload } from './payload.ts';
import type { Surroundings } from './surroundings.ts';
import type { TaskSettings } from './task-options.ts';
import { TaskPlan } from './task-plan.ts';

/** Told of tasks that failed for good. */
export type DeliverDeadLetter = (collector: AnyCollector, task: PolicyTask, payload: Payload, error: unknown) => void;

const ONE_ATTEMPT: RetrySettings = { attempts: 1, base: 0, cap: 0, retryIf: () => false };

/** Composes the policies of tasks, for one run of a queue. */
export class TaskPlanner {
  /** For a task without options whose processor asks for another attempt all the same. */
  readonly fallback: TaskPlan;
  readonly #services: PolicyServices;
  readonly #revocations: Revocations;
  readonly #revocation: RevocationPolicy;
  readonly #deadLetter: DeliverDeadLetter;
  readonly #surroundings: Pick<Surroundings, 'hooks'>;
  readonly #locks: Locks = new Map();
  /** Errors of tasks that were not wanted any more, which did not fail. */
  readonly #unwanted: WeakSet<object> = new WeakSet();
  /** One for a collector, whatever its sends say, so that its signal has one listener. */
  readonly #aborts: WeakMap<AnyCollector, AbortPolicy> = new WeakMap();

  /** @param surroundings - policies of the queue, which come before those of a collector */
  constructor(
    services: PolicyServices,
    revocations: Revocations,
    surroundings: Pick<Surroundings, 'hooks'>,
    deadLetter: DeliverDeadLetter,
  ) {
    this.#services = services;
    this.#surroundings = surroundings;
    this.#revocations = revocations;
    this.#deadLetter = deadLetter;
    this.#revocation = new RevocationPolicy(revocations, services, (key) => this.unwanted(new RevokedError(key)));
    this.fallback = new TaskPlan([this.#revocation, new RetryPolicy(ONE_ATTEMPT, services)], 1);
  }

  /** The plan of a collector's tasks, for a send with these settings; undefined if there is nothing to mind. */
  planFor(collector: AnyCollector, sent?: TaskSettings): TaskPlan | undefined {
    const { settings, policies: own, key } = collector;
    const { hooks } = this.#surroundings;
    const custom = hooks.length === 0 ? own : [...hooks, ...own];
    const limit = sent?.timeout ?? settings.timeout;
    const timeout = limit === Number.POSITIVE_INFINITY ? undefined : limit;
    const retry = sent?.retry ?? settings.retry;
    const expiry = sent?.expiry ?? settings.expiry;
    // A send that has a delay of its own has waited as a whole.
    const delay = sent?.delay === undefined ? settings.delay : undefined;
    const { lock, deadLetter, signal } = settings;
    const revoked = this.#revocations.has(key);
    const given = [timeout, retry, expiry, delay, lock, deadLetter, signal].some((one) => one !== undefined);
    if (!given && !revoked && custom.length === 0) return undefined;

    const services = this.#services;
    const policies: TaskPolicy[] = [];
    // Who is not to run at all is asked first, so that nothing waits or is held for it.
    policies.push(this.#revocation);
    if (signal !== undefined) policies.push(this.#abortPolicy(collector, signal));
    if (expiry !== undefined)
      policies.push(
        new ExpiryPolicy(expiry, services, () =>
          this.unwanted(new ExpiredError(`expired before collector "${key}" attempted it`)),
        ),
      );
    // Waiting comes before the locks, or a task would hold one while it waits.
    if (delay !== undefined) policies.push(new DelayPolicy(delay, services));
    policies.push(...custom);
    // Nothing that may still park the task comes after its lock.
    if (lock !== undefined) policies.push(new LockPolicy(lock.name, lock.delay, this.#locks, services));
    // The limit is of the processor alone.
    if (timeout !== undefined)
      policies.push(new TimeoutPolicy(timeout, services, (limit) => new DeliveryTimeoutError(key, limit)));
    // After an attempt: the custom policies may park the task first; then it is decided whether there is another one.
    policies.push(new RetryPolicy(retry ?? ONE_ATTEMPT, services));
    if (deadLetter !== undefined) {
      policies.push(
        new DeadLetterPolicy(
          (error) => !this.#isUnwanted(error),
          (task, payload, error) => this.#deadLetter(collector, task, payload, error),
        ),
      );
    }
    return new TaskPlan(policies, (retry ?? ONE_ATTEMPT).attempts);
  }

  /** Remembers an error that this queue made for a task that was not wanted any more; it needs no dead letter. */
  unwanted<E extends Error>(error: E): E {
    this.#unwanted.add(error);
    return error;
  }

  #isUnwanted(error: unknown): boolean {
    return typeof error === 'object' && error !== null && this.#unwanted.has(error);
  }

  #abortPolicy(collector: AnyCollector, signal: AbortSignal): AbortPolicy {
    const made =
      this.#aborts.get(collector) ??
      new AbortPolicy(signal, onAbort, (cause) =>
        this.unwanted(new CancelledError("the collector's signal fired", { cause })),
      );
    this.#aborts.set(collector, made);
    return made;
  }
}
