import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const ENTRY = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'index.ts');

/** One life of the daemon after another, on the same spool. */
export class DaemonLives {
  readonly #args: readonly string[];
  #child: ChildProcess;
  #isStopping = false;
  #said = '';
  #isListening = false;

  constructor(args: readonly string[]) {
    this.#args = args;
    this.#child = this.#start();
  }

  get isListening(): boolean {
    return this.#isListening;
  }

  /** Why it ended by itself, if it did. */
  get failure(): string | undefined {
    const { exitCode } = this.#child;
    return exitCode === null || this.#isStopping
      ? undefined
      : `the daemon ended by itself with ${exitCode}: ${this.#said}`;
  }

  /** Whether it ended by itself because the disk is full, and said so. */
  get isWithoutRoom(): boolean {
    return this.#child.exitCode === 1 && /No space left|is full|could not be opened/.test(this.#said);
  }

  begin(): void {
    this.#child = this.#start();
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const [code] = (await exit) as [number | null];
    if (code !== 0) throw new Error(`the daemon ended with ${code}: ${this.#said}`);
  }

  /** Only the end of what it says, should it be wanted. */
  #start(): ChildProcess {
    this.#said = '';
    this.#isListening = false;
    // In a group of its own: a Ctrl-C is not meant for it.
    const child = spawn(process.execPath, ['--import', 'tsx', ENTRY, 'daemon', ...this.#args], {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (child !== this.#child) return;
      this.#said = (this.#said + text).slice(-10_000);
      this.#isListening ||= this.#said.includes('listening at');
    });
    return child;
  }
}
