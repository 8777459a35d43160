import type { Payload } from '../core/payload.ts';
import { type Expiry, expiryDue } from './expiry.ts';
import type { PolicyTask, TaskPolicy } from './policy.ts';
import type { PolicyServices } from './services.ts';
import { WaitingLine } from './waiting-line.ts';
import type { WakeUps } from './wake-ups.ts';

/** The key of a payload's task; undefined for one that has none. Throws for a wrong one. */
export type PartitionOf = (payload: Payload) => string | undefined;

/** One task, over all of its attempts. */
interface Turn {
  /** Undefined for a task without a key. */
  readonly lane: Lane | undefined;
  /** Attempts whose work has not ended. */
  works: number;
  /** The task has settled. */
  over: boolean;
}

/** A key that somebody holds, and who waits for it. */
interface Lane {
  readonly key: string;
  holder: Turn | undefined;
  readonly line: WaitingLine;
}

const WITHOUT_KEY: Turn = Object.freeze({ lane: undefined, works: 0, over: false });

/** The keys of one collector's tasks, whatever its sends say, for one run of the queue. A key with nobody is forgotten. */
export class Partitions {
  readonly #wakeUps: WakeUps;
  readonly #lanes: Map<string, Lane> = new Map();
  /** By {@link PolicyTask.chain}. */
  readonly #turns: WeakMap<object, Turn> = new WeakMap();
  /** Attempts that were let through. */
  readonly #going: Set<PolicyTask> = new Set();

  constructor(wakeUps: WakeUps) {
    this.#wakeUps = wakeUps;
  }

  /** False if it is not the task's turn; then it waits for it. */
  take(task: PolicyTask, keyOf: PartitionOf, expires: number): boolean {
    const turn = this.#turns.get(task.chain) ?? this.#enter(task, keyOf);
    const { lane } = turn;
    if (lane === undefined) return true;
    this.#wakeUps.delete(task);
    lane.holder ??= turn;
    if (lane.holder !== turn) {
      lane.line.add(task, expires);
      return false;
    }
    this.#going.add(task);
    turn.works++;
    return true;
  }

  /** The work of an attempt that was let through has ended, or did not begin. */
  ended(task: PolicyTask): void {
    if (!this.#going.delete(task)) return;
    const turn = this.#turns.get(task.chain) as Turn;
    turn.works--;
    this.#passOn(turn);
  }

  /** Work that another attempt does for this task, too, has begun: the key is held until it ends. Returns how to say so. */
  keep(task: PolicyTask): (() => void) | undefined {
    const turn = this.#turns.get(task.chain);
    if (turn?.lane === undefined) return undefined;
    turn.works++;
    return () => {
      turn.works--;
      this.#passOn(turn);
    };
  }

  /** There is no further attempt. The key is held until the last work has ended. */
  over(task: PolicyTask): void {
    this.#wakeUps.delete(task);
    const turn = this.#turns.get(task.chain);
    if (turn?.lane === undefined) return;
    turn.over = true;
    turn.lane.line.delete(task);
    this.#passOn(turn);
  }

  #passOn(turn: Turn): void {
    const { lane } = turn;
    if (lane === undefined || lane.holder !== turn || !turn.over || turn.works > 0) return;
    const next = lane.line.shift();
    if (next === undefined) {
      this.#lanes.delete(lane.key);
      return;
    }
    // From now on, so that nobody comes in between.
    lane.holder = this.#turns.get(next.chain);
    this.#wakeUps.add(next);
  }

  #enter(task: PolicyTask, keyOf: PartitionOf): Turn {
    const key = task.payload === undefined ? undefined : keyOf(task.payload);
    const turn = key === undefined ? WITHOUT_KEY : { lane: this.#laneOf(key), works: 0, over: false };
    this.#turns.set(task.chain, turn);
    return turn;
  }

  #laneOf(key: string): Lane {
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const lane: Lane = { key, holder: undefined, line: new WaitingLine() };
    this.#lanes.set(key, lane);
    return lane;
  }
}

/**
 * Lets one task of a key run at a time, in the order in which they came; the others are parked. A task has its key from its
 * first attempt, over all delays between its attempts, until it has settled and its work has ended, even work that
 * nobody waits for any more. So the next one never overtakes it.
 */
export class PartitionPolicy implements TaskPolicy {
  readonly #partitions: Partitions;
  readonly #keyOf: PartitionOf;
  readonly #expiry: Expiry | undefined;
  readonly #services: PolicyServices;

  constructor(partitions: Partitions, keyOf: PartitionOf, expiry: Expiry | undefined, services: PolicyServices) {
    this.#partitions = partitions;
    this.#keyOf = keyOf;
    this.#expiry = expiry;
    this.#services = services;
  }

  before(task: PolicyTask): 'run' | 'park' {
    const expires = expiryDue(this.#expiry, task, this.#services.clock);
    return this.#partitions.take(task, this.#keyOf, expires) ? 'run' : 'park';
  }

  notStarted(task: PolicyTask): void {
    this.#partitions.ended(task);
  }

  workEnded(task: PolicyTask): void {
    const cancelled = task.payload === undefined;
    if (cancelled) this.#partitions.over(task);
    this.#partitions.ended(task);
  }

  settled(task: PolicyTask): void {
    this.#partitions.over(task);
  }

  forget(task: PolicyTask): void {
    this.#partitions.over(task);
  }
}
