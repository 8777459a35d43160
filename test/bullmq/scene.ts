import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type AnyCollector, QueueEventName } from 'collector-queue';
import { BullMQCollectorQueue, type BullMQQueueOptions } from 'collector-queue/bullmq';
import { onTestFinished } from 'vitest';

let made = 0;

/** Options with which a test does not wait for what takes half a minute otherwise. */
const QUICK = {
  lookupInterval: 200,
  registryInterval: 200,
  lockDuration: 600,
  stalledInterval: 300,
  sendTimeout: 1_000,
  waitTimeout: 20_000,
} as const;

/** A prefix of its own for a test. */
export function ownPrefix(): string {
  made++;
  return `test-${process.pid}-${made}`;
}

/** A queue that is shut down when the test has finished. */
export function queueFor(collectors: readonly AnyCollector[], options: BullMQQueueOptions): BullMQCollectorQueue {
  const queue = new BullMQCollectorQueue(collectors, { ...QUICK, prefix: ownPrefix(), ...options });
  // An outage is told; unless a test listens, nobody needs to hear of it.
  queue.events.on('error-internal', () => undefined);
  onTestFinished(async () => {
    await queue.shutDownQueue({ drain: false, timeout: 2_000 }).catch(() => undefined);
  });
  return queue;
}

/** The same, initialised. */
export async function started(
  collectors: readonly AnyCollector[],
  options: BullMQQueueOptions,
): Promise<BullMQCollectorQueue> {
  const queue = queueFor(collectors, options);
  await queue.initQueue();
  return queue;
}

/** What a queue tells from now on. */
export function told(queue: BullMQCollectorQueue): { status: string; [field: string]: unknown }[] {
  const events: { status: string }[] = [];
  for (const name of Object.values(QueueEventName)) queue.events.on(name, (event) => events.push(event));
  return events;
}

/** Resolves once the condition holds. */
export async function until(condition: () => unknown, limit = 15_000): Promise<void> {
  for (const end = Date.now() + limit; !(await condition()); await passed(5)) {
    if (Date.now() > end) throw new Error(`for ${limit} ms this did not hold: ${condition}`);
  }
}

export function passed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

/** A worker process with the collectors of worker-child.ts. */
export class WorkerChild {
  readonly process: ChildProcess;
  readonly ended: Promise<number | string>;
  /** What its collectors say. */
  readonly said: unknown[] = [];

  private constructor(options: BullMQQueueOptions, collectors: readonly string[]) {
    this.process = fork(join(import.meta.dirname, 'worker-child.ts'), [], {
      execArgv: ['--import', 'tsx'],
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        WORKER: JSON.stringify({ options: { ...QUICK, ...options, role: 'worker' }, collectors }),
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.process.on('message', (message) => this.said.push(message));
    this.ended = once(this.process, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  }

  /** Resolves once it takes jobs. */
  static async start(options: BullMQQueueOptions, collectors: readonly string[]): Promise<WorkerChild> {
    const child = new WorkerChild(options, collectors);
    onTestFinished(() => void child.process.kill('SIGKILL'));
    await Promise.race([
      until(() => child.said.includes('ready'), 30_000),
      child.ended.then((code) => Promise.reject(new Error(`the worker ended with ${code}`))),
    ]);
    return child;
  }

  /** Asks it to shut down. */
  stop(): void {
    this.process.send('stop');
  }
}
