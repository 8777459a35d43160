/**
 * The main job on real data: `npm start`. Two hundred thousand flight records go through a priority queue to five
 * collectors; `--help` says more.
 */

import { LifecycleError } from 'collector-queue';
import { parseCommandLine, USAGE } from './command-line.ts';
import { runFlights } from './pipeline.ts';
import { showProgress } from './progress.ts';
import { summary } from './summary.ts';

const ExitCode = { OK: 0, FAILED: 1, BAD_ARGUMENTS: 2, INTERRUPTED: 130 } as const;

/** One press of Ctrl-C may arrive twice, from the terminal and from what launched the program: milliseconds. */
const SAME_PRESS = 500;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const parsed = parseCommandLine(args);
  if (parsed.isErr()) {
    console.error(`${parsed.error}\n\n${USAGE}`);
    return ExitCode.BAD_ARGUMENTS;
  }
  const { limit, out, help } = parsed.value;
  if (help) {
    console.log(USAGE);
    return ExitCode.OK;
  }
  const signal = interruption();
  try {
    const run = await runFlights({ limit, out, signal, watch: (view) => showProgress(view, process.stderr) });
    console.log(`\n${summary(run, out)}`);
    if (run.accounts.failure !== undefined) {
      console.error(`\nThe run stopped early: ${run.accounts.failure.message}`);
      return ExitCode.FAILED;
    }
    return signal.aborted ? ExitCode.INTERRUPTED : ExitCode.OK;
  } catch (error) {
    if (!(error instanceof LifecycleError)) throw error;
    console.error(`The run failed: ${error.message}`);
    return ExitCode.FAILED;
  }
}

/**
 * A signal that fires at the first Ctrl-C or request to terminate. The next one gets the system's default, which ends the
 * process on the spot, and, unlike `process.exit`, does not wait for a write that hangs.
 */
function interruption(): AbortSignal {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) return;
    controller.abort();
    console.error('\nStopping: what was read is finished. Once more to exit at once.');
    setTimeout(() => process.off('SIGINT', interrupt).off('SIGTERM', interrupt), SAME_PRESS).unref();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  return controller.signal;
}
