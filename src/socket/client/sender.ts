import { err, ok, type Result } from 'neverthrow';
import { DroppedError } from '../../core/errors.ts';
import { EmitterClosedError, type EmitterEvent } from '../../emitter/index.ts';
import type { Timer } from '../../schedule/clock.ts';
import { settlesWithin } from '../../schedule/time-limit.ts';
import { type EventId, type StoredEvent, StoreOverflow } from '../../store/index.ts';
import { SpoolTimeoutError } from '../errors.ts';
import { Channel, type ChannelHost, type SharedParts } from './channel.ts';
import { DeadLetters } from './dead-letters.ts';
import { Deadlines } from './deadlines.ts';
import { FlushPass } from './flush-pass.ts';
import { HeldEvent } from './held-event.ts';
import type { Counters } from './metrics.ts';
import type { SocketEmitterSettings } from './settings.ts';
import { Spill } from './spill.ts';
import { WaitingLine } from './waiting-line.ts';

type Settle = (outcome: Result<void, Error>) => void;

const DONE: Result<void, Error> = ok(undefined);

/** Of a timer that only keeps the process alive. Milliseconds. */
const A_LONG_TIME = 2 ** 31 - 1;

/**
 * Holds events until the daemon has them, from one `open` to one `close`. All that it holds has one order, oldest first:
 *
 *     the channel (numbered)  ←  the line (waiting)  ←  the spill
 *
 * While frames can be sent and the spill is empty, a new event goes to the end of the line; else to the end of the spill,
 * if there is one. The spill is emptied only while the line is empty. So the order holds, but where the spill fails.
 */
export class Sender implements ChannelHost {
  readonly #settings: SocketEmitterSettings;
  readonly #counters: Counters;
  readonly #channel: Channel;
  readonly #line = new WaitingLine();
  readonly #spill: Spill | undefined;
  readonly #deadLetters: DeadLetters;
  readonly #deadlines: Deadlines;
  readonly #passes: Set<FlushPass> = new Set();
  /** The number of the event that was accepted last. */
  #order = 0;
  /** Events in memory, and how many of them the spill has too. */
  #size = 0;
  #fromSpill = 0;
  #isTaking = false;
  /** Until a spill that failed is tried again. */
  #takeLater: Timer | undefined = undefined;
  #keepAlive: Timer | undefined = undefined;
  /** Ends the flush of a `close`. */
  #giveUp: () => void = () => undefined;

  constructor(parts: SharedParts, client: string | undefined) {
    const { settings, counters, reporter } = parts;
    const { clock, storeTimeout, spill, deadLetter } = settings;
    this.#settings = settings;
    this.#counters = counters;
    this.#deadLetters = new DeadLetters(deadLetter, counters, reporter);
    this.#deadlines = new Deadlines(clock, storeTimeout, (event) => this.#expired(event));
    this.#channel = new Channel(parts, client, this);
    if (spill === undefined) return;
    this.#spill = new Spill(spill, reporter, (dropped) => this.#droppedFromSpill(dropped));
    // It may hold events of an earlier process.
    this.#channel.start();
  }

  get size(): number {
    return this.#size;
  }

  get unacknowledged(): number {
    return this.#channel.size;
  }

  get isConnected(): boolean {
    return this.#channel.isConnected;
  }

  /** Whether there is nothing that the daemon does not have. */
  get isEmpty(): boolean {
    return this.#size === 0 && (this.#spill === undefined || (!this.#spill.isBusy && this.#spill.size === 0));
  }

  /** Rejects as the spill does, if that cannot be opened. */
  async open(): Promise<void> {
    await this.#spill?.open();
    this.#channel.start();
  }

