import { err, type Result } from 'neverthrow';
import type { Payload } from '../core/payload.ts';
import type { Clock, Timer } from '../schedule/clock.ts';
import type { PolicyTask, TaskPolicy } from './policy.ts';
import type { PolicyServices } from './services.ts';
import { WakeUps } from './wake-ups.ts';

/** When a batch is complete. */
export interface BatchSettings {
  readonly maxCount: number;
  readonly maxBytes: number;
  /** Milliseconds. */
  readonly maxWait: number;
  /** Throws for what is no number of bytes. */
  readonly bytesOf: (payload: Payload) => number;
  /** Throws for what is no key. */
  readonly by: ((payload: Payload) => string) | undefined;
}

/** Keeps what a task holds while the call for it goes on; returns how to let go of it, if it holds anything. */
export type KeepForCall = (task: PolicyTask) => (() => void) | undefined;

/** What a call has brought for one of its tasks. */
type ResultOf = (task: PolicyTask) => Result<unknown, unknown>;

/**
 * The tasks that one call of a processor serves. One of them leads: it gets a consumer, and makes the call; the others
 * stay parked until the call has their results.
 */
export class Batch {
  readonly key: string;
  /** In the order in which they came. */
  readonly items: Map<PolicyTask, Payload> = new Map();
  /** Those that are given up when their time comes, unless the call has begun by then. */
  readonly expiring: Set<PolicyTask> = new Set();
  bytes = 0;
  timer: Timer | undefined = undefined;
  /** Set once nothing more comes to it. */
  leader: PolicyTask | undefined = undefined;
  /** Told what the call has brought before anybody else is. */
  onComplete: ((resultOf: ResultOf) => void) | undefined = undefined;
  /** What the call came to for each, once it has ended, even if nobody waited for it any more. */
  outcomes: ReadonlyMap<object, Result<unknown, unknown>> | undefined = undefined;
  #state: 'waiting' | 'running' | 'over' = 'waiting';
  #controller: AbortController | undefined = undefined;
  readonly #clock: Clock;
  readonly #keep: KeepForCall;
  /** Lets go of what was kept for the call. */
  #kept: readonly ((() => void) | undefined)[] = [];
  #startedAt = 0;

  constructor(key: string, clock: Clock, keep: KeepForCall) {
    this.key = key;
    this.#clock = clock;
    this.#keep = keep;
  }

