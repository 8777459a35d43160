import type { BullMQCollectorQueue, CollectorCounts } from '../bullmq/index.ts';
import type { WorkerLog } from './worker-log.ts';

/** What the line at the bottom of the terminal tells. */
export interface WorkerFigures {
  /** Jobs that ended here. */
  readonly ended: number;
  readonly busy: number;
  /** How many may run here. */
  readonly consumers: number;
  /** Of all workers' queues, as far as Redis has told. */
  readonly queues: QueueFigures | undefined;
  /** Redis does not answer. */
  readonly isSilent: boolean;
}

type QueueFigures = Pick<CollectorCounts, 'waiting' | 'delayed' | 'failed' | 'paused'>;

/** An answer that takes longer is none. Milliseconds. */
const PATIENCE = 2_000;

type Queue = Pick<BullMQCollectorQueue, 'counts' | 'consumerCount' | 'getMetrics'>;

/** Reads the figures of a worker. What Redis is asked for comes with a later reading, so that none waits for it. */
export class WorkerFiguresReader {
  readonly #queue: Queue;
  readonly #log: WorkerLog;
  #queues: QueueFigures | undefined;
  #askedAt: number | undefined;

  constructor(queue: Queue, log: WorkerLog) {
    this.#queue = queue;
    this.#log = log;
  }

  readonly read = async (): Promise<WorkerFigures> => {
    if (this.#askedAt === undefined) this.#ask();
    const { busy } = this.#queue.getMetrics();
    return {
      ended: this.#log.ended,
      busy,
      consumers: this.#queue.consumerCount,
      queues: this.#queues,
      isSilent: this.#askedAt !== undefined && performance.now() - this.#askedAt > PATIENCE,
    };
  };

  #ask(): void {
    this.#askedAt = performance.now();
    this.#queue
      .counts()
      .then((counts) => {
        this.#queues = sumOf([...counts.values()]);
      })
      // The connection's trouble is in the log.
      .catch(() => undefined)
      .finally(() => {
        this.#askedAt = undefined;
      });
  }
}

function sumOf(counts: readonly CollectorCounts[]): QueueFigures {
  const sum = (field: 'waiting' | 'delayed' | 'failed'): number => counts.reduce((all, one) => all + one[field], 0);
  return {
    waiting: sum('waiting'),
    delayed: sum('delayed'),
    failed: sum('failed'),
    paused: counts.some(({ paused }) => paused),
  };
}

/** How many jobs end here in a second, how busy it is, and what there is in Redis. */
export function describeFigures(now: WorkerFigures, before: WorkerFigures | undefined, elapsed: number): string {
  const rate =
    before === undefined || elapsed <= 0 ? '–' : String(Math.round(((now.ended - before.ended) * 1_000) / elapsed));
  const parts = [`${rate}/s`, `busy ${now.busy}/${now.consumers}`];
  if (now.isSilent) parts.push('Redis does not answer');
  else if (now.queues !== undefined) {
    const { waiting, delayed, failed, paused } = now.queues;
    parts.push(`waiting ${waiting}`, `delayed ${delayed}`, `failed ${failed}`);
    if (paused) parts.push('paused');
  }
  return parts.join(' │ ');
}
