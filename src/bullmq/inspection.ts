import { err } from 'neverthrow';
import { ClearedError } from '../core/errors.ts';
import type { Clock } from '../schedule/clock.ts';
import type { Lane } from './lane.ts';
import type { RemoteRun } from './remote-run.ts';

/** Where the jobs of a collector stand. */
export interface CollectorCounts {
  readonly waiting: number;
  readonly active: number;
  /** For a time given by a send or a collector, or for the next attempt. */
  readonly delayed: number;
  readonly completed: number;
  readonly failed: number;
  /** Processes that work on them. */
  readonly workers: number;
  readonly paused: boolean;
}

/** How often is looked whether a queue is idle. Milliseconds. */
const POLL = 50;

/** Jobs go by the clock of whoever sent them, and none is to be too new to be cleared. A day in milliseconds. */
const WHATEVER_CLOCK = 86_400_000;

export async function countsOf(lanes: readonly Lane[]): Promise<ReadonlyMap<string, CollectorCounts>> {
  return new Map(await Promise.all(lanes.map(async (lane) => [lane.key, await countsOfLane(lane)] as const)));
}

export async function countsOfLane({ queue }: Pick<Lane, 'queue'>): Promise<CollectorCounts> {
  const [counts, workers, paused] = await Promise.all([
    queue.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'completed', 'failed'),
    queue.getWorkersCount(),
    queue.isPaused(),
  ]);
  const count = (name: string): number => counts[name] ?? 0;
  return {
    waiting: count('wait') + count('prioritized'),
    active: count('active'),
    delayed: count('delayed'),
    completed: count('completed'),
    failed: count('failed'),
    workers,
    paused,
  };
}

/** Resolves once nothing is left to do. Rejects if Redis is away. */
export async function idle(run: RemoteRun, clock: Clock): Promise<void> {
  for (;;) {
    await run.outbox?.empty();
    const left = await Promise.all(
      run.lanes.map(({ queue }) => queue.getJobCountByTypes('wait', 'prioritized', 'active', 'delayed')),
    );
    if (left.every((count) => count === 0) && run.tally.pending === 0) return;
    await new Promise<void>((resolve) => clock.setTimer(resolve, POLL));
  }
}

/** Takes out what waits; what has begun meanwhile stays. */
export async function clearLane(run: RemoteRun, { queue }: Lane): Promise<number> {
  const waiting = await queue.clean(-WHATEVER_CLOCK, 0, 'wait');
  const prioritized = await queue.clean(-WHATEVER_CLOCK, 0, 'prioritized');
  const cleared = [...waiting, ...prioritized];
  for (const jobId of cleared) run.results.partOf(jobId)?.done(err(new ClearedError('the queue was cleared')));
  return cleared.length;
}
