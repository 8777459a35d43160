import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { AnyCollector } from '../core/collector.ts';
import { LifecycleError, QueueAbortedError, QueueClosedError, ShutdownTimeoutError } from '../core/errors.ts';
import type { ShutdownSettings } from '../core/shutdown-options.ts';
import { QueueEventName } from '../queue-events/names.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import { Timers } from '../schedule/timers.ts';
import { Audience } from './audience.ts';
import { AwaitedParts } from './awaited-parts.ts';
import { Connections } from './connections.ts';
import { Crew } from './crew.ts';
import { RemoteDeadLetters } from './dead-letters.ts';
import type { JobMiddleware } from './job-middleware.ts';
import type { JobPart } from './job-part.ts';
import { JobRunner } from './job-runner.ts';
import { Lane } from './lane.ts';
import type { Library } from './library.ts';
import { newOrigin, queueNameOf } from './names.ts';
import { type Notes, RedisNotes } from './notes.ts';
import { Outbox, type OutboxObserver } from './outbox.ts';
import { RegistryReader } from './registry-reader.ts';
import type { RemoteEvent, RemoteHost } from './remote-event.ts';
import { RemoteIntake } from './remote-intake.ts';
import { ResultWatch } from './result-watch.ts';
import { Routes } from './routes.ts';
import type { BullMQQueueSettings } from './settings.ts';
import { Tally } from './tally.ts';

/** What outlasts a run. */
export interface RemoteParts {
  readonly settings: BullMQQueueSettings;
  readonly events: QueueEventSource;
  readonly collectors: readonly AnyCollector[];
  readonly middleware: JobMiddleware;
}

/** Closing connections takes no longer, or they are dropped. Milliseconds. */
const CLOSING = 1_000;

/** One run of a queue, from `initQueue` to its shutdown: the connections, the sending side, the workers. */
export class RemoteRun implements RemoteHost, OutboxObserver {
  readonly clock: RemoteHost['clock'];
  readonly timers: Timers;
  readonly waitTimeout: number;
  readonly origin: string = newOrigin();
  readonly tally: Tally = new Tally();
  readonly startedAt: number;
  readonly results: ResultWatch;
  readonly #awaited: AwaitedParts;
  isClosed = false;
  readonly #parts: RemoteParts;
  readonly #library: Library;
  readonly #routes: Routes;
  readonly #connections: Connections;
  readonly #lanes: Map<string, Lane> = new Map();
  readonly #workLanes: Map<string, Lane> = new Map();
  #interrupted = false;
  #redis: Redis | undefined;
  #working: Redis | undefined;
  #notes: Notes | undefined;
  #outbox: Outbox | undefined;
  #reader: RegistryReader | undefined;
  #crew: Crew | undefined;
  #intake: RemoteIntake | undefined;

