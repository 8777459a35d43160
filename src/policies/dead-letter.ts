import type { Result } from 'neverthrow';
import type { SendHeaders } from '../core/headers.ts';
import type { Payload } from '../core/payload.ts';
import type { PolicyTask, TaskPolicy } from './policy.ts';

/** What is handed over of a task that failed for good. */
export interface DeadLetter<V = any> {
  /** The value of the payload as it was sent, by reference. */
  readonly value: V;
  /** The key of the collector that failed. */
  readonly collectorKey: string;
  /** The id of the event that the sender holds. */
  readonly eventId: string;
  /** What the last attempt failed with. */
  readonly error: unknown;
  /** How many attempts were made. */
  readonly attempts: number;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** The topics of the payload, if it had any. */
  readonly topics?: readonly string[] | undefined;
  /** The headers of the send, if it had any. */
  readonly headers?: SendHeaders | undefined;
}

/** Takes the tasks that failed for good; failing itself is the business of `deliver`. */
export class DeadLetterPolicy implements TaskPolicy {
  readonly #isDead: (error: unknown) => boolean;
  readonly #deliver: (task: PolicyTask, payload: Payload, error: unknown) => void;

  /** @param isDead - false for the error of a task that was not wanted any more, which did not fail */
  constructor(
    isDead: (error: unknown) => boolean,
    deliver: (task: PolicyTask, payload: Payload, error: unknown) => void,
  ) {
    this.#isDead = isDead;
    this.#deliver = deliver;
  }

  settled(task: PolicyTask, result: Result<unknown, unknown>, payload: Payload): void {
    if (result.isErr() && this.#isDead(result.error)) this.#deliver(task, payload, result.error);
  }
}
