import type { Queue } from 'bullmq';
import type { JobPart } from './job-part.ts';
import { JobIds, queueNameOf } from './names.ts';

/** The way of one collector's jobs: its queue in BullMQ, and what is to be added to it. */
export class Lane {
  /** The collector's key. */
  readonly key: string;
  readonly queueName: string;
  readonly jobIds: JobIds;
  readonly queue: Queue;
  /** What was sent and is not under way to Redis. */
  waiting: JobPart[] = [];
  /** What came back from Redis being away. It goes before what waits once nothing is under way, so the order stays. */
  readonly returned: JobPart[] = [];
  /** Batches under way. */
  flights = 0;
  /** A flush is due in a microtask. */
  flushing = false;

  constructor(key: string, queue: Queue) {
    this.key = key;
    this.queueName = queueNameOf(key);
    this.jobIds = new JobIds(key);
    this.queue = queue;
  }

  /**
   * Adds jobs, in this order. A job that is there already, from an attempt whose answer got lost, is not added twice.
   * One command for each: a transaction, as BullMQ has it for many, would let workers begin after the last of them.
   */
  add(parts: readonly JobPart[]): Promise<PromiseSettledResult<unknown>[]> {
    return Promise.allSettled(parts.map(({ data, options }) => this.queue.add(this.key, data, options)));
  }

  /** How a job stands: `[0]` not finished, `[1, value]` completed, `[2, reason]` failed, `[-1, …]` not there. */
  async look(jobId: string): Promise<readonly [number, string?]> {
    const found = await this.queue.getBackend().isFinished(jobId, true);
    return Array.isArray(found) ? (found as unknown as [number, string?]) : [found];
  }
}
