import type { Result } from 'neverthrow';
import type { AnyCollector } from './collector.ts';

/** One payload handed to several collectors: collects their results, in the collectors' order. */
export class Handover {
  readonly collectors: readonly AnyCollector[];
  readonly results: (Result<unknown, unknown> | undefined)[];
  /** How many results are still missing. */
  missing: number;
  /** Told when the last result came in; only a custom router waits for that. */
  complete: (() => void) | undefined = undefined;

  constructor(collectors: readonly AnyCollector[]) {
    this.collectors = collectors;
    this.missing = collectors.length;
    this.results = new Array(collectors.length).fill(undefined);
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
}
