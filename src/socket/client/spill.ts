import type { EmitterEvent } from '../../emitter/index.ts';
import type { DropListener, EventId, EventStore, StoredEvent, TakeLimits } from '../../store/index.ts';
import type { Reporter } from './reporter.ts';

/** The store that keeps events while the daemon is away. What it fails with is logged, and otherwise as if it had nothing. */
export class Spill {
  readonly #store: EventStore;
  readonly #reporter: Reporter;
  readonly #unlisten: (() => void) | undefined;
  /** Events on their way into it. */
  #adds = 0;
  readonly #chores: Set<Promise<void>> = new Set();
  /** How many adds have begun, ever. */
  #begun = 0;
  #mayHold = true;
  #isFailing = false;

  /** @param dropped - told of each event that it throws out for a younger one */
  constructor(store: EventStore, reporter: Reporter, dropped: DropListener) {
    this.#store = store;
    this.#reporter = reporter;
    this.#unlisten = store.onDrop?.(dropped);
  }

  /**
   * Whether there may be events in it that nobody has taken: of an earlier process at first, and from each `add` on, until
   * a `take` finds none.
   */
  get mayHold(): boolean {
    return this.#mayHold;
  }

  get size(): number {
    return this.#store.size;
  }

  /** Rejects as the store does. */
  async open(): Promise<void> {
    await this.#store.open?.();
  }

  /** The same, when nobody can be told. */
  async openQuietly(): Promise<void> {
    await this.#guarded('opening', () => this.open());
  }

  /** Wants to know no more of it. */
  stop(): void {
    this.#unlisten?.();
  }

  /** Whether anything is on its way into it, or out of it. */
  get isBusy(): boolean {
    return this.#adds > 0 || this.#chores.size > 0;
  }

  /** Calls back with whether the event is kept. */
  add(event: EmitterEvent, added: (isKept: boolean) => void): void {
    this.#begun++;
    this.#adds++;
    this.#mayHold = true;
    let isKept = false;
    const add = async (): Promise<void> => {
      const outcome = await this.#store.add(event);
      if (outcome.isErr()) throw outcome.error;
      isKept = true;
    };
    void this.#chore(
      this.#guarded('add to', add).then(() => {
        this.#adds--;
        added(isKept);
      }),
    );
  }

  /** The oldest events that nobody has taken; undefined if the store fails. Never rejects. */
  async take(limits: TakeLimits): Promise<readonly StoredEvent[] | undefined> {
    const begun = this.#begun;
    let taken: readonly StoredEvent[] | undefined;
    const take = async (): Promise<void> => {
      taken = await this.#store.take(limits);
    };
    await this.#chore(this.#guarded('take of', take));
    if (taken?.length === 0 && this.#adds === 0 && begun === this.#begun) this.#mayHold = false;
    return taken;
  }

  /** The daemon has these, or nobody will. */
  ack(ids: readonly EventId[]): void {
    if (ids.length > 0) void this.#chore(this.#guarded('ack of', () => this.#store.ack(ids)));
  }

  /** These were not sent after all. */
  release(ids: readonly EventId[]): void {
    if (ids.length === 0) return;
    this.#mayHold = true;
    void this.#chore(this.#guarded('release of', () => this.#store.release(ids)));
  }

  /** Resolves once nothing is under way. */
  async idle(): Promise<void> {
    while (this.isBusy) await Promise.all(this.#chores);
  }

  #chore(chore: Promise<void>): Promise<void> {
    const done: Promise<void> = chore.then(() => void this.#chores.delete(done));
    this.#chores.add(done);
    return done;
  }

  /** A store that fails does so with every event: that is told once, until it works again. */
  async #guarded(what: string, call: () => Promise<void>): Promise<void> {
    try {
      await call();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#reporter.error(`${what} the spill`, error);
      this.#isFailing = true;
    }
  }
}
