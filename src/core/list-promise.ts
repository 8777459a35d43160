import type { ResultList } from './results.ts';

type Resolve = (list: ResultList) => void;

let newest: Resolve;

/** One executor for all promises, instead of a closure for each. */
const executor = (resolve: Resolve): void => {
  newest = resolve;
};

/** A promise of results. What resolves it is to be had from {@link resolveOfNewest}, at once. */
export function newListPromise(): Promise<ResultList> {
  return new Promise(executor);
}

/** What resolves the promise that was made last. */
export function resolveOfNewest(): Resolve {
  return newest;
}
