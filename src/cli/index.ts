#!/usr/bin/env node
/**
 * The command `collector-queue`.
 *
 * @module
 */
import { InvalidArgumentError } from '../core/errors.ts';
import { VERSION } from '../core/version.ts';
import { type Command, ExitCode, type Terminal, UsageError } from './command.ts';
import { reasonsOf } from './reasons.ts';

/** Loaded when they are called: none pays for another's imports. */
const GROUPS: Readonly<Record<string, Readonly<Record<string, () => Promise<Command>>>>> = {
  'The spool: events over sockets, kept on disk': {
    daemon: async () => (await import('./daemon.ts')).daemon,
    spool: async () => (await import('./spool.ts')).spool,
    send: async () => (await import('./send.ts')).send,
  },
  'Collectors on Redis, with BullMQ': {
    worker: async () => (await import('./worker.ts')).worker,
    status: async () => (await import('./status.ts')).status,
  },
};

const COMMANDS = Object.assign({}, ...Object.values(GROUPS)) as (typeof GROUPS)[string];

async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name = '--help', ...rest] = args;
  if (name === '--version' || name === '-v') return print(terminal, `${VERSION}\n`);
  if (name === '--help' || name === '-h' || name === 'help') return print(terminal, await overview());
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) throw new UsageError(`there is no command '${name}'; see collector-queue --help`);
  if (rest.includes('--version')) return print(terminal, `${VERSION}\n`);
  const command = await load();
  if (rest.includes('--help') || rest.includes('-h')) return print(terminal, command.usage);
  return command.run(rest, terminal);
}

function print({ stdout }: Terminal, text: string): number {
  stdout.write(text);
  return ExitCode.OK;
}

async function overview(): Promise<string> {
  const groups = await Promise.all(
    Object.entries(GROUPS).map(async ([title, commands]) => {
      const lines = Object.entries(commands).map(
        async ([name, load]) => `  ${name.padEnd(10)}${(await load()).summary}\n`,
      );
      return `${title}\n${(await Promise.all(lines)).join('')}\n`;
    }),
  );
  return `collector-queue <command> [options]\n\n${groups.join('')}  --version\n  --help    also after a command\n`;
}

const { stdin, stdout, stderr, env } = process;
// Who reads only the beginning, as head does, has got what was wanted.
stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  if (code === 'EPIPE') process.exit(ExitCode.OK);
  stderr.write(`collector-queue: standard output cannot be written: ${message}\n`);
  process.exit(ExitCode.FAILED);
});
// A daemon outlives its terminal, and who reads its log.
stderr.on('error', () => undefined);
try {
  process.exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr, env });
} catch (error) {
  for (const reason of reasonsOf(error)) stderr.write(`collector-queue: ${reason}\n`);
  const isUsage = error instanceof UsageError || error instanceof InvalidArgumentError;
  process.exitCode = isUsage ? ExitCode.USAGE : ExitCode.FAILED;
}
