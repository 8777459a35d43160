import { randomBytes } from 'node:crypto';
import { open, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../schedule/clock.ts';
import { StoreDiskError } from './errors.ts';
import { freeBytes, RESERVE } from './store-folder.ts';
import type { StoreLog } from './store-log.ts';

/** Enough to read two logs of LevelDB back in, and to write that events are gone. Bytes. */
const SIZE = 12 << 20;

/** It is written in pieces of so many bytes. */
const PIECE = 1 << 20;

/** A disk with less than so many times its size is too small for one. */
const FIRST_TIMES = 4;

/** When it was used: the disk has room again for it, and as much for events. */
const AGAIN_TIMES = 2;

/** Of a disk, and of what a user may have of it. */
const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

/** Looking for room is not done more often. Milliseconds. */
const LOOK_INTERVAL = 1_000;

/**
 * ```text
 *  none ──→ kept ⇄ used        none: the disk is too small, or could not be asked
 *                              kept: a file of that many bytes lies in the folder
 *                              used: the file is there, and empty, so that the next process knows
 * ```
 */
type State = 'none' | 'kept' | 'used';

/**
 * Room on the disk for the hour when it is full: without any, a store could not even write that events were delivered, and would
 * never get out of that by itself. While it is used, no event is accepted, so that the room goes to deletions.
 */
export class DiskReserve {
  readonly #clock: Clock;
  readonly #log: StoreLog;
  #state: State = 'none';
  #folder = '';
  #making: Promise<void> | undefined;
  #lastLook = Number.NEGATIVE_INFINITY;

  constructor(parts: { clock: Clock; log: StoreLog }) {
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  get isUsed(): boolean {
    return this.#state === 'used';
  }

  /** Looks whether there is one in a folder. */
  async find(folder: string): Promise<void> {
    this.#folder = folder;
    const size = await stat(this.#path).then(
      (found) => (found.isFile() ? found.size : undefined),
      () => undefined,
    );
    this.#state = size === undefined ? 'none' : size === SIZE ? 'kept' : 'used';
  }

  /** Makes one in a folder that has none, if the disk is large enough. */
  async prepare(): Promise<void> {
    if (this.#state === 'none') await this.#make(FIRST_TIMES * SIZE);
    else await this.refusal(true);
  }

  /**
   * Gives its room away.
   *
   * @returns whether there is more room now
   */
  async use(): Promise<boolean> {
    if (this.#state !== 'kept') return false;
    try {
      await truncate(this.#path, 0);
    } catch (error) {
      this.#log.warn('the reserve could not be given away', error);
      return false;
    }
    this.#state = 'used';
    this.#lastLook = this.#clock.now();
    this.#log.warn('the disk is full: nothing is accepted until there is room again; what is there is still delivered');
    return true;
  }

  /**
   * Why no event is accepted; undefined if one is. Looks for room, if that is due.
   *
   * @param eager - looks in any case
   */
  async refusal(eager = false): Promise<StoreDiskError | undefined> {
    const due = eager || this.#clock.now() - this.#lastLook >= LOOK_INTERVAL;
    if (this.#state === 'used' && due) await this.#make(AGAIN_TIMES * SIZE);
    if (this.#state !== 'used') return undefined;
    return new StoreDiskError(
      `the disk of ${this.#folder} is full: events are accepted again once ${(AGAIN_TIMES * SIZE) >> 20} MiB are free`,
    );
  }

  get #path(): string {
    return join(this.#folder, RESERVE);
  }

  /** Several may ask at the same time. */
  #make(room: number): Promise<void> {
    this.#making ??= this.#makeOnce(room).finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  /** Not to be able to is no error. */
  async #makeOnce(room: number): Promise<void> {
    this.#lastLook = this.#clock.now();
    try {
      if (((await freeBytes(this.#folder)) ?? room) < room) return;
      await fill(this.#path);
      this.#state = 'kept';
    } catch (error) {
      if (this.#state === 'used' && FULL.has((error as NodeJS.ErrnoException).code)) {
        await truncate(this.#path, 0).catch(() => undefined);
        return;
      }
      // Whatever it is, waiting for room does not help.
      this.#state = 'none';
      await rm(this.#path, { force: true }).catch(() => undefined);
    }
  }
}

/** With what a file system that compresses cannot store in less: none looks back as far as a piece is long. */
async function fill(path: string): Promise<void> {
  const piece = randomBytes(PIECE);
  const file = await open(path, 'w', 0o600);
  try {
    for (let written = 0; written < SIZE; written += PIECE) await file.writeFile(piece);
  } finally {
    await file.close();
  }
}
