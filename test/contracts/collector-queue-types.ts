import type { Bench } from './collector-queue-bench.ts';
import type { PromiseName, WaysOf } from './collector-queue-promises.ts';

/** Puts a promise to the test. */
export type Check = (bench: Bench) => Promise<void>;

/** A check for each way in which the table says that a promise stands, and for no other. */
export type AllChecks = { readonly [N in PromiseName]: { readonly [W in WaysOf<N>]: Check } };

/** The checks of some promises. */
export type Checks = Partial<AllChecks>;
