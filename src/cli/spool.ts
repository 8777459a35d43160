import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SpoolMetrics, VerifyReport } from '../socket/index.ts';
import { ADDRESS_OPTIONS, ADDRESS_USAGE, addressOf } from './address.ts';
import { type Command, ExitCode, readArgs, readWhole, type Terminal, UsageError } from './command.ts';
import { exportLines } from './export.ts';
import { type Ask, withSpool } from './spool-access.ts';
import { describeEntry, describeStats, type Entry } from './spool-text.ts';

const USAGE = `collector-queue spool <command> (--socket <path> | --port <port> | --store <folder>) [options]

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

Where the spool is
${ADDRESS_USAGE}\
  --store <folder>     the folder, if no daemon has it open

The exit code is 1 if it failed, 2 if the command line is wrong.
`;

const OPTIONS = {
  store: { type: 'string' },
  ...ADDRESS_OPTIONS,
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
    const { values, positionals } = readArgs('spool', args, OPTIONS, true);
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

const NOTHING_WAITS = 'no events wait\n';
const NO_LETTERS = 'there are no dead letters; --events shows what waits\n';

async function ls(ask: Ask, values: Values, terminal: Terminal): Promise<number> {
  const limit = readWhole('limit', values.limit, { min: 1 }) ?? 100;
  let count = 0;
  for await (const entry of entriesOf(ask, values, { limit })) {
    await show(entry, values, terminal);
    count++;
  }
  if (count === 0 && terminal.stderr.isTTY) terminal.stderr.write(values.events ? NOTHING_WAITS : NO_LETTERS);
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

async function exportAll(ask: Ask, values: Values, terminal: Terminal): Promise<number> {
  const limit = readWhole('limit', values.limit, { min: 1 });
  const lines = linesOf(entriesOf(ask, values, limit === undefined ? {} : { limit }), values);
  const count = await exportLines(lines, values.out, terminal);
  if (values.out !== undefined && terminal.stderr.isTTY) terminal.stderr.write(`${count} events in ${values.out}\n`);
  return ExitCode.OK;
}

async function* linesOf(entries: AsyncIterable<Entry>, { events, raw }: Values): AsyncGenerator<string, void> {
  for await (const { event, ...rest } of entries) {
    const letter = !events && isLetter(event) ? event : { event };
    yield JSON.stringify(raw ? letter.event : { ...rest, ...letter });
  }
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
