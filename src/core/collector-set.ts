import type { Clock } from '../schedule/clock.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import { type AnyCollector, Collector } from './collector.ts';
import { describe, describeThrown, InvalidArgumentError, LifecycleError, RouterError } from './errors.ts';
import { causesOf } from './lifecycle.ts';
import { type Instrument, Registration } from './registration.ts';
import { Router, type RouterClass } from './router.ts';
import type { Surroundings } from './surroundings.ts';
import type { TaskPlanner } from './task-planner.ts';
import { isToldElsewhere } from './traced-tasks.ts';

/** A collector that belongs to the queue, and its place in the order of registration. */
export interface Place {
  readonly collector: AnyCollector;
  readonly position: number;
}

/** Whose router a router is. */
const routerOwners: WeakMap<Router, CollectorSet> = new WeakMap();

/**
 * The collectors of a queue, in order of registration: which there are, which are set up, and the router that knows
 * them.
 */
export class CollectorSet {
  readonly #places: Map<string, Place> = new Map();
  readonly #router: Router | RouterClass;
  readonly #surroundings: Surroundings;
  /** Those that are set up, in the order in which that happened; also those that are being removed. */
  readonly #registrations: Set<Registration> = new Set();
  /** The calls of {@link CollectorSet.add} under way; none of them rejects. */
  readonly #additions: Set<Promise<void>> = new Set();
  #positions = 0;

  /** @throws {@link InvalidArgumentError} for no collectors, what is no Collector, a key that occurs twice. */
  constructor(collectors: readonly AnyCollector[], router: Router | RouterClass, surroundings: Surroundings) {
    if (!Array.isArray(collectors) || collectors.length === 0) {
      throw new InvalidArgumentError(
        'CollectorQueue: collectors',
        'a non-empty array of Collectors',
        describe(collectors),
      );
    }
    this.#router = router;
    this.#surroundings = surroundings;
    for (const [at, collector] of collectors.entries()) this.reserve(collector, `CollectorQueue: collectors[${at}]`);
    for (const collector of collectors) this.#checkDeadLetter(collector);
  }

  keys(): string[] {
    return this.#inOrder().map(({ collector }) => collector.key);
  }

  has(key: string): boolean {
    return this.#places.has(key);
  }

