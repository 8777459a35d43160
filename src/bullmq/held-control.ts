import { err, type Result } from 'neverthrow';
import { givenResult } from '../core/results.ts';
import { TaskControl } from '../policies/control.ts';

/** What a processor says about its task, past the queue within, which would obey. */
class HeldControl {
  readonly #control: TaskControl;

  constructor(control: TaskControl) {
    this.#control = control;
  }

  /** What is held; undefined for anything else. Safe for anything that a processor may give. */
  static controlIn(value: unknown): TaskControl | undefined {
    return typeof value === 'object' && value !== null && #control in value ? value.#control : undefined;
  }
}

export function hold(result: Result<unknown, unknown>): Result<unknown, unknown> {
  return result.isErr() && TaskControl.is(result.error) ? err(new HeldControl(result.error)) : result;
}

/** The same for what is perhaps a result. */
export function holdGiven(value: unknown): unknown {
  const result = givenResult(value);
  return result === undefined ? value : hold(result);
}

/** The same for what was thrown; anything else is thrown on. */
export function holdThrown(thrown: unknown): Result<unknown, unknown> {
  if (TaskControl.is(thrown)) return hold(err(thrown));
  throw thrown;
}

/** Undoes {@link hold}. */
export function release(result: Result<unknown, unknown>): Result<unknown, unknown> {
  const control = result.isErr() ? HeldControl.controlIn(result.error) : undefined;
  return control === undefined ? result : err(control);
}
