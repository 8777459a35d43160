import { err } from 'neverthrow';
import type { ConsumerPool } from '../pool/consumer-pool.ts';
import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import type { Running } from './completions.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { QueuedEvent } from './event.ts';
import type { FullControl } from './full-control.ts';
import { Handover } from './handover.ts';
import type { Ledger } from './ledger.ts';
import { RouterCall } from './router-call.ts';
import type { Scheduled } from './scheduled.ts';
import type { TaskRunner } from './task-runner.ts';

/** What cancellations work with. */
export interface CancellationParts {
  readonly ledger: Ledger;
  readonly events: QueueEventSource;
  readonly pool: ConsumerPool<QueuedEvent>;
  readonly scheduled: Scheduled;
  readonly dispatcher: Dispatcher;
  readonly runner: TaskRunner;
  readonly fullControl: FullControl;
}

/** Settles accepted events before their time: with the results that are there, and an error for the rest. */
export class Cancellations {
  readonly #parts: CancellationParts;

  constructor(parts: CancellationParts) {
    this.#parts = parts;
  }

  /** False if it had settled. */
  giveUp(event: QueuedEvent, error: Error): boolean {
    const { pool, scheduled, dispatcher } = this.#parts;
    if (event.status === 'settled') return false;
    if (event.status === 'waiting') pool.withdraw(event);
    else if (event.status === 'scheduled') scheduled.remove(event);
    this.#revoke(event, error);
    dispatcher.checkIdle();
    return true;
  }

  /** Settles everything that was accepted, with this error for what is not done. No processor may be on the stack. */
  giveUpAll(error: Error): void {
    const { pool, scheduled, runner, fullControl } = this.#parts;
    this.clear(error);
    for (const event of pool.unstarted()) this.giveUp(event, error);
    for (const event of [...scheduled]) this.giveUp(event, error);
    for (const event of runner.underWay()) this.giveUp(event, error);
    for (const event of fullControl.underWay()) this.giveUp(event, error);
    fullControl.unlimit();
    runner.unlimit();
  }

  /** The tasks whose work goes on, that too which was given up; to be read at once. */
  running(): Running[] {
    return this.#parts.runner.running();
  }

  /** Settles everything that waits. Returns how many that were. */
  clear(error: Error): number {
    const { pool } = this.#parts;
    const waiting: QueuedEvent[] = [];
    for (let event = pool.takeWaiting(); event !== undefined; event = pool.takeWaiting()) waiting.push(event);
    // A listener may have cancelled some of them meanwhile.
    for (const event of waiting) if (event.status !== 'settled') this.#revoke(event, error);
    return waiting.length;
  }

  /** Settles an event that an overflow took out of the waiting order. Runs no user code. */
  drop(event: QueuedEvent, error: Error): void {
    const { ledger, events } = this.#parts;
    ledger.dropped++;
    this.abandon(event, error);
    if (events.observed(QueueEventName.DROPPED)) events.defer(QueueEventName.DROPPED, { id: event.id, error });
  }

  /** Settles with what is there and an error for the rest, then tells the work that nobody wants it any more. */
  abandon(event: QueuedEvent, error: Error): void {
    const failed = err(error);
    const { outcome } = event;
    const routerCall = outcome instanceof RouterCall ? outcome : undefined;
    if (routerCall !== undefined) event.outcome = routerCall.giveUp(failed) ?? failed;
    else if (outcome instanceof Handover) outcome.fill(failed);
    else event.outcome = failed;
    const extras = event.needExtras();
    const { abortable } = extras;
    extras.abortReason = error;
    this.#parts.dispatcher.settle(event);
    routerCall?.completeAll();
    abortable?.abort(error);
  }

  #revoke(event: QueuedEvent, error: Error): void {
    const { ledger, events } = this.#parts;
    ledger.cancelled++;
    this.abandon(event, error);
    if (!events.observed(QueueEventName.REVOKED)) return;
    events.emit(QueueEventName.REVOKED, { id: event.id, task: undefined, error });
  }
}
