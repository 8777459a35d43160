import type { AnyCollector } from './collector.ts';
import type { Payload } from './payload.ts';
import type { ResultList } from './results.ts';

/**
 * Hands the payload to these collectors, each at most once for a payload, and brings their results, in order of
 * registration. Settles when all of them are done, or at once when the event is cancelled. No collectors give the one
 * `Ok(undefined)` of an unrouted payload. Throws a RouterError for what is no collector of the queue, or was delivered
 * to before.
 */
export type Deliver = (collectors: readonly AnyCollector[]) => ResultList | Promise<ResultList>;

/** The collectors of a queue, by key, in order of registration. */
export type Collectors = ReadonlyMap<string, AnyCollector>;

/**
 * Picks the collectors for a payload.
 *
 * Most routers implement {@link Router.select} alone. One that wants full control overrides
 * {@link Router.handleEvent} too, and is slower by the promise that this takes.
 */
export abstract class Router {
  /** The collectors of the queue, by key, in order of registration. */
  collectors: Collectors;

  constructor(collectors: Collectors = new Map()) {
    this.collectors = collectors;
  }

  /**
   * Told the collectors by the queue before anything is routed, and again after each change of them. Override it to
   * build an index, and call `super.refresh`.
   */
  refresh(collectors: Collectors): void {
    this.collectors = collectors;
  }

  /**
   * The collectors for a payload; none, or each at most once, in any order. Synchronous: it is the hot path. The queue
   * does not change the array, so it may be returned again. What it throws gives an `Err(RouterError)`.
   */
  abstract select(payload: Payload): readonly AnyCollector[];

  /** Full control over one payload: deliver to whom you like, when you like, and say what the results are. */
  handleEvent(payload: Payload, deliver: Deliver): ResultList | Promise<ResultList> {
    return deliver(this.select(payload));
  }
}

/** A router's class; the queue makes an instance. */
export type RouterClass = new (collectors: Collectors) => Router;
