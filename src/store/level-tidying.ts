import { Lane } from './lane.ts';
import type { LevelBacklog } from './level-backlog.ts';
import type { LevelConnection } from './level-connection.ts';
import { ALL_EVENTS } from './level-records.ts';
import type { StoreLog } from './store-log.ts';

/** When the disk gets back what was deleted, in bytes of events. */
const DUE = {
  /** However much there is left. */
  always: 32 << 20,
  /** Once nothing is left, or the disk is full; or if a store is opened that has as much. */
  soon: 1 << 20,
} as const;

/** Of all the stores in a process one is tidied at a time: each takes a thread of the few that all input and output share. */
const TURNS = new Lane();

/**
 * Gives the room of what was deleted back to the disk. LevelDB alone would not: the numbers of events only rise, so its tables
 * never overlap, and it moves them down its levels as they are, with the dead in them.
 *
 * Works beside reading and writing, neither of which waits for it. Failing harms nobody.
 */
export class LevelTidying {
  readonly #connection: LevelConnection;
  readonly #backlog: LevelBacklog;
  readonly #log: StoreLog;
  /** Deleted since it was done last. Bytes. */
  #deleted = 0;
  /** One is under way, or waits for its turn. */
  #asked = false;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: { connection: LevelConnection; backlog: LevelBacklog; log: StoreLog }) {
    this.#connection = parts.connection;
    this.#backlog = parts.backlog;
    this.#log = parts.log;
  }

  /**
   * Events were deleted on disk.
   *
   * @param isShort - the disk is full
   */
  deleted(bytes: number, isShort: boolean): void {
    this.#deleted += bytes;
    if (this.#deleted === 0) return;
    const enough = isShort || this.#backlog.size === 0 ? DUE.soon : DUE.always;
    if (this.#deleted >= enough || (isShort && this.#backlog.size === 0)) this.#ask();
  }

  /**
   * The database was opened.
   *
   * @param bytes - how much is in its files, alive or not
   */
  opened(bytes: number): void {
    if (bytes >= DUE.soon) this.#ask();
  }

  /** Resolves once none is under way; there will be no other. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  #ask(): void {
    if (this.#asked || this.#stopped) return;
    this.#asked = true;
    void TURNS.run(async () => {
      this.#asked = false;
      if (this.#stopped || !this.#connection.isReadable) return;
      this.#running = this.#tidy();
      await this.#running;
    });
  }

  async #tidy(): Promise<void> {
    this.#deleted = 0;
    try {
      const { database } = this.#connection;
      await database.compact({ after: ALL_EVENTS.after, before: this.#backlog.oldestKept });
    } catch (error) {
      this.#log.warn('the disk could not be given back what was deleted', error);
    }
  }
}
