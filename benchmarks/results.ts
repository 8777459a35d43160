import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem, type } from 'node:os';
import type { Bench, Check, Median, Metrics, Table } from './bench.ts';
import { keyOf, type Measured } from './rounds.ts';
import { figure, notMeasured } from './wording.mjs';

/** A benchmark's results, as they stand in results.json. */
export interface BenchResults {
  readonly question: string;
  readonly method: string;
  readonly conditions: Conditions;
  readonly tables: readonly Table[];
  readonly checks: readonly (Check & { readonly verdict: string })[];
  /** By case and metric. */
  readonly cases: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: readonly number[];
}

/** Under what the figures came about. */
export interface Conditions {
  readonly date: string;
  readonly command: string;
  readonly rounds: number;
  readonly machine: string;
  readonly node: string;
  readonly packages: Readonly<Record<string, string>>;
}

const here = (name: string): URL => new URL(name, import.meta.url);
const resultsFile: URL = here('results.json');
const readmeFile: URL = here('README.md');
const markers = { start: '<!-- results: written by npm run bench -->', end: '<!-- end of results -->' };
const queues = ['async', 'fastq', 'p-limit', 'p-queue'];

export function conditionsOf(command: string, rounds: number, { peers = queues }: Bench): Conditions {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return {
    date: new Date().toISOString().slice(0, 10),
    command,
    rounds,
    machine: `${cpu?.model.trim()}, ${cpus().length} cores, ${memory} GiB, ${type()} ${process.arch}`,
    node: process.versions.node,
    packages: {
      'collector-queue': versionIn(here('../package.json')),
      ...Object.fromEntries(peers.map((name) => [name, versionIn(here(`../node_modules/${name}/package.json`))])),
    },
  };
}

function versionIn(manifest: URL): string {
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}

export function summarise(bench: Bench, measured: Measured, conditions: Conditions): BenchResults {
  const cases: Record<string, Record<string, Spread>> = {};
  for (const what of bench.cases) {
    const rounds = measured.get(keyOf(bench, what));
    if (rounds) cases[what.id] = spreads(rounds);
  }
  const median: Median = (id, metric) => cases[id]?.[metric]?.median ?? Number.NaN;
  const { tables, checks } = bench.report(median);
  return {
    question: bench.question,
    method: bench.method,
    conditions,
    tables,
    checks: checks
      .filter(({ reached }) => Number.isFinite(reached))
      .map((check) => ({ ...check, verdict: verdictOn(check) })),
    cases,
  };
}

function spreads(rounds: readonly Metrics[]): Record<string, Spread> {
  const metrics = Object.keys(rounds[0] ?? {});
  return Object.fromEntries(
    metrics.map((metric) => {
      const values = rounds.map((round) => round[metric] ?? Number.NaN);
      return [metric, { median: medianOf(values), min: Math.min(...values), max: Math.max(...values), rounds: values }];
    }),
  );
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** `ok` where what must be is reached, `ok, aim` where the aim is too, `below` or `over` where it is not. */
function verdictOn({ reached, bound, must, aim }: Check): string {
  const holds = (asked: number): boolean => (bound === 'at least' ? reached >= asked : reached <= asked);
  if (must !== undefined && !holds(must)) return bound === 'at least' ? 'below' : 'over';
  if (aim !== undefined && holds(aim)) return 'ok, aim';
  if (must !== undefined) return 'ok';
  return aim !== undefined ? 'short of the aim' : '';
}

/** Whether a check fails what must be. */
export function isMissed({ verdict }: { readonly verdict: string }): boolean {
  return verdict === 'below' || verdict === 'over';
}

/** Adds these benchmarks to results.json in place of older ones, and renders all that it holds into the README. */
export function write(fresh: Readonly<Record<string, BenchResults>>, order: readonly string[]): void {
  const before = existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, 'utf8')) : {};
  const merged: Record<string, BenchResults> = { ...before, ...fresh };
  const all = Object.fromEntries(order.flatMap((name) => (merged[name] ? [[name, merged[name]]] : [])));
  writeFileSync(resultsFile, `${JSON.stringify(all, null, 2)}\n`);

  const readme = readFileSync(readmeFile, 'utf8');
  const start = readme.indexOf(markers.start);
  const end = readme.indexOf(markers.end);
  if (start === -1 || end < start)
    throw new Error(`benchmarks/README.md lacks the line '${markers.start}' or '${markers.end}'`);
  const sections = Object.entries(all).map(([name, results]) => markdownOf(name, results));
  writeFileSync(
    readmeFile,
    `${readme.slice(0, start)}${markers.start}\n\n${sections.join('\n')}\n${readme.slice(end)}`,
  );
}

/** One benchmark's section of the README. */
export function markdownOf(name: string, { question, method, conditions, tables, checks }: BenchResults): string {
  const packages = Object.entries(conditions.packages).map(([packageName, version]) => `${packageName} ${version}`);
  return [
    `### ${name}: ${question}`,
    '',
    method,
    '',
    `${conditions.date}, ${conditions.rounds === 1 ? 'one round' : `median of ${conditions.rounds} rounds`}, \`${conditions.command}\`. ${conditions.machine}. ` +
      `Node ${conditions.node}; ${packages.join(', ')}.`,
    '',
    ...tables.flatMap((table) => [`**${table.title}**`, '', ...markdownTable(table), '']),
    ...(checks.length > 0 ? ['**Asked and reached**', '', ...markdownTable(checksTable(checks)), ''] : []),
  ].join('\n');
}

/** The same for a terminal: aligned columns. */
export function plainTextOf(name: string, { question, tables, checks }: BenchResults): string {
  const shown = tables.map(withoutGaps).filter(({ rows }) => rows.length > 0);
  return [
    `${name}: ${question}`,
    '',
    ...shown.flatMap((table) => [table.title, ...alignedTable(table), '']),
    ...(checks.length > 0 ? ['Asked and reached', ...alignedTable(checksTable(checks)), ''] : []),
  ].join('\n');
}

/** Leaves out the rows and columns of which nothing was measured. */
function withoutGaps({ title, columns, rows }: Table): Table {
  const measuredRows = rows.filter((row) => row.slice(1).some((cell) => cell !== notMeasured));
  const isKept = (_: string, index: number): boolean =>
    index === 0 || measuredRows.some((row) => row[index] !== notMeasured);
  return { title, columns: columns.filter(isKept), rows: measuredRows.map((row) => row.filter(isKept)) };
}

function checksTable(checks: BenchResults['checks']): Table {
  const asked = (bound: Check['bound'], value: number | undefined, unit: string): string =>
    value === undefined ? '' : `${bound === 'at least' ? '≥' : '≤'} ${figure(value, unit)}`;
  return {
    title: '',
    columns: ['', 'must', 'aim', 'reached', ''],
    rows: checks.map(({ what, bound, must, aim, reached, unit, verdict }) => [
      what,
      asked(bound, must, unit),
      asked(bound, aim, unit),
      figure(reached, unit),
      verdict,
    ]),
  };
}

function markdownTable({ columns, rows }: Table): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = columns.map((_, index) => (index === 0 ? '---' : '---:'));
  return [line(columns), line(rule), ...rows.map(line)];
}

function alignedTable({ columns, rows }: Table): string[] {
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0))).join('  ')}`.trimEnd();
  return [line(columns), ...rows.map(line)];
}
