import { err, ok, type Result } from 'neverthrow';
import { describeThrown } from '../core/errors.ts';
import type { DiskReserve } from './disk-reserve.ts';
import type { DropListeners } from './drop-listeners.ts';
import { StoreDiskError, StoreFullError, type StoreRefusal } from './errors.ts';
import { type EventId, StoreOverflow } from './event-store.ts';
import type { NumberedEvent } from './flight.ts';
import type { LevelBacklog } from './level-backlog.ts';
import type { LevelConnection } from './level-connection.ts';
import type { LevelOperation } from './level-database.ts';
import { type EventRecord, eventKey, seal } from './level-records.ts';
import type { LevelTidying } from './level-tidying.ts';

/** How much is written at once, at most; but one event at least. */
const GROUP = { count: 1_000, bytes: 1 << 20 } as const;

/** How many deletions go along. */
const CHORES = 1_000;

/** An event that is to be written, and who waits for that. */
interface Addition {
  readonly record: EventRecord;
  settle(result: Result<EventId, StoreRefusal>): void;
}

/** What is written at once, and synced once. */
interface Group {
  readonly additions: Addition[];
  /** Thrown out for them; in flight until that is certain. */
  readonly victims: NumberedEvent[];
  bytes: number;
  /** Of its victims. */
  freed: number;
}

/** Operations that no acknowledgement depends on: they are not synced, and repeated if they fail. */
interface Chore {
  readonly operations: readonly LevelOperation[];
  /** Of the events that they delete. */
  readonly bytes: number;
  /** Called when they were tried, perhaps more than once. */
  tried(): void;
}

/** How much a store may hold, and how it is kept. */
export interface CommitRules {
  readonly capacity: number;
  readonly maxBytes: number;
  readonly overflow: StoreOverflow;
  readonly sync: boolean;
}

interface CommitParts {
  readonly rules: CommitRules;
  readonly connection: LevelConnection;
  readonly backlog: LevelBacklog;
  readonly drops: DropListeners;
  readonly reserve: DiskReserve;
  readonly tidying: LevelTidying;
}

/**
 * The writing side. One write is under way at a time; what comes meanwhile is the next group, and shares one sync. An
 * addition settles only after that.
 */
export class GroupCommit {
  readonly #rules: CommitRules;
  readonly #connection: LevelConnection;
  readonly #backlog: LevelBacklog;
  readonly #drops: DropListeners;
  readonly #reserve: DiskReserve;
  readonly #tidying: LevelTidying;
  readonly #chores: Chore[] = [];
  #additions: Addition[] = [];
  /** Not settled yet, those in the group that is being written too. */
  #pending = { count: 0, bytes: 0 };
  #refused = 0;
  /** Numbers of a group that failed are not used again. */
  #lastId = 0;
  /** Thrown out for a group of which nobody knows whether it was written. */
  #doubtful: readonly NumberedEvent[] = [];
  #working: Promise<void> | undefined;

  constructor({ rules, connection, backlog, drops, reserve, tidying }: CommitParts) {
    this.#rules = rules;
    this.#connection = connection;
    this.#backlog = backlog;
    this.#drops = drops;
    this.#reserve = reserve;
    this.#tidying = tidying;
  }

  /** How many events were refused because there was no room. */
  get refused(): number {
    return this.#refused;
  }