  constructor(parts: RemoteParts, library: Library) {
    const { settings, events } = parts;
    this.#parts = parts;
    this.#library = library;
    this.clock = settings.clock;
    this.timers = new Timers(settings.clock);
    this.waitTimeout = settings.waitTimeout;
    this.startedAt = settings.clock.now();
    this.#routes = new Routes(settings.router);
    this.#connections = new Connections(library.ioredis, settings, (error) => {
      events.reportInternal('connection to Redis', error);
    });
    this.results = new ResultWatch({
      ...settings,
      origin: this.origin,
      template: this.#connections.template,
      hold: (until) => this.#outbox?.holdUntil(until),
      report: (source, error) => events.reportInternal(source, error),
    });
    this.#awaited = new AwaitedParts(this.results);
  }

  get crew(): Crew | undefined {
    return this.#crew;
  }

  get intake(): RemoteIntake | undefined {
    return this.#intake;
  }

  get outbox(): Outbox | undefined {
    return this.#outbox;
  }

  get collectorKeys(): string[] {
    return this.#routes.keys;
  }

  get notes(): Notes {
    return this.#notes as Notes;
  }

  /** The ways to all collectors that are known here. */
  get lanes(): readonly Lane[] {
    const known = [...this.#routes.keys, ...this.#parts.collectors.map(({ key }) => key)];
    return [...new Set(known)].map(this.laneOf);
  }

  /** Rejects with what went wrong; {@link RemoteRun.stop} undoes what was begun. */
  async start(): Promise<void> {
    const { settings, collectors } = this.#parts;
    const sends = settings.role !== 'worker';
    const works = settings.role !== 'publisher';
    const sending = sends ? await this.#connections.sending() : undefined;
    const working = works ? await this.#connections.working() : undefined;
    this.#redis = sending ?? working;
    this.#working = working;
    this.#notes = new RedisNotes(this.#redis as Redis, settings.prefix);
    for (const { key } of collectors) this.laneOf(key);
    if (sending !== undefined) await this.#startSending(sending);
    if (working !== undefined && !this.#interrupted) await this.#startWorking(working);
    if (this.#interrupted) throw new QueueClosedError('the queue was shut down while it was being initialised');
  }

  /** A start under way is not wanted any more: it ends after the set-up that it is at. Resolves to what failed then. */
  async interrupt(): Promise<readonly unknown[]> {
    this.#interrupted = true;
    if (this.#crew === undefined) this.#connections.drop();
    try {
      await this.#crew?.runner.shutDown({ drain: false });
      return [];
    } catch (error) {
      return error instanceof LifecycleError ? error.errors : [error];
    }
  }

  /** Routes to one more, after the workers of this process, if it has any, can take its jobs. */
  async add(collector: AnyCollector): Promise<void> {
    await this.#crew?.add(collector);
    this.laneOf(collector.key);
    this.#useOwn();
  }

  /** Routes to one less, then lets the workers of this process end what they have of it. */
  async remove(collector: AnyCollector): Promise<void> {
    this.#useOwn();
    await this.#crew?.remove(collector);
  }

  /**
   * The sending side first: nothing more is taken, what was taken goes to Redis, and what somebody waits for is waited
   * for. Then the workers. Then the connections, which are dropped if they do not close.
   */
  async stop(shutdown: ShutdownSettings): Promise<void> {
    const { drain, timeout } = shutdown;
    const { clock } = this;
    const deadline = clock.now() + timeout;
    const rest = (): number => Math.max(0, deadline - clock.now());
    this.#reader?.stop();
    this.#intake?.close();
    if (drain) {
      if (shutdown.scheduled === 'cancel') this.#giveUpScheduled();
      const over = Promise.all([this.#outbox?.empty(), this.#awaited.none()]);
      // Workers of this process may be the only ones; they need some of the time to end in order.
      const share = this.#crew === undefined ? timeout : timeout - Math.min(2_000, timeout / 2);
      const late = new ShutdownTimeoutError(`not settled within the ${timeout} ms of the shutdown`);
      if (await settlesWithin(over, clock, share)) this.#tell(QueueEventName.DRAINED);
      else this.#awaited.giveUp(late);
      this.#outbox?.close(late);
    } else {
      const aborted = new QueueAbortedError('the queue was shut down without draining');
      this.#awaited.giveUp(aborted);
      this.#outbox?.close(aborted);
    }
    this.isClosed = true;
    this.#awaited.giveUp(new QueueClosedError('the queue was shut down'));
    this.results.close();
    try {
      await this.#crew?.stop({ ...shutdown, timeout: rest() });
    } finally {
      const lanes = [...this.#lanes.values(), ...this.#workLanes.values()];
      const closed = Promise.allSettled(lanes.map(({ queue }) => queue.close()));
      await settlesWithin(closed, clock, Math.min(CLOSING, rest()));
      this.#connections.drop();
    }
  }

  watch(part: JobPart): void {
    this.#awaited.add(part);
  }

  unwatch(part: JobPart): void {
    this.#awaited.remove(part);
  }

  settled(event: RemoteEvent): void {
    this.tally.settle(event);
  }

  cancelled(): void {
    this.tally.cancelled++;
  }

  /** What has not begun is taken out of Redis; what runs goes on. */
  withdraw(part: JobPart): void {
    if (part.phase === 'held') {
      if (this.#outbox?.withdraw(part) === true) this.#moved(part, undefined);
      else part.unwanted = true;
    } else if (part.phase === 'sent') this.#remove(part);
  }

  sent(part: JobPart): void {
    this.#moved(part, undefined);
    if (part.unwanted) this.#remove(part);
    else if (part.watched) this.results.sent(part);
  }

  failed(part: JobPart, error: Error): void {
    this.#moved(part, error);
  }

  /** Once it is known of every job of an event whether Redis has it, so it is of the event. */
  #moved({ event }: JobPart, error: Error | undefined): void {
    const { events } = this.#parts;
    const { parts } = event;
    if (event.standing !== 'pending' || parts.some(({ phase }) => phase === 'held')) return;
    if (parts.every(({ phase }) => phase === 'failed')) {
      this.tally.reject(event);
      if (events.observed(QueueEventName.REJECTED)) events.emit(QueueEventName.REJECTED, { id: event.id, error });
      return;
    }
    this.tally.accept(event);
    if (events.listening !== 0 && parts.some(({ phase }) => phase === 'sent')) this.#tellEnqueued(event);
  }

  /** The way to a collector, which may run elsewhere. */
  readonly laneOf = (key: string): Lane => this.#laneIn(this.#lanes, key, this.#redis);

  /** The same for workers, who wait for Redis where publishers fail. */
  readonly #laneOfWorkers = (key: string): Lane => this.#laneIn(this.#workLanes, key, this.#working);

  #laneIn(lanes: Map<string, Lane>, key: string, redis: Redis | undefined): Lane {
    const lane = lanes.get(key) ?? this.#newLane(key, redis as Redis);
    lanes.set(key, lane);
    return lane;
  }

  #newLane(key: string, redis: Redis): Lane {
    const { prefix } = this.#parts.settings;
    const queue: Queue = new this.#library.bullmq.Queue(queueNameOf(key), { connection: redis, prefix });
    // The connection's own listeners have told of it.
    queue.on('error', () => undefined);
    return new Lane(key, queue);
  }

  #useOwn(): void {
    if (this.#parts.settings.role !== 'worker') this.#routes.use(this.#parts.collectors);
  }

  async #startSending(redis: Redis): Promise<void> {
    const { settings, collectors, events } = this.#parts;
    if (collectors.length > 0) this.#useOwn();
    else {
      this.#reader = new RegistryReader(this.notes, this.#routes, settings, (error) =>
        events.reportInternal('registry', error),
      );
      await this.#reader.start();
    }
    this.#outbox = new Outbox(redis, settings, this);
    this.#intake = new RemoteIntake({
      settings,
      events,
      tally: this.tally,
      routes: this.#routes,
      outbox: this.#outbox,
      host: this,
      laneOf: this.laneOf,
      findMore: this.#reader?.findMore,
    });
  }

  async #startWorking(working: Redis): Promise<void> {
    const { settings, collectors, events, middleware } = this.#parts;
    const parts = {
      settings,
      events,
      working,
      bullmq: this.#library.bullmq,
      notes: new RedisNotes(working, settings.prefix),
      runner: new JobRunner(collectors, settings, events, middleware),
      deadLetters: new RemoteDeadLetters({ settings, events, laneOf: this.#laneOfWorkers }),
      tally: this.tally,
      audience: new Audience(this.clock),
    };
    this.#crew = new Crew(parts, collectors, this.#laneOfWorkers);
    await this.#crew.start();
  }

  #tellEnqueued({ id, parts, due }: RemoteEvent): void {
    const { events } = this.#parts;
    if (events.observed(QueueEventName.ENQUEUED)) events.emit(QueueEventName.ENQUEUED, { id });
    const delay = Math.max(0, (due ?? 0) - this.clock.wall());
    if (parts.length === 0 || delay === 0 || !events.observed(QueueEventName.SCHEDULED)) return;
    events.emit(QueueEventName.SCHEDULED, { id, task: undefined, delay, executeTime: this.clock.wall() + delay });
  }

  #remove(part: JobPart): void {
    // A job that runs is locked, and stays.
    part.lane.queue.remove(part.jobId).catch((error) => this.#parts.events.reportInternal('withdrawal', error));
  }

  /** Who waits for what is due later waits no more. */
  #giveUpScheduled(): void {
    const now = this.clock.wall();
    const error = new QueueClosedError('the queue was shut down before the time of the payload came');
    this.#awaited.giveUp(error, ({ parts }) => parts.some(({ due, result }) => result === undefined && due > now));
  }

  #tell(name: 'drained'): void {
    const { events } = this.#parts;
    if (events.observed(name)) events.emit(name, {});
  }
}
