import type { Result } from 'neverthrow';
import type { PolicyTask, TaskPolicy } from '../policies/policy.ts';
import { AdaptiveLevel } from '../pool/adaptive-level.ts';
import type { Clock } from '../schedule/clock.ts';
import type { Ledger } from './ledger.ts';
import type { QueueSettings } from './options.ts';
import type { Task } from './task.ts';

/** The pool whose consumers follow the level. */
interface Scaled {
  readonly busy: number;
  readonly heldUp: number;
  levelMoved(): void;
}

/**
 * The option `scaling: 'adaptive'`: times attempts, as the policy of every task that is asked first, and lets the pool
 * follow the level that they show.
 *
 * An attempt that was cancelled, or that a policy did not let through, says nothing about the downstream and is not counted.
 * Nor is work that was left behind at its time limit: its consumers come on top of the level, up to `maxConsumers`, or a few
 * that never end would leave none.
 */
export class AdaptiveScaling implements TaskPolicy {
  readonly #level: AdaptiveLevel;
  readonly #clock: Clock;
  readonly #ledger: Ledger;
  readonly #maxConsumers: number;
  #pool: Scaled | undefined;

  constructor(settings: QueueSettings, ledger: Ledger) {
    this.#level = new AdaptiveLevel(settings);
    this.#clock = settings.clock;
    this.#ledger = ledger;
    this.#maxConsumers = settings.maxConsumers;
  }

  /** How many consumers may be busy. */
  get level(): number {
    return Math.min(this.#maxConsumers, this.#level.value + this.#ledger.abandoned);
  }

  /** This pool follows the level. */
  scale(pool: Scaled): void {
    this.#pool = pool;
  }

  before(task: PolicyTask): 'run' {
    // If it was asked before, and then parked, the attempt begins only now.
    (task as Task).needExtras().startedAt = this.#clock.now();
    return 'run';
  }

  after(task: PolicyTask, result: Result<unknown, unknown>): 'settle' {
    const { extras, registration } = task as Task;
    if (extras?.startedAt !== undefined && this.#pool !== undefined) {
      const moved = this.#level.sample({
        kind: registration,
        startedAt: extras.startedAt,
        endedAt: this.#clock.now(),
        failed: result.isErr(),
        busy: this.#pool.busy - this.#ledger.abandoned,
        waiting: this.#pool.heldUp,
      });
      if (moved) this.#pool.levelMoved();
    }
    return 'settle';
  }
}
