import { closeSync, fdatasyncSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A file of ids, one in a line. */
export class Notes {
  readonly #file: number;
  #ids: number[] = [];
  #synced: Promise<void> | undefined;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  /** Resolves once they are synced. What comes in one turn of the event loop shares a sync. */
  add(ids: readonly number[]): Promise<void> {
    this.#ids.push(...ids);
    this.#synced ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#synced = undefined;
        this.#sync();
        resolve();
      });
    });
    return this.#synced;
  }

  /** At once, and not synced: that survives the end of the process. */
  write(ids: readonly number[]): void {
    writeSync(this.#file, `${ids.join('\n')}\n`);
  }

  close(): void {
    this.#sync();
    closeSync(this.#file);
  }

  #sync(): void {
    if (this.#ids.length === 0) return;
    this.write(this.#ids);
    this.#ids = [];
    fdatasyncSync(this.#file);
  }
}

/** All ids in the files of a folder with this ending. The last line of each may be torn: its writer was killed. */
export function idsIn(folder: string, ending: string): number[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(ending));
  return names.flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1).map(Number));
}
