import { statSync } from 'node:fs';

/** How often the bar is drawn anew. Milliseconds. */
const INTERVAL = 100;
const WIDTH = 30;

/** A bar on a terminal, for a file of known size; a count for anything else; nothing where nobody looks. */
export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #size: number | undefined;
  #read = 0;
  #shownAt = 0;

  constructor(stream: NodeJS.WriteStream, file: string) {
    this.#stream = stream;
    const found = file === '-' ? undefined : statSync(file, { throwIfNoEntry: false });
    this.#size = found?.isFile() === true ? found.size : undefined;
  }

  /** So many more bytes were read. */
  read(bytes: number): void {
    this.#read += bytes;
  }

  show({ acknowledged, failed }: { readonly acknowledged: number; readonly failed: number }): void {
    const now = performance.now();
    if (this.#stream.isTTY !== true || now - this.#shownAt < INTERVAL) return;
    this.#shownAt = now;
    const failures = failed === 0 ? '' : `, ${failed} not acknowledged`;
    this.#stream.write(`\r\u001b[K${this.#bar()}${acknowledged} events${failures}`);
  }

  end(): void {
    if (this.#stream.isTTY === true) this.#stream.write('\r\u001b[K');
  }

  #bar(): string {
    if (this.#size === undefined || this.#size === 0) return '';
    const share = Math.min(1, this.#read / this.#size);
    const full = Math.round(share * WIDTH);
    return `[${'#'.repeat(full)}${' '.repeat(WIDTH - full)}] ${Math.round(share * 100)} %  `;
  }
}
