import { err, type Result } from 'neverthrow';
import type { Timer } from '../schedule/clock.ts';
import { type AnyCollector, registrationOf } from './collector.ts';
import { RouterError } from './errors.ts';
import { Handover } from './handover.ts';

/** The way of one payload through a router with full control. */
export class RouterCall {
  /** What the router has delivered so far. */
  handovers: readonly Handover[] = NOTHING;
  /** The limit of `routerTimeout`. */
  timer: Timer | undefined = undefined;
  /** The router's own work is over, or not waited for any more. */
  over = false;

  add(handover: Handover): void {
    this.handovers = this.handovers.length === 0 ? [handover] : [...this.handovers, handover];
  }

  has(collector: AnyCollector): boolean {
    return this.handovers.some((handover) => handover.collectors.includes(collector));
  }

  /** What stands when the event is given up: results that are there, this one for the others. */
  giveUp(result: Result<unknown, unknown>): Handover | undefined {
    const all = this.resultsWith(result);
    for (const handover of this.handovers) handover.fill(result);
    return all;
  }

  /** The results that are there, this one for the others; undefined if nothing was delivered. */
  resultsWith(result: Result<unknown, unknown>): Handover | undefined {
    if (this.handovers.length === 0) return undefined;
    const pairs = this.handovers.flatMap(({ collectors, results }) =>
      collectors.map((collector, at) => ({ collector, result: results[at] ?? result })),
    );
    pairs.sort((a, b) => position(a.collector) - position(b.collector));
    const all = new Handover(pairs.map(({ collector }) => collector));
    for (const [at, pair] of pairs.entries()) all.put(at, pair.result);
    return all;
  }

  /** Wakes the router's calls of `deliver`; to be called once the event has settled and nothing is missing. */
  completeAll(): void {
    for (const handover of this.handovers) handover.complete();
  }

  /** The router is over before what it delivered: those results are not waited for. */
  leave(): void {
    for (const handover of this.handovers) {
      if (handover.missing > 0) handover.fill(err(new RouterError('the router was over before this result came')));
      handover.complete();
    }
  }
}

const NOTHING: readonly Handover[] = Object.freeze([]);

/** A collector that was removed meanwhile comes first. */
function position(collector: AnyCollector): number {
  return registrationOf(collector)?.position ?? -1;
}
