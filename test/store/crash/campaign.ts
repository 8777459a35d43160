/**
 * `npm run test:crash -- --kills 200 --events 100000 --seed 1`: kills a process with a store again and again, while it opens,
 * adds and forwards, and then counts what was acknowledged and is not there.
 */
import { parseArgs } from 'node:util';
import { runCampaign } from './run.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    events: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const seed = Number(values.seed);
console.log(`seed ${seed}`);
const { acked, lost, duplicated, foreign, kills } = await runCampaign({
  kills: Number(values.kills),
  events: Number(values.events),
  seed,
  progress: (line) => console.log(line),
});
console.log(`acked ${acked} / lost ${lost} / duplicated ${duplicated} / kills ${kills}`);
if (foreign > 0) console.log(`foreign ${foreign}: delivered, and never offered so`);
if (lost > 0 || foreign > 0) process.exitCode = 1;
