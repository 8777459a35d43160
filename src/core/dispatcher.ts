import { err, ok, type Result } from 'neverthrow';
import type { ConsumerPool } from '../pool/consumer-pool.ts';
import type { LoadMeter } from '../pool/load-meter.ts';
import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import type { Clock } from '../schedule/clock.ts';
import { Cancellations } from './cancellations.ts';
import { type AnyCollector, registrationOf } from './collector.ts';
import type { DispatcherParts } from './dispatcher-parts.ts';
import { asRouterError, RouterError, stackOf, UnroutedError } from './errors.ts';
import type { EventHost, Extras, QueuedEvent } from './event.ts';
import { FullControl } from './full-control.ts';
import { Handover } from './handover.ts';
import type { KeptResults } from './kept-results.ts';
import type { Ledger } from './ledger.ts';
import { keepConsumer } from './leftovers.ts';
import type { QueueSettings } from './options.ts';
import type { Parking } from './parking.ts';
import type { Payload } from './payload.ts';
import type { Registration } from './registration.ts';
import { Router } from './router.ts';
import { SimpleRouter } from './simple-router.ts';
import { Task } from './task.ts';
import type { TaskAlarm } from './task-alarm.ts';
import { describeTask } from './task-description.ts';
import type { TaskPlan } from './task-plan.ts';
import type { TaskPlanner } from './task-planner.ts';
import { TaskRunner } from './task-runner.ts';
import type { TaskSink } from './task-runner-parts.ts';

/**
 * The way of one payload, from the claim of a consumer to its results:
 *
 *     claimed → start → select → hand over → (tasks) → taskDone → settle → workEnded
 *
 * A payload's tasks run concurrently. Its consumer is busy until the last of them ends, also if the event was settled
 * before; a task that is parked does not keep it.
 */
export class Dispatcher implements EventHost, TaskSink {
  readonly clock: Clock;
  readonly cancellations: Cancellations;
  readonly #settings: QueueSettings;
  readonly #ledger: Ledger;
  readonly #meter: LoadMeter;
  readonly #events: QueueEventSource;
  readonly #pool: ConsumerPool<QueuedEvent>;
  readonly #planner: TaskPlanner;
  readonly #kept: KeptResults | undefined;
  readonly #onIdle: () => void;
  readonly #runner: TaskRunner;
  readonly #fullControl: FullControl;
  #router: Router = new SimpleRouter();
  /** The router was made by the queue from our own class: what it selects needs no check. */
  #trusted = false;
  /** The router has a `handleEvent` of its own. */
  #controlled = false;

  constructor(parts: DispatcherParts) {
    this.clock = parts.clock;
    this.#settings = parts.settings;
    this.#ledger = parts.ledger;
    this.#meter = parts.meter;
    this.#events = parts.events;
    this.#pool = parts.pool;
    this.#planner = parts.planner;
    this.#kept = parts.kept;
    this.#onIdle = parts.onIdle;
    this.#runner = new TaskRunner({ ...parts, sink: this });
    this.#fullControl = new FullControl(this, parts.clock, parts.settings.routerTimeout);
    this.cancellations = new Cancellations({
      ...parts,
      dispatcher: this,
      runner: this.#runner,
      fullControl: this.#fullControl,
    });
  }

  /** From now on this router selects. */
  use(router: Router): void {
    this.#router = router;
    this.#trusted = this.#settings.router === SimpleRouter;
    this.#controlled = router.handleEvent !== Router.prototype.handleEvent;
  }

  claimed(event: QueuedEvent): void {
    if (event.extras === undefined) event.status = 'running';
    else this.claimedSpecial(event, event.extras);
  }

  start(event: QueuedEvent): boolean {
    const plain = event.extras === undefined && !this.#controlled;
    const goesOn = plain ? this.route(event) : this.startSpecial(event);
    if (goesOn) return true;
    this.freed(event);
    return keepConsumer(event);
  }

