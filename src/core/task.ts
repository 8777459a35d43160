import type { Result } from 'neverthrow';
import type { QueuedEvent } from './event.ts';
import type { Handover } from './handover.ts';
import type { SendHeaders } from './headers.ts';
import type { Payload } from './payload.ts';
import type { Registration } from './registration.ts';
import { TaskAlarm } from './task-alarm.ts';
import type { TaskPlan } from './task-plan.ts';
import type { CheckedPayload, CheckedTask } from './value-check.ts';

/**
 * Where an attempt under a plan stands: not begun or parked; its processor on the stack; its work under way; given up,
 * with its work still under way; over. Without a plan nothing can give an attempt up, and nobody keeps this.
 */
export type TaskPhase = 'waiting' | 'starting' | 'going' | 'abandoned' | 'over';

/** What few tasks need: those with a plan, those that listeners hear of, those whose signal is read. */
export interface TaskExtras {
  plan: TaskPlan | undefined;
  phase: TaskPhase;
  /** When the attempt began; set only while somebody listens. */
  startedAt: number | undefined;
  alarm: TaskAlarm | undefined;
  controller: AbortController | undefined;
  /** What the schemas found. */
  checked: CheckedPayload | undefined;
  /** The next in the event's list of tasks that can be aborted. */
  sibling: Task | undefined;
}

/**
 * One attempt at one payload for one collector; it is what the processor gets as its third argument. A further attempt
 * is a task of its own, so that work which was left behind never sees the signal of its successor.
 */
export class Task implements CheckedTask {
  readonly event: QueuedEvent;
  readonly registration: Registration;
  /** Where the result belongs, of several tasks; undefined for the only task of its event. */
  readonly handover: Handover | undefined;
  readonly index: number;
  readonly number: number;
  /** Undefined where nothing is to be minded beside calling the processor: the way that most tasks go. */
  extras: TaskExtras | undefined;

  constructor(
    event: QueuedEvent,
    registration: Registration,
    plan: TaskPlan | undefined,
    handover: Handover | undefined,
    index: number,
    number: number,
  ) {
    this.event = event;
    this.registration = registration;
    this.handover = handover;
    this.index = index;
    this.number = number;
    this.extras = plan === undefined ? undefined : newExtras(plan);
  }

  get payload(): Payload | undefined {
    return this.event.payload;
  }

  get collectorKey(): string {
    return this.registration.key;
  }

  get eventId(): string {
    return this.event.id;
  }

  get headers(): SendHeaders | undefined {
    return this.event.extras?.headers;
  }

  get chain(): object {
    return this.event;
  }

  get acceptedAt(): number {
    const extras = this.event.needExtras();
    extras.acceptedAt ??= this.event.host.clock.now();
    return extras.acceptedAt;
  }

  get signal(): AbortSignal {
    const extras = this.needExtras();
    extras.controller ??= this.#newController(extras);
    return extras.controller.signal;
  }

  get checked(): CheckedPayload | undefined {
    return this.extras?.checked;
  }

  set checked(checked: CheckedPayload | undefined) {
    this.needExtras().checked = checked;
  }

  get checkedTopics(): CheckedPayload | undefined {
    return this.event.extras?.checkedTopics;
  }

  /** A task that is alone, or late, shares it with nobody. */
  set checkedTopics(checked: CheckedPayload | undefined) {
    if (this.handover === undefined || this.event.status === 'settled') return;
    this.event.needExtras().checkedTopics = checked;
  }

  get plan(): TaskPlan | undefined {
    return this.extras?.plan;
  }

  get phase(): TaskPhase {
    return this.extras?.phase ?? 'waiting';
  }

  needExtras(): TaskExtras {
    this.extras ??= newExtras(undefined);
    return this.extras;
  }

  /** Only from now on does the event have to know its task: most never come here. */
  #newController(extras: TaskExtras): AbortController {
    const controller = new AbortController();
    const { event } = this;
    if (event.status === 'settled') {
      controller.abort(event.abortReason);
    } else {
      const ofEvent = event.needExtras();
      extras.sibling = ofEvent.abortable;
      ofEvent.abortable = this;
    }
    return controller;
  }

  /** The result is wanted no more. Runs the listeners of its signal, and of those of its siblings. */
  abort(reason: unknown): void {
    for (let task: Task | undefined = this; task !== undefined; task = task.extras?.sibling) {
      task.extras?.controller?.abort(reason);
    }
  }

  /** The attempt is over: nobody has to abort it. */
  forgetSignal(): void {
    const { extras } = this;
    const ofEvent = this.event.extras;
    if (extras?.controller === undefined || ofEvent === undefined) return;
    if (ofEvent.abortable === this) ofEvent.abortable = extras.sibling;
    else {
      let before = ofEvent.abortable;
      while (before !== undefined && before.extras?.sibling !== this) before = before.extras?.sibling;
      if (before?.extras !== undefined) before.extras.sibling = extras.sibling;
    }
    extras.sibling = undefined;
  }

  /** This attempt alone is given up. Who reads its signal later finds it fired. */
  abandon(reason: unknown): void {
    const extras = this.needExtras();
    extras.phase = 'abandoned';
    extras.controller ??= new AbortController();
    extras.controller.abort(reason);
  }

  /** The next attempt. */
  successor(): Task {
    const next = new Task(this.event, this.registration, this.plan, this.handover, this.index, this.number + 1);
    if (this.checked !== undefined) next.checked = this.checked;
    return next;
  }

  resume(): void {
    this.event.host.resume(this);
  }

  resumeAt(due: number): void {
    this.event.host.setAlarm(this, new TaskAlarm(this, undefined), due);
  }

  giveUp(error: unknown): void {
    this.event.host.giveUpTask(this, error);
  }

  complete(result: Result<unknown, unknown>, startedAt: number): void {
    this.event.host.complete(this, result, startedAt);
  }

  giveUpAt(due: number, error: () => unknown): void {
    this.event.host.setAlarm(this, new TaskAlarm(this, error), due);
  }
}

function newExtras(plan: TaskPlan | undefined): TaskExtras {
  return {
    plan,
    phase: 'waiting',
    startedAt: undefined,
    alarm: undefined,
    controller: undefined,
    checked: undefined,
    sibling: undefined,
  };
}
