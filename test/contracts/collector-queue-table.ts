import { type Promised, promises, type Standing } from './collector-queue-promises.ts';

/** A row of the table in docs/DISTRIBUTED.md, cell by cell. */
export type Row = readonly [promise: string, inProcess: string, bullmq: string];

const HEAD: Row = ['promise', 'in process', 'BullMQ'];

export function rowsOfCode(): Row[] {
  return Object.values<Promised>(promises).map(({ says, inProcess, bullmq }) => [
    says,
    words(inProcess),
    words(bullmq),
  ]);
}

/** The rows of the first table of a page that has this head; none if it has no such table. */
export function rowsOfPage(page: string): Row[] {
  const [, rest = ''] = page.split(`${line(HEAD)}\n`);
  const [table = ''] = rest.split('\n\n');
  return table
    .trim()
    .split('\n')
    .slice(1)
    .map((row) => row.slice(2, -2).split(' | ') as unknown as Row);
}

/** The table as Markdown. */
export function rendered(): string {
  return [line(HEAD), line(['---', '---', '---']), ...rowsOfCode().map(line)].join('\n');
}

function line(cells: Row): string {
  return `| ${cells.join(' | ')} |`;
}

function words(standing: Standing): string {
  if (standing === 'kept') return 'kept';
  return 'differently' in standing ? `differently: ${standing.differently}` : `no: ${standing.not}`;
}