  add(record: EventRecord): Promise<Result<EventId, StoreRefusal>> {
    if (!this.#mayPend(record)) return Promise.resolve(this.#full());
    this.#pending.count++;
    this.#pending.bytes += record.bytes;
    return new Promise((resolve) => {
      const settle = (result: Result<EventId, StoreRefusal>): void => {
        this.#pending.count--;
        this.#pending.bytes -= record.bytes;
        resolve(result);
      };
      this.#additions.push({ record, settle });
      this.#wake();
    });
  }

  /**
   * Resolves once they are written, or could not be; in that case they are tried again with the next write.
   *
   * @param bytes - of the events that they delete
   */
  chore(operations: readonly LevelOperation[], bytes: number): Promise<void> {
    if (operations.length === 0) return Promise.resolve();
    return new Promise((tried) => {
      this.#chores.push({ operations, bytes, tried });
      this.#wake();
    });
  }

  /** Resolves once nothing more can be written. */
  async idle(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
  }

  /** The numbers in use are known now. */
  begin(lastId: number): void {
    this.#lastId = lastId;
  }

  /**
   * Opened again after a write that failed: now it shows whether the disk has its group. Nobody must ever get an event
   * that was refused.
   *
   * @param found - keys beyond those that were written with success
   */
  resume(found: readonly Uint8Array[]): void {
    const victims = this.#doubtful.map(({ id }) => id);
    this.#doubtful = [];
    if (found.length === 0) {
      this.#backlog.flight.release(victims);
    } else {
      for (const victim of this.#backlog.flight.end(victims)) this.#drops.tell(victim);
      void this.chore(
        found.map((key) => ({ type: 'del', key })),
        0,
      );
    }
  }

  #wake(): void {
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    await turn();
    while (this.#additions.length > 0 || this.#chores.length > 0) {
      try {
        await this.#connection.ready();
      } catch (refusal) {
        this.#giveUp(refusal as StoreRefusal);
        break;
      }
      if (this.#reserve.isUsed) this.#refuse(await this.#reserve.refusal());
      await this.#commit();
      // Who was just told that an event is safe may add the next, which belongs to the next group.
      await turn();
    }
    this.#working = undefined;
  }

  async #commit(): Promise<void> {
    const group = await this.#gather();
    const chores = this.#chores.splice(0, CHORES);
    const events = group.additions.map(({ record }) => ({ ...record, id: ++this.#lastId }));
    const operations = [
      ...chores.flatMap((chore) => chore.operations),
      ...group.victims.map(deletion),
      ...events.map(put),
    ];
    if (operations.length === 0) return;
    try {
      await this.#connection.database.write(operations, this.#rules.sync && events.length > 0);
    } catch (error) {
      return this.#failed(group, chores, error);
    }
    for (const victim of this.#backlog.flight.end(group.victims.map(({ id }) => id))) this.#drops.tell(victim);
    this.#backlog.written(events.map(({ id, event, bytes }) => ({ id, event, bytes })));
    for (const [at, { settle }] of group.additions.entries()) settle(ok((events[at] as NumberedEvent).id));
    for (const { tried } of chores) tried();
    const freed = chores.reduce((sum, { bytes }) => sum + bytes, group.freed);
    if (freed > 0) this.#tidying.deleted(freed, this.#reserve.isUsed);
  }

  #failed({ additions, victims }: Group, chores: readonly Chore[], error: unknown): void {
    this.#connection.broke(error);
    this.#doubtful = victims;
    this.#chores.unshift(...chores);
    const message = `the event could not be written: ${describeThrown(error)}`;
    for (const { settle } of additions) settle(err(new StoreDiskError(message, { cause: error })));
    for (const { tried } of chores) tried();
  }

  #giveUp(refusal: StoreRefusal): void {
    this.#refuse(refusal);
    for (const { tried } of this.#chores) tried();
  }

  #refuse(refusal: StoreRefusal | undefined): void {
    if (refusal === undefined) return;
    const refused = this.#additions;
    this.#additions = [];
    for (const { settle } of refused) settle(err(refusal));
  }

  /** Takes from those that wait, in order, as many as a group may have. */
  async #gather(): Promise<Group> {
    const group: Group = { additions: [], victims: [], bytes: 0, freed: 0 };
    let at = 0;
    for (; group.additions.length < GROUP.count && group.bytes < GROUP.bytes; at++) {
      const addition = this.#additions[at];
      if (addition === undefined) break;
      const room = this.#fits(addition.record, group) ? 'free' : await this.#makeRoom(addition.record, group);
      if (room === 'later') break;
      if (room === 'none') {
        addition.settle(this.#full());
        continue;
      }
      group.additions.push(addition);
      group.bytes += addition.record.bytes;
    }
    this.#additions.splice(0, at);
    return group;
  }

  /** Takes the oldest events for an addition that does not fit, unless even that would not do. */
  async #makeRoom(record: EventRecord, group: Group): Promise<'free' | 'none' | 'later'> {
    if (this.#rules.overflow === StoreOverflow.DROP_NEWEST) return 'none';
    const before = group.victims.length;
    while (!this.#fits(record, group)) {
      const [victim] = await this.#backlog.takeOne().catch(() => []);
      if (victim === undefined) {
        this.#spare(group, before);
        // Those of this group can be thrown out once they are written.
        return group.additions.length > 0 ? 'later' : 'none';
      }
      group.victims.push(victim);
      group.freed += victim.bytes;
    }
    return 'free';
  }

  /** Gives back the victims of an addition that does not come. */
  #spare(group: Group, before: number): void {
    const spared = group.victims.splice(before);
    for (const { bytes } of spared) group.freed -= bytes;
    this.#backlog.flight.release(spared.map(({ id }) => id));
  }

  #fits({ bytes }: EventRecord, group: Group): boolean {
    const { capacity, maxBytes } = this.#rules;
    const count = this.#backlog.size - group.victims.length + group.additions.length;
    const used = this.#backlog.bytes - group.freed + group.bytes;
    return count + 1 <= capacity && used + bytes <= maxBytes;
  }

  /** What waits to be written is in memory, and as bounded as what is written. */
  #mayPend({ bytes }: EventRecord): boolean {
    const { capacity, maxBytes, overflow } = this.#rules;
    const stays = overflow === StoreOverflow.DROP_NEWEST;
    const count = this.#pending.count + (stays ? this.#backlog.size : 0);
    const used = this.#pending.bytes + (stays ? this.#backlog.bytes : 0);
    return count + 1 <= capacity && used + bytes <= maxBytes;
  }

  #full(): Result<never, StoreFullError> {
    this.#refused++;
    return err(new StoreFullError(`the event store holds ${this.#backlog.size} events already (capacity, maxBytes)`));
  }
}

function put({ id, bytes, value }: EventRecord & { readonly id: number }): LevelOperation {
  const key = eventKey({ id, bytes });
  seal(value, key);
  return { type: 'put', key, value };
}

export function deletion(event: NumberedEvent): LevelOperation {
  return { type: 'del', key: eventKey(event) };
}

/** Whatever is ready to run has run then. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
