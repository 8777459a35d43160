/**
 * `tsx test/bullmq/crash/campaign.ts --kills 25 --jobs 4000 --seed 1`: kills workers and Redis, stops Redis, empties it,
 * sends jobs that end their process, and forges messages; then it counts what was promised and not kept. `--only poison`
 * for one of them, or some with commas between them. Ctrl-C ends it, and all processes that it started.
 */
import { parseArgs } from 'node:util';
import { flushRedis } from './flushes.ts';
import { forge } from './forgers.ts';
import { poison } from './poison.ts';
import { killRedis } from './redis-kills.ts';
import { stopRedis } from './redis-stops.ts';
import type { CampaignOptions, Report } from './report.ts';
import { killWorkers } from './worker-kills.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '25' },
    jobs: { type: 'string', default: '4000' },
    forgeries: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
  },
});
const kills = whole('kills');
const jobs = whole('jobs');
const count = whole('forgeries');

const campaigns: Readonly<Record<string, (options: CampaignOptions) => Promise<Report>>> = {
  workers: (options) => killWorkers({ ...options, kills, jobs }),
  redis: (options) => killRedis({ ...options, kills }),
  stops: (options) => stopRedis({ ...options, stops: Math.max(1, Math.round(kills / 5)), forMs: 3_000 }),
  flushes: (options) => flushRedis({ ...options, flushes: Math.max(1, Math.round(kills / 5)) }),
  poison: (options) =>
    poison({ ...options, deadly: 3, jobs: Math.max(40, Math.round(jobs / 10)), workers: 2, poisonLimit: 2 }),
  forgeries: (options) => forge({ ...options, count }),
};
const chosen = values.only?.split(',') ?? Object.keys(campaigns);
const unknown = chosen.find((name) => !Object.hasOwn(campaigns, name));
if (unknown !== undefined) fail(`--only: there is no '${unknown}', but ${Object.keys(campaigns).join(', ')}`);

const stop = new AbortController();
const interrupt = (): void => stop.abort(new Error('stopped'));
process.once('SIGINT', interrupt);
process.once('SIGTERM', interrupt);
const seed = Number(values.seed);
console.log(`seed ${seed}`);
for (const name of chosen) {
  const run = campaigns[name] as (options: CampaignOptions) => Promise<Report>;
  try {
    const { line, broken } = await run({ seed, signal: stop.signal, progress: (text) => console.log(`  ${text}`) });
    console.log(line);
    for (const promise of broken) console.log(`  BROKEN: ${promise}`);
    if (broken.length > 0) process.exitCode = 1;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    console.log(`${name}: stopped`);
    process.exitCode = 130;
    break;
  }
}
process.off('SIGINT', interrupt);
process.off('SIGTERM', interrupt);

function whole(name: 'kills' | 'jobs' | 'forgeries'): number {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 1) fail(`--${name} must be a whole number of at least 1`);
  return value;
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