  /** The call has not begun. */
  get isWaiting(): boolean {
    return this.#state === 'waiting';
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** The call begins: nobody else leads it. */
  begin(): void {
    this.#state = 'running';
    this.#startedAt = this.#clock.now();
    for (const task of this.items.keys()) if (this.expiring.has(task)) task.resumeAt(Number.POSITIVE_INFINITY);
    // The leader keeps its own, since the call is its attempt.
    this.#kept = [...this.items.keys()].map((task) => (task === this.leader ? undefined : this.#keep(task)));
  }

  /** The work of the call has ended, whoever still wanted it. */
  workEnded(): void {
    for (const letGo of this.#kept) letGo?.();
    this.#kept = [];
  }

  /** Fires when nobody wants the results of the call any more, or it exceeded its time limit. Made when first read. */
  get signal(): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal;
    const controller = new AbortController();
    this.#controller = controller;
    const { leader } = this;
    const left = (): void => {
      if (leader !== undefined) this.leave(leader, leader.signal.reason);
    };
    if (leader?.signal.aborted === true) left();
    else leader?.signal.addEventListener('abort', left, { once: true });
    return controller.signal;
  }

  /** A task is wanted no more. */
  leave(task: PolicyTask, reason?: unknown): void {
    if (this.items.delete(task) && this.items.size === 0) this.#controller?.abort(reason);
  }

  /** Brings each of the others its result. What comes after the first time comes too late. */
  complete(resultOf: ResultOf): void {
    if (this.#state !== 'running') return;
    this.#state = 'over';
    this.onComplete?.(resultOf);
    for (const task of [...this.items.keys()]) if (task !== this.leader) task.complete(resultOf(task), this.#startedAt);
  }

  /** The call is not waited for any more. */
  giveUp(error: unknown): void {
    this.complete(() => err(error));
    this.#controller?.abort(error);
  }
}

const led: WeakMap<object, Batch> = new WeakMap();

/** The call exceeded its time limit, and its leader is not there any more to be told. */
export function giveUpCallOf(leader: PolicyTask, error: unknown): void {
  if (leader.payload === undefined) led.get(leader)?.giveUp(error);
}

/** The batch for which this attempt makes the call. */
export function batchLedBy(attempt: object): Batch | undefined {
  return led.get(attempt);
}

/**
 * Gathers tasks until enough are together or the first of them has waited for long enough. They are parked meanwhile;
 * the one that completes a batch goes on with its consumer, and leads it.
 */
export class BatchPolicy implements TaskPolicy {
  readonly #settings: BatchSettings;
  readonly #services: PolicyServices;
  readonly #keep: KeepForCall;
  /** Batches that are gathered, by key. */
  readonly #open: Map<string, Batch> = new Map();
  readonly #batches: Map<PolicyTask, Batch> = new Map();
  readonly #wakeUps: WakeUps = new WakeUps();
  #maxWait: number;

  constructor(settings: BatchSettings, services: PolicyServices, keep: KeepForCall) {
    this.#settings = settings;
    this.#services = services;
    this.#keep = keep;
    this.#maxWait = settings.maxWait;
  }

  before(task: PolicyTask): 'run' | 'park' {
    const { payload } = task;
    const known = this.#batches.get(task);
    if (known !== undefined || payload === undefined) return known?.leader === task ? 'run' : 'park';
    const { maxCount, maxBytes, bytesOf, by } = this.#settings;
    const key = by === undefined ? '' : by(payload);
    const bytes = maxBytes === Number.POSITIVE_INFINITY ? 0 : bytesOf(payload);
    const open = this.#open.get(key);
    // One that would be too large leaves without it.
    if (open !== undefined && open.bytes + bytes > maxBytes) this.#leave(open);
    const batch = this.#open.get(key) ?? this.#begin(key);
    batch.items.set(task, payload);
    batch.bytes += bytes;
    this.#batches.set(task, batch);
    if (batch.items.size < maxCount && batch.bytes < maxBytes) return 'park';
    this.#close(batch);
    this.#lead(batch, task);
    return 'run';
  }

  /** A task that waits here has an alarm that gives it up. */
  mayExpire(task: PolicyTask): void {
    this.#batches.get(task)?.expiring.add(task);
  }

  after(task: PolicyTask, result: Result<unknown, unknown>): 'settle' {
    const batch = this.#batches.get(task);
    if (batch?.leader === task && batch.isWaiting) this.forget(task);
    this.#batches.delete(task);
    // The call was given up before it had results. If a middleware has settled for something else, the others have theirs.
    if (batch?.leader === task && batch.isRunning && result.isErr()) batch.giveUp(result.error);
    return 'settle';
  }

  /** What is around the processor may have refused the one that leads, or it was cancelled: the others go on without it. */
  workEnded(task: PolicyTask): void {
    led.get(task)?.workEnded();
    const batch = this.#batches.get(task);
    if (batch?.leader !== task) return;
    if (batch.isWaiting) this.forget(task);
    else if (task.payload === undefined) this.#batches.delete(task);
  }

  settled(task: PolicyTask): void {
    this.forget(task);
  }

  forget(task: PolicyTask): void {
    const batch = this.#batches.get(task);
    if (batch === undefined) return;
    this.#batches.delete(task);
    batch.leave(task);
    if (!batch.isWaiting) return;
    const [next] = batch.items.keys();
    if (next === undefined) this.#close(batch);
    else if (batch.leader === task) this.#resume(batch, next);
  }

  /** Nothing waits for company from now on. */
  flush(): void {
    this.#maxWait = 0;
    for (const batch of [...this.#open.values()]) this.#leave(batch);
  }

  #begin(key: string): Batch {
    const batch = new Batch(key, this.#services.clock, this.#keep);
    this.#open.set(key, batch);
    batch.timer = this.#services.clock.setTimer(() => this.#leave(batch), this.#maxWait);
    return batch;
  }

  /** A batch goes as it is: its first task leads it. */
  #leave(batch: Batch): void {
    this.#close(batch);
    const [first] = batch.items.keys();
    if (first !== undefined) this.#resume(batch, first);
  }

  /** Nothing more comes to it. */
  #close(batch: Batch): void {
    batch.timer?.cancel();
    if (this.#open.get(batch.key) === batch) this.#open.delete(batch.key);
  }

  #resume(batch: Batch, task: PolicyTask): void {
    this.#lead(batch, task);
    this.#wakeUps.add(task);
  }

  #lead(batch: Batch, task: PolicyTask): void {
    batch.leader = task;
    batch.expiring.delete(task);
    led.set(task, batch);
  }
}
