/** CRC-32C (Castagnoli), with which LevelDB secures its files. Node has only the other one, of zlib. */

const POLYNOMIAL = 0x82f63b78;
const STEP = 8;

/** Of the remainder by a byte, and by a byte with 1 to 7 zero bytes behind it: `TABLES[zeros * 256 + byte]`. */
const TABLES = new Int32Array(STEP * 256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
  TABLES[byte] = crc;
}
for (let at = 256; at < TABLES.length; at++) {
  const before = TABLES[at - 256] as number;
  TABLES[at] = (before >>> 8) ^ (TABLES[before & 0xff] as number);
}

/** Of the bytes from `start` up to `end`. */
function crc32c(bytes: Buffer, start: number, end: number): number {
  const t = TABLES;
  let crc = -1;
  let at = start;
  for (; at + STEP <= end; at += STEP) {
    const low =
      crc ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24));
    crc =
      (t[1_792 + (low & 0xff)] as number) ^
      (t[1_536 + ((low >>> 8) & 0xff)] as number) ^
      (t[1_280 + ((low >>> 16) & 0xff)] as number) ^
      (t[1_024 + (low >>> 24)] as number) ^
      (t[768 + (bytes[at + 4] as number)] as number) ^
      (t[512 + (bytes[at + 5] as number)] as number) ^
      (t[256 + (bytes[at + 6] as number)] as number) ^
      (t[bytes[at + 7] as number] as number);
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ (t[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}

/** As it is written: turned, so that the CRC of data with CRCs in it is sound. */
export function maskedCrc32c(bytes: Buffer, start: number, end: number): number {
  return masked(crc32c(bytes, start, end));
}

/**
 * The first place, behind `start`, at which the checksum of all bytes from `start` on is written; undefined if there is
 * none.
 */
export function findMaskedCrc32c(bytes: Buffer, start: number): number | undefined {
  let crc = -1;
  for (let at = start; at + 4 < bytes.length; at++) {
    crc = (crc >>> 8) ^ (TABLES[(crc ^ (bytes[at] as number)) & 0xff] as number);
    if (masked(~crc >>> 0) === bytes.readUInt32LE(at + 1)) return at + 1;
  }
  return undefined;
}

function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
