import type { Result } from 'neverthrow';
import type { WrittenEvent } from '../store/index.ts';

/** The last frame of a client that is durable with a batch. */
interface ClientMark {
  readonly client: string;
  readonly seq: number;
}

/** Events that become durable together, or not at all. */
export interface SpoolBatch {
  readonly events: readonly WrittenEvent[];
  readonly mark: ClientMark | undefined;
}

/** Makes a batch durable. Never rejects. */
export type Commit = (batch: SpoolBatch) => Promise<Result<unknown, Error>>;

/** How many events there were, and what became of them. */
export interface Tally {
  received: number;
  acknowledged: number;
  refused: number;
}

export function newTally(): Tally {
  return { received: 0, acknowledged: 0, refused: 0 };
}

/** What one line wants. */
export interface SpoolRequest {
  readonly events: readonly WrittenEvent[];
  readonly mark: ClientMark | undefined;
  /** Told once the events are durable, or were refused. */
  readonly answer: (outcome: Result<unknown, Error>) => void;
}

/** A batch gathers no more than this, so that it stays one short write. */
const MOST_EVENTS = 2_000;

/**
 * Commits what one client sends, in order and one write at a time; what comes during a write shares the next. So a number
 * that is durable covers all the numbers before it.
 */
export class Lane {
  readonly #commit: Commit;
  readonly #tally: Tally;
  #waiting: SpoolRequest[] = [];
  #idle: Promise<void> | undefined = undefined;

  constructor(commit: Commit, tally: Tally) {
    this.#commit = commit;
    this.#tally = tally;
  }

  add(request: SpoolRequest): void {
    this.#tally.received += request.events.length;
    this.#waiting.push(request);
    this.#idle ??= this.#run();
  }

  /** Resolves once nothing is under way. */
  async idle(): Promise<void> {
    await this.#idle;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const refusal = await this.#commitGroup(this.#nextGroup());
      if (refusal !== undefined) this.#refuseNumbered(refusal);
    }
    this.#idle = undefined;
  }

  /** Nothing that follows a refused number may become durable before that number comes again. */
  #refuseNumbered(refusal: Result<unknown, Error>): void {
    const numbered = this.#waiting.filter(({ mark }) => mark !== undefined);
    this.#waiting = this.#waiting.filter(({ mark }) => mark === undefined);
    for (const request of numbered) this.#answer(request, refusal);
  }

  #answer({ events, answer }: SpoolRequest, outcome: Result<unknown, Error>): void {
    this.#tally[outcome.isOk() ? 'acknowledged' : 'refused'] += events.length;
    answer(outcome);
  }

  #nextGroup(): SpoolRequest[] {
    let events = 0;
    const end = this.#waiting.findIndex((request) => {
      events += request.events.length;
      return events > MOST_EVENTS;
    });
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : Math.max(1, end));
  }

  /** Returns the refusal of a number, if there was one. */
  async #commitGroup(group: readonly SpoolRequest[]): Promise<Result<unknown, Error> | undefined> {
    const together = group.length === 1 ? (group[0] as SpoolRequest).events : group.flatMap(({ events }) => events);
    const outcome = await this.#commit({ events: together, mark: group.at(-1)?.mark });
    if (outcome.isOk() || group.length === 1) {
      for (const request of group) this.#answer(request, outcome);
      return outcome.isErr() && group[0]?.mark !== undefined ? outcome : undefined;
    }
    // There may be room for some of it.
    let refusal: Result<unknown, Error> | undefined;
    for (const request of group) {
      const { events, mark } = request;
      const own = refusal ?? (await this.#commit({ events, mark }));
      if (own.isErr() && mark !== undefined) refusal = own;
      this.#answer(request, own);
    }
    return refusal;
  }
}
