import type { BufferEntry } from './buffer.ts';
import type { ConsumerPool } from './consumer-pool.ts';

/** What consumers consume. */
export interface Work<W> extends BufferEntry<W> {
  /** A consumer was found for it; {@link Work.run} follows at once or in the next microtask. Runs no user code. */
  claim(): void;
  /** Does the work. True if it goes on after the return: it then calls {@link ConsumerPool.release} once, when done. */
  run(): boolean;
}

/** What the pool tells its owner. None of these may throw. */
export interface PoolObserver {
  /** The number of consumers changed. Told outside of `offer`. */
  scaled(from: number, to: number): void;
  /** Fewer wait, or a consumer became idle; told only while {@link ConsumerPool.watched} is set. */
  roomMade(): void;
  /** The last busy consumer became idle. */
  quiet(): void;
  /** Totals for the load meter. */
  totals(): { readonly accepted: number; readonly settled: number };
}

export interface PoolLimits {
  readonly minConsumers: number;
  readonly maxConsumers: number;
  readonly idleTimeout: number;
  /** How many consumers may be busy now, of `maxConsumers`; asked at every look at the load. All of them by default. */
  readonly level?: (() => number) | undefined;
}
