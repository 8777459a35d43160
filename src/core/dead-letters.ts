import type { DeadLetter } from '../policies/dead-letter.ts';
import type { PolicyTask } from '../policies/policy.ts';
import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import type { Clock } from '../schedule/clock.ts';
import type { AnyCollector } from './collector.ts';
import { QueueClosedError, UnroutedError } from './errors.ts';
import type { SendHeaders } from './headers.ts';
import { Payload } from './payload.ts';
import type { Task } from './task.ts';
import { describeTask } from './task-description.ts';

/** Hands tasks that failed for good to where their collectors want them. What goes wrong with that is a queue event. */
export class DeadLetters {
  readonly #events: QueueEventSource;
  readonly #clock: Clock;
  readonly #exists: (key: string) => boolean;
  readonly #accept: (payload: Payload, headers: SendHeaders | undefined) => boolean;
  readonly #letters: WeakSet<DeadLetter> = new WeakSet();
  /** Functions of users that are still at work; none of these rejects. */
  readonly #underWay: Set<Promise<void>> = new Set();

  /**
   * @param exists - whether there is a collector with this key
   * @param accept - takes a payload whatever the queue's bounds; false if it cannot be dispatched any more
   */
  constructor(
    events: QueueEventSource,
    clock: Clock,
    exists: (key: string) => boolean,
    accept: (payload: Payload, headers: SendHeaders | undefined) => boolean,
  ) {
    this.#events = events;
    this.#clock = clock;
    this.#exists = exists;
    this.#accept = accept;
  }

  deliver(collector: AnyCollector, task: PolicyTask, payload: Payload, error: unknown): void {
    const { deadLetter } = collector.settings;
    const { topics } = payload;
    const letter: DeadLetter = Object.freeze({
      value: payload.value,
      collectorKey: collector.key,
      eventId: task.eventId,
      error,
      attempts: task.number,
      timestamp: this.#clock.wall(),
      ...(topics.length > 0 && { topics }),
      ...(task.headers !== undefined && { headers: task.headers }),
    });
    this.#letters.add(letter);
    const source = `dead letter of collector "${collector.key}"`;
    if (typeof deadLetter === 'function') this.#call(deadLetter, letter, source);
    else if (!this.#send(deadLetter as string, letter, source)) return;
    if (this.#events.observed(QueueEventName.DEAD_LETTERED)) {
      this.#events.emit(QueueEventName.DEAD_LETTERED, { ...describeTask(task as Task), error });
    }
  }

  /** Resolves once what users do with their dead letters is done. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** False if it could not be sent, which was told. */
  #send(key: string, letter: DeadLetter, source: string): boolean {
    const refusal = this.#refusal(key, letter);
    const payload = new Payload(letter, { keys: key }) as Payload;
    if (refusal === undefined && this.#accept(payload, letter.headers)) return true;
    const error = refusal ?? new QueueClosedError('the queue was shut down before its dead letter could be delivered');
    if (this.#events.observed(QueueEventName.ERROR_ENQUEUEING)) {
      this.#events.emit(QueueEventName.ERROR_ENQUEUEING, { source, error });
    } else this.#events.reportInternal(source, error);
    return false;
  }

  #refusal(key: string, letter: DeadLetter): Error | undefined {
    if (!this.#exists(key)) return new UnroutedError(`there is no collector "${key}" for the dead letter`);
    // Collectors that are one another's dead letter would wrap a letter in letters for ever.
    for (let inner: unknown = letter.value; this.#isLetter(inner); inner = inner.value) {
      if (inner.collectorKey === key || inner.collectorKey === letter.collectorKey) {
        return new UnroutedError(`the dead letter was in collector "${inner.collectorKey}" before`);
      }
    }
    return undefined;
  }

  #isLetter(value: unknown): value is DeadLetter {
    return typeof value === 'object' && value !== null && this.#letters.has(value as DeadLetter);
  }

  #call(take: (letter: DeadLetter) => unknown, letter: DeadLetter, source: string): void {
    const taken = (async () => void (await take(letter)))();
    const ended = taken
      .catch((error) => this.#events.reportInternal(source, error))
      .finally(() => this.#underWay.delete(ended));
    this.#underWay.add(ended);
  }
}
