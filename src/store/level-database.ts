import type { KeyRange } from './level-records.ts';

/** A record as it stands in the database. */
export interface LevelRecord {
  readonly key: Uint8Array;
  readonly value: Buffer;
}

export type LevelOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array };

/** How much one reading may bring. */
export interface ReadLimits {
  readonly count: number;
  /** Of keys and values. */
  readonly bytes: number;
  /** From the last key on. */
  readonly reverse?: boolean;
}

/** What one reading brought. */
export interface LevelChunk {
  /** In the order in which they were read. */
  readonly records: readonly LevelRecord[];
  /** There are no more in the range. */
  readonly ended: boolean;
  /** What the database said of parts that it could not read, and left out. */
  readonly damage?: unknown;
}

/**
 * The few things that a store does with an open database. Errors are those of classic-level, with its codes.
 */
export interface LevelDatabase {
  /** All or nothing. With `sync` it resolves once the disk has it, otherwise once the operating system has. */
  write(operations: readonly LevelOperation[], sync: boolean): Promise<void>;
  /** Reads on until one of the limits is reached: a number of records, or of bytes in keys and values. */
  read(range: KeyRange, limits: ReadLimits): Promise<LevelChunk>;
  /** Every key of a range, in order, in lists. Throws if some cannot be read. */
  keys(range: KeyRange): AsyncIterable<readonly Uint8Array[]>;
  /** Writes the files of a range anew without what was deleted; reading and writing go on meanwhile. `close` waits for it. */
  compact(range: KeyRange): Promise<void>;
  close(): Promise<void>;
}

/**
 * How databases are opened and mended; a test puts its own around it.
 */
export interface LevelEngine {
  /** @param create - whether a new one is made where there is none; refused otherwise */
  open(path: string, create: boolean): Promise<LevelDatabase>;
  /** Saves what can be saved, at the cost of the order on disk. Takes no lock. */
  repair(path: string): Promise<void>;
}

/** The code that classic-level gave an error, if any. */
export function levelCode(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/** Whether an error means that the disk, or what this user may have of it, is full. */
export function isFull(error: unknown): boolean {
  return levelCode(error) === 'LEVEL_IO_ERROR' && /No space left|quota exceeded|not enough space/i.test(String(error));
}

/**
 * Whether an error means that the files are not what they should be, and not that the disk is full or may not be
 * touched. LevelDB calls it an I/O error, too, if a file that it has noted is not there, or has become too short.
 */
export function isDamage(error: unknown): boolean {
  const code = levelCode(error);
  if (code === 'LEVEL_CORRUPTION') return true;
  if (code === 'LEVEL_IO_ERROR') return /No such file or directory|Invalid argument/.test(String(error));
  // Not `Invalid argument` of an I/O error, but LevelDB's own, which has no code: there is no such database.
  return code === undefined && /^Error: (Invalid argument|Not implemented): /.test(String(error));
}
