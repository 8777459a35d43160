import { findMaskedCrc32c, maskedCrc32c } from './crc32c.ts';
import { readVarint, unsnap } from './snappy.ts';

/*
 * A table of LevelDB, `000005.ldb`. LevelDB reads it without checking its checksums, and the build that classic-level ships
 * ends the process when what it finds makes no sense. So a store looks first.
 *
 *   block │ block │ … │ index │ footer        footer, 48 bytes: where two blocks are, then a magic number
 *   block     entries │ type, 1 byte: 0 plain, 1 Snappy │ masked CRC-32C, 4 bytes
 *   entry     bytes shared with the key before │ further bytes │ bytes of the value │ …      the key ends in a number and a type
 *
 * https://github.com/google/leveldb/blob/main/doc/table_format.md
 */

const FOOTER = 48;
const MAGIC = Buffer.from('57fb808b247547db', 'hex');
const TRAILER = 5;
/** Behind the key proper: when it was written, and whether it was deleted then. */
const KEY_TRAILER = 8;

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** What one entry did. */
export interface TableEntry {
  readonly key: Buffer;
  /** Undefined if the key was deleted. */
  readonly value: Buffer | undefined;
  /** A later entry for the same key has a higher one. */
  readonly sequence: bigint;
}

/** Whether every part has its checksum. */
export function isSoundTable(file: Buffer): boolean {
  return dataBlocks(file)?.every((handle) => isSound(file, handle)) ?? false;
}

/** What can still be read of a table that is not sound. */
export function* salvageTable(file: Buffer): Generator<TableEntry> {
  let before: Buffer = Buffer.alloc(0);
  for (const handle of dataBlocks(file) ?? foundBlocks(file)) {
    const block = readBlock(file, handle);
    if (block === undefined) continue;
    for (const { key: whole, value } of entries(block)) {
      const key = whole.subarray(0, -KEY_TRAILER);
      // Behind the data come blocks of another kind.
      if (whole.length < KEY_TRAILER || key.compare(before) < 0) return;
      before = key;
      const trailer = whole.readBigUInt64LE(key.length);
      const deleted = (trailer & 0xffn) === 0n;
      yield { key, value: deleted ? undefined : value, sequence: trailer >> 8n };
    }
  }
}

/** The blocks of a table that lost its end, with all that tells where they are: one after another, while they are sound. */
function* foundBlocks(file: Buffer): Generator<Handle> {
  for (let offset = 0; ; ) {
    const checksum = findMaskedCrc32c(file, offset);
    if (checksum === undefined) return;
    yield { offset, size: checksum - 1 - offset };
    offset = checksum + 4;
  }
}

/** Where the blocks are; undefined if nothing tells any more. */
function dataBlocks(file: Buffer): Handle[] | undefined {
  const footer = file.length - FOOTER;
  if (footer < 0 || !file.subarray(-MAGIC.length).equals(MAGIC)) return undefined;
  const metaindex = readHandle(file, footer);
  const index = metaindex && readHandle(file, metaindex.next);
  const block = index && readBlock(file, index);
  if (metaindex === undefined || block === undefined || !isSound(file, metaindex)) return undefined;
  const handles: Handle[] = [];
  for (const { value } of entries(block)) {
    const handle = readHandle(value, 0);
    if (handle === undefined) return undefined;
    handles.push(handle);
  }
  return handles;
}

function readHandle(bytes: Buffer, at: number): (Handle & { readonly next: number }) | undefined {
  const offset = readVarint(bytes, at);
  const size = offset && readVarint(bytes, offset.next);
  return size && { offset: (offset as { value: number }).value, size: size.value, next: size.next };
}

function isSound(file: Buffer, { offset, size }: Handle): boolean {
  const type = offset + size;
  return type + TRAILER <= file.length && file.readUInt32LE(type + 1) === maskedCrc32c(file, offset, type + 1);
}

function readBlock(file: Buffer, handle: Handle): Buffer | undefined {
  if (!isSound(file, handle)) return undefined;
  const end = handle.offset + handle.size;
  const contents = file.subarray(handle.offset, end);
  return file[end] === 1 ? unsnap(contents) : contents;
}

function* entries(block: Buffer): Generator<{ readonly key: Buffer; readonly value: Buffer }> {
  if (block.length < 4) return;
  const end = block.length - 4 * (1 + block.readUInt32LE(block.length - 4));
  let key: Buffer = Buffer.alloc(0);
  for (let at = 0; at < end; ) {
    const shared = readVarint(block, at);
    const further = shared && readVarint(block, shared.next);
    const size = further && readVarint(block, further.next);
    if (shared === undefined || further === undefined || size === undefined) return;
    const value = size.next + further.value;
    at = value + size.value;
    if (at > end) return;
    key = Buffer.concat([key.subarray(0, shared.value), block.subarray(size.next, value)]);
    yield { key, value: block.subarray(value, at) };
  }
}
