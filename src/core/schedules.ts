import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import { checkCadence } from '../schedule/cadence.ts';
import type { Clock } from '../schedule/clock.ts';
import { type PeriodicHandle, type PeriodicOptions, PeriodicTask, type Publication } from '../schedule/periodic.ts';
import type { Timers } from '../schedule/timers.ts';
import { checkBoolean, checkFunction, checkName, checkOptions } from './checks.ts';
import { describe, InvalidArgumentError } from './errors.ts';
import type { CollectorEvent } from './event.ts';
import { checkHeaders, type SendHeaders } from './headers.ts';
import type { Intake } from './intake.ts';
import { Payload } from './payload.ts';
import { hush } from './promise-of.ts';

/** Options of `queue.every`. */
export interface EveryOptions extends PeriodicOptions {
  /**
   * How queue events call the schedule.
   * @default the cron expression, or the milliseconds
   */
  readonly name?: string | undefined;
  /** Of each send; the processor finds them in `attempt.headers`. */
  readonly headers?: SendHeaders | undefined;
}

/** The periodic publications of a queue. They run while the queue is up. */
export class Schedules {
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #events: QueueEventSource;
  readonly #tasks: Set<PeriodicTask> = new Set();
  #intake: Intake | undefined = undefined;

  constructor(timers: Timers, clock: Clock, events: QueueEventSource) {
    this.#timers = timers;
    this.#clock = clock;
    this.#events = events;
  }

  /** @throws {@link InvalidArgumentError} for a wrong cadence or option. */
  every(cadence: string | number, make: () => Payload, options: EveryOptions): PeriodicHandle {
    const given = checkOptions<EveryOptions>('every', options, ['name', 'overlap', 'timeZone', 'headers']);
    const { timeZone, overlap = false, name = String(cadence) } = given;
    checkFunction('every: the function that makes the payload', make);
    checkBoolean('every: overlap', overlap);
    const refuse = (argument: string, expected: string, value: unknown): Error =>
      new InvalidArgumentError(`every: ${argument}`, expected, typeof value === 'string' ? value : describe(value));
    const checked = checkCadence(cadence, timeZone, this.#clock, refuse);
    checkName('every: name', name);
    const headers = given.headers === undefined ? undefined : checkHeaders('every: headers', given.headers);
    let latest: CollectorEvent | undefined;
    const task: PeriodicTask = new PeriodicTask(
      this.#timers,
      this.#clock,
      checked,
      { overlap },
      {
        run: () => {
          latest = this.#publish(name, make, headers);
          return latest === undefined ? undefined : publicationOf(latest);
        },
        tell: (notice, { missed }) => {
          if (notice === 'checking') this.#tellChecking(name, missed);
          else this.#tellScheduling(name, missed, latest as CollectorEvent);
        },
        failed: (error) => this.#tellFailure(QueueEventName.ERROR_SCHEDULING, name, error),
      },
    );
    this.#prune();
    this.#tasks.add(task);
    if (this.#intake !== undefined) task.start();
    return task;
  }

  /** The queue is up. */
  start(intake: Intake): void {
    this.#intake = intake;
    for (const task of this.#tasks) task.start();
  }

  /** The queue goes down. */
  rest(): void {
    this.#intake = undefined;
    for (const task of this.#tasks) task.rest();
  }

  /** Forgets those that were stopped, or have no date any more. */
  #prune(): void {
    if (this.#intake === undefined) return;
    for (const task of this.#tasks) if (task.nextRun === undefined) this.#tasks.delete(task);
  }

  #publish(name: string, make: () => Payload, headers: SendHeaders | undefined): CollectorEvent | undefined {
    const payload: unknown = make();
    hush(payload);
    if (!(payload instanceof Payload)) {
      throw new InvalidArgumentError(`every: what "${name}" publishes`, 'a Payload', describe(payload));
    }
    const sent = payload as Payload;
    const event = headers === undefined ? this.#intake?.send(sent) : this.#intake?.sendWith(sent, { headers });
    if (event?.status !== 'settled') return event;
    this.#tellFailure(QueueEventName.ERROR_ENQUEUEING, name, event.getResult()?.errs()[0]);
    return undefined;
  }

  #tellChecking(schedule: string, missed: number): void {
    if (!this.#events.observed(QueueEventName.CHECKING_PERIODIC)) return;
    this.#events.emit(QueueEventName.CHECKING_PERIODIC, { schedule, missed });
  }

  #tellScheduling(schedule: string, missed: number, { id }: CollectorEvent): void {
    if (!this.#events.observed(QueueEventName.SCHEDULING_PERIODIC)) return;
    this.#events.emit(QueueEventName.SCHEDULING_PERIODIC, { schedule, missed, id });
  }

  #tellFailure(status: 'error-scheduling' | 'error-enqueueing', name: string, error: unknown): void {
    const source = `schedule "${name}"`;
    if (this.#events.observed(status)) this.#events.emit(status, { source, error });
    else this.#events.reportInternal(source, error);
  }
}

function publicationOf(event: CollectorEvent): Publication {
  return {
    get settled() {
      return event.status === 'settled';
    },
  };
}
