import { type Err, err } from 'neverthrow';
import type { PolicyTask, TaskPolicy } from './policy.ts';
import type { PolicyServices } from './services.ts';

/** Refuses the tasks of a revoked collector, until a time of day or until it is restored. */
export class RevocationPolicy implements TaskPolicy {
  readonly #revocations: Revocations;
  readonly #services: PolicyServices;
  readonly #error: (collectorKey: string) => unknown;

  constructor(revocations: Revocations, services: PolicyServices, error: (collectorKey: string) => unknown) {
    this.#revocations = revocations;
    this.#services = services;
    this.#error = error;
  }

  before(task: PolicyTask): 'run' | Err<never, unknown> {
    if (!this.#revocations.isRevoked(task.collectorKey, this.#services.clock.wall())) return 'run';
    const error = this.#error(task.collectorKey);
    this.#services.tell('revoked', task, { error });
    return err(error);
  }
}

/** Which collectors are revoked; outlasts a shutdown. */
export class Revocations {
  /** Until when, by key; milliseconds since the Unix epoch. */
  readonly #until: Map<string, number> = new Map();

  revoke(key: string, until: number): void {
    this.#until.set(key, until);
  }

  /** False if it was not revoked. */
  restore(key: string, now: number): boolean {
    const revoked = this.isRevoked(key, now);
    this.#until.delete(key);
    return revoked;
  }

  /** Whether it was revoked, perhaps until a time that has passed. */
  has(key: string): boolean {
    return this.#until.has(key);
  }

  isRevoked(key: string, now: number): boolean {
    const until = this.#until.get(key);
    if (until === undefined) return false;
    if (now < until) return true;
    this.#until.delete(key);
    return false;
  }
}
