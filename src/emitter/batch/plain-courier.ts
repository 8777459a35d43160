import { asError } from '../../core/errors.ts';
import type { Clock } from '../../schedule/clock.ts';
import type { StoredEvent } from '../../store/index.ts';
import type { BatchCourier, Consignment, Left } from './consignment.ts';
import type { BatchDesk } from './desk.ts';

/** How a batch travels that goes as a whole, or not at all. */
export interface PlainCourierPlan<R> {
  /** The most events of a batch. */
  readonly batchSize: number;
  /** The most bytes of a batch, its events counted as their JSON. */
  readonly byteLimit: number;
  /** The limit of one attempt, in milliseconds. */
  readonly requestTimeout: number;
  readonly clock: Clock;
  /**
   * Sends the events: resolves to what the other side said once it has them all. Rejects if it has none of them, or if that
   * cannot be known; with an error that has `retryable: false` if nobody shall try again.
   *
   * @param texts - the JSON of each event, in their order
   * @param signal - fires when nobody waits for the outcome any more
   * @param events - the same events, with their ids in the store
   */
  send(texts: readonly string[], signal: AbortSignal, events: readonly StoredEvent[]): Promise<R>;
  /** The error of an attempt that took too long, or that the end of the emitter cut off. */
  lost(message: string): Error;
}

/** Takes each batch to the other side in one request. */
export class PlainCourier<R extends object> implements BatchCourier {
  readonly most: number;
  readonly room: number;
  readonly #desk: BatchDesk<R, object>;
  readonly #plan: PlainCourierPlan<R>;

  constructor(desk: BatchDesk<R, object>, plan: PlainCourierPlan<R>) {
    this.most = plan.batchSize;
    this.room = plan.byteLimit;
    this.#desk = desk;
    this.#plan = plan;
  }

  sizeOf(event: StoredEvent['event']): number {
    return Buffer.byteLength(JSON.stringify(event));
  }

  async deliver(consignment: Consignment): Promise<Left> {
    const { events, stop } = consignment;
    const isToWait = stop.aborted || this.#desk.delay > 0;
    const { failed, again } = isToWait ? { failed: false, again: [events] } : await this.#try(consignment);
    const left = again.flat();
    if (left.length > 0) await this.#desk.release(consignment, left);
    return { left: left.length, failed };
  }

  async #try(consignment: Consignment): ReturnType<BatchDesk<R, object>['sent']> {
    const { events, stop } = consignment;
    const trial = this.#desk.begin(consignment, events);
    let receipt: R;
    try {
      const texts = events.map(({ event }) => JSON.stringify(event));
      this.#desk.requested(texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0));
      receipt = await this.#inTime(texts, events, stop);
    } catch (thrown) {
      const error = asError(thrown);
      this.#desk.requestFailed();
      const isFinal = (error as { retryable?: unknown }).retryable === false;
      return isFinal ? this.#desk.refuse(trial, error, {}) : this.#desk.failed(trial, error, {});
    }
    return this.#desk.sent(trial, receipt);
  }

  /** Whatever the other side does, an attempt ends. What it says later is not heard. */
  #inTime(texts: readonly string[], events: readonly StoredEvent[], stop: AbortSignal): Promise<R> {
    const { clock, requestTimeout } = this.#plan;
    const controller = new AbortController();
    return new Promise((resolve, reject) => {
      const giveUp = (message: string): void => {
        reject(this.#plan.lost(message));
        controller.abort();
      };
      const stopped = (): void => giveUp('the emitter was closed during the request');
      const timer = clock.setTimer(
        () => giveUp(`no reply within ${requestTimeout} ms (requestTimeout)`),
        requestTimeout,
      );
      stop.addEventListener('abort', stopped);
      const end = (): void => {
        timer.cancel();
        stop.removeEventListener('abort', stopped);
      };
      const sending = (async () => this.#plan.send(texts, controller.signal, events))();
      sending.then(resolve, reject).finally(end);
      if (stop.aborted) stopped();
    });
  }
}
