import { AsyncResource } from 'node:async_hooks';
import { err } from 'neverthrow';
import type { Delay } from '../policies/delay.ts';
import type { ConsumerPool } from '../pool/consumer-pool.ts';
import { Sampler } from '../pool/sampler.ts';
import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import type { Clock } from '../schedule/clock.ts';
import { onAbort } from './abort-hub.ts';
import { type Admission, Overflow } from './admission.ts';
import type { Deduplication } from './deduplication.ts';
import { QueueType } from './delivery.ts';
import type { Dispatcher } from './dispatcher.ts';
import { CancelledError, InvalidArgumentError, QueueClosedError, QueueFullError } from './errors.ts';
import { type CollectorEvent, type EventHost, QueuedEvent, RankedEvent } from './event.ts';
import type { SendHeaders } from './headers.ts';
import type { Ledger } from './ledger.ts';
import type { QueueSettings } from './options.ts';
import type { Payload } from './payload.ts';
import type { Scheduled } from './scheduled.ts';
import { resolveSendOptions, type SendOptions, type SendSettings } from './task-options.ts';

/** What an intake works with. */
export interface IntakeParts {
  readonly settings: QueueSettings;
  readonly ledger: Ledger;
  readonly events: QueueEventSource;
  readonly pool: ConsumerPool<QueuedEvent>;
  readonly admission: Admission;
  readonly dispatcher: Dispatcher;
  readonly scheduled: Scheduled;
  readonly deduplication: Deduplication;
}

/** Where payloads come in: accepted into the waiting order, or refused. Runs no user code. */
export class Intake {
  readonly #settings: QueueSettings;
  readonly #ledger: Ledger;
  readonly #events: QueueEventSource;
  readonly #pool: ConsumerPool<QueuedEvent>;
  readonly #admission: Admission;
  readonly #dispatcher: Dispatcher;
  readonly #scheduled: Scheduled;
  readonly #deduplication: Deduplication;
  readonly #clock: Clock;
  #newEvent: (payload: Payload) => QueuedEvent;
  #counting = false;
  /** Not everything is accepted: there is a bound, or the queue closes. */
  #guarded: boolean;
  readonly #sampler: Sampler;
  #closed = false;

  constructor(parts: IntakeParts) {
    this.#settings = parts.settings;
    this.#ledger = parts.ledger;
    this.#events = parts.events;
    this.#pool = parts.pool;
    this.#admission = parts.admission;
    this.#dispatcher = parts.dispatcher;
    this.#scheduled = parts.scheduled;
    this.#deduplication = parts.deduplication;
    this.#scheduled.enter = (event) => this.enter(event);
    this.#clock = parts.settings.clock;
    // With no reading too fast, every payload is measured.
    this.#sampler = new Sampler(parts.settings.latency === undefined ? 1 : Number.NEGATIVE_INFINITY, 10);
    this.#newEvent = eventMaker(parts.settings, parts.dispatcher, false);
    this.#guarded = parts.settings.maxSize !== Number.POSITIVE_INFINITY;
  }

  /** Accepts the payload, or settles its event as refused. */
  send(payload: Payload): QueuedEvent {
    const event = this.#newEvent(payload);
    return this.#guarded ? this.take(event) : this.accept(event);
  }

