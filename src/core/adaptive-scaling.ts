import type { Result } from 'neverthrow';
import type { PolicyTask, TaskPolicy } from '../policies/policy.ts';
import { AdaptiveLevel } from '../pool/adaptive-level.ts';
import type { Clock } from '../schedule/clock.ts';
import type { Ledger } from './ledger.ts';
import { consumersOfCancelled } from './leftovers.ts';
import type { QueueSettings } from './options.ts';
import type { Task } from './task.ts';

/** The pool whose consumers follow the level. */
interface Scaled {
  readonly busy: number;
  readonly heldUp: number;
  levelMoved(): void;
}

/** The tasks whose work goes on. */
type RunningTasks = () => Iterable<Task>;

/**
 * The option `scaling: 'adaptive'`: times attempts, as the policy of every task that is asked first, and lets the pool
 * follow the level that they show.
 *
 * An attempt that was cancelled, or that a policy did not let through, says nothing about the downstream and is not counted.
 * Work that nobody waits for, because it was cancelled or left behind at its time limit, has its consumers on top of the level, up
 * to `maxConsumers`, or a few that never end would leave none.
 */
export class AdaptiveScaling implements TaskPolicy {
  readonly #level: AdaptiveLevel;
  readonly #clock: Clock;
  readonly #ledger: Ledger;
  readonly #maxConsumers: number;
  #pool: Scaled | undefined;
  #running: RunningTasks = () => [];
  /** Consumers with work that was cancelled, when last looked at. */
  #cancelled = 0;

  constructor(settings: QueueSettings, ledger: Ledger) {
    this.#level = new AdaptiveLevel(settings);
    this.#clock = settings.clock;
    this.#ledger = ledger;
    this.#maxConsumers = settings.maxConsumers;
  }

  /** How many consumers may be busy. Looks at all that runs: asked once in a tick of the pool, and when the level moves. */
  get level(): number {
    this.#cancelled = consumersOfCancelled(this.#running());
    return Math.min(this.#maxConsumers, this.#level.value + this.#unwanted);
  }

  /** This pool, where these tasks run, follows the level. */
  scale(pool: Scaled, running: RunningTasks): void {
    this.#pool = pool;
    this.#running = running;
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
        busy: this.#pool.busy - this.#unwanted,
        waiting: this.#pool.heldUp,
      });
      if (moved) this.#pool.levelMoved();
    }
    return 'settle';
  }

  /** Consumers with work that nobody waits for. */
  get #unwanted(): number {
    return this.#ledger.abandoned + this.#cancelled;
  }
}
