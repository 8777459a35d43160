import type { JobPart } from './job-part.ts';
import type { RemoteEvent } from './remote-event.ts';
import type { ResultWatch } from './result-watch.ts';

/** The parts of events that somebody waits for. */
export class AwaitedParts {
  readonly #results: ResultWatch;
  readonly #waiting: Set<() => void> = new Set();

  constructor(results: ResultWatch) {
    this.#results = results;
  }

  add(part: JobPart): void {
    this.#results.watch(part);
  }

  remove(part: JobPart): void {
    this.#results.unwatch(part);
    if (this.#results.size > 0 || this.#waiting.size === 0) return;
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /** Resolves once nobody waits. */
  async none(): Promise<void> {
    if (this.#results.size > 0) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** Who waits waits no more. */
  giveUp(error: Error, which: (event: RemoteEvent) => boolean = () => true): void {
    const events = new Set(this.#results.parts().map(({ event }) => event));
    for (const event of events) if (which(event)) event.abandon(error);
  }
}
