/**
 * `tsx test/redis/crash/campaign.ts --kills 200 --redis-kills 50 --events 100000`: kills forwarders, and the Redis between
 * them, again and again, and then counts what was acknowledged and never forwarded.
 */
import { parseArgs } from 'node:util';
import { runCampaign } from './run.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    'redis-kills': { type: 'string', default: '50' },
    events: { type: 'string', default: '100000' },
  },
});
const kills = Number(values.kills);
const redisKills = Number(values['redis-kills']);
const { acked, lost, duplicated, stranded, recovery } = await runCampaign({
  kills,
  redisKills,
  events: Number(values.events),
  progress: (line) => console.log(line),
});
const counts = `acked ${acked} / lost ${lost} / forwarded twice ${duplicated} / stranded ${stranded}`;
console.log(`${counts} / kills ${kills} of forwarders, ${redisKills} of Redis / recovery at most ${recovery} ms`);
if (lost > 0 || stranded > 0) process.exitCode = 1;