  /** The same for a send with options. @throws `InvalidArgumentError` for a wrong one */
  sendWith(payload: Payload, options: SendOptions): CollectorEvent {
    const settings = resolveSendOptions('send', options, this.#clock.wall());
    return this.takeOnce(this.#newEvent(payload), settings);
  }

  /** The same for several; none is sent if an option is wrong. */
  sendManyWith(payloads: readonly Payload[], options: SendOptions): QueuedEvent[] {
    const settings = resolveSendOptions('send', options, this.#clock.wall());
    if (settings.dedupe !== undefined) {
      const expected = 'absent: all but the first would be repeats';
      throw new InvalidArgumentError('sendMany: dedupeKey', expected, `"${settings.dedupe.key}"`);
    }
    return payloads.map((payload) => this.takeWith(this.#newEvent(payload), settings));
  }

  /**
   * Like {@link Intake.sendWith}, but waits for room first. Rejects with the reason of the signal if that fires earlier.
   * @throws `InvalidArgumentError` for a wrong option
   */
  sendWhenReady(payload: Payload, options: SendOptions): Promise<CollectorEvent> {
    const settings = resolveSendOptions('sendWhenReady', options, this.#clock.wall());
    const event = this.#newEvent(payload);
    const { signal, delay, dedupe } = settings;
    // What is scheduled needs no room yet, and a repeat needs none at all.
    const needsNone = delay !== undefined || (dedupe !== undefined && this.#deduplication.knows(dedupe));
    if (needsNone && signal?.aborted !== true) return Promise.resolve(this.takeOnce(event, settings));
    return this.whenRoom(signal, () => this.takeOnce(event, settings));
  }

  /** Accepts a payload of the queue's own, whatever its bounds, also while it closes. */
  sendAnyway(payload: Payload, headers: SendHeaders | undefined): QueuedEvent {
    const event = this.#newEvent(payload);
    if (headers !== undefined) event.needExtras().headers = headers;
    return this.accept(event);
  }

  /** Whether policies will ask when payloads were accepted. */
  countFromAcceptance(counting: boolean): void {
    this.#counting = counting;
    this.#newEvent = eventMaker(this.#settings, this.#dispatcher, counting);
  }

  /** Resolves once there is room, which anybody may take; also when the queue closes. */
  ready(): Promise<void> {
    return this.whenRoom(undefined, () => undefined);
  }

  /** Refuses everything from now on, also what waits for room. */
  close(): void {
    this.#closed = true;
    this.#guarded = true;
    this.#admission.close();
  }

  /** Accepts the event if there is room, or makes room, or refuses it. */
  private take(event: QueuedEvent): QueuedEvent {
    const refusal = this.refusal();
    if (refusal !== undefined) return this.refuse(event, refusal);
    this.accept(event);
    if (this.#admission.overfull) this.dropOne();
    return event;
  }

  /** Takes the event, unless it repeats another one. */
  private takeOnce(event: QueuedEvent, settings: SendSettings): CollectorEvent {
    const { dedupe, signal } = settings;
    if (dedupe === undefined || this.#closed || signal?.aborted === true) return this.takeWith(event, settings);
    if (this.#deduplication.isFullFor(dedupe)) {
      const { maxDedupeKeys } = this.#settings;
      return this.refuse(event, new QueueFullError(`${maxDedupeKeys} keys are remembered already (maxDedupeKeys)`));
    }
    // Each of those that share it heeds its own signal.
    return this.#deduplication.send(dedupe, signal, () => this.takeWith(event, { ...settings, signal: undefined }));
  }

  private takeWith(event: QueuedEvent, settings: SendSettings): QueuedEvent {
    const { signal, delay, timeout, retry, expiry, partitionKey, headers } = settings;
    if (signal?.aborted === true) {
      return this.refuse(event, new CancelledError('the signal of the send had fired', { cause: signal.reason }));
    }
    const ofTasks = [timeout, retry, expiry, partitionKey].some((one) => one !== undefined);
    // It may have waited for room since it was made.
    if (ofTasks || this.#counting) event.needExtras().acceptedAt = this.#clock.now();
    // A million may be scheduled: they are spared the extras, unless a collector has a delay of its own.
    if (ofTasks || (delay !== undefined && this.#counting)) event.needExtras().sent = settings;
    if (headers !== undefined) event.needExtras().headers = headers;
    if (delay === undefined) this.take(event);
    else this.schedule(event, delay);
    if (signal !== undefined && event.status !== 'settled') {
      event.needExtras().detach = onAbort(signal, () => void event.cancel(signal.reason));
    }
    return event;
  }

  /** Accepts the event for later. Its time come, it waits whatever the bound: it was accepted. */
  private schedule(event: QueuedEvent, when: Delay): QueuedEvent {
    const now = this.#clock.now();
    const wall = 'at' in when ? when.at : undefined;
    const delay = 'at' in when ? when.at - this.#clock.wall() : when.delay;
    if (delay <= 0) return this.take(event);
    if (this.#closed) return this.refuse(event, this.refusal() as Error);
    if (this.#scheduled.isFull) {
      const { maxScheduled } = this.#settings;
      return this.refuse(event, new QueueFullError(`${maxScheduled} payloads are scheduled already (maxScheduled)`));
    }
    this.#ledger.accepted++;
    if (this.#events.listening !== 0) this.tellScheduled(event, delay);
    this.#scheduled.accept(event, now + delay, wall);
    return event;
  }

  /** The time of a scheduled event has come. */
  private enter(event: QueuedEvent): void {
    if (this.#settings.latency !== undefined) this.measure(event);
    this.#pool.offer(event);
    const drops = this.#settings.overflow === Overflow.DROP_OLDEST;
    if (drops && this.#admission.overfull) this.dropOne();
  }

  private accept(event: QueuedEvent): QueuedEvent {
    this.#ledger.accepted++;
    if (this.#events.listening !== 0) this.tellEnqueued(event);
    if (this.#sampler.due()) this.measure(event);
    this.#pool.offer(event);
    return event;
  }

  private refusal(): Error | undefined {
    if (this.#closed) return new QueueClosedError('the queue is shutting down or was shut down');
    if (this.#settings.overflow === Overflow.REJECT && !this.#admission.hasRoom) return this.#admission.refusal();
    return undefined;
  }

  private refuse(event: QueuedEvent, error: Error): QueuedEvent {
    this.#ledger.rejected++;
    event.outcome = err(error);
    event.settled();
    if (this.#events.observed(QueueEventName.REJECTED)) {
      this.#events.defer(QueueEventName.REJECTED, { id: event.id, error });
    }
    return event;
  }

  private dropOne(): void {
    const victim = this.#pool.takeVictim();
    if (victim !== undefined) this.#dispatcher.cancellations.drop(victim, this.#admission.droppedFor());
  }

  private whenRoom<T>(signal: AbortSignal | undefined, admitted: () => T): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const detach =
        signal === undefined
          ? noop
          : onAbort(signal, () => {
              leave();
              reject(signal.reason);
            });
      const admit = (): void => {
        detach();
        // Another event may have heard the signal first, and made room here.
        if (signal?.aborted === true) reject(signal.reason);
        else resolve(admitted());
      };
      const leave = this.#closed ? this.admitAtOnce(admit) : this.#admission.enqueue(admit);
    });
  }

  private admitAtOnce(admit: () => void): () => void {
    admit();
    return noop;
  }

  private tellScheduled(event: QueuedEvent, delay: number): void {
    this.tellEnqueued(event);
    if (!this.#events.observed(QueueEventName.SCHEDULED)) return;
    const executeTime = this.#clock.wall() + delay;
    this.#events.defer(QueueEventName.SCHEDULED, { id: event.id, task: undefined, delay, executeTime });
  }

  private tellEnqueued(event: QueuedEvent): void {
    if (this.#events.observed(QueueEventName.ENQUEUED)) {
      this.#events.defer(QueueEventName.ENQUEUED, { id: event.id });
    }
  }

  /** This event is one of those whose waiting and service are measured. */
  private measure(event: QueuedEvent): void {
    const now = this.#dispatcher.clock.now();
    this.#sampler.read(now);
    event.needExtras().measuredAt = now;
  }
}

const noop = (): void => undefined;

/** How this queue makes its events. */
function eventMaker(
  { queueType, defaultPriority, asyncContext, clock }: QueueSettings,
  host: EventHost,
  counting: boolean,
): (payload: Payload) => QueuedEvent {
  const make =
    queueType === QueueType.PRIORITY
      ? (payload: Payload) => new RankedEvent(host, payload, payload.priority ?? defaultPriority)
      : (payload: Payload) => new QueuedEvent(host, payload);
  if (!asyncContext && !counting) return make;
  return (payload) => {
    const event = make(payload);
    const extras = event.needExtras();
    if (asyncContext) extras.scope = new AsyncResource('CollectorEvent', { requireManualDestroy: true });
    if (counting) extras.acceptedAt = clock.now();
    return event;
  };
}
