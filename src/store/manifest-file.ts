import { readLog } from './log-file.ts';
import { readVarint } from './snappy.ts';

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
