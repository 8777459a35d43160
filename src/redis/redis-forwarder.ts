import { checkDuration, checkOptions } from '../core/checks.ts';
import { asError } from '../core/errors.ts';
import { CLOSE_TIMEOUT, type Emitter } from '../emitter/index.ts';
import { Backoff } from '../schedule/backoff.ts';
import type { Timer } from '../schedule/clock.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import { dialerTo } from './connection.ts';
import { type ForwarderSettings, OWNER, type RedisForwarderOptions, resolveForwarder } from './forwarder-options.ts';
import { type HandedOver, handToEmitter } from './handing-over.ts';
import { OwnLink } from './link.ts';
import { ProcessingList, type TakenText } from './processing-list.ts';
import { checkTarget, type RedisTarget } from './target.ts';
import { Trouble } from './trouble.ts';

/** Options of {@link RedisForwarder.stop}. */
export interface StopOptions {
  /**
   * The longest that events in the emitter's hands are waited for, in milliseconds.
   * @default 10_000
   */
  readonly timeout?: number | undefined;
}

/** What {@link RedisForwarder.stop} resolves to. */
export interface StopReport {
  /**
   * Events that went back to the list, for others to forward; undefined if Redis did not answer, and others will find
   * them by themselves.
   */
  readonly returned: number | undefined;
}

/** What a {@link RedisForwarder} has done since it was made, and what it holds now. */
export interface RedisForwarderMetrics {
  /** Events that the emitter took. */
  readonly forwarded: number;
  /** Elements that went to the dead list. */
  readonly deadLettered: number;
  /** How often the emitter did not take an event that it will be given again. */
  readonly failed: number;
  /** Events of dead forwarders that it put back. */
  readonly recovered: number;
  /** Events that are in the emitter's hands. */
  readonly inProcess: number;
  /** Milliseconds until it goes on after a failure; 0 if nothing is waited for. */
  readonly retryDelay: number;
}

/** Signs of life, and looks for the dead, in each `heartbeatTimeout`. */
const BEATS = 3;

/** What giving events back may take when the time of `stop` is over. Milliseconds. */
const GRACE = 1_000;

/**
 * Takes events off a list in Redis and hands them to an emitter. An event is moved to a processing list first, and removed
 * from that when the emitter has it: a forwarder that is killed loses nothing, since others put back what it had. What it
 * handed over shortly before may be forwarded again: at least once.
 *
 * It has one connection of its own, and connects again by itself. It neither opens nor closes the emitter.
 */
export class RedisForwarder {
  readonly #emitter: Emitter;
  readonly #settings: ForwarderSettings;
  readonly #link: OwnLink;
  readonly #list: ProcessingList;
  readonly #backoff: Backoff;
  readonly #trouble: Trouble;
  #state: 'stopped' | 'running' | 'stopping' = 'stopped';
  #running: Promise<void> = Promise.resolve();
  #stopping: Promise<StopReport> | undefined = undefined;
  /** Ends what a run waits for when it stops. */
  #halt = new AbortController();
  #recoverAt = Number.NEGATIVE_INFINITY;
  /** What Redis could not be told yet; taken again, it would be forwarded twice. */
  #unsettled: HandedOver | undefined = undefined;
  #counts = { forwarded: 0, deadLettered: 0, failed: 0, recovered: 0, inProcess: 0 };

  /**
   * @param redis - a URL, or a client of ioredis or redis; of a client only its options are used
   * @throws {@link InvalidArgumentError} (a TypeError) for anything that is wrong.
   */
  constructor(redis: RedisTarget, emitter: Emitter, options: RedisForwarderOptions = {}) {
    const target = checkTarget(`${OWNER}: redis`, redis);
    this.#emitter = emitter;
    this.#settings = resolveForwarder(emitter, options);
    this.#link = new OwnLink(dialerTo(target, `a ${OWNER}`), { keepsAlive: true });
    this.#list = new ProcessingList(this.#link, this.#settings);
    this.#backoff = new Backoff(this.#settings.maxRetryDelay, this.#settings.clock);
    this.#trouble = new Trouble(OWNER, this.#settings.logger);
  }

  /** Names its processing list. */
  get id(): string {
    return this.#settings.id;
  }

  /**
   * Begins to forward, and does not wait for Redis. Again after a `stop`. Rejects with a {@link MissingPackageError} if neither
   * ioredis nor redis is installed.
   */
  async start(): Promise<void> {
    await this.#stopping;
    await this.#link.prepare();
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    this.#unsettled = undefined;
    this.#stopping = undefined;
    this.#halt = new AbortController();
    this.#running = this.#run(this.#halt.signal);
  }

