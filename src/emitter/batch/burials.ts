import { setMaxListeners } from 'node:events';
import type { Clock } from '../../schedule/clock.ts';
import { settlesWithin } from '../../schedule/time-limit.ts';
import type { StoredEvent } from '../../store/index.ts';
import type { BatchDesk } from './desk.ts';
import type { Reporter } from './reporter.ts';

/**
 * What goes to the dead letter outside of any request: events that were thrown out, and what is left when the emitter
 * closes. Nobody can try these again; where the dead letter fails they are lost, which is logged.
 */
export class Burials {
  readonly #desk: Pick<BatchDesk<object, object>, 'bury'>;
  readonly #reporter: Pick<Reporter<object, object>, 'error'>;
  readonly #most: number;
  readonly #underWay: Set<Promise<void>> = new Set();
  readonly #hurry = new AbortController();

  /** @param most - burials at once; a dead letter that is too slow must not fill the memory */
  constructor(
    desk: Pick<BatchDesk<object, object>, 'bury'>,
    reporter: Pick<Reporter<object, object>, 'error'>,
    most: number,
  ) {
    this.#desk = desk;
    this.#reporter = reporter;
    this.#most = most;
    setMaxListeners(0, this.#hurry.signal);
  }

  get isFull(): boolean {
    return this.#underWay.size >= this.#most;
  }

  begin(events: readonly StoredEvent[], reason: Error): void {
    const failed = (error: unknown): void => this.#reporter.error(`the dead letter, of ${events.length} events`, error);
    try {
      const burying = this.#desk.bury(events, reason, this.#hurry.signal);
      if (burying === undefined) return;
      const burial = burying.catch(failed).finally(() => this.#underWay.delete(burial));
      this.#underWay.add(burial);
    } catch (error) {
      failed(error);
    }
  }

  /** Waits for those under way, as long as this, and gives up on the rest. */
  async end(clock: Clock, limit: number): Promise<void> {
    const all = Promise.all(this.#underWay);
    if (await settlesWithin(all, clock, limit)) return;
    this.#hurry.abort();
    await all;
  }
}
