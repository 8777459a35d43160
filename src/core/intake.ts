import { AsyncResource } from 'node:async_hooks';
import { err } from 'neverthrow';
import type { ConsumerPool } from '../pool/consumer-pool.ts';
import { Sampler } from '../pool/sampler.ts';
import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import { type Admission, Overflow } from './admission.ts';
import { QueueType } from './delivery.ts';
import type { Dispatcher } from './dispatcher.ts';
import { QueueClosedError } from './errors.ts';
import { type EventHost, QueuedEvent, RankedEvent } from './event.ts';
import type { Ledger } from './ledger.ts';
import type { QueueSettings } from './options.ts';
import type { Payload } from './payload.ts';

/** What an intake works with. */
export interface IntakeParts {
  readonly settings: QueueSettings;
  readonly ledger: Ledger;
  readonly events: QueueEventSource;
  readonly pool: ConsumerPool<QueuedEvent>;
  readonly admission: Admission;
  readonly dispatcher: Dispatcher;
}

/** Where payloads come in: accepted into the waiting order, or refused. Runs no user code. */
export class Intake {
  readonly #settings: QueueSettings;
  readonly #ledger: Ledger;
  readonly #events: QueueEventSource;
  readonly #pool: ConsumerPool<QueuedEvent>;
  readonly #admission: Admission;
  readonly #dispatcher: Dispatcher;
  readonly #newEvent: (payload: Payload) => QueuedEvent;
  /** Not everything is accepted: there is a bound, or the queue closes. */
  #guarded: boolean;
  readonly #sampler: Sampler = new Sampler(1, 10);
  #closed = false;

  constructor(parts: IntakeParts) {
    this.#settings = parts.settings;
    this.#ledger = parts.ledger;
    this.#events = parts.events;
    this.#pool = parts.pool;
    this.#admission = parts.admission;
    this.#dispatcher = parts.dispatcher;
    this.#newEvent = eventMaker(parts.settings, parts.dispatcher);
    this.#guarded = parts.settings.maxSize !== Number.POSITIVE_INFINITY;
  }

  /** Accepts the payload, or settles its event as refused. */
  send(payload: Payload): QueuedEvent {
    const event = this.#newEvent(payload);
    return this.#guarded ? this.#take(event) : this.#accept(event);
  }

  /** Like {@link Intake.send}, but waits for room first. Rejects with the signal's reason if that comes earlier. */
  sendWhenReady(payload: Payload, signal: AbortSignal | undefined): Promise<QueuedEvent> {
    const event = this.#newEvent(payload);
    return this.#whenRoom(signal, () => this.#take(event));
  }

  /** Resolves once there is room, which anybody may take; also when the queue closes. */
  ready(): Promise<void> {
    return this.#whenRoom(undefined, () => undefined);
  }

  /** Refuses everything from now on, also what waits for room. */
  close(): void {
    this.#closed = true;
    this.#guarded = true;
    this.#admission.close();
  }

  /** Accepts the event if there is room, or makes room, or refuses it. */
  #take(event: QueuedEvent): QueuedEvent {
    const refusal = this.#refusal();
    if (refusal !== undefined) return this.#refuse(event, refusal);
    this.#accept(event);
    if (this.#admission.overfull) this.#dropOne();
    return event;
  }

  #accept(event: QueuedEvent): QueuedEvent {
    this.#ledger.accepted++;
    if (this.#events.listening !== 0) this.#tellEnqueued(event);
    if (this.#sampler.due()) this.#measure(event);
    this.#pool.offer(event);
    return event;
  }

  #refusal(): Error | undefined {
    if (this.#closed) return new QueueClosedError('the queue is shutting down or was shut down');
    if (this.#settings.overflow === Overflow.REJECT && !this.#admission.hasRoom) return this.#admission.refusal();
    return undefined;
  }

  #refuse(event: QueuedEvent, error: Error): QueuedEvent {
    this.#ledger.rejected++;
    event.outcome = err(error);
    event.settled();
    if (this.#events.observed(QueueEventName.REJECTED)) {
      this.#events.defer(QueueEventName.REJECTED, { id: event.id, error });
    }
    return event;
  }

  #dropOne(): void {
    const victim = this.#pool.takeVictim();
    if (victim !== undefined) this.#dispatcher.drop(victim, this.#admission.droppedFor());
  }

  #whenRoom<T>(signal: AbortSignal | undefined, admitted: () => T): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        leave();
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const admit = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(admitted());
      };
      const leave = this.#closed ? this.#admitAtOnce(admit) : this.#admission.enqueue(admit);
    });
  }

  #admitAtOnce(admit: () => void): () => void {
    admit();
    return () => undefined;
  }

  #tellEnqueued(event: QueuedEvent): void {
    if (this.#events.observed(QueueEventName.ENQUEUED)) {
      this.#events.defer(QueueEventName.ENQUEUED, { id: event.id });
    }
  }

  /** This event is one of those whose waiting and service are measured. */
  #measure(event: QueuedEvent): void {
    const now = this.#dispatcher.clock.now();
    this.#sampler.read(now);
    event.needExtras().measuredAt = now;
  }
}

/** How this queue makes its events. */
function eventMaker(
  { queueType, defaultPriority, asyncContext }: QueueSettings,
  host: EventHost,
): (payload: Payload) => QueuedEvent {
  const make =
    queueType === QueueType.PRIORITY
      ? (payload: Payload) => new RankedEvent(host, payload, payload.priority ?? defaultPriority)
      : (payload: Payload) => new QueuedEvent(host, payload);
  if (!asyncContext) return make;
  return (payload) => {
    const event = make(payload);
    event.needExtras().scope = new AsyncResource('CollectorEvent', { requireManualDestroy: true });
    return event;
  };
}
