import { once } from 'node:events';
import type { WriteStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A file of one JSON value per line (NDJSON), written anew. */
export class Archive {
  /** Lines that are written. */
  lines = 0;
  readonly #stream: WriteStream;

  private constructor(stream: WriteStream) {
    this.#stream = stream;
    // Every failure reaches the append that it concerns; without a listener the stream would end the process.
    stream.on('error', () => undefined);
  }

  static async open(path: string): Promise<Archive> {
    await mkdir(dirname(path), { recursive: true });
    return new Archive((await open(path, 'w')).createWriteStream());
  }

  /**
   * Resolves once the operating system has the line, and rejects if it does not take it. To wait for that is the
   * back-pressure: no more lines are in memory than there are consumers, and lines of one turn are written in one go.
   */
  append(value: unknown): Promise<void> {
    const line = `${JSON.stringify(value)}\n`;
    return new Promise((resolve, reject) => {
      this.#stream.write(line, (error) => {
        if (error) return reject(error);
        this.lines++;
        resolve();
      });
    });
  }

  /** Writes what is left, and closes the file, also after a failure. */
  async close(): Promise<void> {
    if (this.#stream.closed) return;
    this.#stream.end();
    await once(this.#stream, 'close');
  }
}
