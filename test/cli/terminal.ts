import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

const DRIVER = join(import.meta.dirname, 'pseudo_terminal.py');
const ENTRY = join(import.meta.dirname, '..', '..', 'src', 'cli', 'index.ts');

/** The command on a pseudo-terminal, and what a person would see there. */
export class Terminal {
  /** Everything that was written, with its control characters. */
  shown = '';
  readonly ended: Promise<number>;
  readonly #driver: ChildProcess;
  readonly #columns: number;
  #changed: () => void = () => undefined;

  /** Ends with the test. Throws where there is no python3 to make a pseudo-terminal. */
  static run(columns: number, args: readonly string[], input?: string): Terminal {
    const { status, error, stderr } = spawnSync('python3', ['-c', 'import os, pty; os.waitstatus_to_exitcode']);
    if (status !== 0)
      throw new Error(`this test needs python3 of at least 3.9, install it: ${error?.message ?? stderr}`);
    return new Terminal(columns, args, input);
  }

  private constructor(columns: number, args: readonly string[], input: string | undefined) {
    this.#columns = columns;
    const command = [process.execPath, '--import', 'tsx', ENTRY, ...args];
    const line = input === undefined ? command : ['sh', '-c', `exec "$0" "$@" < '${input}'`, ...command];
    const env = { ...process.env, NODE_OPTIONS: '', TERM: 'xterm' };
    this.#driver = spawn('python3', [DRIVER, String(columns), ...line], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#driver.stdin?.on('error', () => undefined);
    this.#driver.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.shown += text;
      this.#changed();
    });
    this.ended = once(this.#driver, 'close').then(([code]) => {
      this.#changed();
      return code as number;
    });
    // Its end takes the command along.
    onTestFinished(async () => {
      this.#driver.stdin?.end();
      await this.ended;
    });
  }

  /** The rows of the screen now, the empty ones at the end left out. */
  get rows(): readonly string[] {
    return rowsOf(this.shown, this.#columns);
  }

  /** What was drawn over and over in one row, each time. */
  get drawn(): readonly string[] {
    return this.shown
      .split('\r\u001b[K')
      .slice(1)
      .map((text) => text.split('\r\n').at(-1) as string);
  }

  tell(line: string): void {
    this.#driver.stdin?.write(`${line}\n`);
  }

  /** Resolves once it has shown this. */
  async shows(what: RegExp | (() => boolean)): Promise<void> {
    const isThere = typeof what === 'function' ? what : (): boolean => what.test(this.shown);
    while (!isThere()) {
      if (this.#driver.exitCode !== null) throw new Error(`it ended without having shown ${what}:\n${this.shown}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

const CLEAR = '\u001b[K';

/** What a terminal makes of it that knows a line feed, a carriage return and "clear to the end of the line", and wraps. */
function rowsOf(text: string, columns: number): string[] {
  const rows: string[][] = [[]];
  let column = 0;
  for (const part of text.replaceAll(CLEAR, '\0')) {
    if (part === '\n') rows.push([]);
    else if (part === '\r') column = 0;
    else if (part === '\0') rows.at(-1)?.splice(column);
    else {
      if (column === columns) {
        rows.push([]);
        column = 0;
      }
      (rows.at(-1) as string[])[column++] = part;
    }
  }
  const joined = rows.map((row) => row.join(''));
  while (joined.at(-1) === '') joined.pop();
  return joined;
}
