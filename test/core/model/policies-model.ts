import {
  type CollectorEvent,
  CollectorQueueError,
  type ErrorCode,
  type ResultList,
  type SendOptions,
} from 'collector-queue';

/** How an attempt ends. */
export type Outcome = 'value' | 'err' | 'throw' | 'permanent' | 'later' | 'retryLater' | 'retryNow' | 'cancel';

/**
 * How an attempt goes on until the test ends it; `cancels` cancels its own event when its signal fires. `aborts` and
 * `abortsSync` begin with the signal of their own collector or another, `cancelsSync` with their own event.
 */
export type Manner = 'deaf' | 'heeds' | 'cancels' | 'stuck' | 'aborts' | 'sync' | 'abortsSync' | 'cancelsSync';

/** How long `later` and `retryLater` ask to wait. */
export const LATER = 40;

export interface CollectorSetup {
  readonly timeout: number | undefined;
  readonly retry: { readonly attempts: number; readonly base: number; readonly cap: number } | undefined;
  readonly ttl: number | undefined;
  readonly delay: number | undefined;
  readonly lock: 'shared' | 'own' | undefined;
  readonly signal: boolean;
  readonly deadLetter: boolean;
}

export interface Setup {
  readonly queueType: 'fifo' | 'lifo' | 'priority';
  readonly maxConsumers: number;
  readonly maxSize: number;
  readonly overflow: 'reject' | 'dropOldest';
  readonly maxParked: number;
  readonly maxScheduled: number;
  readonly maxAbandoned: number;
  readonly collectors: readonly CollectorSetup[];
  /** What `Math.random` gives: where in its range each jitter is. */
  readonly jitter: number;
  /** Whether somebody listens to the queue events; work goes other ways if nobody does. */
  readonly listens: boolean;
  /** The status at which a listener cancels the event. */
  readonly cancelsAt: string | undefined;
}

/** What one send asks for. */
export interface Order {
  /** Indices of collectors; undefined for a broadcast. */
  readonly keys: readonly number[] | undefined;
  readonly options: Omit<SendOptions, 'signal' | 'at' | 'expiresAt'>;
  /** Milliseconds from now, for `expiresAt`; and whether `delay` is given as `at`. */
  readonly expiresIn: number | undefined;
  readonly asTime: boolean;
  readonly signal: 'none' | 'given' | 'fired' | 'shared';
  /** What `retryIf` does, if the send has options of its own for retries. */
  readonly retryIf: 'says yes' | 'cancels, says yes' | 'cancels, says no';
  readonly whenReady: boolean;
  /** Of the collectors in even places, and of the others. */
  readonly manners: readonly [Manner, Manner];
  /** How attempts that run synchronously end, one after the other; then with a value. */
  readonly outcomes: readonly Outcome[];
}

/** One call of a processor. */
export interface Work {
  readonly sent: Sent;
  readonly collector: number;
  readonly number: number;
  readonly begunAt: number;
  state: 'going' | 'abandoned' | 'over';
  /** It was given up before it ended, if it has ended. */
  abandoned: boolean;
  /** Its event had settled when it ended, or it was given up. */
  late: boolean;
  endedAt: number | undefined;
  outcome: Outcome | undefined;
  /** Ends it; undefined for one that ended synchronously. */
  finish: ((outcome: Outcome) => void) | undefined;
  readonly manner: Manner;
  readonly error: object;
  group: Leftovers | undefined;
}

/** What was given up while its event was at one consumer: that is kept until the last of these works has ended. */
interface Leftovers {
  works: number;
  kept: boolean;
}

/** One send, and what is known of it without asking the queue. */
export class Sent {
  readonly id: number;
  readonly order: Order;
  readonly controller: AbortController = new AbortController();
  /** The works of each collector, in order. */
  readonly works: Map<number, Work[]> = new Map();
  handle: CollectorEvent | undefined = undefined;
  /** It waits for room. */
  pending = false;
  acceptedAt = Number.NaN;
  expiresAt: number | undefined = undefined;
  /** When it is to wait for a consumer. */
  dueAt: number | undefined = undefined;
  rejected = false;
  /** How it was ended before its time. */
  early: ErrorCode | undefined = undefined;
  list: ResultList | undefined = undefined;
  settlements = 0;
  /** Works that are awaited; works that were given up and go on. */
  active = 0;
  left = 0;
  /** What was given up at the consumer where the event is now; what keeps consumers where it was before. */
  #group: Leftovers | undefined = undefined;
  readonly #groups: Leftovers[] = [];

  constructor(id: number, order: Order) {
    this.id = id;
    this.order = order;
  }

  get settled(): boolean {
    return this.list !== undefined || this.early !== undefined;
  }

  /** Something of it is still to come. */
  get isOpen(): boolean {
    return this.handle === undefined ? this.pending : !this.settled;
  }

  get busy(): number {
    return (this.active > 0 ? 1 : 0) + this.#groups.filter(({ kept }) => kept).length;
  }

  begin(work: Work): void {
    const works = this.works.get(work.collector) ?? [];
    works.push(work);
    this.works.set(work.collector, works);
    this.active++;
  }

  /** Nobody waits for the work any more. */
  abandon(work: Work): void {
    work.state = 'abandoned';
    work.abandoned = true;
    this.left++;
    this.#group ??= { works: 0, kept: false };
    this.#group.works++;
    work.group = this.#group;
    this.#deactivate();
  }

  end(work: Work, now: number): void {
    work.late = work.state === 'abandoned' || this.settled;
    work.endedAt = now;
    const { state } = work;
    work.state = 'over';
    if (state !== 'abandoned') {
      this.#deactivate(work.finish === undefined);
      return;
    }
    this.left--;
    const group = work.group as Leftovers;
    if (--group.works === 0) group.kept = false;
  }

  /** After work that ran synchronously, other tasks may start in the same breath. */
  #deactivate(soon = false): void {
    this.active--;
    if (soon) queueMicrotask(() => this.#leave());
    else this.#leave();
  }

  #leave(): void {
    const group = this.#group;
    if (this.active > 0 || group === undefined) return;
    this.#group = undefined;
    if (group.works === 0) return;
    group.kept = true;
    this.#groups.push(group);
  }
}

export function codeOf(error: unknown): ErrorCode | undefined {
  return error instanceof CollectorQueueError ? error.code : undefined;
}
