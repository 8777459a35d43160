/** What a terminal is to a line at its bottom. */
export interface Screen {
  write(text: string): unknown;
  /** Undefined or 0 where nobody knows. */
  readonly columns?: number | undefined;
}

/** Back to the first column, and everything right of it away. */
const CLEAR = '\r\u001b[K';

/** A line at the bottom of a terminal that is written anew again and again; what is told meanwhile scrolls by above it. */
export class BottomLine {
  readonly #screen: Screen;
  #shown = '';

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** As far as there is room: what the terminal would wrap could not be cleared again. */
  show(text: string): void {
    const columns = this.#screen.columns || 80;
    this.#shown = text.length < columns ? text : `${text.slice(0, Math.max(0, columns - 2))}…`;
    this.#screen.write(CLEAR + this.#shown);
  }

  /** Whole lines, above. */
  above(text: string): void {
    this.#screen.write(this.#shown === '' ? text : CLEAR + text + this.#shown);
  }

  /** The terminal is as it was before. */
  clear(): void {
    if (this.#shown !== '') this.#screen.write(CLEAR);
    this.#shown = '';
  }
}
