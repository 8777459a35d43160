import type { Redis } from 'ioredis';
import { asError } from '../core/errors.ts';

/** Told what becomes of results. */
export interface NewsReader {
  /** A job has ended. */
  told(news: string): void;
  /** From here on all is told. */
  complete(): void;
  /** Until {@link NewsReader.complete} is called again, something may be missed. */
  interrupted(): void;
  /** Redis lets nobody listen; told once for each reason. */
  refused(error: Error): void;
}

/** Checks in a row that Redis may leave without an answer. */
const SILENCES = 2;

/**
 * The connection on which a process is told of the results of its events, as soon as their jobs end. Nothing is kept for it:
 * what is told while it is away is missed, and has to be looked up.
 */
export class ResultNews {
  readonly #redis: Redis;
  readonly #channel: string;
  readonly #reader: NewsReader;
  #isComplete = false;
  #silences = 0;
  #refusal: string | undefined;

  constructor(template: Redis, channel: string, reader: NewsReader) {
    this.#channel = channel;
    this.#reader = reader;
    this.#redis = template.duplicate({ autoResubscribe: false });
    // The other connections tell of an outage.
    this.#redis.on('error', () => undefined);
    this.#redis.on('ready', () => {
      this.#silences = 0;
      void this.#listen();
    });
    this.#redis.on('close', () => {
      this.#isComplete = false;
      reader.interrupted();
    });
    this.#redis.on('message', (_channel, news) => reader.told(news));
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** To be called now and then: a connection on which Redis does not answer, or lets nobody listen, is made anew. */
  check(): void {
    if (this.#redis.status !== 'ready') return;
    if (this.#silences === SILENCES) {
      this.#redis.disconnect(true);
      return;
    }
    this.#silences++;
    if (this.#isComplete) this.#redis.ping().then(this.#heard, () => undefined);
  }

  close(): void {
    this.#redis.disconnect();
  }

  readonly #heard = (): void => {
    this.#silences = 0;
  };

  async #listen(): Promise<void> {
    try {
      await this.#redis.subscribe(this.#channel);
    } catch (error) {
      // An interruption is no refusal: there will be another connection.
      if (this.#redis.status === 'ready') this.#refused(asError(error));
      return;
    }
    this.#heard();
    this.#isComplete = true;
    this.#refusal = undefined;
    this.#reader.complete();
  }

  #refused(error: Error): void {
    if (error.message === this.#refusal) return;
    this.#refusal = error.message;
    this.#reader.refused(error);
  }
}
