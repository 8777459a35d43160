import type { JobPart } from './job-part.ts';
import type { Lane } from './lane.ts';
import type { RemoteEvent } from './remote-event.ts';

/** The parts of events that somebody waits for, of all lanes. */
export class AwaitedParts {
  readonly #lanes: ReadonlyMap<string, Lane>;
  readonly #waiting: Set<() => void> = new Set();
  #count = 0;

  constructor(lanes: ReadonlyMap<string, Lane>) {
    this.#lanes = lanes;
  }

  add(part: JobPart): void {
    this.#count++;
    part.lane.results.watch(part);
  }

  remove(part: JobPart): void {
    this.#count--;
    part.lane.results.unwatch(part);
    if (this.#count > 0) return;
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /** Resolves once nobody waits. */
  async none(): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** Who waits waits no more. */
  giveUp(error: Error, which: (event: RemoteEvent) => boolean = () => true): void {
    const parts = [...this.#lanes.values()].flatMap(({ results }) => results.parts());
    const events = new Set(parts.map(({ event }) => event));
    for (const event of events) if (which(event)) event.abandon(error);
  }
}
