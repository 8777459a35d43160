import { err, type Result } from 'neverthrow';
import { CancelTask, TaskControl } from '../policies/control.ts';
import type { PolicyTask } from '../policies/policy.ts';
import type { ConsumerPool } from '../pool/consumer-pool.ts';
import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import { callInScope } from './call-in-scope.ts';
import { Completions, type Running } from './completions.ts';
import { CancelledError, ParkedFullError, ProcessorError } from './errors.ts';
import type { EventStatus, QueuedEvent } from './event.ts';
import type { Ledger } from './ledger.ts';
import { leaveBehind, leftoverEnded, tellIfSaturated } from './leftovers.ts';
import { parkReasonOf } from './park-reason.ts';
import { Parking } from './parking.ts';
import type { Payload } from './payload.ts';
import { promiseOf } from './promise-of.ts';
import { failureOf, toResult } from './results.ts';
import type { Task } from './task.ts';
import { setAlarm, type TaskAlarm } from './task-alarm.ts';
import { describeTask } from './task-description.ts';
import type { TaskPlan } from './task-plan.ts';
import type { TaskRunnerParts, TaskSink } from './task-runner-parts.ts';

/**
 * Runs tasks: asks the policies, calls the processor, brings its outcome back. This is the one place where user code
 * is called for a task, and where what it throws is caught.
 */
