import { type AnyCollector, claimCollector, releaseCollector } from '../core/collector.ts';
import { LifecycleError } from '../core/errors.ts';
import type { Registration } from '../core/registration.ts';
import type { ShutdownSettings } from '../core/shutdown-options.ts';
import type { Clock, Timer } from '../schedule/clock.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import type { JobRunner } from './job-runner.ts';
import { JobWorker, type WorkerParts } from './job-worker.ts';
import type { Lane } from './lane.ts';
import type { Announcement } from './notes.ts';

/** Of the time that a shutdown has, this much is kept for giving jobs back. */
const SPARED = 1_000;

/**
 * The workers of a process: the collectors set up, one BullMQ worker for each, and their announcement, which is
 * repeated.
 */
export class Crew {
  readonly #parts: Omit<WorkerParts, 'isClosing'>;
  #collectors: readonly AnyCollector[];
  readonly #laneOf: (key: string) => Lane;
  readonly #claimed: AnyCollector[] = [];
  #workers: JobWorker[] = [];
  #announcing: Timer | undefined;
  #closing = false;

  constructor(
    parts: Omit<WorkerParts, 'isClosing'>,
    collectors: readonly AnyCollector[],
    laneOf: (key: string) => Lane,
  ) {
    this.#parts = parts;
    this.#collectors = collectors;
    this.#laneOf = laneOf;
    parts.runner.attemptsBefore = (key, eventId) =>
      this.#workers.find((worker) => worker.key === key)?.attemptsBefore(eventId) ?? 0;
  }

  get runner(): JobRunner {
    return this.#parts.runner;
  }

  /** Jobs that are worked on. */
  get busy(): number {
    return this.#workers.reduce((sum, { busy }) => sum + busy, 0);
  }

  /** Jobs that may be worked on at a time. */
  get concurrency(): number {
    return this.#workers.reduce((sum, { concurrency }) => sum + concurrency, 0);
  }

  /** Sets the collectors up, announces them, and takes jobs. What was begun is to be undone by {@link Crew.stop}. */
  async start(): Promise<void> {
    for (const collector of this.#collectors) this.#claim(collector);
    await this.runner.init();
    this.#workers = this.#collectors.map((collector) => this.#newWorker(collector));
    await this.#announce();
    this.#announceAgain();
    await Promise.all(this.#workers.map((worker) => worker.start()));
  }

  /** Sets one more up, and takes its jobs. Rejects with a {@link LifecycleError} if its set-up fails. */
  async add(collector: AnyCollector): Promise<void> {
    this.#claim(collector);
    try {
      await this.runner.add(collector);
    } catch (error) {
      this.#release(collector);
      throw error;
    }
    const worker = this.#newWorker(collector);
    this.#collectors = [...this.#collectors, collector];
    this.#workers.push(worker);
    await this.#announce();
    await worker.start();
  }

  /** Takes no more of its jobs, and shuts it down once those that run have ended. */
  async remove(collector: AnyCollector): Promise<void> {
    const worker = this.#workers.find(({ key }) => key === collector.key);
    this.#collectors = this.#collectors.filter((one) => one !== collector);
    this.#workers = this.#workers.filter((one) => one !== worker);
    try {
      await worker?.close();
      await this.runner.remove(collector.key);
    } finally {
      this.#release(collector);
    }
  }

  /**
   * Takes nothing more, lets what runs end, or gives it back to Redis for other workers, and shuts the collectors down.
   * Resolves within the time limit (and that of the lifecycles), whatever Redis does. Rejects with a
   * {@link LifecycleError} if a shutdown failed.
   */
  async stop({ drain, timeout, scheduled }: ShutdownSettings): Promise<void> {
    const { clock } = this.#parts.settings;
    this.#announcing?.cancel();
    this.#closing = true;
    const deadline = clock.now() + timeout;
    const closed = Promise.allSettled(this.#workers.map((worker) => worker.close()));
    const within = timeout === Number.POSITIVE_INFINITY ? timeout : timeout - Math.min(SPARED, timeout / 4);
    let failure: unknown;
    try {
      await this.runner.shutDown({ drain, timeout: within, scheduled });
    } catch (error) {
      failure = error;
    }
    if (!(await settlesWithin(closed, clock, remaining(deadline, clock)))) {
      for (const worker of this.#workers) worker.drop();
    }
    for (const collector of [...this.#claimed]) this.#release(collector);
    if (failure !== undefined) throw failure;
  }

  #newWorker(collector: AnyCollector): JobWorker {
    return new JobWorker({ ...this.#parts, isClosing: () => this.#closing }, collector, this.#laneOf(collector.key));
  }

  #claim(collector: AnyCollector): void {
    if (!claimCollector(collector, SERVES_BULLMQ)) {
      const message = `collector "${collector.key}" serves another queue that was not shut down`;
      throw new LifecycleError(message, [new Error(message)]);
    }
    this.#claimed.push(collector);
  }

  #release(collector: AnyCollector): void {
    const at = this.#claimed.indexOf(collector);
    if (at === -1) return;
    this.#claimed.splice(at, 1);
    releaseCollector(collector);
  }

  async #announce(): Promise<void> {
    const { notes, settings } = this.#parts;
    if (this.#collectors.length === 0) return;
    await notes.announce(this.#collectors.map(announcementOf), settings.clock.wall());
  }

  #announceAgain(): void {
    const { clock, registryInterval } = this.#parts.settings;
    this.#announcing = clock.setTimer(
      () => {
        void this.#announce().catch((error) => this.#parts.events.reportInternal('announcement', error));
        if (!this.#closing) this.#announceAgain();
      },
      registryInterval,
      true,
    );
  }
}

/** What stands in the collectors while they serve here: no queue of the core can have them then. */
const SERVES_BULLMQ = Object.freeze({}) as unknown as Registration;

function announcementOf(collector: AnyCollector, order: number): Announcement {
  const { key, topics, settings } = collector;
  return { key, topics, order, ...settings.delay };
}

function remaining(deadline: number, clock: Clock): number {
  return deadline === Number.POSITIVE_INFINITY ? deadline : Math.max(0, deadline - clock.now());
}
