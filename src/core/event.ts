import type { AsyncResource } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { Result } from 'neverthrow';
import type { Ranked } from '../pool/buffer.ts';
import type { Work } from '../pool/pool-parts.ts';
import type { Clock } from '../schedule/clock.ts';
import { onAbort } from './abort-hub.ts';
import { checkDuration, checkOptions, checkSignal } from './checks.ts';
import type { AnyCollector } from './collector.ts';
import { CancelledError, WaitTimeoutError } from './errors.ts';
import { Handover } from './handover.ts';
import type { SendHeaders } from './headers.ts';
import type { Leftovers } from './leftovers.ts';
import { newListPromise, resolveOfNewest } from './list-promise.ts';
import type { Parking } from './parking.ts';
import type { Payload } from './payload.ts';
import { type AnyResultOf, type Outcomes, ResultList } from './results.ts';
import { RouterCall } from './router-call.ts';
import type { ScheduledEvent } from './scheduled.ts';
import type { Task } from './task.ts';
import type { TaskAlarm } from './task-alarm.ts';
import type { SendSettings } from './task-options.ts';
import type { CheckedPayload } from './value-check.ts';

/**
 * Where an event stands: scheduled, for a later time; waiting for a consumer; running, from the claim of a consumer; parked, when every unfinished
 * task of it is parked; settled, for good.
 */
export type EventStatus = 'scheduled' | 'waiting' | 'running' | 'parked' | 'settled';

/** Limits of {@link CollectorEvent.wait}. They end the waiting, not the event. */
export interface WaitOptions {
  /** Ends the waiting with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds.
   * @default Infinity
   */
  readonly timeout?: number | undefined;
}

/**
 * The handle of a send. It settles exactly once, to a {@link ResultList}. It is not thenable, so awaiting a send does
 * not wait for the results. Ignoring it is fine: it never raises an unhandled rejection.
 *
 * @typeParam M - the outcomes of the collectors that may take the payload, by key
 */
export interface CollectorEvent<M extends Outcomes = any> {
  /** A UUID, made when first read. */
  readonly id: string;
  readonly status: EventStatus;
  /** The results: undefined until the event has settled, then always the same list. */
  getResult(): ResultList<M> | undefined;
  /**
   * Resolves to the results. Rejects only through its own limits: with the signal's reason, or with a
   * {@link WaitTimeoutError}; throws an {@link InvalidArgumentError} for wrong limits.
   */
  wait(options?: WaitOptions): Promise<ResultList<M>>;
  /**
   * Settles the event at once: tasks that are done keep their results, the others get an `Err(CancelledError)` with
   * the reason as its cause. What waits never runs; what runs sees its signal, and keeps its consumer until it ends.
   * False if the event had settled before.
   */
  cancel(reason?: unknown): boolean;
  /**
   * Iterates over the collectors' results as they come in; a collector's key is undefined in the one result of an event
   * that no collector took. Results that came before the iteration began come in order of registration.
   */
  [Symbol.asyncIterator](): AsyncGenerator<[collectorKey: string | undefined, result: AnyResultOf<M>], void, void>;
}

/** What an event needs from the queue run that it was sent to. */
export interface EventHost {
  readonly clock: Clock;
  /** A consumer was found. */
  claimed(event: QueuedEvent): void;
  /** A consumer takes it. True if the work goes on. */
  start(event: QueuedEvent): boolean;
  /** Settles it early, with this error for what is not done. False if it was settled. */
  giveUp(event: QueuedEvent, error: Error): boolean;
  /** A parked task wants to come back. */
  resume(task: Task): void;
  /** A task is to be resumed or given up at a time. */
  setAlarm(task: Task, alarm: TaskAlarm, due: number): void;
  /** An attempt is not waited for any more, or a parked task is not wanted. */
  giveUpTask(task: Task, error: unknown): void;
  /** A policy brings the result of a parked task. */
  complete(task: Task, result: Result<unknown, unknown>, startedAt: number): void;
  /** It has settled: what it has parked will not come back. */
  forget(event: QueuedEvent, parking: Parking): void;
}