  /** Takes the collector's key and the last place, without setting it up. */
  reserve(collector: AnyCollector, argument: string): Place {
    if (!(collector instanceof Collector)) throw new InvalidArgumentError(argument, 'a Collector', describe(collector));
    if (collector.batch !== undefined && this.#surroundings.checksValues) {
      const expected = 'a Collector of single payloads, since the queue has schemas: a batch is not checked by them';
      throw new InvalidArgumentError(argument, expected, 'a BatchCollector');
    }
    if (this.#places.has(collector.key)) {
      throw new InvalidArgumentError(argument, 'of a key of its own', `another "${collector.key}"`);
    }
    const place: Place = { collector, position: this.#positions++ };
    this.#places.set(collector.key, place);
    return place;
  }

  /** The same for a collector that comes later. */
  register(collector: AnyCollector): Place {
    const place = this.reserve(collector, 'addCollector: collector');
    try {
      this.#checkDeadLetter(collector);
    } catch (error) {
      this.unreserve(collector.key);
      throw error;
    }
    return place;
  }

  /** Lets the key go: the collector is not routed to any more. */
  unreserve(key: string): Place | undefined {
    const place = this.#places.get(key);
    this.#places.delete(key);
    return place;
  }

  /** Undoes {@link CollectorSet.unreserve}. */
  restore(place: Place): void {
    this.#places.set(place.collector.key, place);
  }

  /** A router that knows the collectors that are set up and not being removed. Throws what the router throws. */
  router(): Router {
    const serving = [...this.#registrations].filter(
      ({ key, collector }) => this.#places.get(key)?.collector === collector,
    );
    serving.sort((a, b) => a.position - b.position);
    const collectors = new Map(serving.map(({ key, collector }) => [key, collector]));
    const router = this.#router instanceof Router ? this.#claimed(this.#router) : new this.#router(collectors);
    router.refresh(collectors);
    return router;
  }

  /** Sets all up, in order, until one fails, which it throws as a {@link LifecycleError}, or `stop` says so. */
  async open(owner: object, stop: () => boolean): Promise<void> {
    for (const place of this.#inOrder()) {
      await this.#openOne(place, owner);
      if (stop()) return;
    }
  }

  /**
   * Adds a collector to a queue that is up: sets it up, then calls `connect`, which is to make it known to the router.
   * If that throws, or the collector was removed meanwhile, it is shut down again.
   */
  add(collector: AnyCollector, owner: object, connect: () => void): Promise<void> {
    const added = this.#add(this.register(collector), owner, connect);
    const ended = added.catch(() => undefined).finally(() => this.#additions.delete(ended));
    this.#additions.add(ended);
    return added;
  }

  /** Shuts all down, in reverse, each within the limit: one that never returns does not keep the others. */
  async close(clock: Clock, timeout: number): Promise<unknown[]> {
    const errors: unknown[] = [];
    if (this.#additions.size > 0 && !(await settlesWithin(Promise.all(this.#additions), clock, timeout))) {
      errors.push(new Error(`a collector that is being added was not set up within ${timeout} ms`));
    }
    for (const registration of [...this.#registrations].reverse()) {
      try {
        if (!(await settlesWithin(registration.close(), clock, timeout))) {
          throw new Error(`collector "${registration.key}" did not shut down within ${timeout} ms`);
        }
      } catch (error) {
        errors.push(error);
      }
      this.#registrations.delete(registration);
    }
    if (this.#router instanceof Router && routerOwners.get(this.#router) === this) routerOwners.delete(this.#router);
    return errors;
  }

  /** The tasks that are handed over from now on go by new plans. */
  replan(planner: TaskPlanner): void {
    for (const registration of this.#registrations) registration.plan = planner.planFor(registration.collector);
  }

  /** The attempts that begin from now on are surrounded by what there is now. */
  rewrap(): void {
    for (const registration of this.#registrations) {
      registration.surround(this.#surroundings.processorOf(registration.collector));
    }
  }

  /** Whether the queue is a part of another one, which tells of its payloads. */
  get areToldElsewhere(): boolean {
    return [...this.#places.values()].every(({ collector }) => isToldElsewhere(collector.processor));
  }

  /** Lets processors be called by way of what `wrap` makes of them. Each once. */
  instrument(wrap: Instrument): void {
    for (const registration of this.#registrations) registration.instrument(wrap);
  }

  /** Whether a collector counts from the acceptance of its payloads. */
  get countFromAcceptance(): boolean {
    if (this.#surroundings.hooks.length > 0) return true;
    return [...this.#places.values()].some(({ collector: { settings, policies } }) => {
      const counts = (settings.expiry !== undefined && 'ttl' in settings.expiry) || settings.delay !== undefined;
      return counts || policies.length > 0;
    });
  }

  /** Waits until a collector's tasks have ended, then shuts it down. It must not be routed to any more. */
  async closeOne(collector: AnyCollector): Promise<void> {
    const registration = [...this.#registrations].find((one) => one.collector === collector);
    if (registration === undefined) return;
    if (registration.unfinished > 0) {
      await new Promise<void>((resolve) => {
        registration.finished = resolve;
      });
    }
    try {
      await registration.close();
    } catch (error) {
      throw new LifecycleError(`collector "${collector.key}" failed to shut down`, [error]);
    } finally {
      this.#registrations.delete(registration);
    }
  }

  /** A misspelt key would lose what goes there. */
  #checkDeadLetter({ key, settings }: AnyCollector): void {
    const { deadLetter } = settings;
    if (typeof deadLetter !== 'string' || (deadLetter !== key && this.#places.has(deadLetter))) return;
    throw new InvalidArgumentError(
      `Collector "${key}": deadLetter`,
      'the key of another collector of the queue',
      `"${deadLetter}"`,
    );
  }

  #inOrder(): Place[] {
    return [...this.#places.values()].sort((a, b) => a.position - b.position);
  }

  async #add(place: Place, owner: object, connect: () => void): Promise<void> {
    const { collector } = place;
    const letGo = (): void => {
      if (this.#places.get(collector.key) === place) this.#places.delete(collector.key);
    };
    await this.#openOne(place, owner).catch((error) => {
      letGo();
      throw error;
    });
    try {
      if (this.#places.get(collector.key) !== place) {
        const message = `collector "${collector.key}" was removed while it was set up`;
        throw new LifecycleError(message, [new Error(message)]);
      }
      connect();
    } catch (error) {
      letGo();
      await this.closeOne(collector);
      throw error;
    }
  }

  async #openOne({ collector, position }: Place, owner: object): Promise<void> {
    try {
      const registration = await Registration.open(collector, position, owner);
      registration.surround(this.#surroundings.processorOf(collector));
      this.#registrations.add(registration);
    } catch (error) {
      const message = `collector "${collector.key}" could not be set up: ${describeThrown(error)}`;
      throw new LifecycleError(message, causesOf(error));
    }
  }

  /** A router that two queues share would tell each the collectors of the other. */
  #claimed(router: Router): Router {
    const owner = routerOwners.get(router) ?? this;
    if (owner !== this) throw new RouterError('the router serves another queue that was not shut down');
    routerOwners.set(router, this);
    return router;
  }
}
