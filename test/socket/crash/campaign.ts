/**
 * `tsx test/socket/crash/campaign.ts --kills 500 --events 500000 --seed 1 --victims daemon,client,both`: kills a daemon and its
 * clients again and again, while they start, take and forward, and then counts what was acknowledged and never delivered. Ctrl-C
 * ends it early, with what it has found by then.
 *
 * `--collector away`: the collector comes when nobody is killed any more. `--store <folder> --ballast <bytes>`: so much of the
 * disk of the store is taken until then.
 */
import { parseArgs } from 'node:util';
import { VICTIMS, type Victim } from './figures.ts';
import { runCampaign } from './run.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '500' },
    events: { type: 'string', default: '500000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    victims: { type: 'string', default: VICTIMS.join() },
    collector: { type: 'string', default: 'unsteady' },
    store: { type: 'string' },
    ballast: { type: 'string' },
  },
});

const [kills, events, seed] = (['kills', 'events', 'seed'] as const).map((name) => {
  const number = Number(values[name]);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new TypeError(`--${name} must be a whole number, but it is ${values[name]}`);
}) as [number, number, number];
const victims = values.victims.split(',').map((name) => {
  const victim = VICTIMS.find((one) => one === name);
  if (victim !== undefined) return victim;
  throw new TypeError(`--victims must be some of ${VICTIMS.join()}, but there is ${name}`);
}) as Victim[];

const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (interruption.signal.aborted) process.exit(130);
    console.log('interrupted: sending what was acknowledged; once more ends it at once');
    interruption.abort();
  });
}

const { collector } = values;
if (collector !== 'unsteady' && collector !== 'away') {
  throw new TypeError(`--collector must be unsteady or away, but it is ${collector}`);
}

console.log(`seed ${seed}`);
const begun = performance.now();
const result = await runCampaign({
  kills,
  events,
  seed,
  victims,
  collector,
  ...(values.store === undefined ? {} : { store: values.store }),
  ...(values.ballast === undefined ? {} : { ballast: Number(values.ballast) }),
  progress: (line) => console.log(line),
  signal: interruption.signal,
});

const { acked, lost, duplicated, foreign, forgotten, recovery } = result;
const { daemon, client, both } = result.kills;
const listed = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
console.log(`collector: ${listed(result.answers)}`);
console.log(`refused by the daemon: ${listed(result.refusals) || 'none'}`);
console.log(`kills ${daemon + client + both}: daemon ${daemon}, client ${client}, both ${both}`);
console.log(
  `recovery p50 ${recovery.p50} ms, p99 ${recovery.p99} ms; ${Math.round(performance.now() - begun)} ms in all`,
);
console.log(`acked ${acked} / lost ${lost} / duplicated ${duplicated} / foreign ${foreign} / forgotten ${forgotten}`);
if (interruption.signal.aborted) console.log('this is an interim result: it was interrupted');
// Nothing was sent twice, so it was stored twice.
const repeated = collector === 'away' ? duplicated : 0;
process.exitCode = lost + foreign + forgotten + repeated > 0 ? 1 : interruption.signal.aborted ? 130 : 0;
