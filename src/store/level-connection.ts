import { CollectorQueueError, describeThrown } from '../core/errors.ts';
import type { Clock } from '../schedule/clock.ts';
import type { DiskReserve } from './disk-reserve.ts';
import { StoreClosedError, StoreDiskError } from './errors.ts';
import type { Lane } from './lane.ts';
import { isFull, type LevelDatabase, type LevelEngine, levelCode } from './level-database.ts';
import { type OpenError, type OpenedLevel, openError, openGuard, openLevel } from './level-opening.ts';
import type { KeyRange } from './level-records.ts';
import { hasRoomToOpen, prepareFolder, syncFolder } from './store-folder.ts';
import type { StoreLog } from './store-log.ts';

/**
 * ```text
 *  shut ──→ open ⇄ broken        shut: not opened yet, or opening failed
 *    ↑______________|            broken: a write failed; what is open can still be read
 *                                closed: for good, from any of them
 * ```
 *
 * Behind a write that failed the log may be torn, and what was written after the tear would be lost when it is read
 * again. So nothing more is written until the database was closed, and opened again.
 */
type State = 'shut' | 'open' | 'broken' | 'closed';

/** After an attempt to open that was nobody's wish, the next is made so much later at the earliest. Milliseconds. */
const RETRY_INTERVAL = 1_000;

/** What has to be looked at when a database is opened. */
export interface Opener {
  /** The part of the keys in which to count, if nothing speaks for damage; undefined for all of them. */
  range(): KeyRange | undefined;
  /** Called before anything is read or written. */
  opened(opened: OpenedLevel): Promise<void>;
  /** Called once it can be read and written. Must not fail. */
  ready(folder: string): Promise<void>;
}

/** The database of a store: opened when it is first needed, and again after a write that failed. */
export class LevelConnection {
  readonly #engine: LevelEngine;
  readonly #path: string;
  readonly #log: StoreLog;
  readonly #clock: Clock;
  /** In which all reading is done. */
  readonly #lane: Lane;
  readonly #opener: Opener;
  readonly #reserve: DiskReserve;
  #state: State = 'shut';
  #database: LevelDatabase | undefined;
  /** Held while the store is in use, the database open or not. */
  #guard: LevelDatabase | undefined;
  /** Once it was opened. */
  #folder: string | undefined;
  /** Why it is broken, or why opening failed. */
  #reason: unknown;
  /** A write met damage. */
  #suspect = false;
  #lastAttempt = Number.NEGATIVE_INFINITY;
  #attempt: Promise<void> | undefined;

  constructor(parts: {
    engine: LevelEngine;
    path: string;
    log: StoreLog;
    clock: Clock;
    lane: Lane;
    opener: Opener;
    reserve: DiskReserve;
  }) {
    this.#engine = parts.engine;
    this.#path = parts.path;
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#lane = parts.lane;
    this.#opener = parts.opener;
    this.#reserve = parts.reserve;
  }

  get isReadable(): boolean {
    return this.#database !== undefined;
  }

  /** @throws {@link StoreDiskError} while it is not open */
  get database(): LevelDatabase {
    if (this.#database === undefined) throw this.#refusal();
    return this.#database;
  }

  /**
   * Resolves once it can be written; tries to open it, if that is due.
   *
   * @param eager - tries in any case
   * @throws an {@link OpenError}, or a {@link StoreClosedError}
   */
  async ready(eager = false): Promise<void> {
    if (this.#state === 'open') return;
    if (this.#state === 'closed') throw new StoreClosedError('the event store is closed');
    const due = eager || this.#clock.now() - this.#lastAttempt >= RETRY_INTERVAL;
    if (this.#attempt === undefined && !due) throw this.#refusal();
    this.#attempt ??= this.#lane
      .run(() => this.#open())
      .finally(() => {
        this.#attempt = undefined;
      });
    await this.#attempt;
  }

  /** A write failed. */
  broke(error: unknown): void {
    this.#state = 'broken';
    this.#reason = error;
    this.#suspect ||= levelCode(error) === 'LEVEL_CORRUPTION';
    this.#log.warn('a write failed; opening the database again', error);
  }

  /** To be called in the lane, and once nothing more is to be written. */
  async close(): Promise<void> {
    await this.#shut();
    this.#state = 'closed';
    await this.#letGo();
  }

  async #shut(): Promise<void> {
    this.#state = 'shut';
    const database = this.#database;
    this.#database = undefined;
    await this.#ended(database);
  }

  async #letGo(): Promise<void> {
    const guard = this.#guard;
    this.#guard = undefined;
    this.#folder = undefined;
    await this.#ended(guard);
  }

  async #ended(database: LevelDatabase | undefined): Promise<void> {
    await database?.close().catch((error) => this.#log.warn('the database could not be closed', error));
  }

  async #open(): Promise<void> {
    if (this.#state === 'open' || this.#state === 'closed') return;
    this.#lastAttempt = this.#clock.now();
    // Closed too soon, it could not even be read.
    if (this.#folder !== undefined && !(await this.#findRoom(this.#folder))) throw this.#refusal();
    await this.#shut();
    const isFirst = this.#folder === undefined;
    try {
      const folder = this.#folder ?? (await prepareFolder(this.#path));
      if (isFirst) await this.#reserve.find(folder);
      this.#guard ??= await this.#sparing(() => openGuard(this.#engine, folder));
      await this.#findRoom(folder);
      const range = this.#suspect ? undefined : this.#opener.range();
      await this.#begin(await this.#sparing(() => openLevel(this.#engine, folder, this.#log, range)));
      if (isFirst) await syncFolder(folder);
      this.#folder = folder;
      if (isFirst) await this.#reserve.prepare();
      await this.#opener.ready(folder);
    } catch (error) {
      this.#reason = openError(this.#path, error);
      if (isFirst) await this.#letGo();
      throw this.#reason;
    }
  }

  /** Whether there is room to open the database; at the cost of the reserve, if there is no other. */
  async #findRoom(folder: string): Promise<boolean> {
    return (await hasRoomToOpen(folder)) || ((await this.#reserve.use()) && (await hasRoomToOpen(folder)));
  }

  /** Tries once more with the room of the reserve, if there was none: under a quota nobody can tell before. */
  async #sparing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isFull(error) || !(await this.#reserve.use())) throw error;
      return await work();
    }
  }

  async #begin(opened: OpenedLevel): Promise<void> {
    try {
      await this.#opener.opened({ ...opened, mended: opened.mended || this.#suspect });
    } catch (error) {
      await opened.database.close();
      throw error;
    }
    this.#database = opened.database;
    this.#state = 'open';
    this.#reason = undefined;
    this.#suspect = false;
  }

  #refusal(): OpenError {
    const reason = this.#reason;
    if (reason instanceof CollectorQueueError) return reason as OpenError;
    const said = describeThrown(reason);
    const what = this.#state === 'broken' ? 'written' : 'opened';
    return new StoreDiskError(`the event store ${this.#path} could not be ${what}: ${said}`, { cause: reason });
  }
}
