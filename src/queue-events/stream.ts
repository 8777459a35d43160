import type { QueueEventMap, QueueEventName } from './names.ts';
import type { StreamSettings } from './stream-options.ts';

type AnyQueueEvent = QueueEventMap[QueueEventName];

/**
 * Queue events in the order in which they came, for one consumer. Concurrent calls of `next()` are served in turn. The
 * stream listens until it is ended: by leaving the loop, `return()`, `throw()`, `await using` or its signal. From then
 * on it gives nothing more, not even what was waiting.
 *
 * What passed the filter until then was handed out, dropped or buffered: the three add up.
 */
export interface QueueEventStream<N extends QueueEventName = QueueEventName>
  extends AsyncIterableIterator<QueueEventMap[N], undefined, undefined>,
    AsyncDisposable {
  /** How many events the consumer has missed so far because it was too slow. */
  readonly dropped: number;
  /** How many events wait; once the stream has ended, how many were left. */
  readonly buffered: number;
  /** Ends the stream at once. It may be called again. */
  return(): Promise<IteratorReturnResult<undefined>>;
  /** Ends the stream at once, and rejects with the error. */
  throw(error?: unknown): Promise<never>;
}

/** What a stream needs of the source of its events. */
interface StreamSource {
  on(name: QueueEventName, listener: (event: AnyQueueEvent) => void): unknown;
  off(name: QueueEventName, listener: (event: AnyQueueEvent) => void): unknown;
  /** Tells of user code that failed when it was called with an event of this name. */
  reportFailure(what: string, name: QueueEventName, error: unknown): void;
}

/**
 * A stream that listens from its construction on. Either events wait for calls of `next()`, or calls wait for events,
 * or neither; never both.
 */
export class BufferedStream<N extends QueueEventName> implements QueueEventStream<N> {
  readonly #source: StreamSource;
  readonly #settings: StreamSettings;
  #events: Line<QueueEventMap[N]> = new Line();
  #calls: Line<(result: IteratorResult<QueueEventMap[N], undefined>) => void> = new Line();
  #dropped = 0;
  /** How many events were left when the stream ended; undefined while it goes on. */
  #left: number | undefined = undefined;

  constructor(source: StreamSource, settings: StreamSettings) {
    this.#source = source;
    this.#settings = settings;
    const { names, signal } = settings;
    signal?.addEventListener('abort', this.#end, { once: true });
    for (const name of names) source.on(name, this.#take);
    if (signal?.aborted === true) this.#end();
  }

  get dropped(): number {
    return this.#dropped;
  }

  get buffered(): number {
    return this.#left ?? this.#events.length;
  }

  next(): Promise<IteratorResult<QueueEventMap[N], undefined>> {
    if (this.#left !== undefined) return Promise.resolve({ done: true, value: undefined });
    const event = this.#events.take();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    return new Promise((resolve) => this.#calls.push(resolve));
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#end();
    return { done: true, value: undefined };
  }

  async throw(error?: unknown): Promise<never> {
    this.#end();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
  }

  /** The listener. It may be called once more after the end, by an emission that was under way. */
  readonly #take = (event: AnyQueueEvent): void => {
    if (!this.#passes(event) || this.#left !== undefined) return;
    const told = event as QueueEventMap[N];
    const call = this.#calls.take();
    if (call === undefined) this.#keep(told);
    else call({ done: false, value: told });
  };

  #keep(event: QueueEventMap[N]): void {
    if (this.#events.length === this.#settings.bufferSize) {
      this.#events.take();
      this.#dropped++;
    }
    this.#events.push(event);
  }

  /** User code. A promise is no answer; it would pass as true. */
  #passes(event: AnyQueueEvent): boolean {
    const { filter } = this.#settings;
    if (filter === undefined) return true;
    if (this.#left !== undefined) return false;
    try {
      const answer = filter(event);
      if (!(answer instanceof Promise)) return Boolean(answer);
      answer.catch(() => undefined);
      throw new TypeError('the filter of a stream must return a boolean, but it returned a promise');
    } catch (error) {
      this.#source.reportFailure('filter of a stream', event.status, error);
      return false;
    }
  }

  readonly #end = (): void => {
    if (this.#left !== undefined) return;
    this.#left = this.#events.length;
    const { names, signal } = this.#settings;
    for (const name of names) this.#source.off(name, this.#take);
    signal?.removeEventListener('abort', this.#end);
    this.#events = new Line();
    for (let call = this.#calls.take(); call !== undefined; call = this.#calls.take()) {
      call({ done: true, value: undefined });
    }
  };
}

/** First in, first out, at the same cost however long it is. */
class Line<T> {
  #items: (T | undefined)[] = [];
  /** Where the first item is. Before it is a gap, which is closed when it is at least half of all. */
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  take(): T | undefined {
    const item = this.#items[this.#first];
    if (item === undefined) return undefined;
    this.#items[this.#first++] = undefined;
    if (this.#first * 2 >= this.#items.length) {
      this.#items.splice(0, this.#first);
      this.#first = 0;
    }
    return item;
  }
}
