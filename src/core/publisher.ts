import { checkOptions } from './checks.ts';
import type { AnyCollector } from './collector.ts';
import { describe, InvalidArgumentError, NotInitializedError } from './errors.ts';
import { type CollectorEvent, checkSignal } from './event.ts';
import type { Intake } from './intake.ts';
import { Payload, type PayloadOptions } from './payload.ts';
import type { AnyTopics, KeyName, KeysIn, OutcomesFor, Sendable, TopicName, ValueFor } from './types.ts';

/** Options of {@link EventPublisher.sendWhenReady}. */
export interface SendWhenReadyOptions {
  /** Ends the waiting for room with the signal's reason; it has no effect once the payload was accepted. */
  readonly signal?: AbortSignal | undefined;
}

/** Where payloads go in; none before the queue was initialised. */
export interface Door {
  intake: Intake | undefined;
}

/**
 * The send side of a queue. Any number of them may be in use; they are interchangeable.
 *
 * @typeParam C - the collectors of the queue
 * @typeParam T - the topics of the queue and their values
 */
export class EventPublisher<C extends AnyCollector = any, T = AnyTopics> {
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
   * @throws {@link InvalidArgumentError} for what is no Payload, `NotInitializedError` before the first `initQueue`.
   */
  send<P extends Payload>(payload: P & Sendable<C, T, P>): CollectorEvent<OutcomesFor<C, KeysIn<P>>> {
    const { intake } = this.#door;
    if (intake === undefined || !(payload instanceof Payload)) throw misuse(intake, payload);
    return intake.send(payload) as CollectorEvent<any>;
  }

  /** Sends several payloads, in this order. None is sent if one of them is no Payload. */
  sendMany<P extends Payload>(payloads: Iterable<P & Sendable<C, T, P>>): CollectorEvent<OutcomesFor<C, KeysIn<P>>>[] {
    const { intake } = this.#door;
    checkIterable(payloads);
    const all = [...(payloads as Iterable<Payload>)];
    const wrong = all.findIndex((payload) => !(payload instanceof Payload));
    if (intake === undefined || wrong !== -1) throw misuse(intake, all[wrong]);
    return all.map((payload) => intake.send(payload)) as CollectorEvent<any>[];
  }

  /** Makes a payload of a value and sends it. */
  publish<const K extends KeyName<C, T> = never, const N extends TopicName<T> = never>(
    value: ValueFor<C, T, NoInfer<K>, NoInfer<N>>,
    options?: PayloadOptions<K, N>,
  ): CollectorEvent<OutcomesFor<C, K>> {
    const { intake } = this.#door;
    if (intake === undefined) throw notInitialized();
    return intake.send(new Payload(value, options) as Payload) as CollectorEvent<any>;
  }

  /**
   * Waits for room, first come, first served, and then sends, in one step. At shutdown it resolves to an event that has
   * settled as `Err(QueueClosedError)`. Rejects with the signal's reason if that fires before the payload was accepted;
   * then nothing was offered. Rejects for what `send` throws.
   */
  async sendWhenReady<P extends Payload>(
    payload: P & Sendable<C, T, P>,
    options: SendWhenReadyOptions = {},
  ): Promise<CollectorEvent<OutcomesFor<C, KeysIn<P>>>> {
    const { signal } = checkOptions<SendWhenReadyOptions>('sendWhenReady', options, ['signal']);
    checkSignal('sendWhenReady', signal);
    const { intake } = this.#door;
    if (intake === undefined || !(payload instanceof Payload)) throw misuse(intake, payload);
    return (await intake.sendWhenReady(payload, signal)) as CollectorEvent<any>;
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

function misuse(intake: Intake | undefined, payload: unknown): Error {
  return intake === undefined
    ? notInitialized()
    : new InvalidArgumentError('send: payload', 'a Payload', describe(payload));
}

export function notInitialized(): NotInitializedError {
  return new NotInitializedError('the queue was never initialised: await queue.initQueue() first');
}
