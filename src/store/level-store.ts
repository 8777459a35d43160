import { resolve } from 'node:path';
import { err, type Result } from 'neverthrow';
import { checkName } from '../core/checks.ts';
import { InvalidArgumentError } from '../core/errors.ts';
import { reportError } from '../core/log.ts';
import { type EmitterEvent, snapshotEvent } from '../emitter/index.ts';
import type { Clock } from '../schedule/clock.ts';
import { classicLevel } from './classic-level.ts';
import { DiskReserve } from './disk-reserve.ts';
import { DropListeners } from './drop-listeners.ts';
import { StoreClosedError, type StoreRefusal } from './errors.ts';
import type { DropListener, EventId, EventStore, StoredEvent, StoreOverflow, TakeLimits } from './event-store.ts';
import { GroupCommit } from './group-commit.ts';
import { Lane } from './lane.ts';
import { LevelBacklog } from './level-backlog.ts';
import { LevelConnection, type Opener } from './level-connection.ts';
import type { LevelEngine, LevelRecord } from './level-database.ts';
import { type ListedEvent, type ListOptions, listEvents, readMarks, resolveListOptions } from './level-listing.ts';
import { allKeys, type OpenedLevel } from './level-opening.ts';
import { type LevelEventStoreOptions, resolveLevelOptions, StoreDurability } from './level-options.ts';
import {
  ALL_EVENTS,
  afterEvent,
  deletion,
  type EventRecord,
  encodeEvent,
  encodeWritten,
  type KeyRange,
  quarantineKey,
  type StoreMarks,
  type WrittenEvent,
} from './level-records.ts';
import { LevelTidying } from './level-tidying.ts';
import { recordBytes } from './store-folder.ts';
import { StoreLog } from './store-log.ts';
import { resolveTakeLimits } from './take-limits.ts';

const OWNER = 'LevelEventStore';

/**
 * Keeps events on disk, in a folder that belongs to it alone and that one process can open at a time. Needs the package
 * `classic-level`.
 *
 * What `add` has answered with `Ok` is there after the end of the process, however that came. Events that are added at the same time
 * share one sync. Every event is handed out again until it is acknowledged: at least once, therefore, and twice if the
 * process ends in between.
 */
export class LevelEventStore implements EventStore {
  /** The folder, as an absolute path. */
  readonly path: string;
  readonly capacity: number;
  readonly maxBytes: number;
  readonly overflow: StoreOverflow;
  readonly durability: StoreDurability;
  readonly #log: StoreLog;
  readonly #lane = new Lane();
  readonly #drops = new DropListeners();
  readonly #addListeners: Set<() => void> = new Set();
  readonly #clock: Clock;
  readonly #backlog: LevelBacklog;
  readonly #connection: LevelConnection;
  readonly #commit: GroupCommit;
  readonly #reserve: DiskReserve;
  readonly #tidying: LevelTidying;
  #isNew = true;
  #quarantined = 0;
  #closing: Promise<void> | undefined;

