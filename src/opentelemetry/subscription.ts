import { tracingChannel } from 'node:diagnostics_channel';
import type { TracingChannelName } from '../core/tracing.ts';
import { safely } from './failure.ts';
import type { Operation } from './operation.ts';

/** Makes operations out of what a channel tells. */
export interface Observer<T> {
  begin(trace: T): Operation;
  end(trace: T, operation: Operation): void;
}

/** Follows what a tracing channel tells, from the beginning of each operation to its end. */
export class Subscription<T extends object> {
  readonly #observer: Observer<T>;
  readonly #channel: ReturnType<typeof tracingChannel>;
  readonly #running: WeakMap<object, Operation> = new WeakMap();
  #count = 0;
  #isOn = false;
  #isSubscribed = false;

  constructor(name: TracingChannelName, observer: Observer<T>) {
    this.#channel = tracingChannel(name);
    this.#observer = observer;
  }

  operationOf(trace: object): Operation | undefined {
    return this.#running.get(trace);
  }

  on(): void {
    this.#isOn = true;
    if (this.#isSubscribed) return;
    this.#isSubscribed = true;
    this.#channel.start.subscribe(this.#started);
    this.#channel.end.subscribe(this.#returned);
    this.#channel.asyncEnd.subscribe(this.#ended);
  }

  /** Nothing new is followed; what goes on is followed to its end. */
  off(): void {
    this.#isOn = false;
    this.#leave();
  }

  readonly #started = (trace: unknown): void => {
    if (!this.#isOn) return;
    safely(() => {
      this.#running.set(trace as T, this.#observer.begin(trace as T));
      this.#count++;
    });
  };

  /** There is an outcome already, or a promise of one. */
  readonly #returned = (trace: unknown): void => {
    if ('result' in (trace as T) || 'error' in (trace as T)) this.#ended(trace);
  };

  readonly #ended = (trace: unknown): void => {
    const operation = this.#running.get(trace as T);
    if (operation === undefined) return;
    this.#running.delete(trace as T);
    this.#count--;
    safely(() => this.#observer.end(trace as T, operation));
    this.#leave();
  };

  #leave(): void {
    if (this.#isOn || this.#count > 0 || !this.#isSubscribed) return;
    this.#isSubscribed = false;
    this.#channel.start.unsubscribe(this.#started);
    this.#channel.end.unsubscribe(this.#returned);
    this.#channel.asyncEnd.unsubscribe(this.#ended);
  }
}
