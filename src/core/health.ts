import { checkInteger, checkOptions } from './checks.ts';
import type { Running } from './completions.ts';
import { consumersKept } from './leftovers.ts';
import type { QueueLifetime, QueueState } from './lifetime.ts';
import { mostAbandoned, type QueueSettings } from './options.ts';

/** Options of `queue.health()`. */
export interface HealthOptions {
  /**
   * How many of the oldest running tasks are told, from 0.
   * @default 10
   */
  readonly oldest?: number | undefined;
}

/** {@link HealthOptions}, checked and complete. */
export interface HealthSettings {
  readonly oldest: number;
}

/** A task whose work goes on. */
export interface RunningTask {
  readonly collectorKey: string;
  /** The id of the event that the sender holds. */
  readonly eventId: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /**
   * Milliseconds since the attempt began. Never too little, and too much by a tenth of `idleTimeout` at most (within
   * 10 … 1,000 ms), and by as long as the event loop was blocked: no clock is read for it.
   */
  readonly age: number;
  /** Nobody waits for it any more: its time limit has passed, or its event was cancelled. */
  readonly abandoned: boolean;
}

/** How a queue is, for probes and for people. */
export interface QueueHealth {
  /** `new` before the first `initQueue`, `closed` after a shutdown. */
  readonly state: QueueState;
  /**
   * The queue is up (running or closing), and some consumer can still come to its next payload. False while it is up
   * tells that every consumer that there may be is kept by work that nobody waits for: if that does not end, only a
   * restart helps.
   */
  readonly live: boolean;
  /** A payload that is sent now is accepted: live, running, not shutting down, not full. A paused queue is ready. */
  readonly ready: boolean;
  /** The same as `queue.isSaturated`. */
  readonly saturated: boolean;
  readonly paused: boolean;
  /** Payloads that wait for a consumer. */
  readonly waiting: number;
  /** Consumers that are busy. */
  readonly busy: number;
  /** Consumers alive. */
  readonly consumers: number;
  /** Attempts that exceeded their time limit and whose work goes on. */
  readonly abandoned: number;
  /** The tasks that have been running longest, the oldest first; after a shutdown, those that it has left behind. */
  readonly oldest: readonly RunningTask[];
}

/** @throws `InvalidArgumentError` for a wrong option */
export function checkHealth(options: HealthOptions): HealthSettings {
  const { oldest = 10 } = checkOptions<HealthOptions>('health', options, ['oldest']);
  return { oldest: checkInteger('health: oldest', oldest, { min: 0 }) };
}

/** How a queue is now. Looks at everything that runs: meant for probes, not for each payload. */
export function healthOf(lifetime: QueueLifetime, settings: QueueSettings, count: number): QueueHealth {
  const { state, up, last, paused } = lifetime;
  const running = last?.dispatcher.cancellations.running() ?? [];
  const live = up !== undefined && consumersKept(running.map(({ task }) => task)) < settings.maxConsumers;
  return {
    state,
    live,
    ready: live && state === 'running' && up.admission.hasRoom,
    saturated: (up?.ledger.abandoned ?? 0) > mostAbandoned(settings),
    paused,
    waiting: up?.pool.waiting ?? 0,
    busy: up?.pool.busy ?? 0,
    consumers: up?.pool.consumers ?? 0,
    abandoned: last?.ledger.abandoned ?? 0,
    oldest: running
      .sort((one, other) => one.since - other.since)
      .slice(0, count)
      .map((one) => describeRunning(one, settings.clock.now())),
  };
}

function describeRunning({ task, since }: Running, now: number): RunningTask {
  const { collectorKey, eventId, number, event, phase } = task;
  const abandoned = phase === 'abandoned' || event.status === 'settled';
  return { collectorKey, eventId, attempt: number, age: Math.max(0, now - since), abandoned };
}
