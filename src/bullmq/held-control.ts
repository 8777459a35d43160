import { err, type Result } from 'neverthrow';
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

/** Undoes {@link hold}. */
export function release(result: Result<unknown, unknown>): Result<unknown, unknown> {
  return result.isErr() && result.error instanceof HeldControl ? err(result.error.control) : result;
}