  /** A task is done for good: its result counts, unless the event has settled without it. */
  taskDone(task: Task, result: Result<unknown, unknown>): void {
    const { event, registration } = task;
    registration.taskEnded();
    if (event.status === 'settled') this.#ledger.late++;
    else if (task.handover !== undefined || this.#events.listening !== 0) this.doneSpecial(task, result);
    else this.settleAs(event, result);
  }

  workEnded(event: QueuedEvent): void {
    if (this.#controlled || event.extras !== undefined) this.endedSpecial(event);
    else this.#pool.release();
  }

  /** No work of the event goes on, and we are in the pool's own context. */
  routed(event: QueuedEvent): void {
    this.freed(event);
    if (!keepConsumer(event)) this.#pool.release();
  }

  leftoversEnded(): void {
    this.#pool.runInScope(this.#pool.release, this.#pool);
  }

  /** The one result of an accepted event stands. */
  settleAs(event: QueuedEvent, result: Result<unknown, unknown>): void {
    event.outcome = result;
    this.settle(event);
  }

  /** The outcome of an accepted event stands. */
  settle(event: QueuedEvent): void {
    if (event.status === 'parked') this.#ledger.parked--;
    this.#ledger.settled++;
    event.settled();
    if (this.#kept !== undefined) this.#kept.add(event);
  }

  forget(event: QueuedEvent, parking: Parking): void {
    this.#runner.forget(event, parking);
  }

  giveUp(event: QueuedEvent, error: Error): boolean {
    return this.cancellations.giveUp(event, error);
  }

  resume(task: Task): void {
    this.#runner.resume(task);
  }

  setAlarm(task: Task, alarm: TaskAlarm, due: number): void {
    this.#runner.setAlarm(task, alarm, due);
  }

  giveUpTask(task: Task, error: unknown): void {
    this.#runner.giveUp(task, error);
  }

  complete(task: Task, result: Result<unknown, unknown>, startedAt: number): void {
    this.#runner.complete(task, result, startedAt);
  }

  checkIdle(): void {
    if (this.#ledger.settled === this.#ledger.accepted && this.#pool.busy === 0) this.#onIdle();
  }

  /** A router failed, or its router call did: the event settles with one Err. */
  failRouting(event: QueuedEvent, error: Error): void {
    if (event.status === 'settled') return;
    this.settleAs(event, err(error));
    this.tellRoutingFailed(event, error);
  }

  tellRoutingFailed(event: QueuedEvent, error: Error): void {
    const name = QueueEventName.ERROR_DEQUEUEING;
    if (this.#events.observed(name)) this.#events.emit(name, { id: event.id, error });
  }

  /** Each collector once, in order of registration. Throws for what is no collector of this queue. */
  check(selected: readonly AnyCollector[]): readonly AnyCollector[] {
    if (!Array.isArray(selected)) throw new RouterError(`the router selected no array, but a ${typeof selected}`);
    let last = -1;
    let ordered = true;
    for (const collector of selected) {
      const { position } = this.registrationOf(collector);
      if (position <= last) ordered = false;
      last = position;
    }
    if (ordered) return selected.slice();
    const once = [...new Set<AnyCollector>(selected)];
    return once.sort((a, b) => this.registrationOf(a).position - this.registrationOf(b).position);
  }

  registrationOf(collector: AnyCollector): Registration {
    const registration = registrationOf(collector);
    if (registration?.owner === this.#ledger && !registration.closing) return registration;
    throw new RouterError(`the router selected collector "${collector.key}", which is not in this queue`);
  }

  /** The result of a payload that matches nobody. */
  unrouted(event: QueuedEvent): Result<undefined, UnroutedError> {
    this.#ledger.unrouted++;
    if (this.#events.observed(QueueEventName.UNROUTED)) this.#events.defer(QueueEventName.UNROUTED, { id: event.id });
    return this.#settings.onUnrouted === 'ok'
      ? ok(undefined)
      : err(new UnroutedError('no collector matched the payload'));
  }

  /** Selects and hands over. True if the work goes on. */
  private route(event: QueuedEvent): boolean {
    if (event.status === 'settled') return false;
    const selected = this.#trusted ? this.#router.select(event.payload as Payload) : this.selectChecked(event);
    if (selected === undefined) return false;
    return selected.length === 1 ? this.handOverToOne(event, selected) : this.handOver(event, selected);
  }

  /** The event comes back, or its router has full control, or it is only measured. True if the work goes on. */
  private startSpecial(event: QueuedEvent): boolean {
    if (event.status === 'settled') return false;
    const parking = event.extras?.parking;
    if (parking !== undefined) return this.#runner.runResumed(event, parking);
    return this.#controlled ? this.#fullControl.begin(event, this.#router) : this.route(event);
  }

  /** The collectors; undefined if the event has settled, because the router failed or cancelled it. */
  private selectChecked(event: QueuedEvent): readonly AnyCollector[] | undefined {
    try {
      const checked = this.check(this.#router.select(event.payload as Payload));
      return event.status === 'settled' ? undefined : checked;
    } catch (thrown) {
      this.failRouting(event, asRouterError(thrown));
      return undefined;
    }
  }

  private handOverToOne(event: QueuedEvent, selected: readonly AnyCollector[]): boolean {
    const registration = registrationOf(selected[0] as AnyCollector) as Registration;
    registration.unfinished++;
    event.collectors = selected;
    event.active = 1;
    const plan = event.extras === undefined ? registration.plan : this.planOf(event, registration);
    return this.#runner.run(new Task(event, registration, plan, undefined, 0, 1)) || --event.active > 0;
  }

  private handOver(event: QueuedEvent, selected: readonly AnyCollector[]): boolean {
    if (selected.length === 0) {
      this.settleAs(event, this.unrouted(event));
      return false;
    }
    const handover = new Handover(selected);
    event.collectors = selected;
    event.outcome = handover;
    this.runAll(event, handover);
    return event.active > 0;
  }

  /** Starts a task for each collector of a handover. `active` holds those that go on. */
  runAll(event: QueuedEvent, handover: Handover): void {
    const { collectors } = handover;
    event.active += collectors.length;
    // All of them before any of them runs: none may be shut down meanwhile.
    for (const collector of collectors) (registrationOf(collector) as Registration).unfinished++;
    for (let at = 0; at < collectors.length; at++) {
      const registration = registrationOf(collectors[at] as AnyCollector) as Registration;
      if (event.status === 'settled') registration.taskEnded();
      else if (this.#runner.run(new Task(event, registration, this.planOf(event, registration), handover, at, 1)))
        continue;
      event.active--;
    }
  }

  /** The options of a send win over those of a collector. */
  private planOf({ extras }: QueuedEvent, registration: Registration): TaskPlan | undefined {
    if (extras?.sent === undefined) return registration.plan;
    return this.#planner.planFor(registration.collector, extras.sent);
  }

  /**
   * A task that a router with full control delivered may end in an async context that the router entered; the next
   * payload must not run in that.
   */
  private endedSpecial(event: QueuedEvent): void {
    this.freed(event);
    if (keepConsumer(event)) return;
    if (this.#controlled) this.#pool.runInScope(this.#pool.release, this.#pool);
    else this.#pool.release();
  }

  /** A task that is one of several, or whose end somebody listens to. */
  private doneSpecial(task: Task, result: Result<unknown, unknown>): void {
    if (task.handover === undefined) this.settleAs(task.event, result);
    else this.partDone(task.event, task, task.handover, result);
    if (this.#events.listening !== 0) this.tellEnded(task, result);
  }

  /** No work of the event holds its consumer any more. What is parked will come back. */
  private freed(event: QueuedEvent): void {
    if (event.status === 'running') {
      event.status = 'parked';
      this.#ledger.parked++;
    }
    const extras = event.extras;
    if (extras?.measuredAt === undefined) return;
    this.#meter.served(this.clock.now() - extras.measuredAt);
    extras.measuredAt = undefined;
  }

  /** One of several tasks is done. */
  private partDone(event: QueuedEvent, task: Task, handover: Handover, result: Result<unknown, unknown>): void {
    event.extras?.log?.add([task.registration.key, result]);
    if (!handover.put(task.index, result)) return;
    if (event.outcome === handover) this.settle(event);
    else handover.complete();
  }

  /** The event may come back with resumed tasks, and may have settled before it found a consumer. */
  private claimedSpecial(event: QueuedEvent, extras: Extras): void {
    if (event.status === 'settled') return;
    if (event.status === 'parked') this.#ledger.parked--;
    event.status = 'running';
    if (extras.measuredAt === undefined) return;
    const now = this.clock.now();
    this.#meter.waited(now - extras.measuredAt);
    extras.measuredAt = now;
  }

  private tellEnded(task: Task, result: Result<unknown, unknown>): void {
    const name = result.isOk() ? QueueEventName.FINISHED : QueueEventName.ERROR_TASK;
    if (!this.#events.observed(name)) return;
    const startedAt = task.extras?.startedAt;
    const duration = startedAt === undefined ? undefined : this.clock.now() - startedAt;
    if (result.isOk()) this.#events.emit(QueueEventName.FINISHED, { ...describeTask(task), duration });
    else {
      const { error } = result;
      this.#events.emit(QueueEventName.ERROR_TASK, { ...describeTask(task), duration, error, stack: stackOf(error) });
    }
  }
}
