import type { Result } from 'neverthrow';
import type { AnyCollector } from './collector.ts';
import { newListPromise, resolveOfNewest } from './list-promise.ts';
import { ResultList } from './results.ts';

/** One payload handed to several collectors: collects their results, in the collectors' order. */
export class Handover {
  readonly collectors: readonly AnyCollector[];
  readonly results: (Result<unknown, unknown> | undefined)[];
  /** How many results are still missing. */
  missing: number;
  #resolve: ((list: ResultList) => void) | undefined = undefined;

  constructor(collectors: readonly AnyCollector[]) {
    this.collectors = collectors;
    this.missing = collectors.length;
    this.results = collectors.length === 1 ? [undefined] : new Array(collectors.length).fill(undefined);
  }

  /** True if it was the last. */
  put(index: number, result: Result<unknown, unknown>): boolean {
    this.results[index] = result;
    return --this.missing === 0;
  }

  /** What is missing becomes this result. */
  fill(result: Result<unknown, unknown>): void {
    for (const [index, present] of this.results.entries()) {
      if (present === undefined) this.results[index] = result;
    }
    this.missing = 0;
  }

  /** The results, once none is missing. */
  list(): ResultList {
    return new ResultList(this.results as Result<unknown, unknown>[], undefined, this.collectors);
  }

  /** Resolves when {@link Handover.complete} is called. To be called once. */
  completion(): Promise<ResultList> {
    const promise = newListPromise();
    this.#resolve = resolveOfNewest();
    return promise;
  }

  /** Does nothing the second time: to resolve a promise again makes Node report it, at the cost of a payload. */
  complete(): void {
    const resolve = this.#resolve;
    if (resolve === undefined) return;
    this.#resolve = undefined;
    resolve(this.list());
  }
}
