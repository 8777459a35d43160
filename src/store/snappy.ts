/**
 * Unpacks a block of Snappy's raw format; undefined for what is none.
 * @see https://github.com/google/snappy/blob/main/format_description.txt
 */
export function unsnap(packed: Buffer): Buffer | undefined {
  const header = readVarint(packed, 0);
  if (header === undefined || header.value > 64 << 20) return undefined;
  const out = Buffer.allocUnsafe(header.value);
  let from = header.next;
  let to = 0;
  while (from < packed.length) {
    const tag = packed[from++] as number;
    if ((tag & 3) === 0) {
      const literal = literalAt(packed, tag, from);
      if (literal === undefined || literal.end > packed.length || to + literal.end - literal.start > out.length)
        return undefined;
      to += packed.copy(out, to, literal.start, literal.end);
      from = literal.end;
    } else {
      const copy = copyAt(packed, tag, from);
      if (copy === undefined || copy.offset === 0 || copy.offset > to || to + copy.length > out.length)
        return undefined;
      // What is copied may be what the copy has just written.
      for (const end = to + copy.length; to < end; to++) out[to] = out[to - copy.offset] as number;
      from = copy.next;
    }
  }
  return to === out.length ? out : undefined;
}

function literalAt(packed: Buffer, tag: number, at: number): { start: number; end: number } | undefined {
  const short = tag >> 2;
  if (short < 60) return { start: at, end: at + short + 1 };
  const size = short - 59;
  if (at + size > packed.length) return undefined;
  return { start: at + size, end: at + size + packed.readUIntLE(at, size) + 1 };
}

function copyAt(packed: Buffer, tag: number, at: number): { offset: number; length: number; next: number } | undefined {
  const size = [0, 1, 2, 4][tag & 3] as number;
  if (at + size > packed.length) return undefined;
  const next = at + size;
  if (size === 1) return { length: ((tag >> 2) & 7) + 4, offset: ((tag >> 5) << 8) | (packed[at] as number), next };
  return { length: (tag >> 2) + 1, offset: packed.readUIntLE(at, size), next };
}

/** A number of at most 53 bits, seven at a time, the lowest first; undefined where there is none. */
export function readVarint(bytes: Buffer, at: number): { readonly value: number; readonly next: number } | undefined {
  let value = 0;
  for (let byte = 0; byte < 8 && at + byte < bytes.length; byte++) {
    const part = bytes[at + byte] as number;
    value += (part & 0x7f) * 2 ** (7 * byte);
    if (part < 0x80) return { value, next: at + byte + 1 };
  }
  return undefined;
}