  /** Takes an event, if there is room. `settle` is told what becomes of it. */
  admit(snapshot: EmitterEvent, settle?: Settle): boolean {
    if (this.#size >= this.#settings.bufferCapacity && !this.#makeRoom()) return false;
    const event = new HeldEvent(JSON.stringify(snapshot), ++this.#order);
    this.#counters.accepted++;
    this.#hold();
    if (settle !== undefined) {
      event.settle = settle;
      this.#deadlines.add(event);
    }
    if (this.#spill !== undefined && (!this.#channel.isFlowing || this.#spill.mayHold)) this.#spillOne(event, snapshot);
    else this.#queue(event);
    this.#channel.start();
    return true;
  }

  /** Connects at once, if there is a reason to. */
  hurry(): void {
    if (this.#size > 0 || this.#spill !== undefined) this.#channel.start();
    this.#channel.hurry();
  }

  /** Whether everything that it holds now was acknowledged within the timeout, and before `end` settles. */
  async flush(timeout: number, end?: Promise<void>): Promise<boolean> {
    this.hurry();
    const pass = this.#pass();
    const isInTime = await settlesWithin(Promise.race([pass.done, end ?? pass.done]), this.#settings.clock, timeout);
    this.#passes.delete(pass);
    return isInTime && pass.isDone;
  }

  /**
   * Flushes within the timeout; but only while the daemon is there, if what is left has a spill to go to. Then ends.
   * Resolves to how many events the daemon has not acknowledged.
   */
  async close(timeout: number): Promise<number> {
    const hopeless = new Promise<void>((resolve) => {
      if (this.#spill !== undefined) this.#giveUp = resolve;
    });
    await this.flush(timeout, hopeless);
    this.#channel.stop();
    this.#takeLater?.cancel();
    await this.#inTime(this.#spill?.idle());
    const lost = await this.#leave([
      ...this.#channel.events,
      ...this.#line.take(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY),
    ]);
    await this.#inTime(this.#deadLetters.idle());
    // What is still on its way into a spill that hangs; it may arrive some day.
    const stuck = this.#size;
    for (const event of this.#deadlines.stop()) this.#answer(event, err(new EmitterClosedError('the spill hangs')));
    this.#keepAlive?.cancel();
    this.#spill?.stop();
    return lost + stuck + (this.#spill?.size ?? 0);
  }

  next(bytes: number): readonly HeldEvent[] {
    return this.#line.take(this.#settings.batchSize, bytes);
  }

  starving(): void {
    const isDue = this.#spill?.mayHold === true && this.#takeLater === undefined && !this.#isTaking;
    if (isDue && this.#line.size === 0 && this.#size < this.#settings.bufferCapacity) void this.#takeFromSpill();
  }

  acknowledged(events: readonly HeldEvent[]): void {
    this.#counters.acknowledged += events.length;
    for (const event of events) this.#end(event, DONE);
    this.#spill?.ack(spillIds(events));
  }

  refused(event: HeldEvent, reason: Error): void {
    this.#end(event, err(reason));
    // The spill keeps it until somebody else does.
    void this.#deadLetters.bury([event], reason).then(() => this.#spill?.ack(spillIds([event])));
  }

  lost(): void {
    this.#giveUp();
  }

  #queue(event: HeldEvent): void {
    this.#line.push(event);
    this.#channel.wake();
  }

  #hold(): void {
    if (this.#size++ === 0) this.#keepAlive = this.#settings.clock.setTimer(() => undefined, A_LONG_TIME);
  }

  #letGo(): void {
    if (--this.#size === 0) this.#keepAlive?.cancel();
  }

  #answer(event: HeldEvent, outcome: Result<void, Error>): void {
    const { settle } = event;
    if (settle === undefined) return;
    event.settle = undefined;
    this.#deadlines.delete(event);
    settle(outcome);
  }

  /** This event is done with. */
  #end(event: HeldEvent, outcome: Result<void, Error>): void {
    event.place = 'done';
    this.#answer(event, outcome);
    if (event.spillId !== undefined) this.#fromSpill--;
    this.#letGo();
    for (const pass of this.#passes) pass.ended(event);
  }

  #expired(event: HeldEvent): void {
    const { storeTimeout } = this.#settings;
    const timeout = err(new SpoolTimeoutError(`there was no acknowledgement within ${storeTimeout} ms (storeTimeout)`));
    if (event.place !== 'waiting') {
      this.#answer(event, timeout);
      return;
    }
    this.#line.withdraw(event);
    this.#counters.dropped++;
    this.#end(event, timeout);
  }

  #makeRoom(): boolean {
    if (this.#settings.overflow === StoreOverflow.DROP_NEWEST) return false;
    const oldest = this.#line.shift();
    if (oldest === undefined) return false;
    const reason = new DroppedError('the buffer was full: the event was dropped for a younger one (bufferCapacity)');
    this.#end(oldest, err(reason));
    this.#deadLetters.dropped(oldest, reason);
    return true;
  }

  #pass(): FlushPass {
    const pass = new FlushPass(this.#order, this.#size - this.#fromSpill);
    this.#passes.add(pass);
    void this.#countSpill(pass);
    return pass;
  }

  /** What is in the spill can be counted only while nothing is on its way into it or out of it. */
  async #countSpill(pass: FlushPass): Promise<void> {
    if (this.#spill !== undefined) {
      await this.#spill.openQuietly();
      await this.#spill.idle();
    }
    pass.expect(this.#spill?.size ?? 0);
  }

  #spillOne(event: HeldEvent, snapshot: EmitterEvent): void {
    event.place = 'spilling';
    this.#spill?.add(snapshot, (isKept) => {
      if (isKept) this.#spilled(event);
      else this.#line.push(event);
      this.#channel.wake();
    });
  }

  #spilled(event: HeldEvent): void {
    this.#counters.spilled++;
    event.place = 'done';
    this.#answer(event, DONE);
    this.#letGo();
    for (const pass of this.#passes) pass.spilled(event);
  }

  #droppedFromSpill(dropped: StoredEvent): void {
    for (const pass of this.#passes) pass.droppedFromSpill();
    const event = new HeldEvent(JSON.stringify(dropped.event), 0, dropped.id);
    this.#deadLetters.dropped(event, new DroppedError('the spill was full: the event was dropped for a younger one'));
  }

  async #takeFromSpill(): Promise<void> {
    const { batchSize, bufferCapacity, clock, maxRetryDelay } = this.#settings;
    const count = Math.min(batchSize, bufferCapacity - this.#size);
    this.#isTaking = true;
    const taken = await this.#spill?.take({ count, bytes: Math.max(1, this.#channel.room - count) });
    this.#isTaking = false;
    if (taken === undefined) {
      const again = (): void => {
        this.#takeLater = undefined;
        this.#channel.wake();
      };
      this.#takeLater = clock.setTimer(again, maxRetryDelay, true);
    } else if (!this.#channel.isFlowing) {
      this.#spill?.release(taken.map(({ id }) => id));
    } else if (taken.length > 0) {
      this.#channel.frame(taken.map((stored) => this.#fromStore(stored)));
      this.#channel.wake();
    }
  }

  #fromStore({ id, event }: StoredEvent): HeldEvent {
    this.#hold();
    this.#fromSpill++;
    return new HeldEvent(JSON.stringify(event), 0, id);
  }

