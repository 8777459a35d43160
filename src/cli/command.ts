import { type ParseArgsConfig, parseArgs } from 'node:util';
import { describeThrown } from '../core/errors.ts';

/** One word after `collector-queue`. */
export interface Command {
  /** A line for the list of commands. */
  readonly summary: string;
  /** What `--help` prints. */
  readonly usage: string;
  /** Resolves to the exit code. Rejects with a {@link UsageError}, or with what went wrong. */
  run(args: readonly string[], terminal: Terminal): Promise<number>;
}

/** Where a command reads and writes. */
export interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: NodeJS.ProcessEnv;
}

/** Exit codes, the same for every command. `UNFINISHED`: it stopped in time, and what it was at is not done. */
export const ExitCode = { OK: 0, FAILED: 1, USAGE: 2, UNFINISHED: 3, INTERRUPTED: 130 } as const;

/** The command line is wrong: told in one line, with exit code 2. */
export class UsageError extends Error {}

/** What was foreseen went wrong: told in one line, with exit code 1. */
export class FailedError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/** The options after this command. @throws {@link UsageError} for what is not among them. */
export function readArgs<T extends NonNullable<ParseArgsConfig['options']>>(
  command: string,
  args: readonly string[],
  options: T,
  allowPositionals = false,
): ReturnType<typeof parseArgs<{ args: string[]; options: T; allowPositionals: boolean; strict: true }>> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals, strict: true });
  } catch (error) {
    // What follows is of no use where nothing begins with a dash but options.
    const [first = ''] = describeThrown(error)
      .replace(/^TypeError( \[\w+\])?: /, '')
      .split(/\. |\n/);
    throw new UsageError(`${first}; see collector-queue ${command} --help`);
  }
}

/** A number of the command line. @throws {@link UsageError} for what is none. */
export function readNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new UsageError(`--${option} must be a number, but it is '${text}'`);
}

/** A whole number of the command line, from `min` to `max`. @throws {@link UsageError} for any other. */
export function readWhole(
  option: string,
  text: string | undefined,
  { min, max = Number.MAX_SAFE_INTEGER }: { readonly min: number; readonly max?: number },
): number | undefined {
  const value = readNumber(option, text);
  if (value === undefined || (Number.isInteger(value) && value >= min && value <= max)) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new UsageError(`--${option} must be a whole number ${range}, but it is '${text}'`);
}