/** What few events need. */
export interface Extras {
  id: string | undefined;
  /** The sender's async context, with `asyncContext: true`. */
  scope: AsyncResource | undefined;
  /** When it was accepted, then when it was claimed, if this event is one of those measured. */
  measuredAt: number | undefined;
  /** When it was accepted, if a policy is to know. */
  acceptedAt: number | undefined;
  /** The options of its send that concern its tasks. */
  sent: SendSettings | undefined;
  headers: SendHeaders | undefined;
  /** What the schemas of its topics found, for all of its tasks. */
  checkedTopics: CheckedPayload | undefined;
  /** Stops listening to the signal of its send. */
  detach: (() => void) | undefined;
  /** Work that was given up and goes on, of what its present consumer serves. */
  leftovers: Leftovers | undefined;
  /** Its tasks that wait for their policies. */
  parking: Parking | undefined;
  abortReason: unknown;
  /** The list of its tasks whose signal was read, newest first. */
  abortable: Task | undefined;
  /** Kept once somebody iterates. */
  log: ResultLog | undefined;
}

/**
 * The event of an in-process queue. Also its own node in the waiting order: waiting allocates nothing else. A million of
 * them may wait, so what only few need is kept apart, in {@link Extras}.
 */
export class QueuedEvent implements CollectorEvent, Work<QueuedEvent> {
  next: QueuedEvent | undefined = undefined;
  previous: QueuedEvent | undefined = undefined;
  readonly host: EventHost;
  /** Let go when the event settles. */
  payload: Payload | undefined;
  status: EventStatus = 'waiting';
  /** The collectors that it was handed to. */
  collectors: readonly AnyCollector[] = NOBODY;
  /**
   * What it waits for as long as it is scheduled. Then the result of its only task, or the results of several, or its way
   * through a router with full control; finally the list, once somebody asked for it.
   */
  outcome: Result<unknown, unknown> | Handover | RouterCall | ResultList | ScheduledEvent | undefined = undefined;
  /** Work that goes on: tasks, and the call of a router with full control. It holds a consumer while this is not 0. */
  active = 0;
  extras: Extras | undefined = undefined;
  /** Tells those who wait. */
  #tell: ((list: ResultList) => void) | undefined = undefined;

  constructor(host: EventHost, payload: Payload) {
    this.host = host;
    this.payload = payload;
  }

  claim(): void {
    this.host.claimed(this);
  }

  run(): boolean {
    return this.host.start(this);
  }

  get id(): string {
    const extras = this.needExtras();
    extras.id ??= randomUUID();
    return extras.id;
  }

  /** The reason that signals give which are first read after the event was given up. */
  get abortReason(): unknown {
    return this.extras?.abortReason;
  }

  needExtras(): Extras {
    this.extras ??= {
      id: undefined,
      scope: undefined,
      measuredAt: undefined,
      acceptedAt: undefined,
      sent: undefined,
      headers: undefined,
      checkedTopics: undefined,
      detach: undefined,
      leftovers: undefined,
      parking: undefined,
      abortReason: undefined,
      abortable: undefined,
      log: undefined,
    };
    return this.extras;
  }

  getResult(): ResultList | undefined {
    if (this.status !== 'settled') return undefined;
    if (!(this.outcome instanceof ResultList)) this.outcome = listOf(this);
    return this.outcome;
  }

  wait(options?: WaitOptions): Promise<ResultList> {
    if (options !== undefined) return waitWithin(this, this.host.clock, options);
    if (this.status === 'settled') return Promise.resolve(this.getResult() as ResultList);
    const promise = newListPromise();
    this.#tell = this.#tell === undefined ? resolveOfNewest() : both(this.#tell, resolveOfNewest());
    return promise;
  }

