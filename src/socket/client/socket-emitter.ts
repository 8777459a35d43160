import { err, type Result } from 'neverthrow';
import { checkBoolean, checkDuration, checkOptions } from '../../core/checks.ts';
import { asError } from '../../core/errors.ts';
import {
  CLOSE_TIMEOUT,
  type CloseOptions,
  type Emitter,
  EmitterClosedError,
  type EmitterCollector,
  type EmitterCollectorOptions,
  type EmitterEvent,
  emitterCollector,
} from '../../emitter/index.ts';
import { StoreFullError } from '../../store/index.ts';
import { snapshotForSocket } from './held-event.ts';
import { freshName } from './link.ts';
import { Counters, type SocketEmitterMetrics } from './metrics.ts';
import type { SocketEmitterOptions, SocketFlushOptions } from './options.ts';
import { Reporter } from './reporter.ts';
import { Sender } from './sender.ts';
import { OWNER, resolveOptions, type SocketEmitterSettings } from './settings.ts';

/** What {@link SocketEmitter.close} resolves to. */
export interface SocketCloseReport {
  /**
   * Events that the daemon has not acknowledged. With a `spill` they are in it, and leave with the next emitter that gets
   * it; else they went to the dead letter. The daemon may have some of them all the same.
   */
  readonly undelivered: number;
}

/**
 * Hands events to the spool daemon of the machine over a socket: at once, in order, and, as long as this process lives, each
 * exactly once.
 *
 * It works as soon as it is made, connects with the first event, and connects again by itself. Events that it holds in
 * memory keep the process alive until they are acknowledged, or it is closed; the connection does not.
 */
export class SocketEmitter implements Emitter {
  readonly #settings: SocketEmitterSettings;
  readonly #counters = new Counters();
  readonly #reporter: Reporter;
  /** Of one stay open; after a close and an open there is another, under another name. */
  #sender: Sender;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #closing: Promise<SocketCloseReport> | undefined = undefined;

  /** @throws {@link InvalidArgumentError} (a TypeError) for an option that is wrong. */
  constructor(options: SocketEmitterOptions) {
    this.#settings = resolveOptions(options);
    this.#reporter = new Reporter(this.#settings.logger);
    this.#sender = this.#start(this.#settings.client);
  }

  /**
   * Opens the spill, and begins to connect, but does not wait for the daemon. An emitter that was closed works again
   * afterwards. Rejects as the spill does, if that cannot be opened.
   */
  async open(): Promise<void> {
    await this.#closing;
    if (this.#state === 'closed') {
      this.#sender = this.#start(freshName(this.#settings.client));
      this.#closing = undefined;
      this.#state = 'open';
    }
    await this.#sender.open();
  }

  /** @throws {@link InvalidArgumentError} for what cannot be carried; for an event with a member named `$`, too. */
  input(event: EmitterEvent): boolean {
    const snapshot = snapshotForSocket(event);
    if (this.#state === 'open' && this.#sender.admit(snapshot)) return true;
    this.#counters.refused++;
    return false;
  }

  /**
   * Resolves to `Ok` once the daemon has acknowledged the event as durable; with a spill also once that keeps it, while the
   * daemon is away. Else to an `Err`: {@link SpoolTimeoutError} after `storeTimeout`, {@link SpoolRefusedError},
   * `StoreFullError`, `DroppedError`, `EmitterClosedError`, {@link InvalidArgumentError}.
   */
  store(event: EmitterEvent): Promise<Result<void, Error>> {
    return new Promise((resolve) => {
      const refusal = this.#tryStore(event, resolve);
      if (refusal === undefined) return;
      this.#counters.refused++;
      resolve(err(refusal));
    });
  }

  /**
   * Resolves to true once every event that it holds now, in the spill too, was acknowledged or is known never to be; to
   * false at the timeout. With `wait: false` at once, to whether it holds nothing. Does not wait for a delay between two
   * attempts.
   */
  async flush(options: SocketFlushOptions = {}): Promise<boolean> {
    const name = `${OWNER}.flush`;
    const { wait = true, timeout = this.#settings.storeTimeout } = checkOptions<SocketFlushOptions>(name, options, [
      'wait',
      'timeout',
    ]);
    const limit = checkDuration(`${name}: timeout`, timeout, true);
    if (checkBoolean(`${name}: wait`, wait)) return this.#sender.flush(limit);
    this.#sender.hurry();
    return this.#sender.isEmpty;
  }

  /**
   * Refuses new events, flushes within `timeout`, and ends. What is left goes to the spill; then nothing is waited for while
   * the daemon is away. Without a spill it goes to the dead letter, and each `store` that waits settles as
   * `Err(EmitterClosedError)`. The spill stays open. Idempotent: every call shares one outcome.
   */
  close(options: CloseOptions = {}): Promise<SocketCloseReport> {
    const { timeout = CLOSE_TIMEOUT } = checkOptions<CloseOptions>(`${OWNER}.close`, options, ['timeout']);
    this.#closing ??= this.#close(checkDuration(`${OWNER}.close: timeout`, timeout, true));
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What it did, and what it holds. */
  getMetrics(): SocketEmitterMetrics {
    const { size, unacknowledged, isConnected } = this.#sender;
    return { size, unacknowledged, ...this.#counters, connected: isConnected };
  }

  /** A collector that hands the values of its payloads to this emitter, opens it and closes it. */
  toCollector<const K extends string>(key: K, options: EmitterCollectorOptions = {}): EmitterCollector<K> {
    return emitterCollector(key, this, options);
  }

  #start(client: string | undefined): Sender {
    return new Sender({ settings: this.#settings, counters: this.#counters, reporter: this.#reporter }, client);
  }

  /** Returns why not, if it was not taken. */
  #tryStore(event: EmitterEvent, settle: (outcome: Result<void, Error>) => void): Error | undefined {
    try {
      const snapshot = snapshotForSocket(event);
      if (this.#state !== 'open') return new EmitterClosedError('the emitter is closed');
      if (this.#sender.admit(snapshot, settle)) return undefined;
      return new StoreFullError(`the emitter holds ${this.#sender.size} events already (bufferCapacity)`);
    } catch (thrown) {
      return asError(thrown);
    }
  }

  async #close(timeout: number): Promise<SocketCloseReport> {
    this.#state = 'closing';
    const undelivered = await this.#sender.close(timeout);
    this.#state = 'closed';
    return { undelivered };
  }
}
