import type { Redis } from 'ioredis';
import { err } from 'neverthrow';
import { asError, describeThrown, QueueFullError } from '../core/errors.ts';
import type { Timer } from '../schedule/clock.ts';
import { isAway } from './connections.ts';
import { BrokerRefusedError, BrokerUnavailableError } from './errors.ts';
import type { JobPart } from './job-part.ts';
import type { Lane } from './lane.ts';
import type { BullMQQueueSettings } from './settings.ts';

/** Jobs that leave together. Workers have begun with the first before the last of a burst is written. */
const BATCH = 25;

/**
 * Batches of a lane that may be under way at a time: enough that Redis never waits for the next. What is under way is large:
 * the more of it there is, the more of it survives collections.
 */
const FLIGHTS = 8;

/** Jobs on their way beyond which {@link Outbox.ready} waits. */
const MANY = 10_000;

/** A batch under way. */
interface Flight {
  readonly lane: Lane;
  readonly batch: readonly JobPart[];
  /** When Redis should have answered, on the queue's clock. */
  readonly deadline: number;
}

/** Told what becomes of jobs. */
export interface OutboxObserver {
  /** Redis has it. */
  sent(part: JobPart): void;
  /** Redis does not have it, or nobody knows. */
  failed(part: JobPart, error: Error): void;
}

type Settings = Pick<BullMQQueueSettings, 'clock' | 'sendTimeout' | 'mostAway'>;

/**
 * Takes jobs to Redis: those of a burst in batches, in their order. While Redis is away they fail at once, or wait here
 * within a bound.
 *
 *     put ──→ lane.waiting ──(a batch is full, or a microtask)──→ a batch under way ──→ sent
 *                  ↑                              │ no answer
 *                  └──── Redis is back ←── away ──┴──→ failed
 */
export class Outbox {
  readonly #redis: Redis;
  readonly #settings: Settings;
  readonly #observer: OutboxObserver;
  readonly #lanes: Set<Lane> = new Set();
  readonly #readyWaiters: Set<() => void> = new Set();
  /** The oldest first. An array, since what was in a set of many comings and goings outlives two collections by V8. */
  readonly #underWay: Flight[] = [];
  /** Fires no later than the first of them is due; one for very many, which are answered long before. */
  #watchdog: Timer | undefined;
  /** Jobs that Redis has not acknowledged. */
  #held = 0;
  #closed = false;
  /** What is to happen before anything more leaves. */
  #holds = 0;
  /** Redis was silent; nothing more is sent until it answers again. */
  #silent = false;

