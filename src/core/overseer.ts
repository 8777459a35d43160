import type { Sender } from './publisher.ts';
import type { QueueRun } from './run.ts';

/** The option by which a test kit gets inside a queue. A symbol, so that it is no option to users. */
export const OVERSEER: unique symbol = Symbol('overseer');

/** Sees each run of a queue from inside; for tests. */
export interface Overseer {
  /** A run goes up. Publishers send to what this returns, instead of to the intake of the run. */
  oversee(run: QueueRun): Sender;
}

/** Options that may have an overseer among them. */
export interface Overseen {
  readonly [OVERSEER]?: Overseer | undefined;
}
