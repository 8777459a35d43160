import { type Expiry, expiryDue } from './expiry.ts';
import type { PolicyTask, TaskPolicy } from './policy.ts';
import type { PolicyServices } from './services.ts';
import { WaitingLine } from './waiting-line.ts';
import type { WakeUps } from './wake-ups.ts';

/**
 * The slots of one collector, whatever its sends say, for one run of the queue.
 *
 *     waiting ──→ invited ──→ held      invited: a slot is kept for a task that waits for a consumer
 *
 * Nobody waits while a slot is free.
 */
export class Slots {
  readonly #count: number;
  readonly #wakeUps: WakeUps;
  readonly #line: WaitingLine = new WaitingLine();
  readonly #invited: Set<PolicyTask> = new Set();
  readonly #held: Set<PolicyTask> = new Set();

  constructor(count: number, wakeUps: WakeUps) {
    this.#count = count;
    this.#wakeUps = wakeUps;
  }

  /** False if none is free; then the task waits for one. */
  take(task: PolicyTask, expires: number): boolean {
    this.#wakeUps.delete(task);
    if (!this.#invited.delete(task) && this.#areTaken) {
      this.#line.add(task, expires);
      return false;
    }
    this.#held.add(task);
    return true;
  }

  /** The attempt is over, or does not begin. */
  release(task: PolicyTask): void {
    if (this.#held.delete(task)) this.#invite();
  }

  /** The task waits no more. One that holds a slot keeps it. */
  leave(task: PolicyTask): void {
    this.#wakeUps.delete(task);
    this.#line.delete(task);
    if (this.#invited.delete(task)) this.#invite();
  }

  get #areTaken(): boolean {
    return this.#held.size + this.#invited.size >= this.#count;
  }

  #invite(): void {
    while (!this.#areTaken) {
      const task = this.#line.shift();
      if (task === undefined) return;
      this.#invited.add(task);
      this.#wakeUps.add(task);
    }
  }
}

/**
 * Lets a number of attempts run at a time; others are parked, and come back in the order in which they came. An attempt
 * counts until its work ends, even if nobody waits for it any more.
 */
export class ConcurrencyPolicy implements TaskPolicy {
  readonly #slots: Slots;
  readonly #expiry: Expiry | undefined;
  readonly #services: PolicyServices;

  constructor(slots: Slots, expiry: Expiry | undefined, services: PolicyServices) {
    this.#slots = slots;
    this.#expiry = expiry;
    this.#services = services;
  }

  before(task: PolicyTask): 'run' | 'park' {
    const expires = expiryDue(this.#expiry, task, this.#services.clock);
    return this.#slots.take(task, expires) ? 'run' : 'park';
  }

  /** What waits for something else holds no slot meanwhile. */
  notStarted(task: PolicyTask, by: TaskPolicy): void {
    if (by === this) return;
    this.#slots.leave(task);
    this.#slots.release(task);
  }

  workEnded(task: PolicyTask): void {
    this.#slots.release(task);
  }

  settled(task: PolicyTask): void {
    this.#slots.leave(task);
  }

  forget(task: PolicyTask): void {
    this.#slots.leave(task);
  }
}
