import { resolve } from 'node:path';
import { err, type Result } from 'neverthrow';
import {
  CLOCK_METHODS,
  checkInteger,
  checkMethods,
  checkName,
  checkOneOf,
  checkOptions,
  LOGGER_METHODS,
} from '../core/checks.ts';
import { InvalidArgumentError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { type EmitterEvent, snapshotEvent } from '../emitter/index.ts';
import { type Clock, systemClock } from '../schedule/clock.ts';
import { classicLevel } from './classic-level.ts';
import { DiskReserve } from './disk-reserve.ts';
import { DropListeners } from './drop-listeners.ts';
import { StoreClosedError, type StoreRefusal } from './errors.ts';
import {
  type DropListener,
  type EventId,
  type EventStore,
  type StoredEvent,
  StoreOverflow,
  type TakeLimits,
} from './event-store.ts';
import { deletion, GroupCommit } from './group-commit.ts';
import { Lane } from './lane.ts';
import { LevelBacklog } from './level-backlog.ts';
import { LevelConnection, type Opener } from './level-connection.ts';
import type { LevelEngine, LevelRecord } from './level-database.ts';
import { allKeys, type OpenedLevel } from './level-opening.ts';
import { ALL_EVENTS, afterEvent, encodeEvent, type KeyRange, quarantineKey } from './level-records.ts';
import { LevelTidying } from './level-tidying.ts';
import { recordBytes } from './store-folder.ts';
import { StoreLog } from './store-log.ts';
import { resolveTakeLimits } from './take-limits.ts';

/** When an added event counts as kept. */
export const StoreDurability = {
  /** Once the disk has it: it survives the loss of power. */
  SYNC: 'sync',
  /** Once the operating system has it: it survives the end of the process. */
  OS: 'os',
} as const;
export type StoreDurability = (typeof StoreDurability)[keyof typeof StoreDurability];

/** Options of a {@link LevelEventStore}. */
export interface LevelEventStoreOptions {
  /**
   * The most events that it holds, those in flight too; a whole number of at least 1.
   * @default 1_000_000
   */
  readonly capacity?: number | undefined;
  /**
   * The most bytes that it holds, counting each event as its JSON; a whole number of at least 1. On disk it may be
   * more for a while: the room of what is deleted is given back in the background.
   * @default 1_073_741_824, which is 1 GiB
   */
  readonly maxBytes?: number | undefined;
  /**
   * What becomes of an event for which there is no room.
   * @default 'dropNewest'
   */
  readonly overflow?: StoreOverflow | undefined;
  /**
   * When an added event counts as kept: once the disk has it, or the operating system.
   * @default 'sync'
   */
  readonly durability?: StoreDurability | undefined;
  /**
   * Where to tell of failed writes and of damage. Without it these become process warnings.
   * @default none
   */
  readonly logger?: Logger | undefined;
  /**
   * Decides when a database that could not be opened may be tried again.
   * @default the clock of the machine
   */
  readonly clock?: Clock | undefined;
}

const OPTIONS = ['capacity', 'maxBytes', 'overflow', 'durability', 'logger', 'clock'] as const;
const OWNER = 'LevelEventStore';
const DEFAULT_MAX_BYTES = 2 ** 30;

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
    checkOptions<LevelEventStoreOptions>(OWNER, options, OPTIONS);
    const { capacity = 1_000_000, maxBytes = DEFAULT_MAX_BYTES } = options;
    const { overflow = StoreOverflow.DROP_NEWEST, durability = StoreDurability.SYNC, clock = systemClock } = options;
    this.path = resolve(checkName(`${OWNER}: path`, path));
    this.capacity = checkInteger(`${OWNER}: capacity`, capacity, { min: 1 });
    this.maxBytes = checkInteger(`${OWNER}: maxBytes`, maxBytes, { min: 1 });
    this.overflow = checkOneOf(`${OWNER}: overflow`, overflow, Object.values(StoreOverflow));
    this.durability = checkOneOf(`${OWNER}: durability`, durability, Object.values(StoreDurability));
    if (options.logger !== undefined) checkMethods<Logger>(`${OWNER}: logger`, options.logger, LOGGER_METHODS);
    this.#log = new StoreLog(options.logger, this.path);
    checkMethods<Clock>(`${OWNER}: clock`, clock, CLOCK_METHODS);
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
    if (this.#closing !== undefined) return err(new StoreClosedError('the event store is closed'));
    try {
      return await this.#commit.add(encodeEvent(snapshotEvent(`${OWNER}.add`, event)));
    } catch (error) {
      if (error instanceof InvalidArgumentError) return err(error);
      throw error;
    }
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

  /** Writes what was added before. What it holds stays on disk. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
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
        if (this.#isNew) this.#begin(opened);
        else this.#commit.resume(await allKeys(opened.database, beyond()));
      },
      ready: async (folder) => {
        // Behind a write that failed there may be no room for it, unless it is for that.
        if (isFirst || this.#reserve.isUsed) this.#tidying.opened(await recordBytes(folder).catch(() => 0));
        isFirst = false;
      },
    };
  }

  #begin({ events }: OpenedLevel): void {
    this.#isNew = false;
    this.#commit.begin(events.lastId);
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
