import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientErrand, FromClient, ToClient } from './client-errand.ts';
import type { Issuer } from './issuer.ts';

const CHILD = join(import.meta.dirname, 'client-child.ts');
const MOST_IDS = 25;

interface ClientParts {
  /** The socket of the daemon. */
  readonly path: string;
  readonly name: string;
  /** Where its files go. */
  readonly folder: string;
  readonly withSpill: boolean;
  readonly issuer: Issuer;
  readonly onAck: (count: number) => void;
  /** The daemon had lost its number, and says what of it. */
  readonly onForgotten: (message: string) => void;
}

/** One life of a client after another. Only the spill, if it has one, goes from life to life. */
export class ClientLives {
  readonly #parts: ClientParts;
  #lives = 0;
  #child: ChildProcess | undefined;
  #isEnding = false;
  #heard = 0;

  constructor(parts: ClientParts) {
    this.#parts = parts;
    this.begin();
  }

  /** How often this life was heard of. */
  get heard(): number {
    return this.#heard;
  }

  /** Why it ended by itself, if it did. */
  get failure(): string | undefined {
    const { exitCode } = this.#child as ChildProcess;
    return exitCode === null || this.#isEnding ? undefined : `${this.#parts.name} ended by itself with ${exitCode}`;
  }

  begin(): void {
    const { path, folder, withSpill } = this.#parts;
    const name = `${this.#parts.name}-${++this.#lives}`;
    const errand: ClientErrand = {
      path,
      name,
      notes: join(folder, `${name}.acknowledged`),
      issued: join(folder, `${name}.issued`),
      spill: withSpill ? join(folder, `${this.#parts.name}-spill`) : undefined,
    };
    // In a group of its own: a Ctrl-C is not meant for it.
    const child = fork(CHILD, [JSON.stringify(errand)], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      detached: true,
    });
    this.#heard = 0;
    this.#child = child;
    child.on('message', (message) => this.#listen(child, message as FromClient));
    child.on('error', () => undefined);
  }

  async kill(): Promise<void> {
    const child = this.#child as ChildProcess;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  /** Lets it finish, its spill too. */
  async end(): Promise<void> {
    const child = this.#child as ChildProcess;
    this.#isEnding = true;
    const exit = once(child, 'exit');
    this.#send(child, {});
    const [code] = (await exit) as [number | null];
    if (code !== 0) throw new Error(`${this.#parts.name} ended with ${code}`);
  }

  #listen(child: ChildProcess, { wants, acked, forgotten }: FromClient): void {
    if (child === this.#child) this.#heard++;
    if (acked !== undefined) this.#parts.onAck(acked);
    if (forgotten !== undefined) this.#parts.onForgotten(forgotten);
    if (wants === true) void this.#give(child);
  }

  async #give(child: ChildProcess): Promise<void> {
    while (child === this.#child && child.connected && !this.#isEnding) {
      const ids = this.#parts.issuer.take(MOST_IDS);
      if (ids.length > 0) return this.#send(child, { ids });
      await sleep(10);
    }
    // It may just have been told to end, and have asked before it heard of it.
    if (child === this.#child && this.#isEnding) this.#send(child, {});
  }

  #send(child: ChildProcess, message: ToClient): void {
    if (child.connected) child.send(message, () => undefined);
  }
}
