import { EventEmitter } from 'eventemitter3';
import { type QueueEventMap, QueueEventName } from './names.ts';
import { BufferedStream, type QueueEventStream } from './stream.ts';
import { type RefuseArgument, resolveStream, type StreamOptions } from './stream-options.ts';

/** A listener of one queue event. What it throws, or rejects with, is reported as `error-internal` and harms nobody. */
export type QueueEventListener<N extends QueueEventName> = (event: QueueEventMap[N]) => unknown;

/**
 * The observable notifications of a queue. Listeners are called synchronously, in the order in which they were added;
 * one that was added twice is called twice. Nothing is made for an event that nobody listens to.
 */
export interface QueueEvents {
  /** @throws `InvalidArgumentError` for an unknown name or a listener that is no function. */
  on<N extends QueueEventName>(name: N, listener: QueueEventListener<N>): this;
  /** Like `on`, for the next event only. */
  once<N extends QueueEventName>(name: N, listener: QueueEventListener<N>): this;
  /** Removes what was added last, if it was added. */
  off<N extends QueueEventName>(name: N, listener: QueueEventListener<N>): this;
  /** How many listeners an event has; a stream that is about it counts as one. */
  listenerCount(name: QueueEventName): number;
  /**
   * The events from now on, to be iterated over: `for await (const event of queue.events.stream())`. Like a listener, it
   * outlasts a shutdown, and does not keep the process alive.
   *
   * @typeParam N - the names that the filter lists
   * @throws `InvalidArgumentError` for a wrong option or an unknown option name.
   */
  stream<const N extends QueueEventName = QueueEventName>(options?: StreamOptions<N>): QueueEventStream<NoInfer<N>>;
}

/** What the source of an event says about it; name and time are added. */
type Details<N extends QueueEventName> = Omit<QueueEventMap[N], 'status' | 'timestamp'>;

interface Guarded {
  readonly name: QueueEventName;
  readonly listener: unknown;
  readonly call: (event: unknown) => void;
}

interface Deferred {
  readonly name: QueueEventName;
  readonly event: unknown;
}

const NAMES: ReadonlySet<unknown> = new Set(Object.values(QueueEventName));

/**
 * The side of {@link QueueEvents} on which the queue emits. eventemitter3 keeps the listeners; each is wrapped so that
 * its failure ends with itself.
 */
export class QueueEventSource implements QueueEvents {
  /** How many listeners there are, of any event. 0 is what the hot path looks at. */
  listening = 0;
  readonly #emitter: EventEmitter = new EventEmitter();
  readonly #guarded: Guarded[] = [];
  readonly #wall: () => number;
  readonly #refuse: RefuseArgument;
  readonly #lastResort: (source: string, error: unknown) => void;
  #deferred: Deferred[] = [];
  /** How many of these were told. */
  #told = 0;

  /**
   * @param wall - the time of day, in milliseconds since the epoch
   * @param refuse - makes the error for a wrong argument
   * @param lastResort - told of an internal error that nobody listens for
   */
  constructor(wall: () => number, refuse: RefuseArgument, lastResort: (source: string, error: unknown) => void) {
    this.#wall = wall;
    this.#refuse = refuse;
    this.#lastResort = lastResort;
  }

  on<N extends QueueEventName>(name: N, listener: QueueEventListener<N>): this {
    return this.#add(name, listener, (event) => this.#call(name, listener, event));
  }

  once<N extends QueueEventName>(name: N, listener: QueueEventListener<N>): this {
    return this.#add(name, listener, (event) => {
      this.off(name, listener);
      this.#call(name, listener, event);
    });
  }

  off<N extends QueueEventName>(name: N, listener: QueueEventListener<N>): this {
    const at = this.#guarded.findLastIndex((one) => one.name === name && one.listener === listener);
    const guarded = this.#guarded[at];
    if (guarded === undefined) return this;
    this.#guarded.splice(at, 1);
    this.#emitter.off(name, guarded.call);
    this.listening--;
    return this;
  }

  listenerCount(name: QueueEventName): number {
    return this.#emitter.listenerCount(name);
  }

  stream<const N extends QueueEventName = QueueEventName>(
    options: StreamOptions<N> = {},
  ): QueueEventStream<NoInfer<N>> {
    return new BufferedStream<N>(this, resolveStream(options, this.#refuse));
  }

  /** Whether to go to the expense of describing an event. */
  observed(name: QueueEventName): boolean {
    return this.listening !== 0 && this.#emitter.listenerCount(name) !== 0;
  }

  emit<N extends QueueEventName>(name: N, details: Details<N>): void {
    if (this.#deferred.length > 0) this.#flush();
    this.#emitter.emit(name, { status: name, timestamp: this.#wall(), ...details });
  }

  /** An error that has no payload to settle: told to whoever listens, or else as a last resort. */
  reportInternal(source: string, error: unknown): void {
    if (this.observed(QueueEventName.ERROR_INTERNAL)) this.emit(QueueEventName.ERROR_INTERNAL, { source, error });
    else this.#lastResort(source, error);
  }

  /** User code failed when it was called with an event. If that told of a failure, this one is told to no listener. */
  reportFailure(source: string, name: QueueEventName, error: unknown): void {
    if (name === QueueEventName.ERROR_INTERNAL) this.#lastResort(source, error);
    else this.reportInternal(source, error);
  }

  /** Emits in a microtask, or before the next event: for places where no user code may run. */
  defer<N extends QueueEventName>(name: N, details: Details<N>): void {
    const event = { status: name, timestamp: this.#wall(), ...details };
    if (this.#deferred.push({ name, event }) === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    // A listener that causes an event has what was deferred before it told first, by the same loop from there on.
    for (let next = this.#deferred[this.#told]; next !== undefined; next = this.#deferred[this.#told]) {
      this.#told++;
      this.#emitter.emit(next.name, next.event);
    }
    this.#deferred = [];
    this.#told = 0;
  }

  #add(name: QueueEventName, listener: unknown, call: (event: never) => void): this {
    if (!NAMES.has(name)) throw this.#refuse('name', 'the name of a queue event', name);
    if (typeof listener !== 'function') throw this.#refuse('listener', 'a function', listener);
    const guarded: Guarded = { name, listener, call: call as (event: unknown) => void };
    this.#guarded.push(guarded);
    this.#emitter.on(name, guarded.call);
    this.listening++;
    return this;
  }

  #call<N extends QueueEventName>(name: N, listener: QueueEventListener<N>, event: QueueEventMap[N]): void {
    try {
      const returned = listener(event);
      if (returned instanceof Promise) returned.catch((error) => this.#reportListener(name, error));
    } catch (error) {
      this.#reportListener(name, error);
    }
  }

  #reportListener(name: QueueEventName, error: unknown): void {
    this.reportFailure(`listener of "${name}"`, name, error);
  }
}
