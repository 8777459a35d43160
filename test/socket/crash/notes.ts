import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';

/** A file of ids, one in a line, synced before anybody relies on them. */
export class Notes {
  readonly #path: string;
  readonly #file: number;
  #ids: number[] = [];

  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, 'a');
  }

  add(ids: readonly number[]): void {
    if (this.#ids.length === 0) setImmediate(() => this.#write());
    this.#ids.push(...ids);
  }

  /** What was noted. */
  close(): number[] {
    this.#write();
    closeSync(this.#file);
    return readFileSync(this.#path, 'utf8').split('\n').slice(0, -1).map(Number);
  }

  #write(): void {
    if (this.#ids.length === 0) return;
    writeSync(this.#file, `${this.#ids.join('\n')}\n`);
    this.#ids = [];
    fdatasyncSync(this.#file);
  }
}