export class TaskRunner {
  readonly #parts: TaskRunnerParts;
  readonly #pool: ConsumerPool<QueuedEvent>;
  readonly #ledger: Ledger;
  readonly #events: QueueEventSource;
  readonly #sink: TaskSink;
  readonly #completions: Completions = new Completions((task, result) => {
    if (task.extras !== undefined && task.extras.phase === 'abandoned') {
      this.leftoverEnded(task);
      return;
    }
    const { event } = task;
    this.ended(task, result);
    if (--event.active === 0) this.#sink.workEnded(event);
  });
  /** Events with tasks that are parked, or were resumed and wait for a consumer. */
  readonly #parkedEvents: Set<QueuedEvent> = new Set();

  constructor(parts: TaskRunnerParts) {
    this.#parts = parts;
    this.#pool = parts.pool;
    this.#ledger = parts.ledger;
    this.#events = parts.events;
    this.#sink = parts.sink;
  }

  /** Starts a task. True if its work goes on; then the event's `active` falls by one when it ends. */
  run(task: Task): boolean {
    const { event, registration } = task;
    if ((task.extras !== undefined || this.#events.listening !== 0) && !this.mayStart(task)) return false;
    let returned: unknown;
    try {
      const { processor } = registration;
      returned =
        event.extras === undefined
          ? processor(event.payload as Payload, registration.context, task)
          : callInScope(task, event.extras.scope);
      const promise = promiseOf(returned);
      if (promise !== undefined) {
        this.#completions.follow(promise, task, this.#pool.time);
        if (task.extras !== undefined) task.extras.phase = 'going';
        return true;
      }
    } catch (thrown) {
      return this.ended(task, failureOf(registration.key, thrown));
    }
    return this.ended(task, toResult(returned, registration.key));
  }

  /** A policy wants its parked task back. */
  resume(task: Task): void {
    const { event } = task;
    const parking = event.extras?.parking;
    const resumed = parking?.unpark(task);
    if (parking === undefined || resumed === undefined) return;
    this.cancelAlarm(task);
    this.#ledger.parkedTasks--;
    if (event.active > 0) {
      event.active++;
      this.#pool.runInScope(this.rejoin, this, resumed);
      if (parking.isEmpty) this.leaveParking(event);
    } else if (parking.await(resumed)) {
      this.#pool.giveBack(event);
    }
  }

  /** A consumer was found for an event that came back: its resumed tasks go on. True if any of them does. */
  runResumed(event: QueuedEvent, parking: Parking): boolean {
    const resumed = parking.takeResumed();
    if (parking.isEmpty) this.leaveParking(event);
    event.active = resumed.length;
    for (const task of resumed) {
      if (event.status === 'settled') this.forgetTask(task);
      else if (this.run(task)) continue;
      event.active--;
    }
    return event.active > 0;
  }

  /** A task is to be resumed or given up at this time, instead of what was planned before. */
  setAlarm(task: Task, alarm: TaskAlarm, due: number): void {
    setAlarm(this.#parts.timers, task, alarm, due);
  }

  /** An attempt is not waited for any more; a parked task is not wanted. */
  giveUp(task: Task, error: unknown): void {
    if (task.phase === 'going') this.#pool.runInScope(this.abandon, this, task, error);
    else if (task.phase === 'starting') queueMicrotask(() => this.giveUp(task, error));
    else this.settleParked(task, error);
  }

  /** The attempt of a parked task was made elsewhere, together with that of others. */
  complete(task: Task, result: Result<unknown, unknown>, startedAt: number): void {
    this.#pool.runInScope(this.completeParked, this, task, result, startedAt);
  }

  /** The event has settled: nobody comes back to what it has parked. */
  forget(event: QueuedEvent, parking: Parking): void {
    this.leaveParking(event);
    for (const task of parking.takeResumed()) this.forgetTask(task);
    for (const task of parking.takeParked()) {
      this.#ledger.parkedTasks--;
      this.forgetTask(task);
    }
  }

  /** The events of tasks that go on or are parked. Complete while no processor is on the stack. */
  underWay(): QueuedEvent[] {
    const running = this.#completions.underWay().map(({ event }) => event);
    return [...new Set([...running, ...this.#parkedEvents])];
  }

  /** The tasks whose work goes on, wanted or not; to be read at once. */
  running(): Running[] {
    return this.#completions.running();
  }

  /** Lets go of the time limits and signals of work that goes on: nobody waits for it any more. */
  unlimit(): void {
    for (const task of this.#completions.underWay()) {
      this.cancelAlarm(task);
      task.plan?.forget(task, this.#report);
    }
  }

  private rejoin(task: Task): void {
    const { event } = task;
    if (!this.run(task) && --event.active === 0) this.#sink.workEnded(event);
  }

  private leaveParking(event: QueuedEvent): void {
    this.#parkedEvents.delete(event);
    event.needExtras().parking = undefined;
  }

  /** An attempt has a result: the task is done, unless there is to be another attempt. No work of it goes on. */
  private ended(task: Task, result: Result<unknown, unknown>): false {
    if (task.extras === undefined && result.isOk()) this.#sink.taskDone(task, result);
    else this.endedByPlan(task, result);
    return false;
  }

  /** An attempt under a plan, or one whose processor failed or says itself what is to become of it. */
  private endedByPlan(task: Task, result: Result<unknown, unknown>): void {
    const control = result.isErr() && TaskControl.is(result.error) ? result.error : undefined;
    if (control !== undefined) task.needExtras().plan ??= this.#parts.planner.fallback;
    const { plan } = task;
    if (plan === undefined) {
      this.#sink.taskDone(task, result);
      return;
    }
    this.cancelAlarm(task);
    if (task.phase !== 'abandoned') this.attemptOver(task);
    if (task.event.status === 'settled') this.#sink.taskDone(task, result);
    else if (control instanceof CancelTask)
      this.finish(
        task,
        err(this.#parts.planner.unwanted(new CancelledError(control.message, { cause: control.cause }))),
      );
    else if (this.accepted(task, plan, result)) this.finish(task, result);
  }

  /** The task is done for good. */
  private finish(task: Task, result: Result<unknown, unknown>): void {
    const { payload } = task.event;
    this.#sink.taskDone(task, result);
    if (payload !== undefined) task.plan?.settled(task, result, payload, this.#report);
    // A policy has cancelled the event, and then has no objections.
    else task.plan?.forget(task, this.#report);
  }

  /** The work of an attempt that had begun has ended. */
  private attemptOver(task: Task): void {
    task.needExtras().phase = 'over';
    task.forgetSignal();
    task.plan?.workEnded(task, this.#report);
  }

  /** The attempt counts as failed; its work goes on, and keeps a consumer. */
  private abandon(task: Task, error: unknown): void {
    const { event } = task;
    if (event.status === 'settled') return;
    this.cancelAlarm(task);
    task.registration.unfinished++;
    leaveBehind(task);
    this.#ledger.abandoned++;
    tellIfSaturated(this.#parts);
    task.abandon(error);
    // A listener of its signal may have cancelled the event.
    if ((event.status as EventStatus) === 'settled') task.registration.taskEnded();
    else this.ended(task, err(error));
    if (--event.active === 0) this.#sink.workEnded(event);
  }

  private leftoverEnded(task: Task): void {
    this.#ledger.late++;
    this.#ledger.abandoned--;
    this.attemptOver(task);
    task.registration.taskEnded();
    if (leftoverEnded(task)) this.#sink.leftoversEnded();
  }

  private settleParked(task: Task, error: unknown): void {
    if (!this.unparked(task)) return;
    this.finish(task, err(error));
    this.#sink.checkIdle();
  }

  private completeParked(task: Task, result: Result<unknown, unknown>, startedAt: number): void {
    if (!this.unparked(task)) return;
    task.needExtras().startedAt = startedAt;
    this.endedByPlan(task, result);
    this.#sink.checkIdle();
  }

  /** It does not come back. False if it is not parked. */
  private unparked(task: Task): boolean {
    const { event } = task;
    const parking = event.extras?.parking;
    if (parking?.unpark(task) === undefined) return false;
    this.#ledger.parkedTasks--;
    this.cancelAlarm(task);
    if (parking.isEmpty) this.leaveParking(event);
    return true;
  }

  private forgetTask(task: Task): void {
    this.cancelAlarm(task);
    task.registration.taskEnded();
    task.plan?.forget(task, this.#report);
  }

  private cancelAlarm(task: Task): void {
    if (task.extras?.alarm !== undefined) setAlarm(this.#parts.timers, task, undefined, 0);
  }

  /** Told what a policy throws where it has no say. */
  readonly #report = (task: PolicyTask, error: unknown): void => {
    this.#events.reportInternal(`policy of collector "${task.collectorKey}"`, error);
  };

  /** Asks the policies and tells the listeners. False if one of them parked the task or has cancelled its event. */
  private mayStart(task: Task): boolean {
    if (task.plan !== undefined && !this.allowed(task, task.plan)) return false;
    return this.#events.listening === 0 || this.tellStarted(task);
  }

  /** Whether every policy lets the attempt begin. */
  private allowed(task: Task, plan: TaskPlan): boolean {
    try {
      const verdict = plan.before(task, this.#report);
      if (verdict === 'park') this.park(task, false);
      else if (verdict !== 'run' && this.stillWanted(task)) this.finish(task, err(verdict.error));
      if (verdict !== 'run') return false;
    } catch (thrown) {
      this.fail(task, new ProcessorError(task.collectorKey, thrown));
      return false;
    }
    task.needExtras().phase = 'starting';
    return this.stillStarting(task);
  }

  /** Whether every policy takes the result for the last. */
  private accepted(task: Task, plan: TaskPlan, result: Result<unknown, unknown>): boolean {
    try {
      const settles = plan.after(task, result) === 'settle';
      if (!settles) this.park(task, true, result);
      return settles;
    } catch (thrown) {
      this.fail(task, new ProcessorError(task.collectorKey, thrown));
      return false;
    }
  }

  private fail(task: Task, error: Error): void {
    this.cancelAlarm(task);
    this.finish(task, err(error));
  }

  /** @param result - of the attempt, if there was one */
  private park(task: Task, attempted: boolean, result?: Result<unknown, unknown>): void {
    if (!this.stillWanted(task)) return;
    const { maxParked } = this.#parts.settings;
    if (this.#ledger.parkedTasks >= maxParked) {
      const cause = result?.isErr() === true ? result.error : undefined;
      this.fail(task, new ParkedFullError(`${maxParked} tasks are parked already (maxParked)`, { cause }));
      return;
    }
    const extras = task.event.needExtras();
    extras.parking ??= new Parking();
    extras.parking.park(task, attempted);
    this.#parkedEvents.add(task.event);
    this.#ledger.parkedTasks++;
    if (!this.#events.observed(QueueEventName.PARKED)) return;
    this.#events.emit(QueueEventName.PARKED, { ...describeTask(task), reason: parkReasonOf(task.plan?.parkedBy) });
  }

  /** A policy or a listener may have cancelled the event just now; then there is nothing to do for its task. */
  private stillWanted(task: Task): boolean {
    if (task.event.status !== 'settled') return true;
    this.forgetTask(task);
    return false;
  }

  /** The same for an attempt that the policies have let through. */
  private stillStarting(task: Task): boolean {
    if (task.event.status !== 'settled') return true;
    if (task.plan !== undefined) this.attemptOver(task);
    return this.stillWanted(task);
  }

  /** False if a listener has cancelled the event. */
  private tellStarted(task: Task): boolean {
    if (this.#events.observed(QueueEventName.FINISHED) || this.#events.observed(QueueEventName.ERROR_TASK)) {
      task.needExtras().startedAt = this.#parts.clock.now();
    }
    if (this.#events.observed(QueueEventName.STARTED)) this.#events.emit(QueueEventName.STARTED, describeTask(task));
    return this.stillStarting(task);
  }
}
