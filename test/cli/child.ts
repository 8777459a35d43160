import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export const ENTRY = join(import.meta.dirname, '..', '..', 'src', 'cli', 'index.ts');

export type LogLine = Readonly<Record<string, unknown>> & { readonly level: string; readonly message: string };

interface Options {
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** The command as a process of its own. */
export class Child {
  readonly process: ChildProcess;
  /** What it ended with: a code, or the signal. */
  readonly ended: Promise<number | string>;
  stdout = '';
  stderr = '';
  #changed: () => void = () => undefined;

  constructor(args: readonly string[], { input, env = {} }: Options = {}) {
    this.process = spawn(process.execPath, ['--import', 'tsx', ENTRY, ...args], {
      env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', ...env },
      stdio: 'pipe',
    });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#changed();
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#changed();
    });
    this.process.stdin?.on('error', () => undefined);
    if (input !== undefined) this.process.stdin?.end(input);
    this.ended = once(this.process, 'close').then(([code, signal]) => {
      this.#changed();
      return (code ?? signal) as number | string;
    });
  }

  /** What it logged as JSON. */
  get log(): LogLine[] {
    return this.stderr
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** Resolves once it has written this. */
  async wrote(text: string | RegExp): Promise<void> {
    const said = (): string => this.stdout + this.stderr;
    const isThere = (): boolean => (typeof text === 'string' ? said().includes(text) : text.test(said()));
    while (!isThere()) {
      if (this.process.exitCode !== null || this.process.signalCode !== null) {
        throw new Error(`it ended without having said ${text}: ${said()}`);
      }
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  kill(signal: NodeJS.Signals): Promise<number | string> {
    this.process.kill(signal);
    return this.ended;
  }
}

export interface Run {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command to its end. */
export async function cli(args: readonly string[], options: Options = {}): Promise<Run> {
  const child = new Child(args, { input: '', ...options });
  const code = await child.ended;
  return { code, stdout: child.stdout, stderr: child.stderr };
}

/** A daemon that listens; it is killed after the test if it lives by then. */
export async function daemon(args: readonly string[], options: Options = {}): Promise<Child> {
  const child = new Child(['daemon', ...args], options);
  onTestFinished(async () => void (await child.kill('SIGKILL')));
  await child.wrote('listening at');
  return child;
}
