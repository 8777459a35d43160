import type { AnyCollector } from './collector.ts';
import { describe, InvalidArgumentError, NotInitializedError } from './errors.ts';
import type { CollectorEvent } from './event.ts';
import { Payload, type PayloadOptions } from './payload.ts';
import type { SendOptions } from './task-options.ts';
import type { AnyTopics, KeyName, KeysIn, OutcomesFor, Sendable, TopicName, ValueFor } from './types.ts';

/** What a publisher sends by: the intake of a queue that is up, whatever its engine. */
export interface Sender {
  send(payload: Payload): CollectorEvent;
  /** Several, if they are to be looked at together: none is sent if one cannot be. Otherwise each is sent by itself. */
  readonly sendMany?: (payloads: readonly Payload[]) => CollectorEvent[];
  /** @throws `InvalidArgumentError` for a wrong option */
  sendWith(payload: Payload, options: SendOptions): CollectorEvent;
  /** None is sent if an option is wrong. */
  sendManyWith(payloads: readonly Payload[], options: SendOptions): CollectorEvent[];
  sendWhenReady(payload: Payload, options: SendOptions): Promise<CollectorEvent>;
  ready(): Promise<void>;
}

/** Where payloads go in; none before the queue was initialised. */
export interface Door {
  intake: Sender | undefined;
}

/**
 * The send side of a queue. Any number of them may be in use; they are interchangeable.
 *
 * @typeParam C - the collectors of the queue
 * @typeParam T - the topics of the queue and their values
 * @typeParam O - the options of a send
 */
export class EventPublisher<C extends AnyCollector = any, T = AnyTopics, O extends SendOptions = SendOptions> {
  readonly #door: Door;

  /**
   * Publishers are made by `queue.getPublisher()`.
   * @internal
   */
  constructor(door: Door) {
    this.#door = door;
  }

  /**
   * Sends a payload. Synchronous, and runs no user code: an idle consumer is claimed at once, and starts in a
   * microtask. A full queue, or one that shuts down, gives an event that has settled as `Err`.
   *
   * @param options - of this send; they win over those of the collectors
   * @throws {@link InvalidArgumentError} for what is no Payload and for a wrong option, `NotInitializedError` before the
   * first `initQueue`.
   */
  send<P extends Payload>(payload: P & Sendable<C, T, P>, options?: O): CollectorEvent<OutcomesFor<C, KeysIn<P>>> {
    const { intake } = this.#door;
    if (intake === undefined || !(payload instanceof Payload)) throw misuse(intake, payload);
    return (options === undefined ? intake.send(payload) : intake.sendWith(payload, options)) as CollectorEvent<any>;
  }

  /** Sends several payloads, in this order. None is sent if one of them is no Payload, or an option is wrong. */
  sendMany<P extends Payload>(
    payloads: Iterable<P & Sendable<C, T, P>>,
    options?: O,
  ): CollectorEvent<OutcomesFor<C, KeysIn<P>>>[] {
    const { intake } = this.#door;
    checkIterable(payloads);
    const all = [...(payloads as Iterable<Payload>)];
    const wrong = all.findIndex((payload) => !(payload instanceof Payload));
    if (intake === undefined || wrong !== -1) throw misuse(intake, all[wrong]);
    if (options !== undefined) return intake.sendManyWith(all, options) as CollectorEvent<any>[];
    const events = intake.sendMany?.(all) ?? all.map((payload) => intake.send(payload));
    return events as CollectorEvent<any>[];
  }

  /** Makes a payload of a value and sends it, with the options of {@link EventPublisher.send} as its last argument. */
  publish<const K extends KeyName<C, T> = never, const N extends TopicName<T> = never>(
    value: ValueFor<C, T, NoInfer<K>, NoInfer<N>>,
    options?: PayloadOptions<K, N>,
    sendOptions?: O,
  ): CollectorEvent<OutcomesFor<C, K>> {
    const { intake } = this.#door;
    if (intake === undefined) throw notInitialized();
    const payload = new Payload(value, options) as Payload;
    return (
      sendOptions === undefined ? intake.send(payload) : intake.sendWith(payload, sendOptions)
    ) as CollectorEvent<any>;
  }

  /**
   * Waits for room, first come, first served, and then sends, in one step; with a `delay` or `at` it sends at once. At shutdown it resolves to an event that has
   * settled as `Err(QueueClosedError)`. Rejects with the signal's reason if that fires before the payload was accepted;
   * then nothing was offered. Later it cancels the event, as with `send`. Rejects for what `send` throws.
   */
  async sendWhenReady<P extends Payload>(
    payload: P & Sendable<C, T, P>,
    options: O = {} as O,
  ): Promise<CollectorEvent<OutcomesFor<C, KeysIn<P>>>> {
    const { intake } = this.#door;
    if (intake === undefined || !(payload instanceof Payload)) throw misuse(intake, payload);
    return (await intake.sendWhenReady(payload, options)) as CollectorEvent<any>;
  }

  /** Resolves once there is room. Somebody else may take it first; {@link EventPublisher.sendWhenReady} is fair. */
  async ready(): Promise<void> {
    const { intake } = this.#door;
    if (intake === undefined) throw notInitialized();
    return intake.ready();
  }
}

function checkIterable(payloads: unknown): void {
  if (typeof (payloads as Partial<Iterable<unknown>> | null | undefined)?.[Symbol.iterator] === 'function') return;
  throw new InvalidArgumentError('sendMany: payloads', 'an iterable of Payloads', describe(payloads));
}

function misuse(intake: Sender | undefined, payload: unknown): Error {
  return intake === undefined
    ? notInitialized()
    : new InvalidArgumentError('send: payload', 'a Payload', describe(payload));
}

export function notInitialized(): NotInitializedError {
  return new NotInitializedError('the queue was never initialised: await queue.initQueue() first');
}
