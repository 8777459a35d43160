import { type Err, err } from 'neverthrow';
import type { PolicyTask, TaskPolicy } from './policy.ts';

/**
 * Ends a collector's tasks when a signal fires: those that wait are refused, those that run or are parked are given up.
 * The signal has one listener, and only while tasks are under way.
 */
export class AbortPolicy implements TaskPolicy {
  readonly #signal: AbortSignal;
  readonly #listen: (signal: AbortSignal, callback: () => void) => () => void;
  readonly #error: (reason: unknown) => unknown;
  /** The latest attempt of each task under way. */
  readonly #underWay: Map<object, PolicyTask> = new Map();
  #detach: (() => void) | undefined = undefined;

  /** @param listen - calls back when the signal fires; returns how to stop that */
  constructor(
    signal: AbortSignal,
    listen: (signal: AbortSignal, callback: () => void) => () => void,
    error: (reason: unknown) => unknown,
  ) {
    this.#listen = listen;
    this.#signal = signal;
    this.#error = error;
  }

  before(task: PolicyTask): 'run' | Err<never, unknown> {
    if (this.#signal.aborted) return err(this.#error(this.#signal.reason));
    this.#detach ??= this.#listen(this.#signal, this.#onAbort);
    this.#underWay.set(task.chain, task);
    return 'run';
  }

  settled(task: PolicyTask): void {
    this.#leave(task);
  }

  forget(task: PolicyTask): void {
    this.#leave(task);
  }

  workEnded(task: PolicyTask): void {
    const cancelled = task.payload === undefined;
    if (cancelled) this.#leave(task);
  }

  readonly #onAbort = (): void => {
    for (const task of [...this.#underWay.values()]) {
      this.#leave(task);
      task.giveUp(this.#error(this.#signal.reason));
    }
  };

  #leave(task: PolicyTask): void {
    if (!this.#underWay.delete(task.chain) || this.#underWay.size > 0) return;
    this.#detach?.();
    this.#detach = undefined;
  }
}
