import type { Result } from 'neverthrow';
import type { Timer } from '../schedule/clock.ts';
import type { AnyCollector } from './collector.ts';
import { registrationOf } from './collector.ts';
import { Handover } from './handover.ts';
import type { Registration } from './registration.ts';

/** The way of one payload through a router with full control. */
export class RouterCall {
  /** What the router has delivered so far. */
  readonly handovers: Handover[] = [];
  /** The limit of `routerTimeout`. */
  timer: Timer | undefined = undefined;
  /** The router's own work is over, or not waited for any more. */
  over = false;

  has(collector: AnyCollector): boolean {
    return this.handovers.some((handover) => handover.collectors.includes(collector));
  }

  /** What stands when the event is given up: results that are there, this one for the others. */
  giveUp(result: Result<unknown, unknown>): Handover | undefined {
    if (this.handovers.length === 0) return undefined;
    for (const handover of this.handovers) handover.fill(result);
    const pairs = this.handovers.flatMap(({ collectors, results }) =>
      collectors.map((collector, at) => ({ collector, result: results[at] })),
    );
    pairs.sort((a, b) => position(a.collector) - position(b.collector));
    const all = new Handover(pairs.map(({ collector }) => collector));
    for (const [at, pair] of pairs.entries()) all.put(at, pair.result as Result<unknown, unknown>);
    return all;
  }

  /** Wakes the router's calls of `deliver`; to be called once the event has settled. */
  completeAll(): void {
    for (const handover of this.handovers) handover.complete?.();
  }
}

function position(collector: AnyCollector): number {
  return (registrationOf(collector) as Registration).position;
}
