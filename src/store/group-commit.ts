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
import { deletion, type EventRecord, markOperations, put, type StoreMarks } from './level-records.ts';
import type { LevelTidying } from './level-tidying.ts';

/** How much is written at once, at most; but one event at least. */
const GROUP = { count: 1_000, bytes: 1 << 20 } as const;

/** How many deletions go along. */
const CHORES = 1_000;

/** Events that are to be written together, and who waits for that. */
interface Addition {
  readonly records: readonly EventRecord[];
  /** Of them all. */
  readonly bytes: number;
  /** Written along with them. */
  readonly marks: StoreMarks;
  settle(result: Result<EventId[], StoreRefusal>): void;
}

/** What is written at once, and synced once. */
interface Group {
  readonly additions: Addition[];
  /** Events of them. */
  count: number;
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

interface Doubt {
  readonly victims: readonly NumberedEvent[];
  readonly marks: StoreMarks;
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
  /** Of a group of which nobody knows whether it was written: what was thrown out for it, the marks as they were. */
  #doubtful: Doubt = { victims: [], marks: {} };
  /** Those that are written. */
  #marks: Map<string, string> = new Map();
  #working: Promise<void> | undefined;

  constructor({ rules, connection, backlog, drops, reserve, tidying }: CommitParts) {
    this.#rules = rules;
    this.#connection = connection;
    this.#backlog = backlog;
    this.#drops = drops;
    this.#reserve = reserve;
    this.#tidying = tidying;
  }

  /** Texts by name that are written. */
  get marks(): ReadonlyMap<string, string> {
    return this.#marks;
  }

  /** How many events were refused because there was no room. */
  get refused(): number {
    return this.#refused;
  }

