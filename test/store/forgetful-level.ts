import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { classicLevel } from '../../src/store/classic-level.ts';
import type { LevelDatabase, LevelEngine, LevelOperation } from '../../src/store/level-database.ts';
import { ioError } from './watched-level.ts';

/** The logs in a folder, the newest last. */
export function logsOf(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^\d+\.log$/.test(name))
    .sort();
}

/**
 * The real database, on a disk that is told what must be kept: it knows of each log how much of it a synced write has made
 * durable. Nothing is really synced; what the loss of power would take is taken from a copy.
 */
export class ForgetfulLevel implements LevelEngine {
  /** Of each log, how many bytes are durable. LevelDB itself syncs all other files before it relies on them. */
  readonly durable: Map<string, number> = new Map();
  /** The next writes fail, whether the system has them or not. */
  readonly fates: ('written' | 'not written')[] = [];
  readonly #real: LevelEngine = classicLevel();
  readonly #ignoresSync: boolean;
  /** Resolved once the power is back. */
  #blackout: Promise<void> | undefined;
  #restore: () => void = () => undefined;
  #begun: () => void = () => undefined;

  /** @param ignoresSync - as a store would that forgets to ask for it */
  constructor(ignoresSync = false) {
    this.#ignoresSync = ignoresSync;
  }

  async open(path: string, create: boolean): Promise<LevelDatabase> {
    const real = await this.#real.open(path, create);
    if (path.endsWith('guard')) return real;
    return {
      write: (operations, sync) => this.#write(real, path, operations, sync),
      read: (range, limits) => real.read(range, limits),
      keys: (range) => real.keys(range),
      compact: (range) => real.compact(range),
      close: () => real.close(),
    };
  }

  repair(path: string): Promise<void> {
    return this.#real.repair(path);
  }

  /** The next write reaches the system, and is not answered. Resolves once it is so far. */
  cutPower(): Promise<void> {
    this.#blackout = new Promise((resolve) => {
      this.#restore = resolve;
    });
    return new Promise((resolve) => {
      this.#begun = resolve;
    });
  }

  restorePower(): void {
    this.#blackout = undefined;
    this.#restore();
  }

  async #write(real: LevelDatabase, path: string, operations: readonly LevelOperation[], sync: boolean): Promise<void> {
    const fate = this.fates.shift();
    if (fate !== 'not written') await real.write(operations, false);
    if (fate !== undefined) throw ioError();
    if (this.#blackout !== undefined) {
      this.#begun();
      await this.#blackout;
    }
    if (!sync || this.#ignoresSync) return;
    // One write is under way at a time, so this is the log that has it.
    const log = logsOf(path).at(-1) as string;
    this.durable.set(log, statSync(join(path, log)).size);
  }
}
