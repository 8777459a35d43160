import type { Clock } from '../schedule/clock.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import { type AnyCollector, Collector } from './collector.ts';
import { describe, InvalidArgumentError, LifecycleError } from './errors.ts';
import { Registration } from './registration.ts';
import { Router, type RouterClass } from './router.ts';

/**
 * The collectors of a queue, in order of registration: which there are, which are set up, and the router that knows
 * them.
 */
export class CollectorSet {
  readonly #collectors: Map<string, AnyCollector> = new Map();
  readonly #router: Router | RouterClass;
  /** Those that are set up, in the order in which that happened; also those that are being removed. */
  readonly #registrations: Set<Registration> = new Set();
  #positions = 0;

  /** @throws {@link InvalidArgumentError} for no collectors, what is no Collector, a key that occurs twice. */
  constructor(collectors: readonly AnyCollector[], router: Router | RouterClass) {
    if (!Array.isArray(collectors) || collectors.length === 0) {
      throw new InvalidArgumentError(
        'CollectorQueue: collectors',
        'a non-empty array of Collectors',
        describe(collectors),
      );
    }
    this.#router = router;
    for (const [at, collector] of collectors.entries()) this.reserve(collector, `CollectorQueue: collectors[${at}]`);
  }

  keys(): string[] {
    return [...this.#collectors.keys()];
  }

  /** Takes the collector's key, without setting it up. */
  reserve(collector: AnyCollector, argument: string): void {
    if (!(collector instanceof Collector)) throw new InvalidArgumentError(argument, 'a Collector', describe(collector));
    if (this.#collectors.has(collector.key)) {
      throw new InvalidArgumentError(argument, 'of a key of its own', `another "${collector.key}"`);
    }
    this.#collectors.set(collector.key, collector);
  }

  has(collector: AnyCollector): boolean {
    return this.#collectors.get(collector.key) === collector;
  }

  /** Lets the key go: the collector is not routed to any more. */
  unreserve(key: string): AnyCollector | undefined {
    const collector = this.#collectors.get(key);
    this.#collectors.delete(key);
    return collector;
  }

  /** A router that knows the collectors that are set up and not being removed. */
  router(): Router {
    const serving = [...this.#registrations].filter(({ key, collector }) => this.#collectors.get(key) === collector);
    const collectors = new Map(serving.map(({ key, collector }) => [key, collector]));
    const router = this.#router instanceof Router ? this.#router : new this.#router(collectors);
    router.refresh(collectors);
    return router;
  }

  /**
   * Sets all up, in order, until one fails or `stop` says so. Then those already up are shut down in reverse.
   * Resolves to the failures, of the roll-back too.
   */
  async open(owner: object, clock: Clock, stop: () => boolean): Promise<unknown[]> {
    for (const collector of this.#collectors.values()) {
      try {
        await this.openOne(collector, owner);
      } catch (error) {
        return [error, ...(await this.close(clock, Number.POSITIVE_INFINITY))];
      }
      if (stop()) return this.close(clock, Number.POSITIVE_INFINITY);
    }
    return [];
  }

  async openOne(collector: AnyCollector, owner: object): Promise<void> {
    this.#registrations.add(await Registration.open(collector, this.#positions++, owner));
  }

  /** Shuts all down, in reverse, each within the limit: one that never returns does not keep the others. */
  async close(clock: Clock, timeout: number): Promise<unknown[]> {
    const errors: unknown[] = [];
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
    return errors;
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
}
