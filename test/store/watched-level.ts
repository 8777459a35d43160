import { classicLevel } from '../../src/store/classic-level.ts';
import type { LevelChunk, LevelDatabase, LevelEngine, LevelOperation } from '../../src/store/level-database.ts';
import { ALL_EVENTS, type KeyRange } from '../../src/store/level-records.ts';

export interface Write {
  readonly puts: number;
  readonly dels: number;
  readonly sync: boolean;
}

/** What becomes of the next write: it waits, fails, or fails although the disk has it. */
export type Fate = Promise<void> | { readonly fails: Error; readonly written?: boolean };

export function ioError(message = 'IO error: 000007.log: No space left on device'): Error {
  return Object.assign(new Error(message), { code: 'LEVEL_IO_ERROR' });
}

/** The real database, with somebody beside it who notes what is done, and can interfere. */
export class WatchedLevel implements LevelEngine {
  readonly writes: Write[] = [];
  readonly reads: KeyRange[] = [];
  readonly compactions: KeyRange[] = [];
  /** What a compaction waits for, or fails with, before it is done. */
  compacting: Promise<void> | undefined;
  opened = 0;
  repaired = 0;
  /** For the writes to come, in order. */
  readonly fates: Fate[] = [];
  /** What opening, and what reading fails with, as long as there is something. */
  openFails: Error | undefined;
  readFails: Error | undefined;
  readonly #real: LevelEngine = classicLevel();

  async open(path: string, create: boolean): Promise<LevelDatabase> {
    if (path.endsWith('guard')) return await this.#real.open(path, create);
    this.opened++;
    if (this.openFails !== undefined) throw this.openFails;
    return this.#watch(await this.#real.open(path, create));
  }

  async repair(path: string): Promise<void> {
    this.repaired++;
    await this.#real.repair(path);
  }

  #watch(real: LevelDatabase): LevelDatabase {
    return {
      write: (operations, sync) => this.#write(real, operations, sync),
      read: async (range, limits): Promise<LevelChunk> => {
        // Marks are read once, when it is opened.
        if (range.after[0] === ALL_EVENTS.after[0]) this.reads.push(range);
        if (this.readFails !== undefined) throw this.readFails;
        return await real.read(range, limits);
      },
      keys: (range) => real.keys(range),
      compact: async (range) => {
        this.compactions.push(range);
        await this.compacting;
        await real.compact(range);
      },
      close: () => real.close(),
    };
  }

  async #write(real: LevelDatabase, operations: readonly LevelOperation[], sync: boolean): Promise<void> {
    const puts = operations.filter(({ type }) => type === 'put').length;
    this.writes.push({ puts, dels: operations.length - puts, sync });
    const fate = this.fates.shift();
    if (fate === undefined || fate instanceof Promise) {
      await fate;
      return await real.write(operations, sync);
    }
    if (fate.written === true) await real.write(operations, sync);
    throw fate.fails;
  }
}
