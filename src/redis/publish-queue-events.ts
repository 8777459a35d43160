import { hostname } from 'node:os';
import { CLOCK_METHODS, checkDuration, checkMethods, checkName, checkOptions, LOGGER_METHODS } from '../core/checks.ts';
import { describe, InvalidArgumentError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { QueueEventMap, QueueEventName } from '../queue-events/names.ts';
import type { QueueEvents } from '../queue-events/queue-events.ts';
import type { QueueEventStream } from '../queue-events/stream.ts';
import type { StreamOptions } from '../queue-events/stream-options.ts';
import { Backoff } from '../schedule/backoff.ts';
import { type Clock, systemClock, type Timer } from '../schedule/clock.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import { lineOf } from './event-lines.ts';
import { type Link, linkTo } from './link.ts';
import { checkTarget, type RedisTarget } from './target.ts';
import { Trouble } from './trouble.ts';

/** Where queue events are published, by default. */
export const DEFAULT_CHANNEL = 'collector-queue:events';

/** Options of {@link publishQueueEvents}. */
export interface PublishQueueEventsOptions extends StreamOptions {
  /**
   * @default 'collector-queue:events'
   */
  readonly channel?: string | undefined;
  /**
   * Names this process in its events.
   * @default host and process id
   */
  readonly origin?: string | undefined;
  /** Told of a Redis that does not take events; without one, the first failure of a row becomes a process warning. */
  readonly logger?: Logger | undefined;
  /**
   * @default the machine's
   */
  readonly clock?: Clock | undefined;
}

/** The publishing of the events of a queue, until it is closed. */
export interface QueueEventPublication extends AsyncDisposable {
  /** Events that Redis took, whether somebody listened or not. */
  readonly published: number;
  /** Events that were lost: Redis was away, or too slow. */
  readonly dropped: number;
  /**
   * Ends it, after what waits has left, or after `timeout` milliseconds. A client that was given stays open. Every call
   * shares one outcome.
   *
   * @param timeout - 1,000 by default
   */
  close(timeout?: number): Promise<void>;
}

const OWNER = 'publishQueueEvents';

/** Events of a message. */
const MOST_LINES = 100;

/** The limit of one command. Milliseconds. */
const REQUEST_TIMEOUT = 5_000;

/** The longest delay between two attempts. Milliseconds. */
const MAX_RETRY_DELAY = 10_000;

const CLOSE_TIMEOUT = 1_000;

/**
 * Tells other processes of the events of a queue, over a channel of Redis. It never holds the queue up: events wait in a
 * bounded buffer, and are dropped and counted while Redis is away. Neither values of payloads nor stacks leave the process.
 *
 * Like any stream of all events it counts as listening to internal errors, which then become no process warnings.
 *
 * @param queue - anything with the `events` of a queue
 * @param redis - a URL, or a client of ioredis or redis, which is used with its owner
 * @throws {@link InvalidArgumentError} (a TypeError) for anything that is wrong.
 */
export function publishQueueEvents(
  queue: { readonly events: QueueEvents },
  redis: RedisTarget,
  options: PublishQueueEventsOptions = {},
): QueueEventPublication {
  return new Publication(queue, redis, options);
}

const NAMES = [
  'channel',
  'origin',
  'logger',
  'clock',
  'filter',
  'bufferSize',
  'signal',
] as const satisfies readonly (keyof PublishQueueEventsOptions)[];

class Publication implements QueueEventPublication {
  readonly #channel: string;
  readonly #origin: string;
  readonly #trouble: Trouble;
  readonly #clock: Clock;
  readonly #link: Link;
  readonly #stream: QueueEventStream;
  readonly #backoff: Backoff;
  readonly #running: Promise<void>;
  #published = 0;
  #unsent = 0;
  /** Under way. */
  #sending = 0;
  #closing: Promise<void> | undefined = undefined;
  #wake: () => void = () => undefined;
  #sent: () => void = () => undefined;

  constructor(queue: { readonly events: QueueEvents }, redis: RedisTarget, options: PublishQueueEventsOptions) {
    const { events } = checkQueue(queue);
    const target = checkTarget(`${OWNER}: redis`, redis);
    checkOptions<PublishQueueEventsOptions>(OWNER, options, NAMES);
    const { channel = DEFAULT_CHANNEL, origin = `${hostname()}:${process.pid}`, logger, clock = systemClock } = options;
    const { filter, bufferSize, signal } = options;
    if (logger !== undefined) checkMethods(`${OWNER}: logger`, logger, LOGGER_METHODS);
    this.#channel = checkName(`${OWNER}: channel`, channel);
    this.#origin = checkName(`${OWNER}: origin`, origin);
    this.#trouble = new Trouble(OWNER, logger);
    this.#clock = checkMethods(`${OWNER}: clock`, clock, CLOCK_METHODS);
    this.#backoff = new Backoff(MAX_RETRY_DELAY, clock);
    this.#stream = events.stream({ filter, bufferSize, signal });
    this.#link = linkTo(target, OWNER);
    this.#running = this.#run();
  }

  get published(): number {
    return this.#published;
  }

  get dropped(): number {
    return this.#unsent + this.#stream.dropped;
  }

  close(timeout = CLOSE_TIMEOUT): Promise<void> {
    this.#closing ??= this.#close(checkDuration(`${OWNER}.close: timeout`, timeout));
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(timeout: number): Promise<void> {
    // Whoever closes wants to know now, whatever the delay.
    this.#wake();
    // What was just handed out is on its way by then.
    await new Promise<void>((resolve) => this.#clock.yieldTurn(resolve));
    await settlesWithin(this.#allSent(), this.#clock, timeout);
    await this.#stream.return();
    this.#link.close();
    this.#wake();
    if (this.#sending === 0) await this.#running;
  }

  async #allSent(): Promise<void> {
    while (this.#stream.buffered > 0 || this.#sending > 0) {
      await new Promise<void>((resolve) => {
        this.#sent = resolve;
      });
    }
  }

  async #run(): Promise<void> {
    for (let next = await this.#stream.next(); next.done !== true; next = await this.#stream.next()) {
      const lines = [this.#line(next.value)];
      while (this.#stream.buffered > 0 && lines.length < MOST_LINES) {
        const more = await this.#stream.next();
        if (more.done === true) break;
        lines.push(this.#line(more.value));
      }
      this.#sending = lines.length;
      const { round } = this.#backoff;
      const failure = await this.#publish(lines);
      this.#sending = 0;
      this.#sent();
      if (failure !== undefined) {
        await this.#pause(failure, round);
        continue;
      }
      this.#backoff.succeeded(round);
      this.#trouble.over();
    }
    this.#unsent += this.#stream.buffered;
    this.#link.close();
  }

  #line(event: QueueEventMap[QueueEventName]): string {
    return lineOf(event, this.#origin);
  }

  /** Returns why they are lost. */
  async #publish(lines: readonly string[]): Promise<unknown> {
    const controller = new AbortController();
    const timer = this.#clock.setTimer(() => controller.abort(), REQUEST_TIMEOUT, true);
    try {
      await this.#link.send(['PUBLISH', this.#channel, `${lines.join('\n')}\n`], controller.signal);
      this.#published += lines.length;
      return undefined;
    } catch (error) {
      this.#unsent += lines.length;
      return error;
    } finally {
      timer.cancel();
    }
  }

  async #pause(failure: unknown, round: number): Promise<void> {
    const delay = this.#backoff.failed(round);
    this.#trouble.tell('events were dropped', failure, delay);
    if (this.#closing !== undefined) return;
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = this.#clock.setTimer(resolve, delay, true);
    });
    timer?.cancel();
  }
}

function checkQueue(queue: { readonly events: QueueEvents }): { readonly events: QueueEvents } {
  const events = (queue as { events?: unknown } | undefined | null)?.events as QueueEvents | undefined;
  if (typeof events === 'object' && events !== null && typeof events.stream === 'function') return { events };
  throw new InvalidArgumentError(`${OWNER}: queue`, 'an object with the events of a queue', describe(queue));
}
