import PQueue from 'p-queue';
import { asError } from '../core/errors.ts';
import { handOver } from '../emitter/index.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import type { EventId, EventStore, StoredEvent } from '../store/index.ts';
import type { Backoff } from './backoff.ts';
import type { Deliveries } from './deliveries.ts';
import { HttpStatusError } from './errors.ts';
import type { Counters } from './metrics.ts';
import { Parting } from './parting.ts';
import type { Reporter } from './reporter.ts';
import { type BuiltRequest, RequestBuilder } from './request-builder.ts';
import { parseRetryAfter } from './retry-after.ts';
import type { HttpEmitterSettings } from './settings.ts';
import { type Reply, type Request, Transport } from './transport.ts';
import { verdictOn, willRetry } from './verdict.ts';

/** What the parts of one emitter share. */
export interface CourierParts {
  readonly settings: HttpEmitterSettings;
  readonly store: EventStore;
  readonly backoff: Backoff;
  readonly deliveries: Deliveries;
  readonly counters: Counters;
  readonly reporter: Reporter;
}

type Events = readonly StoredEvent[];

/** A batch that was taken from the store. */
export interface Consignment {
  readonly events: Events;
  /** Ends all that is done for it. */
  readonly stop: AbortSignal;
  /** Called as soon as the store is told that so many of its events are not in flight any more. */
  readonly gone: (count: number) => void;
}

/** A request that can be tried: one with events in it. */
interface Trial {
  readonly consignment: Consignment;
  /** Of the batch. */
  readonly parting: Parting;
  readonly request: Request;
  readonly events: Events;
  /** How many events of the batch were sent before. */
  readonly sentBefore: number;
  readonly startedAt: number;
  /** Of the back-off, when it began. */
  readonly round: number;
}

/** What became of a request. */
interface Outcome {
  /** Whether the server is to be left alone for a while. */
  readonly failed: boolean;
  /** How many of its events the server took. */
  readonly sent: number;
  /** Its events that are to be tried again, in these parts. */
  readonly again: readonly Events[];
}

const DONE: Outcome = { failed: false, sent: 0, again: [] };

/** What was given back to the store of a batch. */
export interface Left {
  readonly left: number;
  /** Whether that is because the server is to be left alone for a while. */
  readonly failed: boolean;
}

/**
 * Takes a batch from the store to the server: makes its requests, and does with each event what the answer says. Every
 * event of the batch is acknowledged in the end, or released.
 */
export class Courier {
  readonly builder: RequestBuilder;
  readonly #parts: CourierParts;
  readonly #transport: Transport;
  /** Each request takes one, if there is a limit to how many may begin. */
  readonly #turns: PQueue | undefined = undefined;
  /** Whether parting what is refused has come to nothing, and no request was taken since. */
  #isPartingVain = false;

  constructor(parts: CourierParts) {
    const { rateLimit } = parts.settings;
    this.#parts = parts;
    this.builder = new RequestBuilder(parts.settings);
    this.#transport = new Transport(parts.settings);
    if (rateLimit !== undefined) {
      this.#turns = new PQueue({ intervalCap: rateLimit.requests, interval: rateLimit.interval, strict: true });
    }
  }

  /** Never rejects. */
  async deliver(consignment: Consignment): Promise<Left> {
    const { stop } = consignment;
    const { splitRefused } = this.#parts.settings;
    const parting = new Parting(splitRefused && !this.#isPartingVain ? consignment.events.length : 0);
    let parts: Events[] = [consignment.events];
    let sentBefore = 0;
    let failed = false;
    while (parts.length > 0 && !failed) {
      await this.#mayBegin(stop);
      if (stop.aborted || this.#parts.backoff.remaining > 0) break;
      const [part = [], ...others] = parts;
      const built = this.builder.build(part);
      const outcome = await this.#tryOne({ consignment, parting, sentBefore }, built);
      failed = outcome.failed;
      sentBefore += outcome.sent;
      parts = [...outcome.again, built.rest, ...others].filter((some) => some.length > 0);
      // What was too much for one request goes with those that wait, rather than in a small one of its own.
      if (parts.length === 1 && parts[0] === built.rest) break;
    }
    if (parting.isUsedUp && sentBefore === 0) this.#isPartingVain = true;
    const left = parts.flat();
    if (left.length > 0) await this.release(consignment, left);
    return { left: left.length, failed };
  }

  /** Lets events of a batch wait again. Never rejects. */
  async release({ gone }: Consignment, events: Events): Promise<void> {
    await this.#guarded('release', events, gone, (ids) => this.#parts.store.release(ids));
  }

  /** Resolves when one more request may begin, or none at all. */
  async #mayBegin(signal: AbortSignal): Promise<void> {
    await this.#turns?.add(() => undefined, { signal }).catch(() => undefined);
  }

  async #tryOne(
    of: Pick<Trial, 'consignment' | 'parting' | 'sentBefore'>,
    { request, events, unsendable }: BuiltRequest,
  ): Promise<Outcome> {
    const { settings, backoff } = this.#parts;
    const trial = { ...of, events, startedAt: settings.clock.now(), round: backoff.round };
    for (const [at, [event, reason]] of unsendable.entries()) {
      const outcome = await this.#refuse({ ...trial, events: [event] }, reason, undefined);
      const untried = unsendable.slice(at + 1).map(([one]) => one);
      if (outcome.failed) return { ...outcome, again: [...outcome.again, untried, events] };
    }
    return request === undefined ? DONE : this.#attempt({ ...trial, request });
  }

