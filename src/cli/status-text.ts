import type { Observation, ObservedQueue } from '../bullmq/index.ts';

type Column = readonly [title: string, cell: (queue: ObservedQueue) => string];

const COLUMNS: readonly Column[] = [
  ['collector', ({ key }) => key],
  ['waiting', ({ waiting }) => String(waiting)],
  ['for', ({ nextAge }) => (nextAge === undefined ? '' : inWords(nextAge))],
  ['active', ({ active }) => String(active)],
  ['delayed', ({ delayed }) => String(delayed)],
  ['failed', ({ failed }) => String(failed)],
  ['completed', ({ completed }) => String(completed)],
  ['workers', ({ workers }) => String(workers)],
  ['', ({ paused, announced }) => [paused ? 'paused' : [], announced ? [] : 'not announced'].flat().join(', ')],
];

/** A row for each collector, and a line for the quarantine. */
export function describeStatus({ queues, quarantined }: Observation): string {
  const lines =
    queues.length === 0
      ? ['there are no collectors: no worker has announced one, and no jobs are left']
      : tableOf(queues);
  if (quarantined === 1) lines.push('', '1 message was not believed, and is in quarantine');
  if (quarantined > 1) lines.push('', `${quarantined} messages were not believed, and are in quarantine`);
  return lines.map((line) => `${line}\n`).join('');
}

function tableOf(queues: readonly ObservedQueue[]): string[] {
  const rows = [
    COLUMNS.map(([title]) => title),
    ...queues.map((queue) => COLUMNS.map(([, cell]) => visible(cell(queue)))),
  ];
  const widths = COLUMNS.map((_, at) => Math.max(...rows.map((row) => (row[at] as string).length)));
  return rows.map((row) =>
    row
      .map((cell, at) =>
        at === 0 || at === row.length - 1 ? cell.padEnd(widths[at] as number) : cell.padStart(widths[at] as number),
      )
      .join('  ')
      .trimEnd(),
  );
}

/** A key is any text; what would move the cursor is shown as JSON shows it. */
function visible(text: string): string {
  return /[\p{C}]/u.test(text) ? JSON.stringify(text).replaceAll(/\p{C}/gu, '?') : text;
}

/** One line. */
export function jsonOfStatus(status: Observation): string {
  return `${JSON.stringify({ time: new Date().toISOString(), ...status })}\n`;
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** In the largest unit of which there is one. */
function inWords(milliseconds: number): string {
  const [unit, size] = UNITS.find(([, least]) => milliseconds >= least) ?? ['ms', 1];
  return `${Math.floor(milliseconds / size)} ${unit}`;
}
