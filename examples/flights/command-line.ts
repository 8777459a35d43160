import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { err, ok, type Result } from 'collector-queue';

/** Beside the program, and ignored by git. */
const DEFAULT_OUT = fileURLToPath(new URL('./out/flights.ndjson', import.meta.url));

export const USAGE = `Usage: npm start -- [--limit N] [--out FILE]

Streams 200,000 flight records through a queue, archives them, counts their delays and reports.

  --limit N   read at most N flights (default: all)
  --out FILE  write the archive there, anew (default: examples/flights/out/flights.ndjson)
  --help      print this

Ctrl-C stops the reading, finishes what was read, reports, and exits with 130; the next one exits at once.`;

export interface CommandLine {
  readonly limit: number;
  readonly out: string;
  readonly help: boolean;
}

/** What the arguments ask for, or what is wrong with them, in words for the user. */
export function parseCommandLine(args: readonly string[]): Result<CommandLine, string> {
  try {
    const options = { limit: { type: 'string' }, out: { type: 'string' }, help: { type: 'boolean' } } as const;
    const { limit = 'Infinity', out = DEFAULT_OUT, help = false } = parseArgs({ args: [...args], options }).values;
    if (limit !== 'Infinity' && !/^0*[1-9]\d{0,14}$/.test(limit)) {
      return err(`--limit must be a whole number of at least 1, but it is ${JSON.stringify(limit)}`);
    }
    if (out === '') return err('--out must name a file, but it is empty');
    return ok({ limit: Number(limit), out: resolve(out), help });
  } catch (error) {
    return err((error as Error).message);
  }
}
