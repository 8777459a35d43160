/**
 * `tsx test/socket/crash/campaign.ts --kills 500 --events 500000 --seed 1`: kills a daemon again and again, while it starts,
 * takes and forwards, and then counts what was acknowledged and never delivered.
 */
import { parseArgs } from 'node:util';
import { runCampaign } from './run.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '500' },
    events: { type: 'string', default: '500000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const seed = Number(values.seed);
console.log(`seed ${seed}`);
const { acked, lost, duplicated, foreign, kills, recovery } = await runCampaign({
  kills: Number(values.kills),
  events: Number(values.events),
  seed,
  progress: (line) => console.log(line),
});
const times = `recovery p50 ${recovery.p50} ms, p99 ${recovery.p99} ms`;
console.log(`acked ${acked} / lost ${lost} / duplicated ${duplicated} / kills ${kills} / ${times}`);
if (foreign > 0) console.log(`foreign ${foreign}: delivered, and never issued so`);
if (lost > 0 || foreign > 0) process.exitCode = 1;
