import { BottomLine, type Screen } from './bottom-line.ts';

/** How often it is written anew. Milliseconds. */
const INTERVAL = 1_000;

/** Figures at the bottom of a terminal, read anew each second; log lines scroll by above them. */
export class LiveLine<F> {
  readonly #line: BottomLine;
  readonly #read: () => Promise<F>;
  readonly #describe: (now: F, before: F | undefined, elapsed: number) => string;
  #timer: NodeJS.Timeout | undefined = undefined;
  #before: { readonly at: number; readonly figures: F } | undefined = undefined;

  /**
   * @param read - the figures; if it rejects, the line stays as it is
   * @param describe - figures in words, with those that were read before and the milliseconds since then
   */
  constructor(
    screen: Screen,
    read: () => Promise<F>,
    describe: (now: F, before: F | undefined, elapsed: number) => string,
  ) {
    this.#line = new BottomLine(screen);
    this.#read = read;
    this.#describe = describe;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#refresh(), INTERVAL);
    this.#timer.unref();
    void this.#refresh();
  }

  /** The line is gone, and does not come back. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#line.clear();
  }

  /** A line of the log, above. */
  above(text: string): void {
    this.#line.above(text);
  }

  async #refresh(): Promise<void> {
    const figures = await this.#read().catch(() => undefined);
    if (figures === undefined || this.#timer === undefined) return;
    const at = performance.now();
    this.#line.show(this.#describe(figures, this.#before?.figures, at - (this.#before?.at ?? at)));
    this.#before = { at, figures };
  }
}
