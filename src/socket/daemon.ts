import type { Result } from 'neverthrow';
import { checkDuration } from '../core/checks.ts';
import { Collector } from '../core/collector.ts';
import { QueueClosedError } from '../core/errors.ts';
import { Payload } from '../core/payload.ts';
import { CollectorQueue } from '../core/queue.ts';
import type { Clock } from '../schedule/clock.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import { LevelEventStore } from '../store/index.ts';
import { ClientMemory } from './client-memory.ts';
import { controlOf } from './control.ts';
import { DeadLetters } from './dead-letters.ts';
import { Forwarder } from './forwarder.ts';
import { newTally, type SpoolBatch } from './lane.ts';
import type { ListenAddress } from './listen-address.ts';
import { markOf } from './marks.ts';
import type { SpoolMetrics } from './metrics.ts';
import {
  type ForwardOptions,
  resolveDaemonOptions,
  resolveForward,
  type SpoolDaemonOptions,
  type SpoolDaemonSettings,
} from './options.ts';
import { SpoolServer } from './spool-server.ts';

/** How it goes on after a delivery that failed during the stop. Milliseconds. */
const LAST_TRIES = 500;

/**
 * Takes events from the processes of a machine over sockets, keeps them durably, and sends them in batches over HTTP.
 *
 * It is a queue with one collector, whose lifecycle opens the spool and the emitter that empties it: lines come in over
 * the sockets, are sent as payloads, and are answered with what becomes of them.
 */
export class SpoolDaemon {
  readonly #settings: SpoolDaemonSettings;
  readonly #events: LevelEventStore;
  readonly #deadLetters: DeadLetters;
  readonly #deadStore: LevelEventStore;
  readonly #queue: CollectorQueue;
  readonly #tally = newTally();
  readonly #forwarder: Forwarder;
  #dropped = 0;
  readonly #clients: ClientMemory;
  #server: SpoolServer | undefined = undefined;
  #startedAt = 0;
  #stopping: Promise<StopReport> | undefined = undefined;