  cancel(reason?: unknown): boolean {
    if (this.status === 'settled') return false;
    return this.host.giveUp(this, new CancelledError('the event was cancelled', { cause: reason }));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<[string | undefined, AnyResultOf<Outcomes>], void, void> {
    const extras = this.needExtras();
    extras.log ??= new ResultLog(resultsSoFar(this));
    const { log } = extras;
    for (let at = 0; ; ) {
      for (; at < log.entries.length; at++) yield log.entries[at] as LogEntry;
      if (this.status === 'settled') return;
      await log.nextChange();
    }
  }

  /** The outcome stands: called once, by the host. */
  settled(): void {
    this.status = 'settled';
    this.payload = undefined;
    if (this.#tell !== undefined) this.#tell(this.getResult() as ResultList);
    if (this.extras !== undefined) settleExtras(this, this.extras);
  }
}

/** An event in a PRIORITY queue. The others are spared these fields. */
export class RankedEvent extends QueuedEvent implements Ranked {
  readonly priority: number;
  slot = -1;

  constructor(host: EventHost, payload: Payload, priority: number) {
    super(host, payload);
    this.priority = priority;
  }
}

function both(first: (list: ResultList) => void, second: (list: ResultList) => void): (list: ResultList) => void {
  return (list) => {
    first(list);
    second(list);
  };
}

function settleExtras(event: QueuedEvent, extras: Extras): void {
  const { log, parking } = extras;
  extras.abortable = undefined;
  extras.checkedTopics = undefined;
  extras.detach?.();
  log?.complete(event.getResult() as ResultList);
  if (parking !== undefined) event.host.forget(event, parking);
}

function listOf({ outcome, collectors }: QueuedEvent): ResultList {
  return outcome instanceof Handover
    ? outcome.list()
    : new ResultList([outcome as Result<unknown, unknown>], undefined, collectors);
}

function resultsSoFar(event: QueuedEvent): LogEntry[] {
  const list = event.getResult();
  if (list !== undefined) return logOf(list);
  const { outcome } = event;
  const handovers = outcome instanceof RouterCall ? outcome.handovers : outcome instanceof Handover ? [outcome] : [];
  return handovers.flatMap(({ collectors, results }) =>
    collectors.flatMap(({ key }, at): LogEntry[] => {
      const result = results[at];
      return result === undefined ? [] : [[key, result]];
    }),
  );
}

const NOBODY: readonly AnyCollector[] = Object.freeze([]);

type LogEntry = [string | undefined, Result<any, any>];

function logOf(list: ResultList): LogEntry[] {
  const keys = list.keys();
  return [...list].map((result, at) => [keys[at], result]);
}

/** The results of an event in the order in which they came, for those who iterate over it. */
class ResultLog {
  readonly entries: LogEntry[];
  #waiting: (() => void)[] = [];

  constructor(soFar: LogEntry[]) {
    this.entries = soFar;
  }

  add(...entries: LogEntry[]): void {
    this.entries.push(...entries);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** The event has settled: what is not here yet comes from its final list. */
  complete(list: ResultList): void {
    const known = new Set(this.entries.map(([key]) => key));
    const final = logOf(list);
    const missing = final.filter(([key]) => key !== undefined && !known.has(key));
    this.add(...(known.size === 0 && missing.length === 0 ? final : missing));
  }

  nextChange(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** Waits within limits, and leaves neither a timer nor a listener behind. */
export function waitWithin(event: CollectorEvent, clock: Clock, options: WaitOptions): Promise<ResultList> {
  const { signal, timeout = Number.POSITIVE_INFINITY } = checkOptions<WaitOptions>('wait', options, [
    'signal',
    'timeout',
  ]);
  checkDuration('wait: timeout', timeout, true);
  checkSignal('wait', signal);
  const settled = event.getResult();
  if (settled !== undefined) return Promise.resolve(settled);
  if (signal?.aborted === true) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const detach = signal === undefined ? undefined : onAbort(signal, () => finish(() => reject(signal.reason)));
    const timer = clock.setTimer(
      () => finish(() => reject(new WaitTimeoutError(`the event did not settle within ${timeout} ms`))),
      timeout,
    );
    const finish = (end: () => void): void => {
      timer.cancel();
      detach?.();
      end();
    };
    void event.wait().then((list) => finish(() => resolve(list)));
  });
}