  /**
   * Takes nothing more, waits for what the emitter has, and gives the rest back. Ends within `timeout` and about a second.
   * Idempotent: every call shares one outcome.
   */
  stop(options: StopOptions = {}): Promise<StopReport> {
    const { timeout = CLOSE_TIMEOUT } = checkOptions<StopOptions>(`${OWNER}.stop`, options, ['timeout']);
    const limit = checkDuration(`${OWNER}.stop: timeout`, timeout);
    if (this.#state === 'stopped' && this.#stopping === undefined) return Promise.resolve({ returned: 0 });
    this.#stopping ??= this.#stop(limit);
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** What it did, and what it holds. */
  getMetrics(): RedisForwarderMetrics {
    return { ...this.#counts, retryDelay: this.#backoff.remaining };
  }

  async #run(halt: AbortSignal): Promise<void> {
    while (!halt.aborted) {
      const { round } = this.#backoff;
      const failure = await this.#turn(halt).catch((thrown: unknown) => asError(thrown));
      if (halt.aborted) return;
      if (failure === undefined) {
        this.#backoff.succeeded(round);
        this.#trouble.over();
        continue;
      }
      const delay = this.#backoff.failed(round);
      this.#trouble.tell('events wait', failure, delay);
      await this.#sleep(delay, halt);
    }
  }

  /** Returns, or throws, why to leave it for a while. */
  async #turn(halt: AbortSignal): Promise<Error | undefined> {
    const { batchSize, heartbeatTimeout, clock } = this.#settings;
    if (clock.now() >= this.#recoverAt) {
      this.#counts.recovered += await this.#limited((signal) => this.#list.recover(signal));
      this.#recoverAt = clock.now() + heartbeatTimeout / BEATS;
    }
    if (this.#unsettled !== undefined) await this.#settle(this.#unsettled);
    const taken = await this.#limited((signal) => this.#list.take(batchSize, signal));
    if (taken.length > 0) return this.#forward(taken, halt);
    const wait = heartbeatTimeout / BEATS;
    await this.#limited((signal) => this.#list.wait(wait, signal), wait, halt);
    return undefined;
  }

  async #forward(taken: readonly TakenText[], halt: AbortSignal): Promise<Error | undefined> {
    this.#counts.inProcess = taken.length;
    const beat = this.#keepBeating();
    try {
      const handed = await handToEmitter(this.#emitter, this.#settings.ack, taken);
      // It was stopped, and gave them back.
      if (halt.aborted && this.#state !== 'stopping') return undefined;
      this.#unsettled = handed;
      this.#counts.forwarded += handed.done.length;
      this.#counts.failed += handed.again.length;
      await this.#settle(handed);
      return handed.failure;
    } finally {
      beat.cancel();
      this.#counts.inProcess = 0;
    }
  }

  async #settle({ done, dead }: HandedOver): Promise<void> {
    if (done.length + dead.length > 0) await this.#limited((signal) => this.#list.settle(done, dead, signal));
    this.#unsettled = undefined;
    this.#counts.deadLettered += dead.length;
  }

  /** However long the emitter takes, others are told that this one lives. */
  #keepBeating(): Timer {
    const { clock, heartbeatTimeout } = this.#settings;
    let isOver = false;
    let timer: Timer;
    const beat = (): void => {
      void this.#limited((signal) => this.#list.beat(signal))
        .catch((error) => this.#trouble.tell('a sign of life was not taken', error, 0))
        .then(arm);
    };
    const arm = (): void => {
      if (!isOver) timer = clock.setTimer(beat, heartbeatTimeout / BEATS);
    };
    arm();
    return {
      cancel: () => {
        isOver = true;
        timer.cancel();
      },
    };
  }

  /** Does something with Redis, which gets so long beyond the time that it waits by itself. */
  async #limited<T>(act: (signal: AbortSignal) => Promise<T>, waits = 0, halt?: AbortSignal): Promise<T> {
    const { clock, requestTimeout } = this.#settings;
    const controller = new AbortController();
    const giveUp = (): void => controller.abort();
    const timer = clock.setTimer(giveUp, waits + requestTimeout);
    halt?.addEventListener('abort', giveUp);
    if (halt?.aborted === true) giveUp();
    try {
      return await act(controller.signal);
    } finally {
      timer.cancel();
      halt?.removeEventListener('abort', giveUp);
    }
  }

  async #sleep(delay: number, halt: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#settings.clock.setTimer(resolve, delay);
      halt.addEventListener('abort', () => {
        timer.cancel();
        resolve();
      });
      if (halt.aborted) resolve();
    });
  }

  async #stop(timeout: number): Promise<StopReport> {
    const { clock } = this.#settings;
    this.#state = 'stopping';
    this.#halt.abort();
    await settlesWithin(this.#running, clock, timeout);
    this.#state = 'stopped';
    let returned: number | undefined;
    const giving = this.#limited((signal) => this.#list.giveBack(signal)).then((count) => {
      returned = count;
    });
    await settlesWithin(giving, clock, GRACE).catch((error: unknown) =>
      this.#trouble.tell('others will find what it had', error, 0),
    );
    this.#link.close();
    return { returned };
  }
}
