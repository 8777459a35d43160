import { FifoBuffer } from '../pool/linked-buffer.ts';
import { Alarm } from '../schedule/alarm.ts';
import type { Clock } from '../schedule/clock.ts';
import type { Timers } from '../schedule/timers.ts';
import type { QueuedEvent } from './event.ts';
import type { Ledger } from './ledger.ts';

/** Accepted payloads that wait for their time, before they wait for a consumer. They count as parked. */
export class Scheduled {
  /** What an event does when its time has come: it waits for a consumer, after all that came before. */
  enter: (event: QueuedEvent) => void = () => undefined;
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #ledger: Ledger;
  readonly #maxScheduled: number;
  /** An event that waits in no buffer has its links to spare. */
  readonly #events: FifoBuffer<QueuedEvent> = new FifoBuffer<QueuedEvent>();

  constructor(timers: Timers, clock: Clock, ledger: Ledger, maxScheduled: number) {
    this.#timers = timers;
    this.#clock = clock;
    this.#ledger = ledger;
    this.#maxScheduled = maxScheduled;
  }

  get size(): number {
    return this.#events.size;
  }

  get isFull(): boolean {
    return this.#events.size >= this.#maxScheduled;
  }

  /**
   * @param due - on the queue's clock
   * @param wall - milliseconds since the Unix epoch, if it is a time of day: looked at again, in case the clock was set
   */
  accept(event: QueuedEvent, due: number, wall: number | undefined): void {
    const alarm = new ScheduledEvent(this, event, wall);
    event.status = 'scheduled';
    event.outcome = alarm;
    this.#events.push(event);
    this.#ledger.parked++;
    this.#timers.set(alarm, due);
  }

  rang(alarm: ScheduledEvent): void {
    const { event, wall } = alarm;
    const early = wall === undefined ? 0 : wall - this.#clock.wall();
    if (early > 0) {
      this.#timers.set(alarm, this.#clock.now() + early);
      return;
    }
    this.#leave(event);
    event.status = 'waiting';
    this.enter(event);
  }

  /** It is not wanted any more. */
  remove(event: QueuedEvent): void {
    this.#timers.cancel(event.outcome as ScheduledEvent);
    this.#leave(event);
  }

  *[Symbol.iterator](): Generator<QueuedEvent, void, void> {
    yield* this.#events;
  }

  #leave(event: QueuedEvent): void {
    this.#events.remove(event);
    event.outcome = undefined;
    this.#ledger.parked--;
  }
}

/** The alarm of a scheduled event. */
export class ScheduledEvent extends Alarm {
  readonly event: QueuedEvent;
  readonly wall: number | undefined;
  readonly #scheduled: Scheduled;

  constructor(scheduled: Scheduled, event: QueuedEvent, wall: number | undefined) {
    super();
    this.#scheduled = scheduled;
    this.event = event;
    this.wall = wall;
  }

  ring(): void {
    this.#scheduled.rang(this);
  }
}
