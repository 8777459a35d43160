import { err, type Result } from 'neverthrow';
import type { ConsumerPool } from '../pool/consumer-pool.ts';
import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import type { Clock } from '../schedule/clock.ts';
import { ParkedFullError, ProcessorError } from './errors.ts';
import type { QueuedEvent } from './event.ts';
import type { Ledger } from './ledger.ts';
import { toResult } from './results.ts';
import type { Task } from './task.ts';

/** Told how tasks end. */
export interface TaskSink {
  /** A task is done for good. */
  taskDone(task: Task, result: Result<unknown, unknown>): void;
  /** The last work of an event that went on after `start` has ended: its consumer is free. */
  workEnded(event: QueuedEvent): void;
}

const nativeThen = Promise.prototype.then;

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
  /** Every one that was made; those in use know what is under way. */
  readonly #completions: Completion[] = [];
  readonly #free: Completion[] = [];
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
    if (task.registration.policies !== undefined && !this.#allowed(task)) return false;
    const { event, registration } = task;
    const { processor } = registration.collector;
    task.attempted = true;
    event.tasks = task;
    if (this.#events.listening !== 0) this.#tellStarted(task);
    try {
      const scope = event.extras?.scope;
      const returned: unknown =
        scope === undefined
          ? processor(task.payload, registration.context, task)
          : scope.runInAsyncScope(processor, undefined, task.payload, registration.context, task);
      if (returned instanceof Promise) return this.#follow(returned, task);
      if (isThenable(returned)) return this.#follow(Promise.resolve(returned), task);
      this.#ended(task, toResult(returned, registration.key));
    } catch (thrown) {
      this.#ended(task, err(new ProcessorError(registration.key, thrown)));
    }
    return false;
  }

  /** A policy wants its parked task back. */
  resume(task: Task): void {
    const { event } = task;
    const extras = event.extras;
    if (extras?.parked?.delete(task) !== true) return;
    this.#ledger.parkedTasks--;
    if (event.active > 0) {
      event.active++;
      this.#pool.runInScope(this.#rejoin, this, task);
      return;
    }
    extras.resumed ??= [];
    if (extras.resumed.push(task) === 1) this.#pool.giveBack(event);
  }

  /** A consumer was found for an event that came back: its resumed tasks go on. True if any of them does. */
  runResumed(event: QueuedEvent, resumed: readonly Task[]): boolean {
    event.active = resumed.length;
    for (const task of resumed) {
      if (!this.run(task.attempted ? task.successor() : task)) event.active--;
    }
    return event.active > 0;
  }

  /** The event has settled: nobody comes back to it. */
  forget(event: QueuedEvent): void {
    const extras = event.extras;
    if (extras === undefined || !this.#parkedEvents.delete(event)) return;
    for (const task of extras.parked ?? []) {
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
    for (const task of extras.resumed ?? []) task.registration.taskEnded();
    extras.parked = undefined;
    extras.resumed = undefined;
  }

  /** The work of a task that went on has ended. */
  completed(completion: Completion, task: Task, result: Result<unknown, unknown>): void {
    this.#free.push(completion);
    this.#ended(task, result);
    this.#workDone(task.event);
  }

  /** The events of tasks that go on or are parked. Complete while no processor is on the stack. */
  underWay(): QueuedEvent[] {
    const running = this.#completions.flatMap(({ task }) => (task === undefined ? [] : [task.event]));
    return [...new Set([...running, ...this.#parkedEvents])];
  }

  /** A promise's outcome comes back through a pair of handlers that is used again and again. */
  #follow(promise: Promise<unknown>, task: Task): true {
    const completion = this.#free.pop() ?? this.#newCompletion();
    nativeThen.call(promise, completion.onOk, completion.onErr);
    completion.task = task;
    return true;
  }

  #newCompletion(): Completion {
    const completion = new Completion(this);
    this.#completions.push(completion);
    return completion;
  }

  #rejoin(task: Task): void {
    if (!this.run(task.attempted ? task.successor() : task)) this.#workDone(task.event);
  }

  #workDone(event: QueuedEvent): void {
    if (--event.active === 0) this.#sink.workEnded(event);
  }

  /** An attempt has a result: the task is done, unless a policy wants another attempt. */
  #ended(task: Task, result: Result<unknown, unknown>): void {
    if (task.registration.policies !== undefined && task.event.status !== 'settled') {
      if (!this.#accepted(task, result)) return;
    }
    task.registration.taskEnded();
    this.#sink.taskDone(task, result);
  }

  /** Whether every policy lets the attempt begin. */
  #allowed(task: Task): boolean {
    try {
      for (const policy of task.registration.policies ?? []) {
        if (policy.before?.(task) === 'park') {
          this.#park(task);
          return false;
        }
      }
      return true;
    } catch (thrown) {
      this.#fail(task, new ProcessorError(task.collectorKey, thrown));
      return false;
    }
  }

  /** Whether every policy takes the result for the last. */
  #accepted(task: Task, result: Result<unknown, unknown>): boolean {
    try {
      for (const policy of task.registration.policies ?? []) {
        if (policy.after?.(task, result) === 'park') {
          this.#park(task);
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
    task.registration.taskEnded();
    this.#sink.taskDone(task, err(error));
  }

  #park(task: Task): void {
    if (this.#ledger.parkedTasks >= this.#maxParked) {
      this.#fail(task, new ParkedFullError(`${this.#maxParked} tasks are parked already (maxParked)`));
      return;
    }
    const extras = task.event.needExtras();
    extras.parked ??= new Set();
    extras.parked.add(task);
    this.#parkedEvents.add(task.event);
    this.#ledger.parkedTasks++;
    if (this.#events.observed(QueueEventName.PARKED)) this.#events.emit(QueueEventName.PARKED, describeTask(task));
  }

  #tellStarted(task: Task): void {
    if (this.#events.observed(QueueEventName.FINISHED) || this.#events.observed(QueueEventName.ERROR_TASK)) {
      task.startedAt = this.#clock.now();
    }
    if (this.#events.observed(QueueEventName.STARTED)) this.#events.emit(QueueEventName.STARTED, describeTask(task));
  }
}

/** The handlers of one promise at a time. */
class Completion {
  task: Task | undefined = undefined;
  readonly #runner: TaskRunner;

  constructor(runner: TaskRunner) {
    this.#runner = runner;
  }

  readonly onOk = (value: unknown): void => {
    const task = this.#take();
    this.#runner.completed(this, task, toResult(value, task.registration.key));
  };

  readonly onErr = (reason: unknown): void => {
    const task = this.#take();
    this.#runner.completed(this, task, err(new ProcessorError(task.registration.key, reason)));
  };

  #take(): Task {
    const task = this.task as Task;
    this.task = undefined;
    return task;
  }
}

/** What queue events say about a task. */
export function describeTask(task: Task): { id: string; task: string; attempt: number } {
  return { id: task.eventId, task: task.collectorKey, attempt: task.number };
}

/** May throw, as reading `then` may. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  const object = (typeof value === 'object' && value !== null) || typeof value === 'function';
  return object && typeof (value as { then?: unknown }).then === 'function';
}