  constructor(redis: Redis, settings: Settings, observer: OutboxObserver) {
    this.#redis = redis;
    this.#settings = settings;
    this.#observer = observer;
    redis.on('ready', this.#onReady);
  }

  /** Jobs that Redis has not acknowledged. */
  get held(): number {
    return this.#held;
  }

  /** Why so many more jobs would be refused; undefined if they are taken. */
  refusal(jobs: number): Error | undefined {
    if (!this.isAway) return undefined;
    const { mostAway } = this.#settings;
    if (mostAway === 0) return new BrokerUnavailableError('Redis is away');
    if (this.#held + jobs <= mostAway) return undefined;
    return new QueueFullError(`${this.#held} jobs wait for Redis already (whenAway.queue: ${mostAway})`);
  }

  get isAway(): boolean {
    return this.#silent || this.#redis.status !== 'ready';
  }

  put(part: JobPart): void {
    const { lane } = part;
    this.#held++;
    lane.waiting.push(part);
    this.#lanes.add(lane);
    if (lane.waiting.length >= BATCH && !this.isAway) this.#flush(lane);
    else this.#schedule(lane);
  }

  /** Takes a job back that is not under way yet. False if it is. */
  withdraw(part: JobPart): boolean {
    const at = part.lane.waiting.indexOf(part);
    if (at === -1) return false;
    part.lane.waiting.splice(at, 1);
    part.phase = 'withdrawn';
    this.#release();
    return true;
  }

  /** Resolves once Redis answers, and there is room; also when the outbox closes. */
  async ready(): Promise<void> {
    while (!this.#closed && (this.isAway || this.#held >= MANY)) {
      await new Promise<void>((resolve) => this.#readyWaiters.add(resolve));
    }
  }

  /** Resolves once nothing is held any more. */
  async empty(): Promise<void> {
    while (this.#held > 0) await new Promise<void>((resolve) => this.#readyWaiters.add(resolve));
  }

  /** Lets nothing leave until then. The promise never rejects. */
  holdUntil(then: Promise<unknown>): void {
    this.#holds++;
    void then.then(() => {
      this.#holds--;
      for (const lane of this.#lanes) this.#schedule(lane);
    });
  }

  /** Gives up on what is held. */
  close(error: Error): void {
    this.#closed = true;
    this.#redis.off('ready', this.#onReady);
    for (const { returned, waiting } of this.#lanes) {
      for (const part of [...returned.splice(0), ...waiting.splice(0)]) this.#fail(part, error);
    }
    this.#wake();
  }

  readonly #onReady = (): void => {
    this.#silent = false;
    for (const lane of this.#lanes) this.#schedule(lane);
    this.#wake();
  };

  /** One flush for a whole burst. */
  #schedule(lane: Lane): void {
    if (lane.flushing || lane.waiting.length === 0) return;
    lane.flushing = true;
    queueMicrotask(() => {
      lane.flushing = false;
      this.#flush(lane);
    });
  }

  #flush(lane: Lane): void {
    while (lane.waiting.length > 0 && lane.flights < FLIGHTS && lane.returned.length === 0 && !this.#closed) {
      if (this.isAway) {
        if (this.#settings.mostAway === 0)
          this.#failAll(lane.waiting.splice(0), new BrokerUnavailableError('Redis is away'));
        return;
      }
      if (this.#holds > 0) return;
      void this.#fly(lane, lane.waiting.splice(0, BATCH));
    }
  }

  async #fly(lane: Lane, batch: readonly JobPart[]): Promise<void> {
    const { clock, sendTimeout } = this.#settings;
    const flight: Flight = { lane, batch, deadline: clock.now() + sendTimeout };
    lane.flights++;
    for (const part of batch) part.left = true;
    this.#underWay.push(flight);
    if (this.#watchdog === undefined) this.#watch(sendTimeout);
    const answers = await lane.add(batch);
    if (this.#end(flight)) this.#landed(flight, answers);
  }

  #landed({ lane, batch }: Flight, answers: readonly PromiseSettledResult<unknown>[]): void {
    for (const [at, part] of batch.entries()) {
      const answer = answers[at] as PromiseSettledResult<unknown>;
      if (answer.status === 'fulfilled') this.#sent(part);
      else if (isAway(answer.reason)) this.#away(part, answer.reason);
      else this.#fail(part, refused(answer.reason));
    }
    this.#arrived(lane);
  }

  #arrived(lane: Lane): void {
    lane.flights--;
    if (lane.flights === 0) lane.waiting.unshift(...lane.returned.splice(0));
    this.#schedule(lane);
  }

  /** False if it had ended: then nobody cares any more for what becomes of it. */
  #end(flight: Flight): boolean {
    const at = this.#underWay.indexOf(flight);
    if (at === -1) return false;
    this.#underWay.splice(at, 1);
    return true;
  }

  #watch(delay: number): void {
    const { clock } = this.#settings;
    this.#watchdog = clock.setTimer(
      () => {
        this.#watchdog = undefined;
        const now = clock.now();
        for (const flight of this.#underWay.filter(({ deadline }) => deadline <= now)) this.#giveUp(flight);
        const [oldest] = this.#underWay;
        if (oldest !== undefined) this.#watch(oldest.deadline - now);
      },
      delay,
      true,
    );
  }

  /** Redis is silent for too long: its connection is made anew. */
  #giveUp(flight: Flight): void {
    if (!this.#end(flight)) return;
    if (!this.#silent && this.#redis.status === 'ready') {
      this.#silent = true;
      this.#redis.disconnect(true);
    }
    const { sendTimeout } = this.#settings;
    const error = new BrokerUnavailableError(
      `Redis did not answer within ${sendTimeout} ms (sendTimeout); it may have accepted the payload`,
    );
    for (const part of flight.batch) this.#away(part, error);
    this.#arrived(flight.lane);
  }

  /** It waits before those that came later, or fails. */
  #away(part: JobPart, error: unknown): void {
    if (this.#settings.mostAway > 0 && !this.#closed) part.lane.returned.push(part);
    else this.#fail(part, unavailable(error));
  }

  #sent(part: JobPart): void {
    part.phase = 'sent';
    part.data = undefined;
    part.options = undefined;
    this.#observer.sent(part);
    this.#release();
  }

  #failAll(parts: readonly JobPart[], error: Error): void {
    for (const part of parts) this.#fail(part, error);
  }

  #fail(part: JobPart, error: Error): void {
    part.phase = 'failed';
    this.#observer.failed(part, error);
    part.done(err(error));
    this.#release();
  }

  #release(): void {
    this.#held--;
    if (this.#readyWaiters.size > 0) this.#wake();
  }

  #wake(): void {
    const waiters = [...this.#readyWaiters];
    this.#readyWaiters.clear();
    for (const resolve of waiters) resolve();
  }
}

function unavailable(error: unknown): Error {
  if (error instanceof BrokerUnavailableError) return error;
  return new BrokerUnavailableError(`Redis is away: ${describeThrown(error)}`, { cause: error });
}

function refused(error: unknown): Error {
  return new BrokerRefusedError(`Redis refused the payload: ${asError(error).message}`, { cause: error });
}
