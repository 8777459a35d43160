import type { SpoolMetrics } from '../socket/index.ts';
import { BottomLine, type Screen } from './bottom-line.ts';

/** How often it is written anew. Milliseconds. */
const INTERVAL = 1_000;

/** Shows at the bottom of a terminal how the spool is doing; log lines scroll by above it. */
export class StatusLine {
  readonly #line: BottomLine;
  readonly #metrics: () => Promise<SpoolMetrics>;
  #timer: NodeJS.Timeout | undefined = undefined;
  #before: { readonly at: number; readonly metrics: SpoolMetrics } | undefined = undefined;

  constructor(screen: Screen, metrics: () => Promise<SpoolMetrics>) {
    this.#line = new BottomLine(screen);
    this.#metrics = metrics;
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
    const metrics = await this.#metrics().catch(() => undefined);
    if (metrics === undefined || this.#timer === undefined) return;
    const at = performance.now();
    this.#line.show(describeMetrics(metrics, this.#before?.metrics, at - (this.#before?.at ?? at)));
    this.#before = { at, metrics };
  }
}

/** Rates since the last look, what waits, and how old the oldest of it is. */
export function describeMetrics(now: SpoolMetrics, before: SpoolMetrics | undefined, elapsed: number): string {
  const rate = (field: 'acknowledged' | 'sent'): string =>
    before === undefined || elapsed <= 0 ? '–' : String(Math.round(((now[field] - before[field]) * 1_000) / elapsed));
  const parts = [
    `in ${rate('acknowledged')}/s`,
    `out ${rate('sent')}/s`,
    `waiting ${now.stored}`,
    `oldest ${(now.oldestAge / 1_000).toFixed(1)} s`,
    `${now.connections} connections`,
  ];
  if (now.deadLetters > 0) parts.push(`${now.deadLetters} dead letters${now.deadLettersFull ? ', full' : ''}`);
  if (now.retryDelay > 0) parts.push(`trying again in ${(now.retryDelay / 1_000).toFixed(1)} s`);
  return parts.join(' │ ');
}
