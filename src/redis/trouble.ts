import { describeThrown } from '../core/errors.ts';
import { type Logger, reportWarning } from '../core/log.ts';

/**
 * Tells of what fails for a while and is tried again: each time to a logger; without one, the first failure of a row becomes
 * a process warning.
 */
export class Trouble {
  readonly #owner: string;
  readonly #logger: Logger | undefined;
  #isTold = false;

  constructor(owner: string, logger: Logger | undefined) {
    this.#owner = owner;
    this.#logger = logger;
  }

  /** @param delay - milliseconds until the next attempt */
  tell(what: string, error: unknown, delay: number): void {
    const message = `${this.#owner}: ${what}: ${describeThrown(error)}`;
    if (this.#logger === undefined) {
      if (!this.#isTold) reportWarning(undefined, message);
      this.#isTold = true;
      return;
    }
    try {
      this.#logger.warn({ err: error, delay }, message);
    } catch (thrown) {
      reportWarning(undefined, `${this.#owner}: the logger failed: ${describeThrown(thrown)}`);
    }
  }

  over(): void {
    this.#isTold = false;
  }
}
