import { reportError } from '../../core/log.ts';
import type { StoredEvent } from '../../store/index.ts';
import type { AttemptFailure, AttemptSuccess } from './options.ts';
import type { BatchSettings } from './settings.ts';

/** Tells the user's callbacks and logger; whatever they do, nobody else is harmed. */
export class Reporter<R extends object, F extends object> {
  readonly #settings: Pick<BatchSettings<R, F>, 'owner' | 'onSuccess' | 'onFailure' | 'logger'>;

  constructor(settings: Pick<BatchSettings<R, F>, 'owner' | 'onSuccess' | 'onFailure' | 'logger'>) {
    this.#settings = settings;
  }

  succeeded(events: readonly StoredEvent[], info: R & AttemptSuccess): void {
    const { onSuccess } = this.#settings;
    if (onSuccess !== undefined) this.#isolated('onSuccess', () => onSuccess(valuesOf(events), info));
  }

  failed(sentCount: number, events: readonly StoredEvent[], info: F & AttemptFailure): void {
    const { onFailure } = this.#settings;
    if (onFailure !== undefined) this.#isolated('onFailure', () => onFailure(sentCount, valuesOf(events), info));
    const fields = { events: events.length, ...info };
    this.warn(fields, info.willRetry ? 'events were not sent, and will be sent again' : 'events were refused');
  }

  /** Something that nobody else is told of. */
  error(source: string, error: unknown): void {
    reportError(this.#settings.logger, `${this.#settings.owner}: ${source}`, error);
  }

  warn(fields: object, message: string): void {
    this.#isolated('the logger', () => this.#settings.logger?.warn(fields, message));
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
