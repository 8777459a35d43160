import { err, ok } from 'neverthrow';
import { onAbort } from '../core/abort-hub.ts';
import type { AnyCollector } from '../core/collector.ts';
import { asError, CancelledError, QueueClosedError, UnroutedError } from '../core/errors.ts';
import type { Payload } from '../core/payload.ts';
import type { Sender } from '../core/publisher.ts';
import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import type { Lane } from './lane.ts';
import type { Outbox } from './outbox.ts';
import { Outgoing } from './outgoing.ts';
import { RemoteEvent, type RemoteHost } from './remote-event.ts';
import type { Routes } from './routes.ts';
import { NO_OPTIONS, type RemoteSendOptions, type RemoteSendSettings, resolveRemote } from './send-options.ts';
import type { BullMQQueueSettings } from './settings.ts';
import type { Tally } from './tally.ts';

/** What an intake works with. */
export interface RemoteIntakeParts {
  readonly settings: BullMQQueueSettings;
  readonly events: QueueEventSource;
  readonly tally: Tally;
  readonly routes: Routes;
  readonly outbox: Outbox;
  readonly host: RemoteHost;
  readonly laneOf: (key: string) => Lane;
  /** Looks for collectors that were announced lately; undefined if the publisher has a list of its own. */
  readonly findMore: (() => Promise<void>) | undefined;
}

/** Where payloads come in that run in other processes: made jobs of, one for each selected collector. */
export class RemoteIntake implements Sender {
  readonly #parts: RemoteIntakeParts;
  #closed = false;

  constructor(parts: RemoteIntakeParts) {
    this.#parts = parts;
  }

  send(payload: Payload): RemoteEvent {
    return this.#send(this.#outgoing(payload, NO_OPTIONS));
  }

  sendWith(payload: Payload, options: RemoteSendOptions): RemoteEvent {
    return this.#send(this.#outgoing(payload, this.#resolve('send', options)));
  }

  sendMany(payloads: readonly Payload[]): RemoteEvent[] {
    return this.#sendAll(payloads, NO_OPTIONS);
  }

  sendManyWith(payloads: readonly Payload[], options: RemoteSendOptions): RemoteEvent[] {
    return this.#sendAll(payloads, this.#resolve('send', options));
  }

  async sendWhenReady(payload: Payload, options: RemoteSendOptions): Promise<RemoteEvent> {
    const settings = this.#resolve('sendWhenReady', options);
    const outgoing = this.#outgoing(payload, settings);
    const { signal } = settings;
    signal?.throwIfAborted();
    await this.#readyOrAborted(signal);
    return this.#send(outgoing);
  }

  ready(): Promise<void> {
    return this.#parts.outbox.ready();
  }

  close(): void {
    this.#closed = true;
  }

  #resolve(owner: string, options: RemoteSendOptions): RemoteSendSettings {
    return resolveRemote(owner, options, this.#parts.settings.clock.wall());
  }

  /** None is sent if one of them cannot be. */
  #sendAll(payloads: readonly Payload[], sent: RemoteSendSettings): RemoteEvent[] {
    return payloads.map((payload) => this.#outgoing(payload, sent)).map((outgoing) => this.#send(outgoing));
  }

  /** @throws {@link InvalidArgumentError} for what cannot be sent */
  #outgoing(payload: Payload, sent: RemoteSendSettings): Outgoing {
    return new Outgoing(payload, sent, this.#parts.settings);
  }

  #send(outgoing: Outgoing): RemoteEvent {
    const { host, routes, findMore, outbox } = this.#parts;
    const { payload, sent } = outgoing;
    const event = new RemoteEvent(host, sent.reply);
    const refusal = this.#refusal(sent);
    if (refusal !== undefined) return this.#refuse(event, refusal);
    let selected: readonly AnyCollector[];
    try {
      selected = routes.select(payload);
    } catch (error) {
      this.#parts.tally.accept(event);
      event.settleAs(err(error));
      return event;
    }
    if (findMore !== undefined && lacksKeys(payload, selected)) void this.#findAndDispatch(event, outgoing, findMore);
    else if (selected.length === 0) this.#unrouted(event);
    else {
      const away = outbox.refusal(selected.length);
      if (away !== undefined) return this.#refuse(event, away);
      this.#dispatch(event, outgoing, selected);
    }
    const { signal } = sent;
    if (signal !== undefined && !event.isSettled) {
      event.detach = onAbort(signal, () => void event.cancel(signal.reason));
    }
    return event;
  }

  /** Somebody may have announced the collector since. */
  async #findAndDispatch(event: RemoteEvent, outgoing: Outgoing, findMore: () => Promise<void>): Promise<void> {
    const { routes, outbox, tally } = this.#parts;
    tally.sending(event);
    try {
      await findMore();
      if (event.isSettled) {
        tally.accept(event);
        return;
      }
      const selected = routes.select(outgoing.payload);
      const away = this.#closed ? closedError() : outbox.refusal(selected.length);
      if (away !== undefined) this.#refuse(event, away);
      else if (selected.length === 0) this.#unrouted(event);
      else this.#dispatch(event, outgoing, selected);
    } catch (error) {
      this.#refuse(event, asError(error));
    }
  }

  #dispatch(event: RemoteEvent, outgoing: Outgoing, selected: readonly AnyCollector[]): void {
    const { laneOf, outbox, tally } = this.#parts;
    if (event.standing === 'new') tally.sending(event);
    event.due = outgoing.due;
    event.parts = selected.map((collector) => outgoing.partFor(event, laneOf(collector.key), collector));
    for (const part of event.parts) outbox.put(part);
    event.partsAdded();
  }

  #refusal({ signal }: RemoteSendSettings): Error | undefined {
    if (this.#closed) return closedError();
    if (signal?.aborted !== true) return undefined;
    return new CancelledError('the signal of the send had fired', { cause: signal.reason });
  }

  #refuse(event: RemoteEvent, error: Error): RemoteEvent {
    const { tally, events } = this.#parts;
    tally.reject(event);
    event.settleAs(err(error));
    if (events.observed(QueueEventName.REJECTED)) events.defer(QueueEventName.REJECTED, { id: event.id, error });
    return event;
  }

  #unrouted(event: RemoteEvent): void {
    const { tally, events, settings } = this.#parts;
    tally.accept(event);
    tally.unrouted++;
    if (events.observed(QueueEventName.ENQUEUED)) events.defer(QueueEventName.ENQUEUED, { id: event.id });
    if (events.observed(QueueEventName.UNROUTED)) events.defer(QueueEventName.UNROUTED, { id: event.id });
    const fails = settings.onUnrouted === 'error';
    event.settleAs(fails ? err(new UnroutedError('no collector matched the payload')) : ok(undefined));
  }

  async #readyOrAborted(signal: AbortSignal | undefined): Promise<void> {
    const ready = this.#parts.outbox.ready();
    if (signal === undefined) return ready;
    let stop: () => void = () => undefined;
    const aborted = new Promise<never>((_, reject) => {
      stop = onAbort(signal, () => reject(signal.reason));
    });
    try {
      await Promise.race([ready, aborted]);
    } finally {
      stop();
    }
  }
}

function closedError(): QueueClosedError {
  return new QueueClosedError('the queue is shutting down or was shut down');
}

/** Whether a payload names keys of collectors that were not selected, or was not selected for at all. */
function lacksKeys(payload: Payload, selected: readonly AnyCollector[]): boolean {
  return selected.length === 0 || (payload.delivery === 'key' && new Set(payload.keys).size > selected.length);
}
