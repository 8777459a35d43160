import { once } from 'node:events';
import { describeThrown } from '../core/errors.ts';
import { ExitCode, FailedError, type Terminal } from './command.ts';
import { OutputFile } from './output-file.ts';

/** Writes lines into a file, or to standard output. Returns how many. @throws {@link FailedError} if not all of them. */
export async function exportLines(
  lines: AsyncIterable<string>,
  out: string | undefined,
  terminal: Terminal,
): Promise<number> {
  return out === undefined ? toStdout(lines, terminal) : toFile(lines, out);
}

async function toFile(lines: AsyncIterable<string>, path: string): Promise<number> {
  const file = await OutputFile.create(path);
  let count = 0;
  try {
    for await (const line of lines) {
      await file.write(`${line}\n`);
      count++;
    }
    await file.complete();
    return count;
  } catch (error) {
    const partial = await file.abandon();
    if (partial === undefined) throw error;
    throw new FailedError(`the export is not complete: ${inWords(error)}; its beginning is in ${partial}`, error);
  }
}

/** Unlike a list, of which somebody may read the beginning, it is worth nothing if its end is missing. */
async function toStdout(lines: AsyncIterable<string>, { stdout, stderr }: Terminal): Promise<number> {
  let count = 0;
  // Before the listener that ends the process without a word.
  stdout.prependListener('error', (error) => {
    const what = error.code === 'EPIPE' ? 'nobody reads it any more (EPIPE)' : inWords(error);
    stderr.write(`collector-queue: the export is not complete: ${what}\n`);
    process.exit(ExitCode.FAILED);
  });
  for await (const line of lines) {
    if (!stdout.write(`${line}\n`)) await once(stdout, 'drain');
    count++;
  }
  await new Promise((resolve) => stdout.write('', resolve));
  return count;
}

function inWords(error: unknown): string {
  return error instanceof Error ? error.message : describeThrown(error);
}
