const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Cuts what arrives in pieces of any size into lines, and keeps the bytes of the one that has begun. */
export class LineSplitter {
  readonly #longest: number;
  /** The begun line, at its front. Doubles when it is full, so that a line in single bytes costs no more than another. */
  #buffer: Buffer = Buffer.alloc(0);
  #begun = 0;

  /** @param longest - in bytes, without its end */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** The bytes of the line that has begun; 0 between two lines. */
  get begun(): number {
    return this.#begun;
  }

  /** What there is of it. */
  get beginning(): Buffer {
    return this.#buffer.subarray(0, this.#begun);
  }

  /**
   * Calls back with each line that is complete now, without its end; empty ones do not count. Returns false as soon as one
   * is longer than may be: nothing more can be read then.
   */
  push(chunk: Buffer, take: (line: Buffer) => void): boolean {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, from)) {
      const line = this.#finish(chunk.subarray(from, end));
      from = end + 1;
      if (line.length > this.#longest) return false;
      if (line.length > 0) take(line);
    }
    if (this.#begun + chunk.length - from > this.#longest + 1) return false;
    this.#append(chunk.subarray(from));
    return true;
  }

  #finish(last: Buffer): Buffer {
    let line = last;
    if (this.#begun > 0) {
      this.#append(last);
      line = this.beginning;
      this.#buffer = Buffer.alloc(0);
      this.#begun = 0;
    }
    return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
  }

  #append(piece: Buffer): void {
    const length = this.#begun + piece.length;
    if (length > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, this.#begun);
      this.#buffer = grown;
    }
    piece.copy(this.#buffer, this.#begun);
    this.#begun = length;
  }
}
