import type { Clock } from '../schedule/clock.ts';
import type { AnyCollector } from './collector.ts';
import type { Dispatcher } from './dispatcher.ts';
import { asRouterError, describe, RouterError, RouterTimeoutError } from './errors.ts';
import type { QueuedEvent } from './event.ts';
import { Handover } from './handover.ts';
import type { Payload } from './payload.ts';
import { ResultList } from './results.ts';
import { Roster, type Rostered } from './roster.ts';
import type { Deliver, Router } from './router.ts';
import { RouterCall } from './router-call.ts';

/**
 * Payloads whose router has a `handleEvent` of its own. The router's call counts as work of the event, beside the tasks
 * that it delivers, so the event keeps its consumer until both are over; a router that exceeds its time limit does not.
 */
export class FullControl {
  readonly #dispatcher: Dispatcher;
  readonly #clock: Clock;
  readonly #timeout: number;
  readonly #underWay: Roster<UnderWay> = new Roster();
  readonly #free: UnderWay[] = [];

  constructor(dispatcher: Dispatcher, clock: Clock, timeout: number) {
    this.#dispatcher = dispatcher;
    this.#clock = clock;
    this.#timeout = timeout;
  }

  /** The events whose router is at work. */
  underWay(): QueuedEvent[] {
    return [...this.#underWay].map(({ event }) => event as QueuedEvent);
  }

  /** Lets go of the time limits: nobody waits for these routers any more. */
  unlimit(): void {
    for (const { call } of this.#underWay) call?.timer?.cancel();
  }

  /** True if the work goes on. */
  begin(event: QueuedEvent, router: Router): boolean {
    const call = new RouterCall();
    event.outcome = call;
    event.active = 1;
    try {
      const deliver: Deliver = (collectors) => this.#deliver(event, call, collectors);
      const returned: unknown = router.handleEvent(event.payload as Payload, deliver);
      if (!isResultList(returned)) return this.#follow(event, call, Promise.resolve(returned));
      this.settle(event, call, returned);
    } catch (thrown) {
      this.fail(event, call, thrown);
    }
    call.over = true;
    return --event.active > 0;
  }

  /** A router's call that was under way has come to a value, or to what it threw. */
  over(underWay: UnderWay, threw: boolean, value: unknown): void {
    const { event, call } = underWay as { event: QueuedEvent; call: RouterCall };
    underWay.event = undefined;
    underWay.call = undefined;
    this.#free.push(underWay);
    if (call.over) return;
    this.#underWay.remove(underWay);
    call.timer?.cancel();
    call.over = true;
    if (threw) this.fail(event, call, value);
    else this.settle(event, call, value);
    this.#left(event);
  }

  /** What the router returned is the outcome of the event. */
  settle(event: QueuedEvent, call: RouterCall, value: unknown): void {
    if (event.status === 'settled') return;
    if (isResultList(value)) {
      event.outcome = value;
      this.#dispatcher.settle(event);
      call.leave();
    } else {
      this.fail(
        event,
        call,
        new RouterError(`handleEvent must return a ResultList, but it returned ${describe(value)}`),
      );
    }
  }

  fail(event: QueuedEvent, call: RouterCall, thrown: unknown): void {
    this.#dispatcher.failRouting(event, asRouterError(thrown));
    call.leave();
  }

  #follow(event: QueuedEvent, call: RouterCall, promise: Promise<unknown>): true {
    const underWay = this.#free.pop() ?? new UnderWay(this);
    nativeThen.call(promise, underWay.onValue, underWay.onError);
    underWay.event = event;
    underWay.call = call;
    this.#underWay.add(underWay);
    if (this.#timeout !== Number.POSITIVE_INFINITY) this.#limit(underWay, event, call);
    return true;
  }

  #deliver(event: QueuedEvent, call: RouterCall, collectors: readonly AnyCollector[]): ReturnType<Deliver> {
    if (event.status === 'settled') return event.getResult() as ResultList;
    const checked = this.#dispatcher.check(collectors);
    if (checked.length === 0) return new ResultList([this.#dispatcher.unrouted(event)], undefined, []);
    const again = call.handovers.length === 0 ? undefined : checked.find((collector) => call.has(collector));
    if (again !== undefined) throw new RouterError(`the payload was delivered to collector "${again.key}" before`);
    const handover = new Handover(checked);
    call.add(handover);
    this.#dispatcher.runAll(event, handover);
    return handover.missing === 0 ? handover.list() : handover.completion();
  }

  /** The consumer of a router that takes too long is free, unless tasks that it delivered still run. */
  #limit(underWay: UnderWay, event: QueuedEvent, call: RouterCall): void {
    const error = new RouterTimeoutError(`the router took longer than ${this.#timeout} ms (routerTimeout)`);
    call.timer = this.#clock.setTimer(() => {
      this.#underWay.remove(underWay);
      call.over = true;
      if (event.status !== 'settled') {
        this.#dispatcher.cancellations.abandon(event, error);
        this.#dispatcher.tellRoutingFailed(event, error);
      }
      this.#left(event);
    }, this.#timeout);
  }

  #left(event: QueuedEvent): void {
    if (--event.active === 0) this.#dispatcher.routed(event);
  }
}

const nativeThen = Promise.prototype.then;

/** Never throws, whatever the value does when it is looked at. */
function isResultList(value: unknown): value is ResultList {
  try {
    return value instanceof ResultList;
  } catch {
    return false;
  }
}

/** The handlers of one router call at a time. */
class UnderWay implements Rostered {
  seat = 0;
  event: QueuedEvent | undefined = undefined;
  call: RouterCall | undefined = undefined;
  readonly #control: FullControl;

  constructor(control: FullControl) {
    this.#control = control;
  }

  readonly onValue = (value: unknown): void => {
    this.#control.over(this, false, value);
  };

  readonly onError = (thrown: unknown): void => {
    this.#control.over(this, true, thrown);
  };
}
