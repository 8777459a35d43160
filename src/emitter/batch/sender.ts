import { setMaxListeners } from 'node:events';
import PQueue from 'p-queue';
import type { Timer } from '../../schedule/clock.ts';
import type { StoredEvent } from '../../store/index.ts';
import type { BatchCourier, Consignment, Left } from './consignment.ts';
import type { BatchDesk, BatchParts } from './desk.ts';
import { FlushPass } from './flush-pass.ts';

/** A batch that was taken from the store; `started` when it has its turn. */
interface Batch extends Consignment {
  started: boolean;
  /** How many of its events are in flight. */
  inFlight: number;
  /** How often events had been given back to the store before it was taken. */
  readonly releases: number;
}

/**
 * Decides when events leave: as soon as there are enough of them, or they are due, and the server is not to be left alone.
 * One loop takes batches from the store; a p-queue sees to it that no more requests are under way than may be.
 */
export class Sender<R extends object, F extends object> {
  readonly #parts: BatchParts<R, F>;
  readonly #desk: BatchDesk<R, F>;
  readonly #courier: BatchCourier;
  readonly #queue: PQueue;
  readonly #stop = new AbortController();
  readonly #batches: Set<Batch> = new Set();
  readonly #passes: Set<FlushPass> = new Set();
  #inFlight = 0;
  /** So many of those that wait, the oldest, leave without waiting for a full batch. */
  #due = 0;
  /** A store that was filled by others is not looked at before it is open. */
  #isOpen: boolean;
  /** The store had nothing to give; it is asked again when something has changed. */
  #isExhausted = false;
  #wakes = 0;
  #releases = 0;
  #loop: Promise<void> | undefined = undefined;
  #begun: () => void = () => undefined;
  #retry: Timer | undefined = undefined;

