import { maskedCrc32c } from './crc32c.ts';

/*
 * A log of LevelDB, as `000006.log` and its `MANIFEST` are: blocks of 32 KiB, with records in them that never cross into the next.
 *
 *   record    masked CRC-32C, 4 bytes │ length, 2 bytes │ type: 1 whole, 2 first, 3 middle, 4 last │ …
 *
 * https://github.com/google/leveldb/blob/main/doc/log_format.md
 */

const BLOCK = 32_768;
const HEADER = 7;
const WHOLE = 1;
const FIRST = 2;
const MIDDLE = 3;
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
    if (piece === undefined) return { records, state: isTornAt(file, at) || isLastAt(file, at) ? 'torn' : 'damaged' };
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

/** Whether nothing sound stands behind this place: LevelDB leaves the rest out by itself. */
function isLastAt(file: Buffer, at: number): boolean {
  for (const piece of places(file, at)) if (piece !== undefined) return false;
  return true;
}

/** Every place where a piece is, or should be; behind what cannot be, the next block. */
function* places(file: Buffer, from: number): Generator<Piece | undefined> {
  for (let at = from; at < file.length; ) {
    const blockEnd = Math.min(file.length, at + BLOCK - (at % BLOCK));
    if (at + HEADER > blockEnd) {
      at += BLOCK - (at % BLOCK);
      continue;
    }
    const piece = pieceAt(file, at, blockEnd);
    yield piece;
    const type = file[at + 6] as number;
    const end = at + HEADER + file.readUInt16LE(at + 4);
    const isPossible = type >= WHOLE && type <= LAST && end <= blockEnd;
    at = piece?.end ?? (isPossible ? end : at + BLOCK - (at % BLOCK));
  }
}

/** All records with their checksum, behind damage too. */
export function soundRecords(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  let parts: Buffer[] | undefined;
  for (const piece of places(file, 0)) {
    if (piece === undefined) {
      parts = undefined;
      continue;
    }
    const contents = file.subarray(piece.start, piece.end);
    if (piece.type === WHOLE || piece.type === FIRST) parts = [contents];
    else parts?.push(contents);
    if (piece.type !== WHOLE && piece.type !== LAST) continue;
    if (parts !== undefined) records.push(Buffer.concat(parts));
    parts = undefined;
  }
  return records;
}

/** A log with these records. */
export function writeLog(records: readonly Buffer[]): Buffer {
  const written: Buffer[] = [];
  let at = 0;
  const append = (bytes: Buffer): void => {
    written.push(bytes);
    at += bytes.length;
  };
  for (const record of records) {
    let from = 0;
    do {
      if (BLOCK - (at % BLOCK) < HEADER) append(Buffer.alloc(BLOCK - (at % BLOCK)));
      const to = Math.min(record.length, from + BLOCK - (at % BLOCK) - HEADER);
      append(pieceOf(record.subarray(from, to), typeOf(from === 0, to === record.length)));
      from = to;
    } while (from < record.length);
  }
  return Buffer.concat(written);
}

function typeOf(isFirst: boolean, isLast: boolean): number {
  if (isFirst) return isLast ? WHOLE : FIRST;
  return isLast ? LAST : MIDDLE;
}

function pieceOf(contents: Buffer, type: number): Buffer {
  const piece = Buffer.concat([Buffer.alloc(HEADER), contents]);
  piece.writeUInt16LE(contents.length, 4);
  piece[6] = type;
  piece.writeUInt32LE(maskedCrc32c(piece, 6, piece.length), 0);
  return piece;
}

/** Whether nothing comes behind this record but its own rest, or zeros that a file system put there. */
function isTornAt(file: Buffer, at: number): boolean {
  if (at + HEADER > file.length || at + HEADER + file.readUInt16LE(at + 4) > file.length) return true;
  return file.subarray(at).every((byte) => byte === 0);
}
