import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Errand, type StopOrder, timeNow, type Word } from './errand.ts';

/** One life of a worker process. */
export class WorkerProcess {
  /** Resolves once it takes jobs, or has ended. */
  readonly working: Promise<void>;
  /** Resolves once it has ended, to the time of it. */
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;
  #said = '';

  constructor(errand: Errand) {
    const child = fork(join(import.meta.dirname, 'worker-child.ts'), [JSON.stringify(errand)], {
      execArgv: ['--import', 'tsx'],
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    // Only the end of what it says, should it be wanted.
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-10_000);
    });
    this.#child = child;
    this.ended = once(child, 'exit').then(timeNow);
    this.working = Promise.race([this.#told((word) => word === 'working'), this.ended]).then(() => undefined);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** What it complained of last. */
  get said(): string {
    return this.#said;
  }

  /** SIGKILL; resolves to the time at which it was sent. */
  async kill(): Promise<number> {
    const at = timeNow();
    this.#child.kill('SIGKILL');
    await this.ended;
    return at;
  }

  /** Has its queue shut down, and resolves to how long that took; undefined if the process did not say. */
  async stop(timeout: number): Promise<number | undefined> {
    const order: StopOrder = { stop: { timeout } };
    const stopped = this.#told((word) => typeof word === 'object');
    this.#child.send(order);
    const word = await Promise.race([stopped, this.ended]);
    return typeof word === 'object' ? word.stopped : undefined;
  }

  #told<W extends Word>(isIt: (word: Word) => boolean): Promise<W> {
    return new Promise((resolve) => {
      this.#child.on('message', (word: Word) => isIt(word) && resolve(word as W));
    });
  }
}

/** The worker processes of a campaign. */
export class Workers {
  readonly #errand: Errand;
  readonly #all: Set<WorkerProcess> = new Set();

  constructor(errand: Errand) {
    this.#errand = errand;
  }

  get running(): WorkerProcess[] {
    return [...this.#all].filter(({ hasEnded }) => !hasEnded);
  }

  begin(): WorkerProcess {
    const worker = new WorkerProcess(this.#errand);
    this.#all.add(worker);
    void worker.ended.then(() => this.#all.delete(worker));
    return worker;
  }

  /** Begins so many, which take jobs when this resolves. */
  async beginAll(count: number): Promise<WorkerProcess[]> {
    const begun = Array.from({ length: count }, () => this.begin());
    await Promise.all(begun.map(({ working }) => working));
    for (const { hasEnded, said } of begun) if (hasEnded) throw new Error(`a worker ended by itself: ${said}`);
    return begun;
  }

  async killAll(): Promise<void> {
    await Promise.all(this.running.map((worker) => worker.kill()));
  }
}
