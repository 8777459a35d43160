import type { ConsumerPool } from '../pool/consumer-pool.ts';
import type { Clock } from '../schedule/clock.ts';
import type { AnyCollector } from './collector.ts';
import type { Dispatcher } from './dispatcher.ts';
import { asRouterError, describe, RouterError, RouterTimeoutError } from './errors.ts';
import type { QueuedEvent } from './event.ts';
import { Handover } from './handover.ts';
import type { Payload } from './payload.ts';
import { ResultList } from './results.ts';
import type { Deliver, Router } from './router.ts';
import { RouterCall } from './router-call.ts';

/**
 * Payloads whose router has a `handleEvent` of its own. The router's call counts as work of the event, beside the tasks
 * that it delivers, so the event keeps its consumer until both are over; a router that exceeds its time limit does not.
 */
export class FullControl {
  readonly #dispatcher: Dispatcher;
  readonly #pool: ConsumerPool<QueuedEvent>;
  readonly #clock: Clock;
  readonly #timeout: number;
  /** Events whose router is at work. */
  readonly #underWay: Set<QueuedEvent> = new Set();

  constructor(dispatcher: Dispatcher, pool: ConsumerPool<QueuedEvent>, clock: Clock, timeout: number) {
    this.#dispatcher = dispatcher;
    this.#pool = pool;
    this.#clock = clock;
    this.#timeout = timeout;
  }

  underWay(): QueuedEvent[] {
    return [...this.#underWay];
  }

  /** True if the work goes on. */
  begin(event: QueuedEvent, router: Router): boolean {
    const call = new RouterCall();
    event.needExtras().routerCall = call;
    event.active = 1;
    const deliver: Deliver = (collectors) => this.#deliver(event, call, collectors);
    try {
      const returned: unknown = router.handleEvent(event.payload as Payload, deliver);
      if (returned instanceof ResultList) {
        this.#returned(event, call, returned);
      } else {
        this.#limit(event, call);
        this.#underWay.add(event);
        Promise.resolve(returned).then(
          (value) => this.#over(event, call, () => this.#returned(event, call, value)),
          (thrown) => this.#over(event, call, () => this.#dispatcher.failRouting(event, asRouterError(thrown))),
        );
        return true;
      }
    } catch (thrown) {
      this.#dispatcher.failRouting(event, asRouterError(thrown));
    }
    call.over = true;
    return --event.active > 0;
  }

  #deliver(event: QueuedEvent, call: RouterCall, collectors: readonly AnyCollector[]): ReturnType<Deliver> {
    if (event.status === 'settled') return event.getResult() as ResultList;
    const checked = this.#dispatcher.check(collectors);
    if (checked.length === 0) return new ResultList([this.#dispatcher.unrouted(event)], undefined, [], 0);
    const again = checked.find((collector) => call.has(collector));
    if (again !== undefined) throw new RouterError(`the payload was delivered to collector "${again.key}" before`);
    const handover = new Handover(checked);
    call.handovers.push(handover);
    this.#pool.runInScope(this.#dispatcher.runAll, this.#dispatcher, event, handover);
    if (handover.missing === 0) return listOf(handover);
    return new Promise((resolve) => {
      handover.complete = () => resolve(listOf(handover));
    });
  }

  /** The router's call was still under way when `begin` returned; now it is over. */
  #over(event: QueuedEvent, call: RouterCall, settle: () => unknown): void {
    call.timer?.cancel();
    if (call.over) return;
    call.over = true;
    this.#underWay.delete(event);
    settle();
    if (--event.active === 0) this.#dispatcher.workEnded(event);
  }

  #returned(event: QueuedEvent, call: RouterCall, value: unknown): void {
    if (event.status === 'settled') return;
    if (!(value instanceof ResultList)) {
      const error = new RouterError(`handleEvent must return a ResultList, but it returned ${describe(value)}`);
      this.#dispatcher.failRouting(event, error);
    } else {
      event.outcome = value;
      this.#dispatcher.settle(event);
    }
    call.completeAll();
  }

  #limit(event: QueuedEvent, call: RouterCall): void {
    if (this.#timeout === Number.POSITIVE_INFINITY) return;
    const error = new RouterTimeoutError(`the router took longer than ${this.#timeout} ms (routerTimeout)`);
    call.timer = this.#clock.setTimer(
      () => this.#over(event, call, () => event.status !== 'settled' && this.#dispatcher.abandon(event, error)),
      this.#timeout,
    );
  }
}

function listOf(handover: Handover): ResultList {
  const results = handover.results as ConstructorParameters<typeof ResultList>[0];
  return new ResultList(results, undefined, handover.collectors, results.length);
}
