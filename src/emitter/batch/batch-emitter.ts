import { err, type Result } from 'neverthrow';
import { checkBoolean, checkDuration, checkOptions, checkTimer } from '../../core/checks.ts';
import { asError, DroppedError } from '../../core/errors.ts';
import { reportWarning } from '../../core/log.ts';
import { Backoff } from '../../schedule/backoff.ts';
import { settlesWithin } from '../../schedule/time-limit.ts';
import type { EventId, EventStore, StoredEvent, StoreFullError } from '../../store/index.ts';
import { CLOSE_TIMEOUT, type EmitterCollector, type EmitterCollectorOptions, emitterCollector } from '../collector.ts';
import type { CloseOptions, Emitter, FlushOptions } from '../emitter.ts';
import { EmitterClosedError } from '../errors.ts';
import type { EmitterEvent } from '../event.ts';
import { Burials } from './burials.ts';
import type { BatchCourier } from './consignment.ts';
import { Deliveries } from './deliveries.ts';
import { BatchDesk, type BatchParts } from './desk.ts';
import { FlushTimer } from './flush-timer.ts';
import { type BatchEmitterMetrics, Counters } from './metrics.ts';
import { Reporter } from './reporter.ts';
import { Sender } from './sender.ts';
import type { BatchSettings } from './settings.ts';

/** What a store or a dead letter gets to end its work in, when the time of `close` is over. Milliseconds. */
const GRACE = 1_000;

const UNDELIVERED = 'the emitter was closed before the event was delivered';

/** What closing an emitter of batches resolves to. */
export interface CloseReport {
  /**
   * Events that were not delivered. With an `eventStore` they are in it, and leave with the next emitter that gets it; else
   * they went to the dead letter.
   */
  readonly undelivered: number;
}

/** What makes an emitter of batches the one that it is. */
export interface BatchEmitterPlan<R extends object, F extends object> {
  readonly settings: BatchSettings<R, F>;
  /**
   * The copy of an event that is kept until it is delivered: flat, and made of what JSON can carry.
   *
   * @throws {@link InvalidArgumentError} that names the path of a value which cannot be sent.
   */
  snapshot(event: EmitterEvent): EmitterEvent;
  /** What takes batches to the other side, from one `open` to one `close`. */
  courier(desk: BatchDesk<R, F>): BatchCourier;
  /** Where events wait, if the user gave no store. */
  memory(): EventStore;
  /** Why an event was not taken: too many wait for the store that the user gave. */
  full(message: string): StoreFullError;
  /** Called when it opens, which fails as this does. */
  opening?(): Promise<void>;
  /** Called when it has closed. It may open again. */
  closed?(): void;
}

/**
 * What emitters that send batches have in common: they take events at once, keep them in a store, send them when enough of
 * them wait or one has waited long enough, again after a failure, with exponential back-off and full jitter, and hand what
 * nobody will try any more to a dead letter.
 *
 * It works as soon as it is made. Events that wait keep the process alive until they are delivered, or it is closed.
 *
 * @typeParam R - what `deliver` resolves to, and `onSuccess` is told: what the other side said
 * @typeParam F - what else `onFailure` is told
 */
export class BatchEmitter<R extends object, F extends object = object> implements Emitter {
  readonly #plan: BatchEmitterPlan<R, F>;
  readonly #settings: BatchSettings<R, F>;
  readonly #counters = new Counters();
  readonly #reporter: Reporter<R, F>;
  /** Those of one stay open; after a close and an open there are others. */
  #parts!: BatchParts<R, F>;
  #courier!: BatchCourier;
  #sender!: Sender<R, F>;
  #burials!: Burials;
  /** Lost events that the dead letter did not get. */
  #unburied = 0;
  #unlisten: readonly ((() => void) | undefined)[] = [];
  #state: 'open' | 'closing' | 'closed' = 'open';
  #closing: Promise<CloseReport> | undefined = undefined;
  readonly #flushTimer: FlushTimer;
  /** Events on their way into a store that takes its time. */
  readonly #adds: Set<Promise<unknown>> = new Set();
  /** Of what waits, roughly; counted only if there is a limit. */
  #bytes = 0;

  constructor(plan: BatchEmitterPlan<R, F>) {
    const { owner, logger, warnings, flushInterval, eventStore, clock } = plan.settings;
    this.#plan = plan;
    this.#settings = plan.settings;
    this.#reporter = new Reporter(plan.settings);
    this.#flushTimer = new FlushTimer(flushInterval, clock, () => this.#sender.sendAll());
    for (const warning of warnings) reportWarning(logger, `${owner}: ${warning}`);
    this.#start();
    // It may hold events of an earlier process.
    if (eventStore !== undefined) this.#flushTimer.start(true);
  }