  /** Writes all of them, or none. */
  add(records: readonly EventRecord[], marks: StoreMarks): Promise<Result<EventId[], StoreRefusal>> {
    const count = records.length;
    const bytes = records.reduce((sum, record) => sum + record.bytes, 0);
    if (!this.#mayPend(count, bytes)) return Promise.resolve(this.#full(count, bytes));
    this.#pending.count += count;
    this.#pending.bytes += bytes;
    return new Promise((resolve) => {
      const settle = (result: Result<EventId[], StoreRefusal>): void => {
        this.#pending.count -= count;
        this.#pending.bytes -= bytes;
        resolve(result);
      };
      this.#additions.push({ records, bytes, marks, settle });
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

  /** The numbers and marks in use are known now. */
  begin(lastId: number, marks: Map<string, string>): void {
    this.#lastId = lastId;
    this.#marks = marks;
  }

  /**
   * Opened again after a write that failed: now it shows whether the disk has its group. Nobody must ever get an event
   * that was refused.
   *
   * @param found - keys beyond those that were written with success
   */
  resume(found: readonly Uint8Array[]): void {
    const { victims, marks } = this.#doubtful;
    this.#doubtful = { victims: [], marks: {} };
    const ids = victims.map(({ id }) => id);
    if (found.length === 0) this.#backlog.flight.release(ids);
    else for (const victim of this.#backlog.flight.end(ids)) this.#drops.tell(victim);
    // In one write: a mark that outlived its events would speak for events that are not there. And before anything else:
    // it would take back what is younger.
    const operations = [...found.map((key) => ({ type: 'del' as const, key })), ...markOperations(marks)];
    if (operations.length === 0) return;
    this.#chores.unshift({ operations, bytes: 0, tried: () => undefined });
    this.#wake();
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
    const numbered = group.additions.map(({ records }) => records.map((record) => ({ ...record, id: ++this.#lastId })));
    const events = numbered.flat();
    const operations = [
      ...chores.flatMap((chore) => chore.operations),
      ...group.victims.map(deletion),
      ...events.map(put),
      ...group.additions.flatMap(({ marks }) => markOperations(marks)),
    ];
    try {
      await this.#write(operations, group.additions.length > 0);
    } catch (error) {
      return this.#failed(group, chores, error);
    }
    for (const victim of this.#backlog.flight.end(group.victims.map(({ id }) => id))) this.#drops.tell(victim);
    this.#backlog.written(events.map(({ id, event, bytes }) => ({ id, event, bytes })));
    for (const { marks } of group.additions) this.#setMarks(marks);
    for (const [at, { settle }] of group.additions.entries()) settle(ok((numbered[at] ?? []).map(({ id }) => id)));
    for (const { tried } of chores) tried();
    const freed = chores.reduce((sum, { bytes }) => sum + bytes, group.freed);
    if (freed > 0) this.#tidying.deleted(freed, this.#reserve.isUsed);
  }

  async #write(operations: readonly LevelOperation[], isAwaited: boolean): Promise<void> {
    if (operations.length > 0) await this.#connection.database.write(operations, this.#rules.sync && isAwaited);
  }

  #setMarks(marks: StoreMarks): void {
    for (const [name, text] of Object.entries(marks)) {
      if (text === undefined) this.#marks.delete(name);
      else this.#marks.set(name, text);
    }
  }

  #failed({ additions, victims }: Group, chores: readonly Chore[], error: unknown): void {
    this.#connection.broke(error);
    this.#doubtful = { victims, marks: this.#marksBefore(additions) };
    this.#chores.unshift(...chores);
    const message = `the event could not be written: ${describeThrown(error)}`;
    for (const { settle } of additions) settle(err(new StoreDiskError(message, { cause: error })));
    for (const { tried } of chores) tried();
  }

  #marksBefore(additions: readonly Addition[]): StoreMarks {
    const names = additions.flatMap(({ marks }) => Object.keys(marks));
    return Object.fromEntries(names.map((name) => [name, this.#marks.get(name)]));
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
    const group: Group = { additions: [], count: 0, victims: [], bytes: 0, freed: 0 };
    let at = 0;
    for (; group.count < GROUP.count && group.bytes < GROUP.bytes; at++) {
      const addition = this.#additions[at];
      if (addition === undefined) break;
      const room = this.#fits(addition, group) ? 'free' : await this.#makeRoom(addition, group);
      if (room === 'later') break;
      if (room === 'none') {
        addition.settle(this.#full(addition.records.length, addition.bytes));
        continue;
      }
      group.additions.push(addition);
      group.count += addition.records.length;
      group.bytes += addition.bytes;
    }
    this.#additions.splice(0, at);
    return group;
  }

  /** Takes the oldest events for an addition that does not fit, unless even that would not do. */
  async #makeRoom(addition: Addition, group: Group): Promise<'free' | 'none' | 'later'> {
    if (this.#rules.overflow === StoreOverflow.DROP_NEWEST) return 'none';
    const before = group.victims.length;
    while (!this.#fits(addition, group)) {
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

  #fits({ records, bytes }: Addition, group: Group): boolean {
    const { capacity, maxBytes } = this.#rules;
    const count = this.#backlog.size - group.victims.length + group.count;
    const used = this.#backlog.bytes - group.freed + group.bytes;
    return records.length === 0 || (count + records.length <= capacity && used + bytes <= maxBytes);
  }

  /** What waits to be written is in memory, and as bounded as what is written. */
  #mayPend(added: number, bytes: number): boolean {
    const { capacity, maxBytes, overflow } = this.#rules;
    const stays = overflow === StoreOverflow.DROP_NEWEST;
    const count = this.#pending.count + (stays ? this.#backlog.size : 0);
    const used = this.#pending.bytes + (stays ? this.#backlog.bytes : 0);
    return added === 0 || (count + added <= capacity && used + bytes <= maxBytes);
  }

  #full(events: number, bytes: number): Result<never, StoreFullError> {
    this.#refused += events;
    const { capacity, maxBytes } = this.#rules;
    if (events > capacity || bytes > maxBytes) {
      return err(
        new StoreFullError(`${events} events of ${bytes} bytes are more than the store may hold at all`, true),
      );
    }
    return err(new StoreFullError(`the event store holds ${this.#backlog.size} events already (capacity, maxBytes)`));
  }
}

/** Whatever is ready to run has run then. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
