/** What the autoscaler looks at. Rates and times may be 0 while nothing was measured yet. */
export interface LoadSnapshot {
  /** Consumers alive, busy or idle. */
  readonly consumers: number;
  /** Consumers busy now. */
  readonly busy: number;
  /** The most consumers that were busy at once within the last `idleTimeout`. */
  readonly peakBusy: number;
  /** Payloads waiting. */
  readonly waiting: number;
  /** Payloads accepted per second. */
  readonly arrivalRate: number;
  /** Milliseconds that a payload keeps a consumer busy. */
  readonly serviceTime: number;
  readonly minConsumers: number;
  readonly maxConsumers: number;
}

/** Spare capacity above what Little's law asks for; event-collector's constant. */
export const LOAD_MARGIN = 0.15;

/**
 * How many consumers there should be.
 *
 * - Payloads that wait get a consumer each, at once, up to the maximum.
 * - Otherwise the pool falls back, but not below what Little's law says the load keeps busy (arrival rate × service
 *   time, plus 15 %), nor below what was busy at once within the last `idleTimeout`.
 *
 * Little, J. D. C. (1961), "A proof for the queuing formula L = λW"; the margin is event-collector's.
 */
export function targetConsumers(load: LoadSnapshot): number {
  const needed = load.busy + load.waiting;
  const workInProgress = (load.arrivalRate * load.serviceTime) / 1000;
  const steady = Math.ceil(workInProgress * (1 + LOAD_MARGIN));
  const keep = Math.min(load.consumers, Math.max(steady, load.peakBusy));
  return Math.min(load.maxConsumers, Math.max(load.minConsumers, needed, keep));
}
