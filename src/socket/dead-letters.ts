import type { Logger } from '../core/log.ts';
import type { EmitterEvent } from '../emitter/index.ts';
import { HttpStatusError } from '../http/index.ts';
import { type LevelEventStore, type ListedEvent, type ListOptions, StoreFullError } from '../store/index.ts';

/** An event that the endpoint refused for good, as it stands in the store of dead letters. */
export interface SpooledDeadLetter {
  readonly event: EmitterEvent;
  /** Why, in words. */
  readonly reason: string;
  /** What the endpoint answered, if that was why. */
  readonly status?: number;
}

/** How many go back to the spool at once. */
const CHUNK = 500;

/** Keeps what will not be sent any more, until somebody looks at it. */
export class DeadLetters {
  readonly #store: LevelEventStore;
  readonly #logger: Logger | undefined;
  #isFull = false;

  constructor(store: LevelEventStore, logger?: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Whether the last that came found no room, and none has left since. */
  get isFull(): boolean {
    return this.#isFull;
  }

  get size(): number {
    return this.#store.size;
  }

  /** Resolves once they are durable. Rejects if they could not be made so. */
  async bury(events: readonly EmitterEvent[], error: Error): Promise<void> {
    const status = error instanceof HttpStatusError ? { status: error.status } : {};
    const letters = events.map((event): SpooledDeadLetter => ({ event, reason: error.message, ...status }));
    const stored = await this.#store.addAll(letters as unknown as EmitterEvent[]);
    this.#notice(stored.isErr() && stored.error instanceof StoreFullError);
    if (stored.isErr()) throw stored.error;
  }

  list(options: ListOptions): AsyncIterable<ListedEvent> {
    return this.#store.list(options);
  }

  /**
   * Puts events back into the spool, oldest first, and says how many. Each leaves here only when it is durable there. What
   * comes meanwhile stays: it may be the same events, refused again.
   *
   * @param ids - those alone; all by default
   */
  async redrive(spool: LevelEventStore, ids?: readonly number[]): Promise<number> {
    const wanted = ids === undefined ? undefined : new Set(ids);
    const spared: number[] = [];
    const last = await this.#youngest();
    let redriven = 0;
    try {
      while (wanted === undefined || wanted.size > 0) {
        const taken = await this.#store.take({ count: CHUNK });
        const chosen = taken.filter(({ id }) => (id as number) <= last && (wanted?.delete(id as number) ?? true));
        spared.push(...taken.filter((letter) => !chosen.includes(letter)).map(({ id }) => id as number));
        await this.#moveTo(spool, chosen);
        redriven += chosen.length;
        if (taken.every(({ id }) => (id as number) > last)) break;
      }
    } finally {
      await this.#store.release(spared);
    }
    return redriven;
  }

  async #youngest(): Promise<number> {
    for await (const { id } of this.#store.list({ newest: true, limit: 1 })) return id;
    return 0;
  }

  async #moveTo(spool: LevelEventStore, letters: Awaited<ReturnType<LevelEventStore['take']>>): Promise<void> {
    const ids = letters.map(({ id }) => id);
    const events = letters.map(({ event }) => (event as unknown as SpooledDeadLetter).event);
    const stored = await spool.addAll(events);
    if (stored.isOk()) {
      await this.#store.ack(ids);
      if (ids.length > 0) this.#notice(false);
      return;
    }
    await this.#store.release(ids);
    throw stored.error;
  }

  /** Says once that it is full, and once that it is not any more. */
  #notice(isFull: boolean): void {
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    const fields = { deadLetters: this.size };
    if (isFull)
      this.#logger?.error(
        fields,
        'no room for more dead letters: what is refused is held in the spool, and holds up the rest',
      );
    else this.#logger?.info(fields, 'there is room for dead letters again');
  }
}
