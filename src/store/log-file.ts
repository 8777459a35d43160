import { maskedCrc32c } from './crc32c.ts';
import { readVarint } from './snappy.ts';

/*
 * A log of LevelDB, `000006.log`, and its `MANIFEST`: blocks of 32 KiB, with records in them that never cross into the next.
 *
 *   record    masked CRC-32C, 4 bytes │ length, 2 bytes │ type: 1 whole, 2 first, 3 middle, 4 last │ …
 *
 * https://github.com/google/leveldb/blob/main/doc/log_format.md
 */

const BLOCK = 32_768;
const HEADER = 7;
const WHOLE = 1;
const FIRST = 2;
const LAST = 4;

/** A piece of a record; undefined where there is none any more. */
interface Piece {
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

export interface LogContents {
  /** Up to the first place that makes no sense. */
  readonly records: readonly Buffer[];
  /**
   * - sound: to its end;
   * - torn: the last record is not whole, as it is if the process ended while it wrote;
   * - damaged: something else follows.
   */
  readonly state: 'sound' | 'torn' | 'damaged';
}

export function readLog(file: Buffer): LogContents {
  const records: Buffer[] = [];
  let parts: Buffer[] | undefined;
  let at = 0;
  while (at < file.length) {
    const left = BLOCK - (at % BLOCK);
    if (left < HEADER) {
      at += left;
      continue;
    }
    const piece = pieceAt(file, at, Math.min(file.length, at + left));
    if (piece === undefined) return { records, state: isTornAt(file, at) ? 'torn' : 'damaged' };
    const starts = piece.type === WHOLE || piece.type === FIRST;
    if (starts !== (parts === undefined)) return { records, state: 'damaged' };
    parts = [...(parts ?? []), file.subarray(piece.start, piece.end)];
    at = piece.end;
    if (piece.type !== WHOLE && piece.type !== LAST) continue;
    records.push(Buffer.concat(parts));
    parts = undefined;
  }
  return { records, state: parts === undefined ? 'sound' : 'torn' };
}

function pieceAt(file: Buffer, at: number, blockEnd: number): Piece | undefined {
  if (at + HEADER > blockEnd) return undefined;
  const start = at + HEADER;
  const end = start + file.readUInt16LE(at + 4);
  const type = file[at + 6] as number;
  if (type < WHOLE || type > LAST || end > blockEnd) return undefined;
  return file.readUInt32LE(at) === maskedCrc32c(file, at + 6, end) ? { type, start, end } : undefined;
}

/** Whether nothing comes behind this record but its own rest, or zeros that a file system put there. */
function isTornAt(file: Buffer, at: number): boolean {
  if (at + HEADER > file.length || at + HEADER + file.readUInt16LE(at + 4) > file.length) return true;
  return file.subarray(at).every((byte) => byte === 0);
}

/** The state of a database, as its manifest tells it. */
export interface ManifestContents {
  /** The number of the oldest log that is in use; 0 if there is none. */
  readonly log: number;
  /** The numbers of the tables. */
  readonly tables: ReadonlySet<number>;
}

/**
 * Undefined if a part of it cannot be understood. The manifest is a list of changes, each of which is made of pairs of a
 * tag and what belongs to it.
 */
export function readManifest(file: Buffer): ManifestContents | undefined {
  const { records, state } = readLog(file);
  if (state === 'damaged') return undefined;
  let log = 0;
  const tables = new Set<number>();
  for (const record of records) {
    for (let at = 0; at < record.length; ) {
      const field = fieldAt(record, at);
      if (field === undefined) return undefined;
      const { tag, numbers } = field;
      if (tag === LOG_NUMBER) log = numbers[0] as number;
      else if (tag === TABLE_ADDED) tables.add(numbers[1] as number);
      else if (tag === TABLE_REMOVED) tables.delete(numbers[1] as number);
      at = field.next;
    }
  }
  return { log, tables };
}

const LOG_NUMBER = 2;
const TABLE_REMOVED = 6;
const TABLE_ADDED = 7;

/** What follows each tag. A text is a number of bytes, and they. */
const PARTS: Readonly<Record<number, readonly ('number' | 'text')[]>> = {
  1: ['text'],
  [LOG_NUMBER]: ['number'],
  3: ['number'],
  4: ['number'],
  5: ['number', 'text'],
  [TABLE_REMOVED]: ['number', 'number'],
  [TABLE_ADDED]: ['number', 'number', 'number', 'text', 'text'],
  9: ['number'],
};

function fieldAt(record: Buffer, at: number): { tag: number; numbers: number[]; next: number } | undefined {
  const tag = readVarint(record, at);
  if (tag === undefined) return undefined;
  const numbers: number[] = [];
  let { next } = tag;
  for (const part of PARTS[tag.value] ?? []) {
    const number = readVarint(record, next);
    if (number === undefined) return undefined;
    numbers.push(number.value);
    next = number.next + (part === 'text' ? number.value : 0);
  }
  return numbers.length === 0 ? undefined : { tag: tag.value, numbers, next };
}
