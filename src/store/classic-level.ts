import type { ClassicLevel } from 'classic-level';
import { MissingPackageError, UnusablePackageError } from '../core/errors.ts';
import {
  type LevelChunk,
  type LevelDatabase,
  type LevelEngine,
  type LevelOperation,
  levelCode,
  type ReadLimits,
} from './level-database.ts';
import type { KeyRange } from './level-records.ts';

/** The one file that knows classic-level, which is loaded when the first store is opened. */

type Level = ClassicLevel<Uint8Array, Buffer>;
type Entry = [Uint8Array, Buffer];
type Package = Pick<typeof import('classic-level'), 'ClassicLevel'>;

const ENCODINGS = { keyEncoding: 'view', valueEncoding: 'view' } as const;

const KEYS_AT_ONCE = 1_000;

/**
 * LevelDB maps the files that it has open into memory, and whoever looks at the process sees them as part of it. So
 * not more of them are open than it needs at least (64 tables), and each is small: as large as what is gathered in memory.
 */
const MEMORY = { maxOpenFiles: 74, writeBufferSize: 2 << 20 } as const;

/** @param load - how the package is imported */
export function classicLevel(load: () => Promise<Package> = () => import('classic-level')): LevelEngine {
  return {
    async open(path, create) {
      const { ClassicLevel } = await loaded(load);
      const level: Level = new ClassicLevel<Uint8Array, Buffer>(path, {
        keyEncoding: 'view',
        valueEncoding: 'buffer',
        createIfMissing: create,
        ...MEMORY,
      });
      try {
        await level.open();
      } catch (error) {
        // The error of abstract-level says only that it is not open.
        throw (error as Error).cause ?? error;
      }
      return new ClassicDatabase(level);
    },
    repair: async (path) => (await loaded(load)).ClassicLevel.repair(path),
  };
}

async function loaded(load: () => Promise<Package>): Promise<Package> {
  try {
    return await load();
  } catch (error) {
    const LoadError = isMissing(error) ? MissingPackageError : UnusablePackageError;
    throw new LoadError('classic-level', 'LevelEventStore', error);
  }
}

/** Whether there is no such package; and not one that lacks another, or a binary for this platform. */
function isMissing(error: unknown): boolean {
  const code = levelCode(error);
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return false;
  return /Cannot find (package|module) 'classic-level'/.test(String(error));
}

class ClassicDatabase implements LevelDatabase {
  readonly #level: Level;

  constructor(level: Level) {
    this.#level = level;
  }

  write(operations: readonly LevelOperation[], sync: boolean): Promise<void> {
    return this.#level.batch<Uint8Array, Uint8Array>([...operations], { ...ENCODINGS, sync });
  }

  async read(range: KeyRange, limits: ReadLimits): Promise<LevelChunk> {
    const iterator = this.#level.iterator(options(range, limits));
    try {
      const entries = await iterator.nextv(limits.count);
      const read = entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
      return { records: entries.map(record), ended: entries.length < limits.count && read <= limits.bytes };
    } catch (error) {
      if (levelCode(error) !== 'LEVEL_CORRUPTION') throw error;
      return await this.#readOneByOne(range, limits, error);
    } finally {
      await iterator.close();
    }
  }

  /**
   * An iterator goes on behind what it cannot read, and tells of it at its end; but the records that it was asked for
   * together with the end are lost then. So it is asked for each alone.
   */
  async #readOneByOne(range: KeyRange, limits: ReadLimits, damage: unknown): Promise<LevelChunk> {
    const iterator = this.#level.iterator(options(range, limits));
    const entries: Entry[] = [];
    let read = 0;
    try {
      while (entries.length < limits.count && read <= limits.bytes) {
        const [entry] = await iterator.nextv(1);
        if (entry === undefined) return { records: entries.map(record), ended: true, damage };
        entries.push(entry);
        read += entry[0].length + entry[1].length;
      }
      return { records: entries.map(record), ended: false };
    } catch (error) {
      if (levelCode(error) !== 'LEVEL_CORRUPTION') throw error;
      return { records: entries.map(record), ended: true, damage: error };
    } finally {
      await iterator.close();
    }
  }

  async *keys({ after, before }: KeyRange): AsyncGenerator<readonly Uint8Array[]> {
    const iterator = this.#level.keys({ gt: after, lt: before, fillCache: false, highWaterMarkBytes: 1 << 20 });
    try {
      for (let keys = await iterator.nextv(KEYS_AT_ONCE); keys.length > 0; keys = await iterator.nextv(KEYS_AT_ONCE)) {
        yield keys;
      }
    } finally {
      await iterator.close();
    }
  }

  /**
   * LevelDB looks how far down there is something, and only then writes down what is still in memory, which may end up further
   * down. So that is done first, with a range in which there is nothing.
   */
  async compact({ after, before }: KeyRange): Promise<void> {
    await this.#level.compactRange(after, after, { keyEncoding: 'view' });
    await this.#level.compactRange(after, before, { keyEncoding: 'view' });
  }

  close(): Promise<void> {
    return this.#level.close();
  }
}

function options({ after, before }: KeyRange, { bytes, reverse = false }: ReadLimits): object {
  return { gt: after, lt: before, reverse, fillCache: false, highWaterMarkBytes: bytes };
}

function record([key, value]: Entry): { readonly key: Uint8Array; readonly value: Buffer } {
  return { key, value };
}
