import type { Redis } from 'ioredis';
import { asError } from '../core/errors.ts';
import type { Clock, Timer } from '../schedule/clock.ts';

/** Told what becomes of results. */
export interface NewsReader {
  /** A job is about to end. */
  told(news: string): void;
  /** From here on all is told. */
  complete(): void;
  /** Until {@link NewsReader.complete} is called again, something may be missed. */
  interrupted(): void;
  /** Redis lets nobody listen; told once for each reason. */
  refused(error: Error): void;
}

/** What it is made of. */
export interface NewsParts {
  /** What the connection is made from. */
  readonly template: Redis;
  readonly channel: string;
  readonly clock: Clock;
  /** How long Redis may take to answer, in milliseconds. */
  readonly patience: number;
}

/**
 * The connection on which a process is told of the results of its events, as soon as their jobs end. Nothing is kept for it:
 * what is told while it is away is missed, and has to be looked up.
 */
export class ResultNews {
  readonly #parts: NewsParts;
  readonly #reader: NewsReader;
  readonly #redis: Redis;
  /** What went wrong last. */
  trouble: Error | undefined = undefined;
  #isComplete = false;
  /** Redis owes an answer: without it, the connection is made anew. */
  #deadline: Timer | undefined;
  #refusal: string | undefined;

  constructor(parts: NewsParts, reader: NewsReader) {
    this.#parts = parts;
    this.#reader = reader;
    this.#redis = parts.template.duplicate({ autoResubscribe: false });
    this.#redis.on('error', (error: Error) => {
      this.trouble = error;
      // The other connections tell of an outage.
      if (error.name === 'ReplyError') this.#refused(error);
    });
    this.#redis.on('ready', () => void this.#listen());
    this.#redis.on('close', () => this.#interrupt());
    this.#redis.on('message', (_channel, news) => reader.told(news));
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** To be called now and then: asks Redis for a sign of life. */
  check(): void {
    if (!this.#isComplete || this.#deadline !== undefined) return;
    this.#expectAnswer();
    this.#redis.ping().then(this.#heard, this.#heard);
  }

  close(): void {
    this.#heard();
    this.#redis.disconnect();
  }

  #expectAnswer(): void {
    const { clock, patience } = this.#parts;
    this.#deadline?.cancel();
    this.#deadline = clock.setTimer(() => this.#redis.disconnect(true), patience, true);
  }

  readonly #heard = (): void => {
    this.#deadline?.cancel();
    this.#deadline = undefined;
  };

  async #listen(): Promise<void> {
    this.#expectAnswer();
    try {
      await this.#redis.subscribe(this.#parts.channel);
    } catch (error) {
      // An interruption is no refusal. After a refusal the deadline stays, and there will be another try as well.
      if (this.#redis.status === 'ready') this.#refused(asError(error));
      return;
    }
    this.#heard();
    this.#isComplete = true;
    this.#refusal = undefined;
    this.#reader.complete();
  }

  #interrupt(): void {
    this.#heard();
    this.#isComplete = false;
    this.#reader.interrupted();
  }

  #refused(error: Error): void {
    if (error.message === this.#refusal) return;
    this.#refusal = error.message;
    this.#reader.refused(error);
  }
}
