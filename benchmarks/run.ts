/**
 * Measures this library against its peers: `npm run bench -- --help`.
 *
 * Each case runs in a process of its own, in plain Node and on the built library (dist/); see README.md beside this
 * file.
 */
import { existsSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { type Bench, benchNames, loadBench } from './bench.ts';
import { conditionsOf, isMissed, plainTextOf, summarise, write } from './results.ts';
import { duration, type Job, keyOf, runRounds } from './rounds.ts';

const usage = `npm run bench -- [options]

  --rounds N        rounds per case, each in a fresh process (default 5)
  --only A[,B…]     only these benchmarks (${benchNames.join(', ')}),
                    or only the cases that begin so, such as throughput/awaited/16
  --quick           one round at a tenth of the size, for a first look; writes nothing
  --peers           without this library, so without a build; writes nothing
  --list            name the cases and stop
  --no-write        leave benchmarks/README.md and results.json as they are
`;

const QUICK_SCALE = 0.1;

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string' },
        only: { type: 'string' },
        quick: { type: 'boolean', default: false },
        peers: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        'no-write': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
    if (!Number.isInteger(rounds) || rounds < 1) {
      fail(`--rounds must be a whole number of at least 1, got '${values.rounds}'`);
    }
    return { ...values, rounds, noWrite: values['no-write'] };
  } catch (error) {
    fail(`${error instanceof Error ? error.message : error}\n\n${usage}`);
  }
}

/** The jobs that `--only` and `--peers` leave. */
function choose(benches: readonly Bench[], only: string | undefined, withOurs: boolean): Job[] {
  const all = benches.flatMap((bench) => bench.cases.map((what): Job => ({ bench, what })));
  const prefixes = only?.split(',') ?? [''];
  const begins = ({ bench, what }: Job, prefix: string): boolean =>
    prefix === '' || bench.name === prefix || keyOf(bench, what).startsWith(prefix);
  for (const prefix of prefixes) {
    if (!all.some((job) => begins(job, prefix))) {
      fail(`--only: no benchmark or case begins with '${prefix}'; the benchmarks are ${benchNames.join(', ')}`);
    }
  }
  return all.filter((job) => (withOurs || !job.what.ours) && prefixes.some((prefix) => begins(job, prefix)));
}

const options = readOptions();
if (options.help) {
  process.stdout.write(usage);
  process.exit();
}
const benches = await Promise.all(benchNames.map(loadBench));
const jobs = choose(benches, options.only, !options.peers);
if (options.list) {
  for (const { bench, what } of jobs) process.stdout.write(`${keyOf(bench, what)}\n`);
  process.exit();
}
if (!options.peers && !existsSync(new URL('../dist/index.js', import.meta.url))) {
  fail('dist/index.js is missing: build the library first (npm run build), or measure the peers alone (--peers)');
}

const [load = 0] = loadavg();
if (load > cpus().length / 4) {
  process.stdout.write(`The machine is busy (load ${load.toFixed(2)}): the figures will be rough.\n`);
}

// The first Ctrl-C ends the running child and tells what is known; a second one ends at once.
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());

const start = performance.now();
const { measured, failures } = await runRounds({
  jobs,
  rounds: options.rounds,
  scale: options.quick ? QUICK_SCALE : 1,
  stop: stop.signal,
  print: (line) => process.stdout.write(`${line}\n`),
});

const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ');
const touched = benches.filter((bench) => bench.cases.some((what) => measured.has(keyOf(bench, what))));
const fresh = Object.fromEntries(
  touched.map((bench) => [bench.name, summarise(bench, measured, conditionsOf(command, options.rounds, bench))]),
);
process.stdout.write('\n');
for (const [name, results] of Object.entries(fresh)) process.stdout.write(`${plainTextOf(name, results)}\n`);

const isWhole = (bench: Bench): boolean =>
  bench.cases.every((what) => measured.get(keyOf(bench, what))?.length === options.rounds);
const kept = options.quick || options.noWrite ? [] : touched.filter(isWhole).map(({ name }) => name);
if (kept.length > 0) {
  write(Object.fromEntries(Object.entries(fresh).filter(([name]) => kept.includes(name))), benchNames);
}

const missed = Object.values(fresh).flatMap(({ checks }) => checks.filter(isMissed));
for (const failure of failures) process.stdout.write(`failed: ${failure}\n`);
process.stdout.write(
  [
    stop.signal.aborted ? 'Stopped' : 'Done',
    ` after ${duration(performance.now() - start)}; `,
    `${missed.length} of the figures miss what they must reach; `,
    kept.length > 0 ? `written: ${kept.join(', ')}` : 'nothing written',
    '.\n',
  ].join(''),
);
process.exitCode = stop.signal.aborted ? 130 : failures.length > 0 ? 1 : 0;