  async #attempt(trial: Trial): Promise<Outcome> {
    const { counters } = this.#parts;
    const { body, url } = trial.request;
    counters.bytes += Buffer.byteLength(body ?? url.slice(url.indexOf('?') + 1));
    counters.requests++;
    try {
      return await this.#obey(trial, await this.#transport.send(trial.request, trial.consignment.stop));
    } catch (thrown) {
      this.#parts.counters.failedRequests++;
      return this.#failed(trial, asError(thrown), undefined, 0);
    }
  }

  /** Does what the answer says. */
  async #obey(trial: Trial, { status, retryAfter }: Reply): Promise<Outcome> {
    const { retryCodes, clock, maxRetryAfter } = this.#parts.settings;
    const verdict = verdictOn(status, retryCodes);
    if (verdict === 'sent') return this.#sent(trial, status);
    this.#parts.counters.failedRequests++;
    const again = verdict === 'retry' || (verdict === 'tooLarge' && willRetry(status, retryCodes));
    const error = new HttpStatusError(status, again);
    if (verdict === 'tooLarge' && trial.events.length > 1) return this.#halve(trial, error);
    if (verdict === 'refused' && trial.parting.allows(status, trial.events.length)) return this.#halve(trial, error);
    if (!again) return this.#refuse(trial, error, status);
    return this.#failed(trial, error, status, parseRetryAfter(retryAfter, clock.wall(), maxRetryAfter));
  }

  async #sent({ consignment, events, startedAt, round }: Trial, status: number): Promise<Outcome> {
    const { settings, backoff, counters, deliveries, reporter } = this.#parts;
    const attempt = backoff.failures + 1;
    backoff.succeeded(round);
    this.#isPartingVain = false;
    counters.sent += events.length;
    await this.#remove(consignment, events);
    deliveries.succeeded(events, status);
    reporter.succeeded(events, { status, attempt, duration: settings.clock.now() - startedAt });
    return { ...DONE, sent: events.length };
  }

  /** Half of it may be small enough, or without the event that is to blame. */
  #halve({ events, sentBefore }: Trial, error: HttpStatusError): Outcome {
    const attempt = this.#parts.backoff.failures + 1;
    this.#parts.reporter.failed(sentBefore, events, {
      status: error.status,
      error,
      willRetry: true,
      attempt,
      delay: 0,
    });
    const middle = Math.ceil(events.length / 2);
    return { ...DONE, again: [events.slice(0, middle), events.slice(middle)] };
  }

  /** Nobody will try these any more. They leave the store when the dead letter has them, so that nothing gets lost. */
  async #refuse(trial: Omit<Trial, 'request'>, reason: Error, status: number | undefined): Promise<Outcome> {
    const { backoff, counters, deliveries, reporter } = this.#parts;
    const { consignment, events, sentBefore } = trial;
    try {
      await this.bury(events, reason, consignment.stop);
    } catch (thrown) {
      return this.#failed(trial, asError(thrown), status, 0);
    }
    counters.deadLettered += events.length;
    await this.#remove(consignment, events);
    deliveries.failed(events, reason);
    const attempt = backoff.failures + 1;
    reporter.failed(sentBefore, events, { status, error: reason, willRetry: false, attempt, delay: 0 });
    return DONE;
  }

  #failed(trial: Omit<Trial, 'request'>, error: Error, status: number | undefined, least: number | undefined): Outcome {
    const { backoff, reporter } = this.#parts;
    const delay = backoff.failed(trial.round, least);
    // It may have taken so long that others succeeded meanwhile.
    const attempt = Math.max(1, backoff.failures);
    reporter.failed(trial.sentBefore, trial.events, { status, error, willRetry: true, attempt, delay });
    return { failed: true, sent: 0, again: [trial.events] };
  }

  /**
   * Hands events to the dead letter; a promise, if that takes time. Throws, or rejects, if that does not take them, or takes
   * too long.
   */
  bury(events: Events, reason: Error, stop: AbortSignal): Promise<void> | undefined {
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

  async #remove({ gone }: Consignment, events: Events): Promise<void> {
    await this.#guarded('ack', events, gone, (ids) => this.#parts.store.ack(ids));
  }

  /** A store that fails here hands the events out again some day; that is all that can be done. */
  async #guarded(
    method: string,
    events: Events,
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