  /** What is left goes to the spill; what that does not take, or all if there is none, to the dead letter. */
  async #leave(left: readonly HeldEvent[]): Promise<number> {
    const own = left.filter(({ spillId }) => spillId === undefined);
    this.#spill?.release(spillIds(left));
    for (const event of left) if (event.spillId !== undefined) this.#end(event, DONE);
    const lost = this.#spill === undefined ? own : await this.#spillAll(own, this.#spill);
    const reason = new EmitterClosedError('the emitter was closed before the daemon acknowledged the event');
    for (const event of lost) this.#end(event, err(reason));
    void this.#deadLetters.bury(lost, reason);
    return lost.length;
  }

  /** Returns those that it does not take. */
  async #spillAll(events: readonly HeldEvent[], spill: Spill): Promise<HeldEvent[]> {
    const refused: HeldEvent[] = [];
    for (const event of events) {
      event.place = 'spilling';
      spill.add(event.value(), (isKept) => (isKept ? this.#spilled(event) : refused.push(event)));
    }
    await this.#inTime(spill.idle());
    return refused;
  }

  /** Waits for what belongs to others, but not for ever. */
  async #inTime(work: Promise<void> | undefined): Promise<void> {
    if (work !== undefined) await settlesWithin(work, this.#settings.clock, this.#settings.storeTimeout);
  }
}

function spillIds(events: readonly HeldEvent[]): EventId[] {
  return events.flatMap(({ spillId }) => spillId ?? []);
}
