import { type Logger, logInfo, reportError, reportWarning } from '../../core/log.ts';
import { OWNER } from './settings.ts';

/** Tells the user's logger; whatever that does, nobody else is harmed. */
export class Reporter {
  readonly #logger: Logger | undefined;

  constructor(logger: Logger | undefined) {
    this.#logger = logger;
  }

  /** What goes well by itself. */
  info(fields: object, message: string): void {
    if (this.#logger !== undefined) logInfo(this.#logger, fields, `${OWNER}: ${message}`);
  }

  /** What will be tried again. Without a logger nobody needs to know. */
  warn(message: string): void {
    if (this.#logger !== undefined) reportWarning(this.#logger, `${OWNER}: ${message}`);
  }

  /** What somebody has to see to. */
  error(source: string, error: unknown): void {
    reportError(this.#logger, `${OWNER}: ${source}`, error);
  }
}
