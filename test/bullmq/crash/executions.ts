import { openSync, readSync } from 'node:fs';

/** That a worker process began a task, or had done it. */
export interface Execution {
  readonly task: string;
  readonly pid: number;
  /** On the clock of `timeNow`. */
  readonly at: number;
}

/** Reads the log that all worker processes write. */
export class Executions {
  readonly begun: Map<string, Execution[]> = new Map();
  readonly done: Map<string, Execution[]> = new Map();
  readonly #file: number;
  readonly #buffer = Buffer.alloc(65_536);
  #rest = '';

  constructor(path: string) {
    this.#file = openSync(path, 'a+');
  }

  /** Takes in what was written since the last time. */
  read(): void {
    for (;;) {
      const bytes = readSync(this.#file, this.#buffer);
      if (bytes === 0) return;
      const lines = (this.#rest + this.#buffer.toString('latin1', 0, bytes)).split('\n');
      this.#rest = lines.pop() as string;
      for (const line of lines) this.#take(line);
    }
  }

  /** Executions beyond the first of each task. */
  get repeated(): number {
    return [...this.done.values()].reduce((sum, executions) => sum + executions.length - 1, 0);
  }

  /** How long each task that a process had begun and not done, when it ended at this time, waited to be done by another. */
  recoveries(pid: number, endedAt: number): number[] {
    const times: number[] = [];
    for (const [task, executions] of this.begun) {
      if (!executions.some((execution) => execution.pid === pid)) continue;
      const done = this.done.get(task) ?? [];
      const first = done.find(({ at }) => at > endedAt);
      if (first !== undefined && !done.some(({ at }) => at <= endedAt)) times.push(first.at - endedAt);
    }
    return times;
  }

  #take(line: string): void {
    const [what, task, pid, at] = line.split(' ') as [string, string, string, string];
    const executions = what === 'begun' ? this.begun : this.done;
    const execution = { task, pid: Number(pid), at: Number(at) };
    const before = executions.get(task);
    if (before === undefined) executions.set(task, [execution]);
    else before.push(execution);
  }
}
