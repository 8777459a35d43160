import { checkInteger, checkOptions, checkTimer } from '../core/checks.ts';
import type { HealthOptions, HealthSettings, QueueHealth } from '../core/health.ts';
import type { Clock } from '../schedule/clock.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import type { RemoteLifetime } from './remote-lifetime.ts';
import type { RemoteRun } from './remote-run.ts';

/** Options of `BullMQCollectorQueue.health()`. */
export interface RemoteHealthOptions extends HealthOptions {
  /**
   * How long Redis may take to answer, before it counts as away; milliseconds.
   * @default 1000
   */
  readonly timeout?: number | undefined;
}

/** {@link RemoteHealthOptions}, checked and complete. */
interface RemoteHealthSettings extends HealthSettings {
  readonly timeout: number;
}

/** Whether Redis answers. */
export interface RedisHealth {
  readonly reachable: boolean;
  /** How long it took to answer, in milliseconds; undefined if it did not. */
  readonly roundTrip: number | undefined;
}

/**
 * How one process of a queue on BullMQ is. What it tells of tasks is about those that run here; `saturated` and
 * `abandoned` too. `waiting` counts the payloads that Redis has not acknowledged.
 */
export interface RemoteHealth extends Omit<QueueHealth, 'live' | 'ready'> {
  /** The queue is up (running or closing), whether Redis answers or not: no restart brings that back. */
  readonly live: boolean;
  /** The queue is running, and Redis answers. */
  readonly ready: boolean;
  readonly redis: RedisHealth;
}

/** @throws `InvalidArgumentError` for a wrong option */
export function checkHealth(options: RemoteHealthOptions): RemoteHealthSettings {
  const given = checkOptions<RemoteHealthOptions>('health', options, ['oldest', 'timeout']);
  const { oldest = 10, timeout = 1000 } = given;
  return {
    oldest: checkInteger('health: oldest', oldest, { min: 0 }),
    timeout: checkTimer('health: timeout', timeout, 1),
  };
}

/** How this process is now. Never rejects. */
export async function remoteHealthOf(
  lifetime: RemoteLifetime,
  paused: boolean,
  clock: Clock,
  { oldest, timeout }: RemoteHealthSettings,
): Promise<RemoteHealth> {
  const asked = lifetime.up;
  const redis = asked === undefined ? AWAY : await redisHealthOf(asked, clock, timeout);
  const { state, up } = lifetime;
  const crew = lifetime.last?.crew;
  const jobs = crew?.runner.queue.health({ oldest });
  return {
    state,
    live: up !== undefined,
    ready: state === 'running' && up === asked && redis.reachable,
    saturated: jobs?.saturated ?? false,
    paused,
    waiting: up?.tally.pending ?? 0,
    busy: up === undefined ? 0 : (crew?.busy ?? 0),
    consumers: up === undefined ? 0 : (crew?.concurrency ?? 0),
    abandoned: jobs?.abandoned ?? 0,
    oldest: (jobs?.oldest ?? []).map(({ attempt, ...task }) => ({
      ...task,
      attempt: attempt + (crew?.runner.attemptsBefore(task.collectorKey, task.eventId) ?? 0),
    })),
    redis,
  };
}

const AWAY: RedisHealth = { reachable: false, roundTrip: undefined };

/** Questions to which Redis owes an answer. While it is away they wait, so there is one at a time for a run. */
const asking: WeakMap<RemoteRun, Promise<void>> = new WeakMap();

async function redisHealthOf(run: RemoteRun, clock: Clock, timeout: number): Promise<RedisHealth> {
  const began = clock.now();
  let reachable = false;
  const answer = ask(run).then(
    () => {
      reachable = true;
    },
    () => undefined,
  );
  await settlesWithin(answer, clock, timeout);
  return reachable ? { reachable, roundTrip: clock.now() - began } : AWAY;
}

function ask(run: RemoteRun): Promise<void> {
  const pending = asking.get(run);
  if (pending !== undefined) return pending;
  const answer = run.notes
    .serverTime()
    .then(() => undefined)
    .finally(() => asking.delete(run));
  asking.set(run, answer);
  return answer;
}
