import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SpoolAddress, SpoolMetrics, VerifyReport } from '../socket/index.ts';
import { type Command, ExitCode, readArgs, readWhole, type Terminal, UsageError } from './command.ts';
import { type Ask, withSpool } from './spool-access.ts';
import { describeEntry, describeStats, type Entry } from './spool-text.ts';

const USAGE = `collector-queue spool <command> (--store <folder> | --socket <path> | --host <host> --port <port>) [options]

Looks into a spool: that of a running daemon through its socket, or a folder that no daemon has open.

  ls        what is kept: a line an event, oldest first
  tail      the newest of it; with --follow also what comes
  export    as NDJSON, to standard output or --out
  redrive   puts dead letters back into the spool: --all, or --id <n>, which may be repeated
  verify    reads every record; exit code 1 if some are damaged
  stats     counts

  --events             the events that wait, not the dead letters
  --limit <n>          at most so many (ls 100, tail 10, export all)
  --raw                export the events alone, without why they were refused
  --out <file>         export into a file, which must not exist
  --follow             go on until interrupted
  --json               answers as JSON
  --token-env <name>   the variable with the token that the daemon wants
`;

const OPTIONS = {
  store: { type: 'string' },
  socket: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'token-env': { type: 'string' },
  events: { type: 'boolean', default: false },
  limit: { type: 'string' },
  raw: { type: 'boolean', default: false },
  out: { type: 'string' },
  follow: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  all: { type: 'boolean', default: false },
  id: { type: 'string', multiple: true },
} as const;

type Values = ReturnType<typeof readArgs<typeof OPTIONS>>['values'];
type Run = (ask: Ask, values: Values, terminal: Terminal) => Promise<number>;

const COMMANDS: Readonly<Record<string, Run>> = { ls, tail, export: exportAll, redrive, verify, stats };

export const spool: Command = {
  summary: 'look into a spool: ls, tail, export, redrive, verify, stats',
  usage: USAGE,
  run: async (args, terminal) => {
    const { values, positionals } = readArgs(args, OPTIONS, true);
    const [name, ...rest] = positionals;
    const run = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (run === undefined || rest.length > 0) {
      throw new UsageError(`spool needs one of ${Object.keys(COMMANDS).join(', ')}; see collector-queue spool --help`);
    }
    let code: number = ExitCode.OK;
    await withSpool(values.store, addressOf(values, terminal.env), async (ask) => {
      code = await run(ask, values, terminal);
    });
    return code;
  },
};

/** Undefined for a folder. */
export function addressOf(
  values: { readonly [name in 'socket' | 'host' | 'port' | 'token-env']?: string | undefined },
  env: NodeJS.ProcessEnv,
): SpoolAddress | undefined {
  const { socket, host, port, 'token-env': variable } = values;
  const token = variable === undefined ? undefined : env[variable];
  if (variable !== undefined && !token)
    throw new UsageError(`--token-env: the environment has no ${variable}, or an empty one`);
  if (socket !== undefined) return { path: socket, token };
  if (port !== undefined) return { host, port: readWhole('port', port, { min: 1, max: 65_535 }), token };
  if (host !== undefined) throw new UsageError('--host needs a --port');
  return undefined;
}

async function ls(ask: Ask, values: Values, terminal: Terminal): Promise<number> {
  const limit = readWhole('limit', values.limit, { min: 1 }) ?? 100;
  for await (const entry of entriesOf(ask, values, { limit })) await show(entry, values, terminal);
  return ExitCode.OK;
}

async function tail(ask: Ask, values: Values, terminal: Terminal): Promise<number> {
  const newest: Entry[] = [];
  const limit = readWhole('limit', values.limit, { min: 1 }) ?? 10;
  for await (const entry of entriesOf(ask, values, { limit, newest: true })) newest.unshift(entry);
  for (const entry of newest) await show(entry, values, terminal);
  let after = newest.at(-1)?.id ?? 0;
  while (values.follow) {
    await sleep(1_000);
    for await (const entry of entriesOf(ask, values, { after })) {
      await show(entry, values, terminal);
      after = entry.id;
    }
  }
  return ExitCode.OK;
}

async function exportAll(ask: Ask, values: Values, { stdout }: Terminal): Promise<number> {
  const limit = readWhole('limit', values.limit, { min: 1 });
  const out = values.out === undefined ? stdout : createWriteStream(values.out, { flags: 'wx', flush: true });
  if (out !== stdout) await once(out, 'open');
  for await (const { event, ...rest } of entriesOf(ask, values, limit === undefined ? {} : { limit })) {
    const letter = !values.events && isLetter(event) ? event : { event };
    const line = values.raw ? letter.event : { ...rest, ...letter };
    if (!out.write(`${JSON.stringify(line)}\n`)) await once(out, 'drain');
  }
  if (out !== stdout) {
    out.end();
    await once(out, 'close');
  }
  return ExitCode.OK;
}

async function redrive(ask: Ask, values: Values, { stdout }: Terminal): Promise<number> {
  if (values.all === (values.id !== undefined)) throw new UsageError('redrive needs either --all or --id');
  const ids = values.all ? 'all' : values.id?.map((id) => readWhole('id', id, { min: 1 }));
  for await (const { redriven } of ask('redrive', { ids })) {
    stdout.write(values.json ? `${JSON.stringify({ redriven })}\n` : `${redriven} events are in the spool again\n`);
  }
  return ExitCode.OK;
}

async function verify(ask: Ask, values: Values, { stdout }: Terminal): Promise<number> {
  let damaged = 0;
  for await (const { verified } of ask('verify')) {
    const report = verified as VerifyReport;
    damaged += report.damaged;
    const text = `${report.events} events, ${report.deadLetters} dead letters, ${report.damaged} damaged records`;
    stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${text}\n`);
  }
  return damaged === 0 ? ExitCode.OK : ExitCode.FAILED;
}

async function stats(ask: Ask, values: Values, { stdout }: Terminal): Promise<number> {
  for await (const answer of ask('stats')) {
    const metrics = answer.stats as SpoolMetrics;
    stdout.write(values.json ? `${JSON.stringify(metrics)}\n` : describeStats(metrics));
  }
  return ExitCode.OK;
}

async function* entriesOf(ask: Ask, { events }: Values, body: object): AsyncGenerator<Entry, void> {
  for await (const { entry } of ask('ls', { from: events ? 'events' : 'dead', ...body })) yield entry as Entry;
}

async function show(entry: Entry, { json }: Values, { stdout }: Terminal): Promise<void> {
  const isRoom = stdout.write(json ? `${JSON.stringify(entry)}\n` : `${describeEntry(entry, stdout.columns ?? 120)}\n`);
  if (!isRoom) await once(stdout, 'drain');
}

function isLetter(event: unknown): event is { readonly event: unknown } {
  return typeof event === 'object' && event !== null && 'event' in event;
}
