import { deepStrictEqual as same } from 'node:assert';
import type { EmitterEvent } from 'collector-queue/emitter';
import { type EventId, StoreFullError, type TakeLimits } from 'collector-queue/store';
import type { CountingStore } from './event-store.ts';

export type StoreStep =
  | { readonly kind: 'add'; readonly sizes: readonly number[] }
  | { readonly kind: 'take'; readonly count: number; readonly bytes: number | undefined }
  | { readonly kind: 'ack' | 'release'; readonly which: readonly number[] }
  | { readonly kind: 'reopen' };

interface Entry {
  id: EventId;
  readonly event: EmitterEvent;
  inFlight: boolean;
}

interface Rules {
  readonly capacity: number;
  readonly overflow: 'dropNewest' | 'dropOldest';
}

type Reopen = (store: CountingStore) => Promise<CountingStore>;

function bytesOf({ event }: Entry): number {
  return Buffer.byteLength(JSON.stringify(event));
}

/** A store beside an array, oldest first, that says what is right. */
export class EventStoreModel {
  store: CountingStore;
  readonly #rules: Rules;
  readonly #reopen: Reopen | undefined;
  #entries: Entry[] = [];
  /** Ids that were in use once. */
  readonly #gone: EventId[] = [];
  readonly #told: EmitterEvent[] = [];
  #expectedTold: EmitterEvent[] = [];
  #dropped = 0;
  #number = 0;

  constructor(store: CountingStore, rules: Rules, reopen: Reopen | undefined) {
    this.store = store;
    this.#rules = rules;
    this.#reopen = reopen;
    this.#listen();
  }

  async take(step: StoreStep): Promise<void> {
    if (step.kind === 'add') await this.#add(step.sizes);
    else if (step.kind === 'take') await this.#take(step.count, step.bytes);
    else if (step.kind === 'reopen') await this.#restart();
    else await this.#return(step.kind, step.which);
    same(this.store.size, this.#entries.length);
    same(this.store.dropped, this.#dropped);
    same(this.#told, this.#expectedTold);
  }

  /** Whatever still waits comes out. */
  async end(): Promise<void> {
    await this.#take(1_000, undefined);
    await this.#return(
      'release',
      this.#entries.map((_, at) => at),
    );
    await this.#take(1_000, undefined);
  }

  /** All at the same time. */
  async #add(sizes: readonly number[]): Promise<void> {
    const events = sizes.map((size): EmitterEvent => ({ n: this.#number++, text: 'ü'.repeat(size) }));
    const expected = events.map((event) => this.#expectAdded(event));
    const results = await Promise.all(events.map((event) => this.store.add(event)));
    for (const [at, result] of results.entries()) {
      const entry = expected[at];
      same(result.isOk(), entry !== undefined);
      if (result.isOk()) (entry as Entry).id = result.value;
      else same(result.error instanceof StoreFullError, true);
    }
  }

  #expectAdded(event: EmitterEvent): Entry | undefined {
    if (this.#entries.length === this.#rules.capacity) {
      this.#dropped++;
      const oldest = this.#entries.findIndex(({ inFlight }) => !inFlight);
      if (this.#rules.overflow === 'dropNewest' || oldest === -1) return undefined;
      this.#expectedTold.push(...this.#entries.splice(oldest, 1).map((entry) => entry.event));
    }
    const entry: Entry = { id: -1, event, inFlight: false };
    this.#entries.push(entry);
    return entry;
  }

  async #take(count: number, bytes: number | undefined): Promise<void> {
    const expected: Entry[] = [];
    let room = bytes ?? Number.POSITIVE_INFINITY;
    for (const entry of this.#entries.filter(({ inFlight }) => !inFlight).slice(0, count)) {
      room -= bytesOf(entry);
      if (room < 0 && expected.length > 0) break;
      expected.push(entry);
    }
    const limits: TakeLimits = { count, bytes };
    const taken = await this.store.take(limits);
    same(
      taken.map(({ id, event }) => ({ id, event })),
      expected.map(({ id, event }) => ({ id, event })),
    );
    for (const entry of expected) entry.inFlight = true;
  }

  /** Of those that are in flight, and of some that are not any more. */
  async #return(kind: 'ack' | 'release', which: readonly number[]): Promise<void> {
    const chosen = this.#entries.filter(({ inFlight }, at) => inFlight && which.includes(at));
    await this.store[kind]([...chosen.map(({ id }) => id), ...this.#gone.slice(-2)]);
    for (const entry of chosen) entry.inFlight = false;
    if (kind === 'release') return;
    this.#entries = this.#entries.filter((entry) => !chosen.includes(entry));
    this.#gone.push(...chosen.map(({ id }) => id));
  }

  async #restart(): Promise<void> {
    this.store = await (this.#reopen as Reopen)(this.store);
    this.#listen();
    for (const entry of this.#entries) entry.inFlight = false;
    this.#gone.length = 0;
    this.#dropped = 0;
  }

  #listen(): void {
    this.store.onDrop(({ event }) => this.#told.push(event));
  }
}