  /** @throws {@link InvalidArgumentError} for an option that is wrong. */
  constructor(options: SpoolDaemonOptions) {
    this.#settings = resolveDaemonOptions(options);
    const { eventsPath, deadLettersPath, capacity, maxBytes, overflow, clientTtl, logger, clock } = this.#settings;
    const { deadLetterCapacity } = this.#settings;
    const logging = logger === undefined ? { clock } : { logger, clock };
    this.#events = new LevelEventStore(eventsPath, { capacity, maxBytes, overflow, ...logging });
    this.#deadStore = new LevelEventStore(deadLettersPath, { capacity: deadLetterCapacity, ...logging });
    this.#deadLetters = new DeadLetters(this.#deadStore, logger);
    this.#clients = new ClientMemory(this.#events, clock, clientTtl);
    this.#events.onDrop(() => this.#dropped++);
    const { endpoint, forward } = this.#settings;
    const parts = { events: this.#events, deadLetters: this.#deadLetters, clock, logger };
    this.#forwarder = new Forwarder(parts, { endpoint, forward });
    this.#queue = new CollectorQueue([this.#collector()], { clock, ...(logger === undefined ? {} : { logger }) });
  }

  /** Where it listens; with the port that was found where any would do. */
  get addresses(): readonly ListenAddress[] {
    return this.#server?.addresses ?? [];
  }

  /**
   * Opens the spool, listens, and begins to send what it holds already. Rejects with a `StoreLockedError`,
   * `StoreDamagedError`, `StoreDiskError`, `MissingPackageError` or {@link ListenError}, each in a
   * `LifecycleError` where it is of the spool; nothing is left open then.
   */
  async start(): Promise<void> {
    const { clock } = this.#settings;
    await this.#queue.initQueue();
    try {
      this.#server = await this.#listen();
    } catch (error) {
      await this.#queue.shutDownQueue();
      throw error;
    }
    this.#clients.start();
    this.#startedAt = clock.now();
  }

  /**
   * Accepts nothing more, answers what came, tries to send what the spool holds until the timeout, and closes everything.
   * What could not be sent is in the spool. Idempotent.
   */
  stop({ timeout = 10_000 }: { readonly timeout?: number } = {}): Promise<StopReport> {
    checkDuration('SpoolDaemon.stop: timeout', timeout);
    this.#stopping ??= this.#stop(timeout);
    return this.#stopping;
  }

  /**
   * Sends elsewhere, or otherwise, from now on; what is not given is the default. Throws for options that are wrong, or once
   * it stops; then all stays as it was.
   */
  async reconfigure(endpoint: string, forward: ForwardOptions = {}): Promise<void> {
    if (this.#stopping !== undefined) throw new QueueClosedError('the daemon stops: it sends nowhere else any more');
    await this.#forwarder.change({ endpoint, forward: resolveForward(forward) });
  }

  /** What it did, and what it holds. */
  async getMetrics(): Promise<SpoolMetrics> {
    const { clock } = this.#settings;
    // A disk that fails must not hide the rest.
    const oldest = await this.#events.oldest().catch(() => undefined);
    return {
      ...this.#tally,
      ...this.#forwarder.metrics,
      stored: this.#events.size,
      storedBytes: this.#events.bytes,
      oldestAge: oldest === undefined ? 0 : Math.max(0, clock.wall() - oldest),
      deadLetters: this.#deadLetters.size,
      deadLettersFull: this.#deadLetters.isFull,
      dropped: this.#dropped,
      quarantined: this.#events.quarantined,
      connections: this.#server?.connections ?? 0,
      uptime: clock.now() - this.#startedAt,
    };
  }

  /** What is stored is what was sent; the emitter hears of it by itself. */
  #collector(): Collector {
    return new Collector(
      'spool',
      ({ value: { events, mark } }: Payload<SpoolBatch>) => {
        const marks = mark && markOf(mark.client, { seq: mark.seq, at: this.#settings.clock.wall() });
        return this.#events.addWritten(events, marks);
      },
      {
        lifecycle: { setup: () => this.#open(), shutdown: () => this.#close() },
      },
    );
  }

  async #open(): Promise<void> {
    try {
      await this.#events.open();
      await this.#deadStore.open();
      await this.#forwarder.open();
    } catch (error) {
      await this.#close();
      throw error;
    }
  }

  async #close(): Promise<void> {
    await this.#forwarder.close();
    await this.#events.close();
    await this.#deadStore.close();
  }

  async #listen(): Promise<SpoolServer> {
    const commit = (batch: SpoolBatch): Promise<Result<unknown, Error>> => this.#commit(batch);
    const server = new SpoolServer(this.#settings, {
      clients: await this.#clients.recall(commit, this.#tally),
      commit,
      control: controlOf({ events: this.#events, deadLetters: this.#deadLetters, metrics: () => this.getMetrics() }),
      tally: this.#tally,
    });
    await server.listen();
    return server;
  }

  async #commit(batch: SpoolBatch): Promise<Result<unknown, Error>> {
    const results = await this.#queue.getPublisher().send(new Payload(batch)).wait();
    return results.first() as Result<unknown, Error>;
  }

  async #stop(timeout: number): Promise<StopReport> {
    const { clock } = this.#settings;
    const deadline = clock.now() + timeout;
    this.#clients.stop();
    await this.#server?.close();
    await this.#sendRest(deadline);
    await this.#queue.shutDownQueue();
    return { remaining: this.#events.size };
  }

  async #sendRest(deadline: number): Promise<void> {
    const { clock } = this.#settings;
    const left = (): number => Math.max(0, deadline - clock.now());
    while (this.#events.size > 0 && left() > 0) {
      await settlesWithin(this.#forwarder.flush(), clock, left());
      if (this.#events.size > 0) await pause(clock, Math.min(LAST_TRIES, left()));
    }
  }
}

function pause(clock: Clock, duration: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(resolve, duration);
  });
}

/** What {@link SpoolDaemon.stop} resolves to. */
export interface StopReport {
  /** Events that were not sent; they are in the spool. */
  readonly remaining: number;
}
