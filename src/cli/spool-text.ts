import type { SpoolMetrics } from '../socket/index.ts';

/** An event of a spool as it is listed. */
export interface Entry {
  readonly id: number;
  /** When it came, in milliseconds since the Unix epoch. */
  readonly at: number;
  readonly event: unknown;
}

/** One line: its number, its time, why it was refused, the event as far as there is room. */
export function describeEntry({ id, at, event }: Entry, columns: number): string {
  const { reason, event: inner } = event as { reason?: unknown; event?: unknown };
  const isLetter = typeof reason === 'string' && inner !== undefined;
  const head = `${String(id).padStart(8)}  ${new Date(at).toISOString()}  ${isLetter ? `${reason}  ` : ''}`;
  const text = JSON.stringify(isLetter ? inner : event);
  const room = Math.max(20, columns - head.length);
  return head + (text.length > room ? `${text.slice(0, room - 1)}…` : text);
}

/** A line a figure. */
export function describeStats(metrics: SpoolMetrics): string {
  const lines: readonly (readonly [string, number | string])[] = [
    ['events that wait', metrics.stored],
    ['bytes of them', metrics.storedBytes],
    ['age of the oldest', `${(metrics.oldestAge / 1_000).toFixed(1)} s`],
    ['dead letters', metrics.deadLettersFull ? `${metrics.deadLetters}, full` : metrics.deadLetters],
    ['damaged records', metrics.quarantined],
    ['received', metrics.received],
    ['acknowledged', metrics.acknowledged],
    ['refused', metrics.refused],
    ['dropped', metrics.dropped],
    ['sent', metrics.sent],
    ['requests tried again', metrics.retried],
    ['connections', metrics.connections],
  ];
  return lines.map(([name, value]) => `${name.padEnd(22)}${String(value).padStart(14)}\n`).join('');
}