  /**
   * Opens nothing yet.
   *
   * @param path - the folder; made, for its owner alone, if there is none
   * @throws {@link InvalidArgumentError} for an option that is wrong.
   */
  constructor(path: string, options?: LevelEventStoreOptions);
  /** @internal */
  constructor(path: string, options: LevelEventStoreOptions | undefined, engine: LevelEngine);
  constructor(path: string, options: LevelEventStoreOptions = {}, engine: LevelEngine = classicLevel()) {
    this.path = resolve(checkName(`${OWNER}: path`, path));
    const { capacity, maxBytes, overflow, durability, logger, clock } = resolveLevelOptions(OWNER, options);
    this.capacity = capacity;
    this.maxBytes = maxBytes;
    this.overflow = overflow;
    this.durability = durability;
    this.#clock = clock;
    this.#log = new StoreLog(logger, this.path);
    this.#reserve = new DiskReserve({ clock, log: this.#log });
    this.#connection = new LevelConnection({
      engine,
      path: this.path,
      log: this.#log,
      clock,
      lane: this.#lane,
      opener: this.#opener(),
      reserve: this.#reserve,
    });
    this.#backlog = new LevelBacklog({
      lane: this.#lane,
      log: this.#log,
      connection: this.#connection,
      onDamaged: (records) => this.#quarantine(records),
    });
    this.#tidying = new LevelTidying({ connection: this.#connection, backlog: this.#backlog, log: this.#log });
    this.#commit = new GroupCommit({
      rules: {
        capacity: this.capacity,
        maxBytes: this.maxBytes,
        overflow: this.overflow,
        sync: this.durability === StoreDurability.SYNC,
      },
      connection: this.#connection,
      backlog: this.#backlog,
      drops: this.#drops,
      reserve: this.#reserve,
      tidying: this.#tidying,
    });
  }

  /** How many events it holds, those in flight too; 0 before it was opened. */
  get size(): number {
    return this.#backlog.size;
  }

  /** The bytes of their JSON; 0 before it was opened. */
  get bytes(): number {
    return this.#backlog.bytes;
  }

  /** How many events were lost because it was full: refused, or thrown out. */
  get dropped(): number {
    return this.#commit.refused + this.#drops.count;
  }

  /** How many records were found damaged, and put aside, in all the life of this folder. */
  get quarantined(): number {
    return this.#quarantined;
  }

  /**
   * Opens the database, and counts what it holds. Rejects with a {@link StoreLockedError}, {@link StoreDamagedError},
   * {@link StoreDiskError}, {@link MissingPackageError}, {@link UnusablePackageError} or {@link StoreClosedError}; but for the
   * last, it may be tried again.
   */
  async open(): Promise<void> {
    if (this.#closing !== undefined) throw new StoreClosedError('the event store is closed');
    await this.#connection.ready(true);
    await this.#reserve.refusal(true);
  }

  async add(event: EmitterEvent): Promise<Result<EventId, StoreRefusal>> {
    const added = await this.#addSnapshots(`${OWNER}.add`, [event]);
    return added.map(([id]) => id as EventId);
  }

  /**
   * Keeps all of these events, or none: in one write, with marks if you like. A mark is a text under a name, which
   * {@link LevelEventStore.marks} gives back; `undefined` removes it. With marks alone, it resolves once they are kept.
   */
  addAll(events: readonly EmitterEvent[], marks: StoreMarks = {}): Promise<Result<EventId[], StoreRefusal>> {
    return this.#addSnapshots(`${OWNER}.addAll`, events, marks);
  }

  /**
   * The same for events that come as JSON: it is kept as it is, which costs less. Whoever calls answers for it that each
   * JSON says its event, and that neither is changed any more.
   */
  addWritten(events: readonly WrittenEvent[], marks: StoreMarks = {}): Promise<Result<EventId[], StoreRefusal>> {
    const at = this.#clock.wall();
    return this.#add(
      events.map((event) => encodeWritten(event, at)),
      marks,
    );
  }

  /** The marks that are kept, by name. Rejects as `take` does. */
  async marks(): Promise<Map<string, string>> {
    await this.#ready();
    return new Map(this.#commit.marks);
  }

  /**
   * What it holds, oldest first, in flight or not; nothing changes by it. What comes meanwhile may be among it. Nothing once
   * it is closed. Rejects as `take` does.
   */
  async *list(options: ListOptions = {}): AsyncGenerator<ListedEvent, void> {
    const settings = resolveListOptions(`${OWNER}.list`, options);
    await this.#ready();
    if (this.#closing === undefined) yield* listEvents(this.#connection, settings);
  }

  /** When the oldest event was added, in milliseconds since the Unix epoch; undefined if there is none. */
  async oldest(): Promise<number | undefined> {
    await this.#ready();
    // What is acknowledged is gone, though its deletion may still be on its way.
    if (this.size === 0) return undefined;
    for await (const { at } of this.list({ limit: 1 })) return at;
    return undefined;
  }

  /** Rejects as {@link LevelEventStore.open} does, or with a {@link StoreDiskError}, while the database cannot be read. */
  async take(limits: TakeLimits): Promise<StoredEvent[]> {
    const { count, bytes } = resolveTakeLimits(OWNER, limits);
    await this.#ready();
    if (this.#closing !== undefined) return [];
    let left = { count, bytes };
    return await this.#backlog.take((next) => {
      if (left.count === 0) return false;
      if (next.bytes > left.bytes && left.count < count) return false;
      left = { count: left.count - 1, bytes: left.bytes - next.bytes };
      return true;
    });
  }

  /**
   * Resolves once the operating system knows that they are gone. If it cannot be told (a full disk), they are gone for
   * this process, and are deleted later.
   */
  async ack(ids: readonly EventId[]): Promise<void> {
    if (this.#closing !== undefined) return;
    const ended = this.#backlog.flight.end(ids);
    const bytes = ended.reduce((sum, event) => sum + event.bytes, 0);
    await this.#commit.chore(ended.map(deletion), bytes);
  }

  async release(ids: readonly EventId[]): Promise<void> {
    this.#backlog.flight.release(ids);
  }

  onDrop(listener: DropListener): () => void {
    return this.#drops.add(listener);
  }

  onAdd(listener: () => void): () => void {
    this.#addListeners.add(listener);
    return () => void this.#addListeners.delete(listener);
  }

  /** Writes what was added before. What it holds stays on disk. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #addSnapshots(
    owner: string,
    events: readonly EmitterEvent[],
    marks: StoreMarks = {},
  ): Promise<Result<EventId[], StoreRefusal>> {
    try {
      const at = this.#clock.wall();
      return await this.#add(
        events.map((event) => encodeEvent(snapshotEvent(owner, event), at)),
        marks,
      );
    } catch (error) {
      if (error instanceof InvalidArgumentError) return err(error);
      throw error;
    }
  }

  async #add(records: readonly EventRecord[], marks: StoreMarks): Promise<Result<EventId[], StoreRefusal>> {
    if (this.#closing !== undefined) return err(new StoreClosedError('the event store is closed'));
    const added = await this.#commit.add(records, marks);
    if (added.isOk() && records.length > 0) this.#tellOfMore();
    return added;
  }

  /** A listener that throws harms nobody. */
  #tellOfMore(): void {
    for (const listener of this.#addListeners) {
      try {
        listener();
      } catch (error) {
        reportError(undefined, 'a listener to added events', error);
      }
    }
  }

  async #close(): Promise<void> {
    // What was read last may leave something to be put aside.
    await this.#lane.run(async () => undefined);
    await this.#commit.idle();
    await this.#tidying.stop();
    await this.#lane.run(() => this.#connection.close());
  }

  /** What can be read without writing can be read while nothing can be written. */
  async #ready(): Promise<void> {
    if (this.#closing !== undefined || this.#connection.isReadable) return;
    try {
      await this.#connection.ready();
    } catch (error) {
      // What is in memory can be handed out all the same.
      if (this.#isNew) throw error;
    }
  }

  #opener(): Opener {
    const beyond = (): KeyRange => ({ after: afterEvent(this.#backlog.last), before: ALL_EVENTS.before });
    let isFirst = true;
    return {
      range: () => (this.#isNew ? undefined : beyond()),
      opened: async (opened) => {
        if (this.#isNew) this.#quarantined = opened.quarantined;
        await this.#backlog.opened(opened, this.#isNew);
        if (this.#isNew) await this.#begin(opened);
        else this.#commit.resume(await allKeys(opened.database, beyond()));
      },
      ready: async (folder) => {
        // Behind a write that failed there may be no room for it, unless it is for that.
        if (isFirst || this.#reserve.isUsed) this.#tidying.opened(await recordBytes(folder).catch(() => 0));
        isFirst = false;
      },
    };
  }

  async #begin({ database, events }: OpenedLevel): Promise<void> {
    const marks = await readMarks(database);
    this.#isNew = false;
    this.#commit.begin(events.lastId, marks);
  }

  #quarantine(records: readonly LevelRecord[]): void {
    this.#quarantined += records.length;
    this.#log.warn(`${records.length} damaged records are put aside`);
    const operations = records.flatMap(({ key, value }) => [
      { type: 'put' as const, key: quarantineKey(key), value },
      { type: 'del' as const, key },
    ]);
    void this.#commit.chore(operations, 0);
  }
}
