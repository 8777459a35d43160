import { err, type Result } from 'neverthrow';
import { checkBoolean, checkDuration, checkOptions, checkTimer } from '../core/checks.ts';
import { asError, DroppedError } from '../core/errors.ts';
import { reportWarning } from '../core/log.ts';
import {
  CLOSE_TIMEOUT,
  type CloseOptions,
  type Emitter,
  EmitterClosedError,
  type EmitterCollector,
  type EmitterCollectorOptions,
  type EmitterEvent,
  emitterCollector,
  type FlushOptions,
} from '../emitter/index.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import { type EventId, type EventStore, MemoryEventStore, type StoredEvent, StoreFullError } from '../store/index.ts';
import { Backoff } from './backoff.ts';
import { Burials } from './burials.ts';
import type { CourierParts } from './courier.ts';
import { type Delivered, Deliveries } from './deliveries.ts';
import { FlushTimer } from './flush-timer.ts';
import { Counters, type HttpEmitterMetrics } from './metrics.ts';
import type { HttpEmitterOptions } from './options.ts';
import { Reporter } from './reporter.ts';
import { Sender } from './sender.ts';
import { type HttpEmitterSettings, resolveOptions } from './settings.ts';

/** What a store or a dead letter gets to end its work in, when the time of `close` is over. Milliseconds. */
const GRACE = 1_000;

const UNDELIVERED = 'the emitter was closed before the event was delivered';

/** What {@link HttpEmitter.close} resolves to. */
export interface CloseReport {
  /**
   * Events that were not delivered. With an `eventStore` they are in it, and leave with the next emitter that gets it; else
   * they went to the dead letter.
   */
  readonly undelivered: number;
}

/**
 * Sends events over HTTP: in batches, within bounds, again after a failure, and never the same way for ever. Speaks
 * Snowplow's tracker protocol, JSON and NDJSON.
 *
 * It works as soon as it is made. Events that wait keep the process alive until they are delivered, or it is closed.
 */
export class HttpEmitter implements Emitter {
  readonly #settings: HttpEmitterSettings;
  readonly #counters = new Counters();
  readonly #reporter: Reporter;
  /** Those of one stay open; after a close and an open there are others. */
  #parts!: CourierParts;
  #sender!: Sender;
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

  /**
   * @param endpoint - a host, `collector.example.com`, or a URL; slashes at its end do not count
   * @throws {@link InvalidArgumentError} (a TypeError) for an endpoint or an option that is wrong.
   */
  constructor(endpoint: string, options: HttpEmitterOptions = {}) {
    this.#settings = resolveOptions(endpoint, options);
    const { logger, warnings, flushInterval, eventStore, clock } = this.#settings;
    this.#reporter = new Reporter(this.#settings, logger);
    this.#flushTimer = new FlushTimer(flushInterval, clock, () => this.#sender.sendAll());
    for (const warning of warnings) reportWarning(logger, `HttpEmitter: ${warning}`);
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
    await this.#sender.open();
  }

  input(event: object): boolean {
    const { codec, bufferCapacity } = this.#settings;
    const snapshot = codec.snapshot(event as EmitterEvent);
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
      snapshot = this.#settings.codec.snapshot(event as EmitterEvent);
      bytes = this.#measure(snapshot);
    } catch (thrown) {
      return err(asError(thrown));
    }
    const stored = await this.#store(snapshot, bytes);
    if (stored.isErr()) this.#counters.refused++;
    return stored;
  }

  async deliver(event: object): Promise<Result<Delivered, Error>> {
    const { deliveries } = this.#parts;
    return deliveries.of(this.store(event));
  }

  async flush(options: FlushOptions = {}): Promise<void> {
    const { wait = true } = checkOptions<FlushOptions>('HttpEmitter.flush', options, ['wait']);
    checkBoolean('HttpEmitter.flush: wait', wait);
    const flushed = this.#flush();
    if (wait) await flushed;
  }

  /**
   * From now on an event waits at most so long for its batch to fill, in milliseconds.
   *
   * @throws {@link InvalidArgumentError} for what is no duration from 1 to 2,147,483,647.
   */
  setFlushTimer(interval: number): void {
    this.#flushTimer.set(checkTimer('HttpEmitter.setFlushTimer: interval', interval, 1));
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
    const { timeout = CLOSE_TIMEOUT } = checkOptions<CloseOptions>('HttpEmitter.close', options, ['timeout']);
    this.#closing ??= this.#close(checkDuration('HttpEmitter.close: timeout', timeout, true));
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What it did, and what it holds. */
  getMetrics(): HttpEmitterMetrics {
    const { store, backoff } = this.#parts;
    return { size: store.size, inFlight: this.#sender.inFlight, ...this.#counters, retryDelay: backoff.remaining };
  }

  /** A collector that hands the values of its payloads to this emitter, opens it and closes it. */
  toCollector<const K extends string>(key: K, options: EmitterCollectorOptions = {}): EmitterCollector<K> {
    return emitterCollector(key, this, options);
  }

  #start(): void {
    const { eventStore, bufferCapacity, overflow, maxRetryDelay, clock } = this.#settings;
    const store: EventStore = eventStore ?? new MemoryEventStore({ capacity: bufferCapacity, overflow });
    this.#parts = {
      settings: this.#settings,
      store,
      backoff: new Backoff(maxRetryDelay, clock),
      deliveries: new Deliveries(),
      counters: this.#counters,
      reporter: this.#reporter,
    };
    this.#sender = new Sender(this.#parts);
    this.#burials = new Burials(this.#sender.courier, this.#reporter, bufferCapacity);
    this.#unburied = 0;
    this.#unlisten = [store.onDrop?.((dropped) => this.#dropped(dropped)), store.onAdd?.(() => this.#arrived())];
    this.#state = 'open';
    this.#closing = undefined;
    this.#bytes = 0;
  }

  /** Its size on the wire, where that decides when a batch leaves. */
  #measure(event: EmitterEvent): number {
    return this.#settings.byteLimit === Number.POSITIVE_INFINITY ? 0 : this.#sender.courier.builder.sizeOf(event);
  }

  async #store(event: EmitterEvent, bytes: number): Promise<Result<EventId, Error>> {
    if (this.#state !== 'open') return err(new EmitterClosedError('the emitter is closed'));
    const { store } = this.#parts;
    if (store.addNow === undefined) {
      if (this.#adds.size < this.#settings.bufferCapacity) return this.#add(event, bytes);
      return err(new StoreFullError(`${this.#adds.size} events wait for the event store already (bufferCapacity)`));
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
    if (this.#bytes + this.#sender.courier.builder.envelope < this.#settings.byteLimit) return false;
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