  constructor(parts: BatchParts<R, F>, desk: BatchDesk<R, F>, courier: BatchCourier) {
    this.#parts = parts;
    this.#desk = desk;
    this.#courier = courier;
    this.#isOpen = parts.settings.eventStore === undefined;
    this.#queue = new PQueue({ concurrency: parts.settings.concurrency });
    setMaxListeners(0, this.#stop.signal);
  }

  /** Events that were taken from the store and are not done with. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Events in the store that nobody has taken. */
  get waiting(): number {
    return Math.max(0, this.#parts.store.size - this.#inFlight);
  }

  /** Opens the store. What it holds already leaves at once. */
  async open(): Promise<void> {
    await this.#parts.store.open?.();
    this.#isOpen = true;
    this.sendAll();
  }

  /** Something may be there to be sent. */
  wake(): void {
    this.#isExhausted = false;
    this.#wakes++;
    this.#start();
  }

  /** Everything that waits now leaves, in full batches or not, as soon as the back-off allows. */
  sendAll(): void {
    this.#due = this.waiting;
    this.wake();
  }

  /** The same whatever the back-off says. Resolves once all of it was tried, or the server is to be left alone again. */
  async flush(): Promise<void> {
    this.#retry?.cancel();
    this.#parts.backoff.waive();
    if (!this.#isOpen) await this.#openQuietly();
    const pass = new FlushPass(this.waiting, this.#batches);
    this.#passes.add(pass);
    this.sendAll();
    await pass.done;
    this.#passes.delete(pass);
  }

  /** Ends every request, and lets go of what was taken. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#retry?.cancel();
    // What has not begun is forgotten by p-queue, and would never end.
    this.#queue.clear();
    this.#begun();
    const unbegun = [...this.#batches].filter(({ started }) => !started);
    await Promise.all(unbegun.map((batch) => this.#deliver(batch)));
    await this.#loop;
    await this.#queue.onIdle();
    for (const pass of this.#passes) pass.over();
  }

  #isReady(): boolean {
    if (this.#isExhausted || this.#stop.signal.aborted || this.#parts.backoff.remaining > 0) return false;
    if (!this.#isOpen) return true;
    const { waiting } = this;
    return waiting > 0 && (this.#due > 0 || waiting >= this.#parts.settings.batchSize);
  }

  #start(): void {
    if (this.#loop !== undefined) return;
    if (this.#isReady()) {
      this.#loop = this.#run().finally(() => {
        this.#loop = undefined;
        // More may have come while the loop ended. What waits for the back-off has its timer.
        this.#start();
      });
    } else {
      for (const pass of this.#passes) pass.over();
    }
  }

  async #run(): Promise<void> {
    if (!this.#isOpen) await this.#openQuietly();
    while (this.#isReady()) {
      // One batch is taken ahead, while the requests before it are under way.
      if (this.#queue.size > 0) await this.#nextBegins();
      else await this.#takeOne();
    }
  }

  /** Resolves when a batch has its turn, or all is over. */
  #nextBegins(): Promise<void> {
    return new Promise((resolve) => {
      this.#begun = resolve;
    });
  }

  async #takeOne(): Promise<void> {
    const { batchSize } = this.#parts.settings;
    const { most } = this.#courier;
    const [wakes, releases] = [this.#wakes, this.#releases];
    // Where each batch is smaller than that, as many must wait all the same.
    if (most < batchSize && this.waiting >= batchSize) this.#due = Math.max(this.#due, batchSize);
    const events = await this.#take(Math.min(most, batchSize));
    if (events.length > 0) this.#begin(events, releases);
    // Something may have come while the store looked.
    else this.#isExhausted = wakes === this.#wakes;
  }

  /** There is nobody to tell: the caller of `input` has gone on long since. */
  async #openQuietly(): Promise<void> {
    try {
      await this.open();
    } catch (error) {
      this.#parts.reporter.error('opening the event store', error);
      this.#pause();
    }
  }

  async #take(count: number): Promise<readonly StoredEvent[]> {
    try {
      return await this.#parts.store.take({ count, bytes: Math.max(1, this.#courier.room) });
    } catch (error) {
      this.#parts.reporter.error('take of the event store', error);
      this.#pause();
      return [];
    }
  }

  #begin(events: readonly StoredEvent[], releases: number): void {
    const gone = (count: number): void => {
      batch.inFlight -= count;
      this.#inFlight -= count;
    };
    const stop = this.#stop.signal;
    const batch: Batch = { events, stop, gone, started: false, inFlight: events.length, releases };
    this.#batches.add(batch);
    this.#inFlight += events.length;
    this.#due = Math.max(0, this.#due - events.length);
    for (const pass of this.#passes) pass.begun(batch, events.length);
    void this.#queue.add(() => this.#deliver(batch));
  }

  async #deliver(batch: Batch): Promise<void> {
    batch.started = true;
    const { left, failed } = await (this.#isStale(batch) ? this.#giveBack(batch) : this.#send(batch));
    this.#batches.delete(batch);
    this.#inFlight -= batch.inFlight;
    this.#due += left;
    for (const pass of this.#passes) pass.ended(batch, failed ? 0 : left);
    if (left > 0) this.#retryLater();
    this.wake();
  }

  async #send(batch: Batch): Promise<Left> {
    this.#begun();
    const outcome = await this.#courier.deliver(batch);
    if (outcome.left > 0) this.#releases++;
    return outcome;
  }

  /** Whether older events came back after it was taken ahead: they go first, as long as requests follow one another. */
  #isStale({ releases }: Batch): boolean {
    return releases !== this.#releases && this.#parts.settings.concurrency === 1;
  }

  async #giveBack(batch: Batch): Promise<Left> {
    await this.#desk.release(batch, batch.events);
    // Only then may the next be taken, or that would be stale, too.
    this.#releases++;
    this.#begun();
    return { left: batch.events.length, failed: false };
  }

  #pause(): void {
    this.#parts.backoff.failed(this.#parts.backoff.round);
    this.#retryLater();
  }

  #retryLater(): void {
    this.#retry?.cancel();
    if (this.#stop.signal.aborted) return;
    const { clock } = this.#parts.settings;
    // A timer may fire a fraction of a millisecond early.
    const retry = (): void => (this.#parts.backoff.remaining > 0 ? this.#retryLater() : this.wake());
    this.#retry = clock.setTimer(retry, this.#parts.backoff.remaining);
  }
}
