/**
 * Compares the plain path of this working copy with that of another commit: both are built, then take turns, each run in
 * a process of its own with the benchmark code of this copy.
 *
 *     npm run bench:compare -- <commit> [rounds]
 *
 * Prints, for each load, the median cost of both and the ratio new ÷ old: the middle of the rounds' ratios, and the
 * interval that holds the middle 95 % of 10,000 resamplings of it (bootstrap).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const LOADS = ['at-once', 'drained', 'awaited'];
const CONCURRENCY = 16;

const root = resolve(import.meta.dirname, '..');
const [commit, roundsGiven = '15'] = process.argv.slice(2);
const rounds = Number(roundsGiven);
if (commit === undefined || !Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write('usage: npm run bench:compare -- <commit> [rounds, 15]\n');
  process.exit(2);
}

const other = mkdtempSync(join(tmpdir(), 'collector-queue-'));
process.once('exit', () => rmSync(other, { recursive: true, force: true }));
process.once('SIGINT', () => process.exit(130));
const archive = execFileSync('git', ['archive', commit], { cwd: root, maxBuffer: 2 ** 28 });
execFileSync('tar', ['-x', '-C', other], { input: archive });
symlinkSync(join(root, 'node_modules'), join(other, 'node_modules'));
for (const tree of [root, other]) build(tree);
cpSync(join(root, 'benchmarks'), join(other, 'benchmarks'), { recursive: true });

const costs = new Map(LOADS.map((load) => [load, { before: [] as number[], after: [] as number[] }]));
for (let round = 1; round <= rounds; round++) {
  for (const [load, { before, after }] of costs) {
    // Who goes first takes turns too.
    const order = round % 2 === 0 ? [other, root] : [root, other];
    for (const tree of order) (tree === root ? after : before).push(measure(tree, load));
    process.stdout.write(`round ${round}/${rounds}  ${load}: ${before.at(-1)} → ${after.at(-1)} ns\n`);
  }
}
for (const [load, { before, after }] of costs) {
  const ratios = after.map((cost, at) => cost / (before[at] as number));
  const [low, high] = interval(ratios);
  const text = `${median(before).toFixed(0)} → ${median(after).toFixed(0)} ns, ratio ${median(ratios).toFixed(3)}`;
  process.stdout.write(`${load}, concurrency ${CONCURRENCY}: ${text} [${low.toFixed(3)}, ${high.toFixed(3)}]\n`);
}

function build(tree: string): void {
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', 'scripts/build.ts'], {
    cwd: tree,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(1);
}

/** Nanoseconds per payload. */
function measure(tree: string, load: string): number {
  const child = ['--expose-gc', 'benchmarks/child.mjs', 'throughput', `${load}/${CONCURRENCY}/collector-queue`, '1'];
  const { ns } = JSON.parse(execFileSync(process.execPath, child, { cwd: tree, encoding: 'utf8' })) as { ns: number };
  return Math.round(ns * 10) / 10;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** Where the median of such ratios lies, in 95 of 100 resamplings. */
function interval(values: readonly number[]): [number, number] {
  const medians = Array.from({ length: 10_000 }, () =>
    median(values.map(() => values[Math.floor(Math.random() * values.length)] as number)),
  ).sort((a, b) => a - b);
  return [medians[250] as number, medians[9_749] as number];
}