  /**
   * Opens the event store, and lets what it holds leave. An emitter that was closed works again afterwards. Rejects as the
   * store does, if that cannot be opened.
   */
  async open(): Promise<void> {
    await this.#closing;
    if (this.#state === 'closed') this.#start();
    await this.#plan.opening?.();
    await this.#sender.open();
  }

  input(event: object): boolean {
    const { bufferCapacity } = this.#settings;
    const snapshot = this.#plan.snapshot(event as EmitterEvent);
    const bytes = this.#measure(snapshot);
    const { store } = this.#parts;
    if (this.#state !== 'open') return this.#refuse();
    if (store.addNow !== undefined) {
      return this.#addNow(snapshot, bytes).isOk() || this.#refuse();
    }
    if (this.#adds.size >= bufferCapacity || this.#isFull()) return this.#refuse();
    void this.#add(snapshot, bytes).then((added) => {
      if (added.isErr()) this.#lost({ id: 0, event: snapshot }, added.error);
    });
    return true;
  }

  async store(event: object): Promise<Result<EventId, Error>> {
    let snapshot: EmitterEvent;
    let bytes: number;
    try {
      snapshot = this.#plan.snapshot(event as EmitterEvent);
      bytes = this.#measure(snapshot);
    } catch (thrown) {
      return err(asError(thrown));
    }
    const stored = await this.#store(snapshot, bytes);
    if (stored.isErr()) this.#counters.refused++;
    return stored;
  }

  async deliver(event: object): Promise<Result<R, Error>> {
    const { deliveries } = this.#parts;
    return deliveries.of(this.store(event));
  }

  async flush(options: FlushOptions = {}): Promise<void> {
    const name = `${this.#settings.owner}.flush`;
    const { wait = true } = checkOptions<FlushOptions>(name, options, ['wait']);
    checkBoolean(`${name}: wait`, wait);
    const flushed = this.#flush();
    if (wait) await flushed;
  }

  /**
   * From now on an event waits at most so long for its batch to fill, in milliseconds.
   *
   * @throws {@link InvalidArgumentError} for what is no duration from 1 to 2,147,483,647.
   */
  setFlushTimer(interval: number): void {
    this.#flushTimer.set(checkTimer(`${this.#settings.owner}.setFlushTimer: interval`, interval, 1));
    if (this.#state === 'open' && this.#parts.store.size > 0) this.#flushTimer.start();
  }

  /** From now on a batch leaves when it is full, or at a flush. */
  cancelFlushTimer(): void {
    this.#flushTimer.set(false);
  }

  /**
   * Refuses new events, flushes within `timeout`, ends the requests that are still under way, and stops. Events whose
   * `deliver` waits settle as `Err(EmitterClosedError)`. An event store that was given stays open. A dead letter, or a
   * store, that is at work when the time is over has a second to end that.
   */
  close(options: CloseOptions = {}): Promise<CloseReport> {
    const name = `${this.#settings.owner}.close`;
    const { timeout = CLOSE_TIMEOUT } = checkOptions<CloseOptions>(name, options, ['timeout']);
    this.#closing ??= this.#close(checkDuration(`${name}: timeout`, timeout, true));
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What it did, and what it holds. */
  getMetrics(): BatchEmitterMetrics {
    const { store, backoff } = this.#parts;
    return { size: store.size, inFlight: this.#sender.inFlight, ...this.#counters, retryDelay: backoff.remaining };
  }

  /** A collector that hands the values of its payloads to this emitter, opens it and closes it. */
  toCollector<const K extends string>(key: K, options: EmitterCollectorOptions = {}): EmitterCollector<K> {
    return emitterCollector(key, this, options);
  }

  #start(): void {
    const { eventStore, bufferCapacity, maxRetryDelay, clock } = this.#settings;
    const store = eventStore ?? this.#plan.memory();
    this.#parts = {
      settings: this.#settings,
      store,
      backoff: new Backoff(maxRetryDelay, clock),
      deliveries: new Deliveries(),
      counters: this.#counters,
      reporter: this.#reporter,
    };
    const desk = new BatchDesk(this.#parts);
    this.#courier = this.#plan.courier(desk);
    this.#sender = new Sender(this.#parts, desk, this.#courier);
    this.#burials = new Burials(desk, this.#reporter, bufferCapacity);
    this.#unburied = 0;
    this.#unlisten = [store.onDrop?.((dropped) => this.#dropped(dropped)), store.onAdd?.(() => this.#arrived())];
    this.#state = 'open';
    this.#closing = undefined;
    this.#bytes = 0;
  }

  /** Its size on the wire, where that decides when a batch leaves. */
  #measure(event: EmitterEvent): number {
    return this.#courier.room === Number.POSITIVE_INFINITY ? 0 : this.#courier.sizeOf(event);
  }

  async #store(event: EmitterEvent, bytes: number): Promise<Result<EventId, Error>> {
    if (this.#state !== 'open') return err(new EmitterClosedError('the emitter is closed'));
    const { store } = this.#parts;
    if (store.addNow === undefined) {
      if (this.#adds.size < this.#settings.bufferCapacity) return this.#add(event, bytes);
      return err(this.#plan.full(`${this.#adds.size} events wait for the event store already (bufferCapacity)`));
    }
    return this.#addNow(event, bytes);
  }

  #addNow(event: EmitterEvent, bytes: number): Result<EventId, Error> {
    const { store } = this.#parts;
    let added: Result<EventId, Error>;
    try {
      added = store.addNow?.(event) ?? err(new Error('addNow of the event store answered nothing'));
    } catch (thrown) {
      added = err(asError(thrown));
    }
    if (added.isOk()) this.#accepted(bytes);
    return added;
  }

  /** Adds to a store that takes its time. */
  async #add(event: EmitterEvent, bytes: number): Promise<Result<EventId, Error>> {
    const { store } = this.#parts;
    const adding = (async () => store.add(event))().catch((thrown: unknown) => err(asError(thrown)));
    this.#adds.add(adding);
    const added = await adding;
    this.#adds.delete(adding);
    if (added.isOk()) this.#accepted(bytes);
    return added;
  }

  #accepted(bytes: number): void {
    this.#counters.accepted++;
    this.#arrived();
    if (bytes > 0 && this.#isLarge(bytes)) this.#sender.sendAll();
  }

  /** Something came into the store; others may fill it too. */
  #arrived(): void {
    if (this.#state === 'open') this.#flushTimer.start();
    this.#sender.wake();
  }

  /** Whether what waits is enough for a request, by its size. */
  #isLarge(bytes: number): boolean {
    this.#bytes = this.#sender.waiting <= 1 ? bytes : this.#bytes + bytes;
    if (this.#bytes < this.#courier.room) return false;
    this.#bytes = 0;
    return true;
  }

  #refuse(): false {
    this.#counters.refused++;
    return false;
  }

  /** Whether the store will refuse an event, as far as it lets one know. */
  #isFull(): boolean {
    const { size, capacity = Number.POSITIVE_INFINITY, overflow } = this.#parts.store;
    return size + this.#adds.size >= capacity && overflow !== 'dropOldest';
  }

