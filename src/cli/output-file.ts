import { type FileHandle, link, open, rename, rm, stat } from 'node:fs/promises';
import { FailedError } from './command.ts';

/** So much is written at once. Bytes. */
const CHUNK = 65_536;

/**
 * A file that is there as a whole or not at all: it is written beside its place, and moved there when it is complete. What
 * was there before is never touched. Of a file that could not be completed the beginning is kept, beside.
 */
export class OutputFile {
  readonly #path: string;
  readonly #partial: string;
  readonly #file: FileHandle;
  #waiting: string[] = [];
  #bytes = 0;

  /** @throws {@link FailedError} if something is there already. */
  static async create(path: string): Promise<OutputFile> {
    if ((await stat(path).catch(() => undefined)) !== undefined)
      throw new FailedError(`--out ${path} exists already: it is left alone`);
    const partial = `${path}.partial-${process.pid}`;
    return new OutputFile(path, partial, await open(partial, 'wx'));
  }

  private constructor(path: string, partial: string, file: FileHandle) {
    this.#path = path;
    this.#partial = partial;
    this.#file = file;
  }

  async write(text: string): Promise<void> {
    this.#waiting.push(text);
    this.#bytes += text.length;
    if (this.#bytes >= CHUNK) await this.#flush();
  }

  /** Everything is written: puts it in its place. */
  async complete(): Promise<void> {
    await this.#flush();
    await this.#file.sync();
    await this.#file.close();
    await this.#move();
  }

  /** Returns where the part is that was written; undefined if there is none. */
  async abandon(): Promise<string | undefined> {
    await this.#file.close().catch(() => undefined);
    // A write that failed may have written some of it.
    const { size } = await stat(this.#partial);
    if (size > 0) return this.#partial;
    await rm(this.#partial, { force: true });
    return undefined;
  }

  async #flush(): Promise<void> {
    const text = this.#waiting.join('');
    this.#waiting = [];
    this.#bytes = 0;
    await this.#file.appendFile(text);
  }

  /** A link is never made over what came there meanwhile; some file systems have none. */
  async #move(): Promise<void> {
    try {
      await link(this.#partial, this.#path);
      await rm(this.#partial);
    } catch (error) {
      if (!WITHOUT_LINKS.includes(String((error as NodeJS.ErrnoException).code))) throw error;
      await rename(this.#partial, this.#path);
    }
  }
}

const WITHOUT_LINKS: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];
