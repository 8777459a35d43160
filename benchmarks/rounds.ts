import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Bench, Case, Metrics } from './bench.ts';

/** What was measured of one case, one entry per round. */
export type Measured = Map<string, Metrics[]>;

/** A case and the benchmark that measures it. */
export interface Job {
  readonly bench: Bench;
  readonly what: Case;
}

export interface Rounds {
  readonly jobs: readonly Job[];
  readonly rounds: number;
  readonly scale: number;
  readonly stop: AbortSignal;
  readonly print: (line: string) => void;
}

/** No case comes near it; one that reaches it hangs. */
const TIME_LIMIT = 180_000;

const child: string = fileURLToPath(new URL('./child.mjs', import.meta.url));

/** The key of a case among those of all benchmarks. */
export function keyOf(bench: Bench, what: Case): string {
  return `${bench.name}/${what.id}`;
}

/**
 * Measures each case once per round, each time in a fresh process. Benchmark by benchmark, round by round: whatever
 * drifts meanwhile hits all contestants of a question alike. A case that fails is told and left out. Ends early, with
 * what was measured until then, when `stop` is aborted.
 */
export async function runRounds({ jobs, rounds, scale, stop, print }: Rounds): Promise<{
  measured: Measured;
  failures: string[];
}> {
  const measured: Measured = new Map();
  const failures: string[] = [];
  const took = new Map<string, number>();
  const order = inOrder(jobs, rounds);
  for (const [done, { job, round }] of order.entries()) {
    const key = keyOf(job.bench, job.what);
    const start = performance.now();
    const outcome = await measureInChild(job, scale, stop);
    if (stop.aborted) break;
    took.set(key, performance.now() - start);
    if (outcome instanceof Error) {
      failures.push(`${key}, round ${round}: ${outcome.message}`);
    } else {
      const before = measured.get(key);
      if (before) before.push(outcome);
      else measured.set(key, [outcome]);
    }
    const eta = remaining(order.slice(done + 1), took);
    const position = String(done + 1).padStart(String(order.length).length);
    const result = outcome instanceof Error ? `FAILED: ${outcome.message}` : describe(outcome);
    print(`[${position}/${order.length}] round ${round}/${rounds}  ${key}  ${result}  ETA ${duration(eta)}`);
  }
  return { measured, failures };
}

function inOrder(jobs: readonly Job[], rounds: number): { job: Job; round: number }[] {
  const benches = new Set(jobs.map(({ bench }) => bench));
  return [...benches].flatMap((bench) =>
    Array.from({ length: rounds }, (_, index) => index + 1).flatMap((round) =>
      jobs.filter((job) => job.bench === bench).map((job) => ({ job, round })),
    ),
  );
}

/** The metrics, or the error that kept the child from measuring them. */
function measureInChild({ bench, what }: Job, scale: number, stop: AbortSignal): Promise<Metrics | Error> {
  const timeLimit = AbortSignal.timeout(TIME_LIMIT);
  const started = spawn(process.execPath, ['--expose-gc', child, bench.name, what.id, String(scale)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
    killSignal: 'SIGKILL',
    signal: AbortSignal.any([stop, timeLimit]),
  });
  let output = '';
  let complaint = '';
  started.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  started.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  return new Promise((resolve) => {
    // Killing it by the signal is an 'error' too; 'close' follows.
    let failure: Error | undefined;
    started.on('error', (error) => {
      failure = timeLimit.aborted ? new Error(`not done after ${TIME_LIMIT / 1_000} s`) : error;
    });
    started.on('close', (code, signal) => {
      if (failure) resolve(failure);
      else if (code !== 0) resolve(new Error(complaint.trim() || `the process ended with ${code ?? signal}`));
      else resolve(JSON.parse(output));
    });
  });
}

/** Milliseconds still to go: as long as each took last time, or as the others took on average. */
function remaining(left: readonly { job: Job }[], took: ReadonlyMap<string, number>): number {
  const known = [...took.values()];
  const average = known.reduce((sum, time) => sum + time, 0) / known.length;
  return left.reduce((sum, { job }) => sum + (took.get(keyOf(job.bench, job.what)) ?? average), 0);
}

function describe(metrics: Metrics): string {
  return Object.entries(metrics)
    .map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`)
    .join(', ');
}

/** Minutes and seconds. */
export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1_000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
