import { describeThrown } from '../core/errors.ts';
import { type Logger, reportError } from '../core/log.ts';

/** What a store on disk tells the operator. Without a logger it becomes process warnings. */
export class StoreLog {
  readonly #logger: Logger | undefined;
  readonly #path: string;

  constructor(logger: Logger | undefined, path: string) {
    this.#logger = logger;
    this.#path = path;
  }

  /** @param cause - what the database said */
  warn(message: string, cause?: unknown): void {
    const said = cause === undefined ? '' : `: ${describeThrown(cause)}`;
    if (this.#logger === undefined) {
      process.emitWarning(`event store ${this.#path}: ${message}${said}`, 'CollectorQueueWarning');
      return;
    }
    try {
      this.#logger.warn(
        { path: this.#path, ...(cause === undefined ? {} : { err: cause }) },
        `event store: ${message}`,
      );
    } catch (error) {
      reportError(undefined, 'the logger', error);
    }
  }
}
