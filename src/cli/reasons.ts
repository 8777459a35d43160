import { CollectorQueueError, describeThrown, InvalidArgumentError, LifecycleError } from '../core/errors.ts';
import { FailedError, UsageError } from './command.ts';

/** What went wrong, a line each: the message of an error that was foreseen, the stack of any other. */
export function reasonsOf(error: unknown): readonly string[] {
  if (error instanceof LifecycleError) return error.errors.flatMap(reasonsOf);
  const wasForeseen =
    error instanceof UsageError ||
    error instanceof FailedError ||
    error instanceof InvalidArgumentError ||
    error instanceof CollectorQueueError ||
    isOfSystem(error) ||
    (error instanceof Error && isOfSystem(error.cause));
  if (wasForeseen) return [(error as Error).message];
  return [error instanceof Error && error.stack !== undefined ? error.stack : describeThrown(error)];
}

/** A file that is not there, an address where nobody answers. */
function isOfSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
