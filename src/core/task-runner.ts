import type { AsyncResource } from 'node:async_hooks';
import { err, type Result } from 'neverthrow';
import type { TaskPolicy } from '../policies/policy.ts';
import type { ConsumerPool } from '../pool/consumer-pool.ts';
import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import type { Clock } from '../schedule/clock.ts';
import { Completions } from './completions.ts';
import { ParkedFullError, ProcessorError } from './errors.ts';
import type { QueuedEvent } from './event.ts';
import type { Ledger } from './ledger.ts';
import { Parking } from './parking.ts';
import type { Payload } from './payload.ts';
import { toResult } from './results.ts';
import type { Task } from './task.ts';

/** Told how tasks end. */
export interface TaskSink {
  /** A task is done for good. */
  taskDone(task: Task, result: Result<unknown, unknown>): void;
  /** The last work of an event that went on after `start` has ended: its consumer is free. */
  workEnded(event: QueuedEvent): void;
}

/**
 * Runs tasks: asks the policies, calls the processor, brings its outcome back. This is the one place where user code
 * is called for a task, and where what it throws is caught.
 */
export class TaskRunner {
  readonly #pool: ConsumerPool<QueuedEvent>;
  readonly #ledger: Ledger;
  readonly #events: QueueEventSource;
  readonly #clock: Clock;
  readonly #maxParked: number;
  readonly #sink: TaskSink;
  readonly #completions: Completions = new Completions((task, result) => {
    const { event } = task;
    this.#ended(task, result);
    if (--event.active === 0) this.#sink.workEnded(event);
  });
  /** Events with tasks that are parked, or were resumed and wait for a consumer. */
  readonly #parkedEvents: Set<QueuedEvent> = new Set();

  constructor(
    pool: ConsumerPool<QueuedEvent>,
    ledger: Ledger,
    events: QueueEventSource,
    clock: Clock,
    maxParked: number,
    sink: TaskSink,
  ) {
    this.#pool = pool;
    this.#ledger = ledger;
    this.#events = events;
    this.#clock = clock;
    this.#maxParked = maxParked;
    this.#sink = sink;
  }

  /** Starts a task. True if its work goes on; then the event's `active` falls by one when it ends. */
  run(task: Task): boolean {
    const { event, registration } = task;
    if ((registration.policies !== undefined || this.#events.listening !== 0) && !this.#mayStart(task)) return false;
    let returned: unknown;
    try {
      const { processor } = registration;
      returned =
        event.extras === undefined
          ? processor(event.payload as Payload, registration.context, task)
          : this.#callInScope(task, event.extras.scope);
      const promise = promiseOf(returned);
      if (promise !== undefined) {
        this.#completions.follow(promise, task);
        return true;
      }
    } catch (thrown) {
      return this.#ended(task, err(new ProcessorError(registration.key, thrown)));
    }
    return this.#ended(task, toResult(returned, registration.key));
  }

  /** A policy wants its parked task back. */
  resume(task: Task): void {
    const { event } = task;
    const parking = event.extras?.parking;
    const resumed = parking?.unpark(task);
    if (parking === undefined || resumed === undefined) return;
    this.#ledger.parkedTasks--;
    if (event.active > 0) {
      event.active++;
      this.#pool.runInScope(this.#rejoin, this, resumed);
      if (parking.isEmpty) this.#leaveParking(event);
    } else if (parking.await(resumed)) {
      this.#pool.giveBack(event);
    }
  }

  /** A consumer was found for an event that came back: its resumed tasks go on. True if any of them does. */
  runResumed(event: QueuedEvent, parking: Parking): boolean {
    const resumed = parking.takeResumed();
    if (parking.isEmpty) this.#leaveParking(event);
    event.active = resumed.length;
    for (const task of resumed) {
      if (event.status === 'settled') task.registration.taskEnded();
      else if (this.run(task)) continue;
      event.active--;
    }
    return event.active > 0;
  }

  /** The event has settled: nobody comes back to what it has parked. */
  forget(event: QueuedEvent, parking: Parking): void {
    this.#leaveParking(event);
    for (const task of parking.takeResumed()) task.registration.taskEnded();
    for (const task of parking.takeParked()) {
      this.#ledger.parkedTasks--;
      task.registration.taskEnded();
      for (const policy of task.registration.policies ?? []) {
        try {
          policy.forget?.(task);
        } catch (error) {
          this.#events.reportInternal(`policy of collector "${task.collectorKey}"`, error);
        }
      }
    }
  }

  /** The events of tasks that go on or are parked. Complete while no processor is on the stack. */
  underWay(): QueuedEvent[] {
    const running = this.#completions.underWay().map(({ event }) => event);
    return [...new Set([...running, ...this.#parkedEvents])];
  }

  #rejoin(task: Task): void {
    const { event } = task;
    if (!this.run(task) && --event.active === 0) this.#sink.workEnded(event);
  }

  #leaveParking(event: QueuedEvent): void {
    this.#parkedEvents.delete(event);
    event.needExtras().parking = undefined;
  }

  /** An attempt has a result: the task is done, unless a policy wants another attempt. No work of it goes on. */
  #ended(task: Task, result: Result<unknown, unknown>): false {
    if (task.registration.policies === undefined || this.#accepted(task, result)) this.#sink.taskDone(task, result);
    return false;
  }

  /** In the async context of the sender, if the queue keeps that. */
  #callInScope(task: Task, scope: AsyncResource | undefined): unknown {
    const { processor, context } = task.registration;
    const payload = task.event.payload as Payload;
    if (scope === undefined) return processor(payload, context, task);
    return scope.runInAsyncScope(processor, undefined, payload, context, task);
  }

  /** Asks the policies and tells the listeners. False if one of them parked the task or has cancelled its event. */
  #mayStart(task: Task): boolean {
    if (task.registration.policies !== undefined && !this.#allowed(task)) return false;
    return this.#events.listening === 0 || this.#tellStarted(task);
  }

  /** Whether every policy lets the attempt begin. */
  #allowed(task: Task): boolean {
    try {
      for (const policy of task.registration.policies as readonly TaskPolicy[]) {
        if (policy.before?.(task) === 'park') {
          this.#park(task, false);
          return false;
        }
      }
      return this.#stillWanted(task);
    } catch (thrown) {
      this.#fail(task, new ProcessorError(task.collectorKey, thrown));
      return false;
    }
  }

  /** Whether every policy takes the result for the last; a result that nobody wants any more is one. */
  #accepted(task: Task, result: Result<unknown, unknown>): boolean {
    if (task.event.status === 'settled') return true;
    try {
      for (const policy of task.registration.policies as readonly TaskPolicy[]) {
        if (policy.after?.(task, result) === 'park') {
          this.#park(task, true);
          return false;
        }
      }
      return true;
    } catch (thrown) {
      this.#fail(task, new ProcessorError(task.collectorKey, thrown));
      return false;
    }
  }

  #fail(task: Task, error: Error): void {
    this.#sink.taskDone(task, err(error));
  }

  #park(task: Task, attempted: boolean): void {
    if (!this.#stillWanted(task)) return;
    if (this.#ledger.parkedTasks >= this.#maxParked) {
      this.#fail(task, new ParkedFullError(`${this.#maxParked} tasks are parked already (maxParked)`));
      return;
    }
    const extras = task.event.needExtras();
    extras.parking ??= new Parking();
    extras.parking.park(task, attempted);
    this.#parkedEvents.add(task.event);
    this.#ledger.parkedTasks++;
    if (this.#events.observed(QueueEventName.PARKED)) this.#events.emit(QueueEventName.PARKED, describeTask(task));
  }

  /** A policy or a listener may have cancelled the event just now; then there is nothing to do for its task. */
  #stillWanted(task: Task): boolean {
    if (task.event.status !== 'settled') return true;
    task.registration.taskEnded();
    return false;
  }

  /** False if a listener has cancelled the event. */
  #tellStarted(task: Task): boolean {
    if (this.#events.observed(QueueEventName.FINISHED) || this.#events.observed(QueueEventName.ERROR_TASK)) {
      task.startedAt = this.#clock.now();
    }
    if (this.#events.observed(QueueEventName.STARTED)) this.#events.emit(QueueEventName.STARTED, describeTask(task));
    return this.#stillWanted(task);
  }
}

/** What queue events say about a task. */
export function describeTask(task: Task): { id: string; task: string; attempt: number } {
  return { id: task.eventId, task: task.collectorKey, attempt: task.number };
}

/** What has to be waited for, as a native promise; undefined for a value. May throw, as reading `then` may. */
function promiseOf(value: unknown): Promise<unknown> | undefined {
  if (value instanceof Promise && value.constructor === Promise) return value;
  return isThenable(value) ? Promise.resolve(value) : undefined;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  const object = (typeof value === 'object' && value !== null) || typeof value === 'function';
  return object && typeof (value as { then?: unknown }).then === 'function';
}
