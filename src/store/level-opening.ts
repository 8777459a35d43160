import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CollectorQueueError,
  describeThrown,
  type MissingPackageError,
  type UnusablePackageError,
} from '../core/errors.ts';
import { StoreDamagedError, StoreDiskError, StoreLockedError } from './errors.ts';
import { isDamage, type LevelDatabase, type LevelEngine, levelCode } from './level-database.ts';
import { problemsOf } from './level-inspection.ts';
import { mend } from './level-mending.ts';
import { ALL_EVENTS, ALL_QUARANTINED, type KeyRange, readKey } from './level-records.ts';
import { isUnused } from './store-folder.ts';
import type { StoreLog } from './store-log.ts';

export type OpenError =
  | StoreLockedError
  | StoreDamagedError
  | StoreDiskError
  | MissingPackageError
  | UnusablePackageError;

/** What a look at all keys brings. */
export interface Survey {
  readonly count: number;
  readonly bytes: number;
  /** The highest number in use. */
  readonly lastId: number;
  /** The first key, if there is one. */
  readonly first: Uint8Array | undefined;
  /** How many of them are no keys of events. */
  readonly strays: number;
}

export interface OpenedLevel {
  readonly database: LevelDatabase;
  readonly events: Survey;
  readonly quarantined: number;
  /** Something may have been lost. */
  readonly mended: boolean;
}

/** A second, empty database, for its lock: the first is looked at, made and mended while it is not open. */
const GUARD = 'guard';

/**
 * Resolves to what has to be closed at the end.
 *
 * @throws if this or another process has it
 */
export async function openGuard(engine: LevelEngine, folder: string): Promise<LevelDatabase> {
  const path = join(folder, GUARD);
  return await engine.open(path, true).catch(async (error) => {
    if (!isDamage(error)) throw error;
    await rm(path, { recursive: true });
    return await engine.open(path, true);
  });
}

/**
 * Opens the database in a guarded folder; makes it if there is none, and mends it once if it is damaged.
 *
 * @param range - the part in which events are counted; the rest is known, and the files need not be looked at. All if it is undefined
 */
export async function openLevel(
  engine: LevelEngine,
  folder: string,
  log: StoreLog,
  range: KeyRange | undefined,
): Promise<OpenedLevel> {
  if (await isUnused(folder)) return { ...(await counted(await engine.open(folder, true), ALL_EVENTS)), mended: false };
  const problems = range === undefined ? await problemsOf(folder) : [];
  if (problems.length === 0) {
    try {
      return { ...(await counted(await engine.open(folder, false), range ?? ALL_EVENTS)), mended: false };
    } catch (error) {
      if (!isDamage(error)) throw error;
      problems.push(describeThrown(error));
    }
  }
  log.warn(`its files are damaged, and are being mended: ${problems.join(', ')}`);
  return { ...(await counted(await mend(engine, folder), range ?? ALL_EVENTS)), mended: true };
}

/** Reads every key: what that cannot read would stop a compaction later. */
async function counted(database: LevelDatabase, range: KeyRange): Promise<Omit<OpenedLevel, 'mended'>> {
  try {
    const events = await survey(database, range);
    const { count: quarantined } = await survey(database, ALL_QUARANTINED);
    return { database, events, quarantined };
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** How many keys there are in a range, and what they say. */
export async function survey(database: LevelDatabase, range: KeyRange): Promise<Survey> {
  let count = 0;
  let bytes = 0;
  let lastId = 0;
  let strays = 0;
  let first: Uint8Array | undefined;
  for await (const keys of database.keys(range)) {
    count += keys.length;
    first ??= keys[0];
    for (const key of keys) {
      const header = readKey(key);
      if (header === undefined) {
        strays++;
        continue;
      }
      bytes += header.bytes;
      if (header.id > lastId) lastId = header.id;
    }
  }
  return { count, bytes, lastId, first, strays };
}

export async function allKeys(database: LevelDatabase, range: KeyRange): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  for await (const keys of database.keys(range)) found.push(...keys);
  return found;
}

/** In the words of this library. */
export function openError(path: string, error: unknown): OpenError {
  if (error instanceof CollectorQueueError) return error as OpenError;
  if (levelCode(error) === 'LEVEL_LOCKED') {
    return new StoreLockedError(`the event store ${path} is open already, here or in another process`, {
      cause: error,
    });
  }
  const said = describeThrown(error);
  if (isDamage(error)) {
    const advice = 'move the folder away to start with an empty one, and keep it if its events matter';
    return new StoreDamagedError(`the event store ${path} is damaged and could not be mended (${said}): ${advice}`, {
      cause: error,
    });
  }
  return new StoreDiskError(`the event store ${path} could not be opened: ${said}`, { cause: error });
}
