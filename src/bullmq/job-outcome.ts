import type { Job } from 'bullmq';
import { describeThrown, ErrorCode, stackOf } from '../core/errors.ts';
import { writeFailure } from './messages/failure-text.ts';
import type { Envelope } from './messages/seal.ts';

/*
 * What a processor of BullMQ throws to say what becomes of its job. BullMQ goes by the names of errors, and by what the
 * job in memory says of attempts; nothing of that is stored with each job.
 */

/** The name of our back-off among BullMQ's. */
const BACKOFF = 'collector-queue';

/** The job has failed for good: a line for people, and the sealed result. */
export function failedForGood(error: unknown, envelope: Envelope | undefined, stackTraces: boolean): Error {
  const headline = describeThrown(error);
  return named('UnrecoverableError', envelope === undefined ? headline : writeFailure(headline, envelope), {
    // BullMQ stores the stack, which begins with the message: the sealed result would be there twice.
    stack: stackTraces ? stackOf(error) : '',
  });
}

/** Another attempt follows, so many milliseconds from now. */
export function retryLater(job: Job, error: unknown, delay: number): Error {
  job.opts.attempts = Number.MAX_SAFE_INTEGER;
  job.opts.backoff = { type: BACKOFF };
  return named('RetryLater', describeThrown(error), { delay: Math.ceil(delay), stack: '' });
}

/** BullMQ asks how long to wait. */
export function backoffStrategy(_attempts: number, _type: string | undefined, error: Error | undefined): number {
  return (error as { delay?: number } | undefined)?.delay ?? 0;
}

const GIVEN_UP: ReadonlySet<unknown> = new Set([
  ErrorCode.SHUTDOWN_TIMEOUT,
  ErrorCode.QUEUE_ABORTED,
  ErrorCode.QUEUE_CLOSED,
]);

/** What the queue within gives up on at a shutdown. */
export function isGivenUp(error: unknown): boolean {
  return GIVEN_UP.has((error as { code?: unknown } | null | undefined)?.code);
}

/** The job goes back to those that wait, for another worker; this was no attempt. */
export async function givenBack(job: Job, token: string): Promise<Error> {
  await job.moveToWait(token);
  return named('WaitingError', 'given back at the shutdown of the worker', { stack: '' });
}

function named(name: string, message: string, details: object): Error {
  return Object.assign(new Error(message), { name, ...details });
}
