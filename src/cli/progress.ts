import { statSync } from 'node:fs';
import { BottomLine, type Screen } from './bottom-line.ts';

/** How often the bar is drawn anew. Milliseconds. */
const INTERVAL = 100;
const WIDTH = 30;

/** What has become of the events so far. */
export interface Counts {
  readonly acknowledged: number;
  readonly failed: number;
}

/** On a terminal a bar, for a file of known size, or a count, for anything else; nothing where nobody looks. */
export class Progress {
  readonly #line: BottomLine | undefined;
  readonly #screen: Screen;
  readonly #size: number | undefined;
  readonly #counts: Counts;
  readonly #timer: NodeJS.Timeout | undefined;
  #read = 0;

  /** @param counts - looked at whenever it is drawn */
  constructor(stream: Screen & { readonly isTTY?: boolean }, file: string, counts: Counts) {
    this.#screen = stream;
    this.#counts = counts;
    const found = file === '-' ? undefined : statSync(file, { throwIfNoEntry: false });
    this.#size = found?.isFile() === true ? found.size : undefined;
    if (stream.isTTY !== true) return;
    this.#line = new BottomLine(stream);
    // Also while nothing is read, because the daemon takes its time.
    this.#timer = setInterval(() => this.#show(), INTERVAL).unref();
  }

  /** So many more bytes were read. */
  read(bytes: number): void {
    this.#read += bytes;
  }

  /** A line, above the bar. */
  tell(text: string): void {
    if (this.#line === undefined) this.#screen.write(`${text}\n`);
    else this.#line.above(`${text}\n`);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#line?.clear();
  }

  #show(): void {
    const { acknowledged, failed } = this.#counts;
    const failures = failed === 0 ? '' : `, ${failed} not acknowledged`;
    const events = `${acknowledged} events${failures}`;
    this.#line?.show(this.#bar(events.length) + events);
  }

  /** As long as there is room for it, beside so many characters. */
  #bar(others: number): string {
    if (this.#size === undefined || this.#size === 0) return '';
    const share = Math.min(1, this.#read / this.#size);
    const percent = `${Math.round(share * 100)} %  `;
    const width = Math.min(WIDTH, (this.#screen.columns || 80) - others - percent.length - 4);
    if (width < 3) return percent;
    const full = Math.round(share * width);
    return `[${'#'.repeat(full)}${' '.repeat(width - full)}] ${percent}`;
  }
}
