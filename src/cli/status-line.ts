import type { SpoolMetrics } from '../socket/index.ts';
import type { Screen } from './bottom-line.ts';
import { LiveLine } from './live-line.ts';

/** Shows at the bottom of a terminal how the spool is doing; log lines scroll by above it. */
export class StatusLine extends LiveLine<SpoolMetrics> {
  constructor(screen: Screen, metrics: () => Promise<SpoolMetrics>) {
    super(screen, metrics, describeMetrics);
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
