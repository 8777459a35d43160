import { AbortPolicy } from '../policies/abort.ts';
import { BatchPolicy, type BatchSettings, giveUpCallOf } from '../policies/batch.ts';
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
import { FlowControl } from './flow-control.ts';
import type { Payload } from './payload.ts';
import type { Surroundings } from './surroundings.ts';
import type { SendSettings } from './task-options.ts';
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
  readonly #watch: TaskPolicy | undefined;
  readonly #locks: Locks = new Map();
  readonly #flow: FlowControl;
  /** Errors of tasks that were not wanted any more, which did not fail. */
  readonly #unwanted: WeakSet<object> = new WeakSet();
  /** One for a collector, whatever its sends say, so that its signal has one listener. */
  readonly #aborts: WeakMap<AnyCollector, AbortPolicy> = new WeakMap();
  /** One for a collector: what its sends say does not matter to whom they go with. */
  readonly #batches: Map<AnyCollector, BatchPolicy> = new Map();

  /**
   * @param surroundings - policies of the queue, which come before those of a collector
   * @param watch - looks at every attempt
   */
  constructor(
    services: PolicyServices,
    revocations: Revocations,
    surroundings: Pick<Surroundings, 'hooks'>,
    deadLetter: DeliverDeadLetter,
    watch?: TaskPolicy,
  ) {
    this.#services = services;
    this.#surroundings = surroundings;
    this.#watch = watch;
    this.#revocations = revocations;
    this.#deadLetter = deadLetter;
    this.#flow = new FlowControl(services);
    this.#revocation = new RevocationPolicy(revocations, services, (key) => this.unwanted(new RevokedError(key)));
    this.fallback = new TaskPlan([this.#revocation, new RetryPolicy(ONE_ATTEMPT, services)], 1);
  }

  /** The plan of a collector's tasks, for a send with these settings; undefined if there is nothing to mind. */
  planFor(collector: AnyCollector, sent?: SendSettings): TaskPlan | undefined {
    const { settings, policies: own, batch, key } = collector;
    const { hooks } = this.#surroundings;
    const custom = hooks.length === 0 ? own : [...hooks, ...own];
    const limit = sent?.timeout ?? settings.timeout;
    const timeout = limit === Number.POSITIVE_INFINITY ? undefined : limit;
    const retry = sent?.retry ?? settings.retry;
    const expiry = sent?.expiry ?? settings.expiry;
    // A send that has a delay of its own has waited as a whole.
    const delay = sent?.delay === undefined ? settings.delay : undefined;
    const { lock, deadLetter, signal, flow } = settings;
    const partitionKey = sent?.partitionKey;
    const revoked = this.#revocations.has(key);
    const watch = this.#watch;
    const options = [timeout, retry, expiry, delay, batch, lock, deadLetter, signal, flow, partitionKey, watch];
    const given = options.some((one) => one !== undefined);
    if (!given && !revoked && custom.length === 0) return undefined;

    const services = this.#services;
    const policies: TaskPolicy[] = [];
    // After an attempt it is asked first: whoever parks the task ends the asking.
    if (this.#watch !== undefined) policies.push(this.#watch);
    // Who is not to run at all is asked first, so that nothing waits or is held for it.
    policies.push(this.#revocation);
    if (signal !== undefined) policies.push(this.#abortPolicy(collector, signal));
    if (expiry !== undefined)
      policies.push(
        new ExpiryPolicy(expiry, services, () =>
          this.unwanted(new ExpiredError(`expired before collector "${key}" attempted it`)),
        ),
      );
    const { partition, rateLimit, concurrency } = this.#flow.policiesFor(collector, partitionKey, expiry);
    // The first that may park: tasks of a key keep the order in which they came, whatever the next ones make of them.
    if (partition !== undefined) policies.push(partition);
    // Waiting comes before the locks, or a task would hold one while it waits.
    if (delay !== undefined) policies.push(new DelayPolicy(delay, services));
    policies.push(...custom);
    // Who may still wait for its turn would not be there when its batch leaves; rate, slots and lock are those of the call.
    if (batch !== undefined) policies.push(this.#batchPolicy(collector, batch));
    // The rate before the slots: a start can be kept for a task that waits for a slot, which costs nobody anything; a slot
    // that was kept for one that waits for its rate would be missing to those of another key.
    if (rateLimit !== undefined) policies.push(rateLimit);
    if (concurrency !== undefined) policies.push(concurrency);
    // Nothing that may still park the task comes after its lock. One that finds it taken lets go of start and slot.
    if (lock !== undefined) policies.push(new LockPolicy(lock.name, lock.delay, this.#locks, services));
    // The limit is of the processor alone.
    if (timeout !== undefined)
      policies.push(
        new TimeoutPolicy(timeout, services, (limit, task) => {
          const error = new DeliveryTimeoutError(key, limit);
          giveUpCallOf(task, error);
          return error;
        }),
      );
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

  /** The queue closes: no task waits for others any more. */
  flushBatches(): void {
    for (const policy of this.#batches.values()) policy.flush();
  }

  /** A collector is being removed: its tasks do not wait for others any more. */
  flushBatch(collector: AnyCollector): void {
    this.#batches.get(collector)?.flush();
  }

  /** The collector was removed, and has no task any more. */
  forgetBatch(collector: AnyCollector): void {
    this.#batches.delete(collector);
  }

  #batchPolicy(collector: AnyCollector, settings: BatchSettings): BatchPolicy {
    const made =
      this.#batches.get(collector) ?? new BatchPolicy(settings, this.#services, this.#flow.keeperOf(collector));
    this.#batches.set(collector, made);
    return made;
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
