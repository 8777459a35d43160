import { type Logger, reportError } from '../core/log.ts';
import type { StoredEvent } from '../store/index.ts';
import type { FailureInfo, HttpEmitterOptions, SuccessInfo } from './options.ts';

/** Tells the user's callbacks and logger; whatever they do, nobody else is harmed. */
export class Reporter {
  readonly #options: Pick<HttpEmitterOptions, 'onSuccess' | 'onFailure'>;
  readonly #logger: Logger | undefined;

  constructor(options: Pick<HttpEmitterOptions, 'onSuccess' | 'onFailure'>, logger: Logger | undefined) {
    this.#options = options;
    this.#logger = logger;
  }

  succeeded(events: readonly StoredEvent[], info: SuccessInfo): void {
    const { onSuccess } = this.#options;
    if (onSuccess !== undefined) this.#isolated('onSuccess', () => onSuccess(valuesOf(events), info));
  }

  failed(sentCount: number, events: readonly StoredEvent[], info: FailureInfo): void {
    const { onFailure } = this.#options;
    if (onFailure !== undefined) this.#isolated('onFailure', () => onFailure(sentCount, valuesOf(events), info));
    const fields = { events: events.length, ...info };
    this.warn(fields, info.willRetry ? 'events were not sent, and will be sent again' : 'events were refused');
  }

  /** Something that nobody else is told of. */
  error(source: string, error: unknown): void {
    reportError(this.#logger, `HttpEmitter: ${source}`, error);
  }

  warn(fields: object, message: string): void {
    this.#isolated('the logger', () => this.#logger?.warn(fields, message));
  }

  #isolated(source: string, call: () => unknown): void {
    try {
      const outcome = call();
      if (outcome instanceof Promise) outcome.catch((error) => this.error(source, error));
    } catch (error) {
      this.error(source, error);
    }
  }
}

function valuesOf(events: readonly StoredEvent[]): StoredEvent['event'][] {
  return events.map(({ event }) => event);
}
