import type { SpoolMetrics } from '../socket/index.ts';

/** How often it is written anew. Milliseconds. */
const INTERVAL = 1_000;

/** A line at the bottom of a terminal that shows how the spool is doing; log lines scroll by above it. */
export class StatusLine {
  readonly #write: (text: string) => void;
  readonly #metrics: () => Promise<SpoolMetrics>;
  #timer: NodeJS.Timeout | undefined = undefined;
  #before: { readonly at: number; readonly metrics: SpoolMetrics } | undefined = undefined;
  #shown = '';

  constructor(write: (text: string) => void, metrics: () => Promise<SpoolMetrics>) {
    this.#write = write;
    this.#metrics = metrics;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#refresh(), INTERVAL);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#clear();
    this.#shown = '';
  }

  /** A line of the log, above. */
  above(text: string): void {
    this.#clear();
    this.#write(text + this.#shown);
  }

  async #refresh(): Promise<void> {
    const metrics = await this.#metrics().catch(() => undefined);
    if (metrics === undefined || this.#timer === undefined) return;
    const at = performance.now();
    this.#clear();
    this.#shown = describeMetrics(metrics, this.#before && { ...this.#before.metrics }, at - (this.#before?.at ?? at));
    this.#before = { at, metrics };
    this.#write(this.#shown);
  }

  #clear(): void {
    if (this.#shown !== '') this.#write('\r\u001b[K');
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
  if (now.deadLetters > 0) parts.push(`${now.deadLetters} dead letters`);
  if (now.retryDelay > 0) parts.push(`trying again in ${(now.retryDelay / 1_000).toFixed(1)} s`);
  return parts.join(' │ ');
}
