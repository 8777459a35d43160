import { CLOCK_METHODS, checkMethods, checkName, checkOptions, checkTimer, LOGGER_METHODS } from '../core/checks.ts';
import { describe, InvalidArgumentError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { QueueEventMap, QueueEventName } from '../queue-events/names.ts';
import { BufferedStream, type QueueEventStream } from '../queue-events/stream.ts';
import { resolveStream, type StreamOptions } from '../queue-events/stream-options.ts';
import { Backoff } from '../schedule/backoff.ts';
import { type Clock, systemClock } from '../schedule/clock.ts';
import { type Connection, type Dialer, dialerTo } from './connection.ts';
import { RedisConnectionError } from './errors.ts';
import { eventsIn, type RemoteQueueEvent } from './event-lines.ts';
import { DEFAULT_CHANNEL } from './publish-queue-events.ts';
import { checkTarget, type RedisTarget } from './target.ts';
import { Trouble } from './trouble.ts';

/** Options of {@link listenQueueEvents}. */
export interface ListenQueueEventsOptions<N extends QueueEventName = QueueEventName> extends StreamOptions<N> {
  /**
   * @default 'collector-queue:events'
   */
  readonly channel?: string | undefined;
  /**
   * The most that is waited between two attempts to connect, in milliseconds; at least 0.
   * @default 10_000
   */
  readonly maxRetryDelay?: number | undefined;
  /** Told of a Redis that cannot be listened to; without one, the first failure of a row becomes a process warning. */
  readonly logger?: Logger | undefined;
  /**
   * @default the machine's
   */
  readonly clock?: Clock | undefined;
}

/** Queue events of other processes, as {@link QueueEventStream} hands out those of one queue. */
export interface RemoteQueueEventStream<N extends QueueEventName = QueueEventName>
  extends AsyncIterableIterator<RemoteQueueEvent<N>, undefined, undefined>,
    AsyncDisposable {
  /** How many events the consumer has missed so far because it was too slow. */
  readonly dropped: number;
  /** How many events wait; once the stream has ended, how many were left. */
  readonly buffered: number;
  /** How many lines came that were no queue events. */
  readonly malformed: number;
  /** Whether it listens now. What is published while it does not is missed. */
  readonly connected: boolean;
  /** Resolves when it listens; at once if it does, or if the stream has ended. */
  listening(): Promise<void>;
  /** Ends the stream, and its connection, at once. It may be called again. */
  return(): Promise<IteratorReturnResult<undefined>>;
  /** Ends the stream at once, and rejects with the error. */
  throw(error?: unknown): Promise<never>;
}

const OWNER = 'listenQueueEvents';

const NAMES = [
  'channel',
  'maxRetryDelay',
  'logger',
  'clock',
  'filter',
  'bufferSize',
  'signal',
] as const satisfies readonly (keyof ListenQueueEventsOptions)[];

/** What subscribing may take. Milliseconds. */
const SUBSCRIBE_TIMEOUT = 10_000;

/**
 * The queue events that other processes publish from now on: `for await (const event of listenQueueEvents(redis))`. It has a
 * connection of its own, connects again by itself, and keeps the process alive until it ends: by leaving the loop,
 * `return()`, `throw()`, `await using` or its signal.
 *
 * Whoever may publish on the channel may say what they like: an event is told as it came.
 *
 * @param redis - a URL, or a client of ioredis or redis; of a client only its options are used
 * @throws {@link InvalidArgumentError} (a TypeError) for anything that is wrong.
 */
export function listenQueueEvents<const N extends QueueEventName = QueueEventName>(
  redis: RedisTarget,
  options: ListenQueueEventsOptions<N> = {},
): RemoteQueueEventStream<NoInfer<N>> {
  const target = checkTarget(`${OWNER}: redis`, redis);
  checkOptions<ListenQueueEventsOptions>(OWNER, options, NAMES);
  const { channel = DEFAULT_CHANNEL, maxRetryDelay = 10_000, logger, clock = systemClock, ...stream } = options;
  if (logger !== undefined) checkMethods(`${OWNER}: logger`, logger, LOGGER_METHODS);
  const settings = resolveStream(stream, (argument, expected, value) => {
    return new InvalidArgumentError(argument.replace(/^stream/, OWNER), expected, describe(value));
  });
  const source = new ChannelSource({
    dialer: dialerTo(target, OWNER),
    channel: checkName(`${OWNER}: channel`, channel),
    backoff: new Backoff(checkTimer(`${OWNER}: maxRetryDelay`, maxRetryDelay, 0), clock),
    trouble: new Trouble(OWNER, logger),
    clock: checkMethods(`${OWNER}: clock`, clock, CLOCK_METHODS),
  });
  const events = new BufferedStream(source, settings) as QueueEventStream<QueueEventName>;
  source.start();
  return new RemoteStream<N>(source, events);
}

class RemoteStream<N extends QueueEventName> implements RemoteQueueEventStream<N> {
  readonly #source: ChannelSource;
  readonly #events: QueueEventStream<QueueEventName>;

  constructor(source: ChannelSource, events: QueueEventStream<QueueEventName>) {
    this.#source = source;
    this.#events = events;
  }

  get dropped(): number {
    return this.#events.dropped;
  }

  get buffered(): number {
    return this.#events.buffered;
  }

  get malformed(): number {
    return this.#source.malformed;
  }

  get connected(): boolean {
    return this.#source.connected;
  }

  listening(): Promise<void> {
    return this.#source.listening();
  }

  next(): Promise<IteratorResult<RemoteQueueEvent<N>, undefined>> {
    return this.#events.next() as Promise<IteratorResult<RemoteQueueEvent<N>, undefined>>;
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    return this.#events.return();
  }

  throw(error?: unknown): Promise<never> {
    return this.#events.throw(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#events.return();
  }
}

interface SourceParts {
  readonly dialer: Dialer;
  readonly channel: string;
  readonly backoff: Backoff;
  readonly trouble: Trouble;
  readonly clock: Clock;
}

type Listener = (event: QueueEventMap[QueueEventName]) => void;

/** Listens to a channel as long as somebody listens to it. */
class ChannelSource {
  malformed = 0;
  connected = false;
  readonly #parts: SourceParts;
  readonly #listeners: Map<QueueEventName, Listener> = new Map();
  #connection: Connection | undefined = undefined;
  #wake: () => void = () => undefined;
  #waiting: (() => void)[] = [];

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  on(name: QueueEventName, listener: Listener): void {
    this.#listeners.set(name, listener);
  }

  off(name: QueueEventName): void {
    this.#listeners.delete(name);
    if (this.#isOver) this.#end();
  }

  reportFailure(what: string, _name: QueueEventName, error: unknown): void {
    this.#parts.trouble.tell(what, error, 0);
  }

  start(): void {
    if (!this.#isOver) void this.#run();
  }

  async listening(): Promise<void> {
    if (this.connected || this.#isOver) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  get #isOver(): boolean {
    return this.#listeners.size === 0;
  }

  #end(): void {
    this.connected = false;
    this.#connection?.destroy();
    this.#wake();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #run(): Promise<void> {
    const { backoff, clock, trouble } = this.#parts;
    while (!this.#isOver) {
      const { round } = backoff;
      const failure = await this.#listen(round).catch((error: unknown) => error);
      this.connected = false;
      if (this.#isOver) return;
      const delay = backoff.failed(backoff.round);
      trouble.tell('events are missed', failure ?? new RedisConnectionError('the connection was lost'), delay);
      await new Promise<void>((resolve) => {
        const timer = clock.setTimer(resolve, delay);
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
    }
  }

  /** Resolves when the connection has ended; rejects if there was none. */
  async #listen(round: number): Promise<void> {
    const { dialer, channel, backoff, clock, trouble } = this.#parts;
    let ended: () => void = () => undefined;
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    const connection = await dialer.dial({ keepsAlive: true, ended });
    this.#connection = connection;
    if (this.#isOver) connection.destroy();
    let isLate = false;
    const timer = clock.setTimer(() => {
      isLate = true;
      connection.destroy();
    }, SUBSCRIBE_TIMEOUT);
    try {
      await connection.ready;
      await Promise.race([connection.subscribe(channel, (message) => this.#take(message)), end]);
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      timer.cancel();
    }
    if (isLate) throw new RedisConnectionError(`no reply within ${SUBSCRIBE_TIMEOUT} ms`);
    if (this.#isOver) return;
    backoff.succeeded(round);
    trouble.over();
    this.connected = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
    await end;
  }

  #take(message: string): void {
    const { events, malformed } = eventsIn(message);
    this.malformed += malformed;
    for (const event of events) this.#listeners.get(event.status)?.(event);
  }
}
