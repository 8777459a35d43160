import { asError } from '../../core/errors.ts';
import type { Backoff } from '../../schedule/backoff.ts';
import { settlesWithin } from '../../schedule/time-limit.ts';
import type { EventId, EventStore, StoredEvent } from '../../store/index.ts';
import { handOver } from '../dead-letter.ts';
import type { Consignment } from './consignment.ts';
import type { Deliveries } from './deliveries.ts';
import type { Counters } from './metrics.ts';
import type { Reporter } from './reporter.ts';
import type { BatchSettings } from './settings.ts';

/** What the parts of one emitter share. */
export interface BatchParts<R extends object, F extends object> {
  readonly settings: BatchSettings<R, F>;
  readonly store: EventStore;
  readonly backoff: Backoff;
  readonly deliveries: Deliveries<R>;
  readonly counters: Counters;
  readonly reporter: Reporter<R, F>;
}

/** An attempt to send events of a batch, from {@link BatchDesk.begin} on. */
export interface Trial {
  readonly consignment: Consignment;
  readonly events: readonly StoredEvent[];
  /** How many events of the batch were sent before. */
  readonly sentBefore: number;
  readonly startedAt: number;
  /** Of the back-off, when it began. */
  readonly round: number;
}

/** What became of an attempt. */
export interface TrialOutcome {
  /** Whether the server is to be left alone for a while. */
  readonly failed: boolean;
  /** How many of its events the server took. */
  readonly sent: number;
  /** Its events that are to be tried again, in these parts. */
  readonly again: readonly (readonly StoredEvent[])[];
}

/** An attempt that leaves nothing to be done. */
const DONE: TrialOutcome = { failed: false, sent: 0, again: [] };

/**
 * Where an emitter's courier says how an attempt ended: does with the events, the back-off, the dead letter and those who
 * wait what that asks for. Nothing here rejects.
 */
export class BatchDesk<R extends object, F extends object> {
  readonly #parts: BatchParts<R, F>;

  /** @internal */
  constructor(parts: BatchParts<R, F>) {
    this.#parts = parts;
  }

  /** Milliseconds until the next attempt may begin; 0 if it may begin now. */
  get delay(): number {
    return this.#parts.backoff.remaining;
  }

  begin(consignment: Consignment, events: readonly StoredEvent[], sentBefore = 0): Trial {
    const { settings, backoff } = this.#parts;
    return { consignment, events, sentBefore, startedAt: settings.clock.now(), round: backoff.round };
  }

  /** Counts a request. */
  requested(bytes: number): void {
    this.#parts.counters.requests++;
    this.#parts.counters.bytes += bytes;
  }

  /** Counts one that failed. */
  requestFailed(): void {
    this.#parts.counters.failedRequests++;
  }

  /** The other side took them. */
  async sent({ consignment, events, startedAt, round }: Trial, receipt: R): Promise<TrialOutcome> {
    const { settings, backoff, counters, deliveries, reporter } = this.#parts;
    const attempt = backoff.failures + 1;
    backoff.succeeded(round);
    counters.sent += events.length;
    await this.#remove(consignment, events);
    deliveries.succeeded(events, receipt);
    reporter.succeeded(events, { ...receipt, attempt, duration: settings.clock.now() - startedAt });
    return { ...DONE, sent: events.length };
  }

  /** Nobody will try these any more. They leave the store when the dead letter has them, so that nothing gets lost. */
  async refuse(trial: Trial, reason: Error, facts: F): Promise<TrialOutcome> {
    const { backoff, counters, deliveries, reporter } = this.#parts;
    const { consignment, events, sentBefore } = trial;
    try {
      await this.bury(events, reason, consignment.stop);
    } catch (thrown) {
      return this.failed(trial, asError(thrown), facts);
    }
    counters.deadLettered += events.length;
    await this.#remove(consignment, events);
    deliveries.failed(events, reason);
    const attempt = backoff.failures + 1;
    reporter.failed(sentBefore, events, { ...facts, error: reason, willRetry: false, attempt, delay: 0 });
    return DONE;
  }

  /** They are tried again, after a delay of at least `least` milliseconds. */
  failed(trial: Trial, error: Error, facts: F, least = 0): TrialOutcome {
    const { backoff, reporter } = this.#parts;
    const delay = backoff.failed(trial.round, least);
    // It may have taken so long that others succeeded meanwhile.
    const attempt = Math.max(1, backoff.failures);
    reporter.failed(trial.sentBefore, trial.events, { ...facts, error, willRetry: true, attempt, delay });
    return { failed: true, sent: 0, again: [trial.events] };
  }

  /** They were too many, or one of them is to blame: halves of them are tried at once. */
  halve({ events, sentBefore }: Trial, error: Error, facts: F): TrialOutcome {
    const attempt = this.#parts.backoff.failures + 1;
    this.#parts.reporter.failed(sentBefore, events, { ...facts, error, willRetry: true, attempt, delay: 0 });
    const middle = Math.ceil(events.length / 2);
    return { ...DONE, again: [events.slice(0, middle), events.slice(middle)] };
  }

  /** Lets events of a batch wait again. */
  async release({ gone }: Consignment, events: readonly StoredEvent[]): Promise<void> {
    await this.#guarded('release', events, gone, (ids) => this.#parts.store.release(ids));
  }

  /**
   * Hands events to the dead letter; a promise, if that takes time. Throws, or rejects, if that does not take them, or takes
   * too long.
   *
   * @internal
   */
  bury(events: readonly StoredEvent[], reason: Error, stop: AbortSignal): Promise<void> | undefined {
    const { deadLetter } = this.#parts.settings;
    if (deadLetter === undefined) {
      const what = events.length === 1 ? 'an event' : `${events.length} events`;
      this.#parts.reporter.error(`sending ${what}, lost for want of a deadLetter,`, reason);
      return undefined;
    }
    const values = events.map(({ event }) => event);
    const handed = handOver(deadLetter, values, reason);
    return handed === undefined ? undefined : this.#inTime(handed, stop);
  }

  async #inTime(handed: Promise<unknown>, stop: AbortSignal): Promise<void> {
    const { clock, requestTimeout } = this.#parts.settings;
    if (await settlesWithin(unlessFired(handed, stop), clock, requestTimeout)) return;
    throw new Error(`the dead letter took longer than ${requestTimeout} ms (requestTimeout)`);
  }

  async #remove({ gone }: Consignment, events: readonly StoredEvent[]): Promise<void> {
    await this.#guarded('ack', events, gone, (ids) => this.#parts.store.ack(ids));
  }

  /** A store that fails here hands the events out again some day; that is all that can be done. */
  async #guarded(
    method: string,
    events: readonly StoredEvent[],
    gone: Consignment['gone'],
    call: (ids: EventId[]) => Promise<void>,
  ): Promise<void> {
    try {
      const done = call(events.map(({ id }) => id));
      gone(events.length);
      await done;
    } catch (error) {
      this.#parts.reporter.error(`${method} of the event store`, error);
    }
  }
}

/** Settles as the promise does, but rejects when the signal fires. */
function unlessFired(promise: Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(new Error('the emitter was closed before the dead letter was done'));
    if (signal.aborted) fail();
    signal.addEventListener('abort', fail);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', fail));
  });
}
