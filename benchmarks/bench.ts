/** What a benchmark file exports, and what the runner makes of it. */

/** One thing to measure, in a process of its own. */
export interface Case {
  /** Path-like and unique within its benchmark, such as `at-once/16/p-queue`. */
  readonly id: string;
  /** True if it measures this library, false for a peer. */
  readonly ours: boolean;
  readonly [detail: string]: unknown;
}

/** What one child measured, by metric name. */
export type Metrics = Readonly<Record<string, number>>;

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A figure that is asked for. `must` and `aim` are left out where the figure is only of interest. */
export interface Check {
  readonly what: string;
  readonly reached: number;
  readonly unit: string;
  /** Whether the reached value has to be at least or at most what is asked for. */
  readonly bound: 'at least' | 'at most';
  readonly must?: number | undefined;
  readonly aim?: number | undefined;
}

/** The median of a metric over the rounds; NaN where it was not measured. */
export type Median = (id: string, metric: string) => number;

/** One question, one file. It is loaded by the runner for its cases and by each child to measure one of them. */
export interface Bench {
  readonly name: string;
  readonly question: string;
  /** What is done exactly, as a paragraph for the README. */
  readonly method: string;
  /** Packages that it measures beside this library, if not the queues. */
  readonly peers?: readonly string[];
  readonly cases: readonly Case[];
  /** Measures one case. `scale` shortens what is measured, not the warm-up; 1 is the full length. */
  measure(what: Case, scale: number): Promise<Metrics>;
  report(median: Median): { readonly tables: readonly Table[]; readonly checks: readonly Check[] };
}

/** The benchmarks, in the order in which they run and are reported. */
export const benchNames: readonly string[] = [
  'throughput',
  'priority',
  'broadcast',
  'memory',
  'latency',
  'consumers',
  'adaptive',
  'options',
  'timers',
  'http',
  'store',
  'spool',
  'bullmq',
];

/** Loads a benchmark. The files are plain JavaScript, so that no loader touches what is measured. */
export async function loadBench(name: string): Promise<Bench> {
  const file: { default: Bench } = await import(new URL(`./${name}.mjs`, import.meta.url).href);
  return file.default;
}
