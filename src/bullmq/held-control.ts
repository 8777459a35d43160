import { err, type Result } from 'neverthrow';
import { givenResult } from '../core/results.ts';
import { TaskControl } from '../policies/control.ts';

/** What a processor says about its task, past the queue within, which would obey. */
class HeldControl {
  readonly control: TaskControl;

  constructor(control: TaskControl) {
    this.control = control;
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
  return result.isErr() && result.error instanceof HeldControl ? err(result.error.control) : result;
}