  /** The store threw an event out for a younger one. */
  #dropped(dropped: StoredEvent): void {
    const reason = new DroppedError('the event store was full: the event was dropped for a younger one');
    this.#parts.deliveries.failed([dropped], reason);
    this.#lost(dropped, reason);
  }

  /** An event that was taken will never be sent: it was thrown out, or a slow store refused it after all. */
  #lost(event: StoredEvent, reason: Error): void {
    this.#counters.dropped++;
    if (this.#settings.deadLetter !== undefined && !this.#burials.isFull) this.#burials.begin([event], reason);
    // Once is enough: there may be many.
    else if (this.#unburied++ === 0) this.#reporter.error('keeping events, of which some are lost,', reason);
  }

  async #flush(): Promise<void> {
    await Promise.all(this.#adds);
    await this.#sender.flush();
  }

  async #close(timeout: number): Promise<CloseReport> {
    const { store, deliveries, settings } = this.#parts;
    const { clock, eventStore } = settings;
    const end = clock.now() + timeout;
    const rest = (): number => Math.max(GRACE, end - clock.now());
    this.#state = 'closing';
    this.#flushTimer.stop();
    await settlesWithin(this.#flush(), clock, timeout);
    await settlesWithin(this.#sender.stop(), clock, rest());
    const undelivered = store.size;
    deliveries.failAll(new EmitterClosedError(UNDELIVERED));
    if (eventStore === undefined) await this.#buryRest();
    await this.#burials.end(clock, rest());
    for (const unlisten of this.#unlisten) unlisten?.();
    this.#plan.closed?.();
    this.#state = 'closed';
    return { undelivered };
  }

  /** What a store in memory still holds would be gone without a word. */
  async #buryRest(): Promise<void> {
    const { store } = this.#parts;
    if (store.size > 0) {
      const rest = await store.take({ count: store.size });
      this.#counters.deadLettered += rest.length;
      this.#burials.begin(rest, new EmitterClosedError(UNDELIVERED));
      await store.ack(rest.map(({ id }) => id));
    }
    await store.close();
  }
}
